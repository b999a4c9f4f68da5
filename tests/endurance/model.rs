//! Random sequences of operations on servers and on a small model of the life of tokens.

use std::sync::Arc;

use crate::run::Run;
use crate::support::model::{Nodes, run as run_cases};
use crate::{Part, runtime};

/// Cases on each store, the most operations of each, and how many run between two looks at the clock.
const CASES: u64 = 5000;
const LENGTH: usize = 60;
const BATCH: u32 = 20;

pub(crate) const PART: Part = Part { name: "model", title: "The life of tokens against a model", counts: 2, run };

fn run(run: &mut Run) -> String {
    for backend in run.stores.clone() {
        let (cases, runtime) = (format!("cases on {backend:?}"), runtime());
        let nodes = Arc::new(runtime.block_on(Nodes::start(backend)));
        while run.wants(&cases, CASES) {
            run_cases(&nodes, BATCH, LENGTH, run.random(), &runtime);
            run.done(&cases, u64::from(BATCH));
        }
    }
    format!(
        "Random sequences of up to {LENGTH} operations (logins, client_credentials, refreshes, repeats, reuse, revocations of \
         every kind, changes of passwords, users and clients disabled, deleted and made again, the clock moved to and \
         beside every limit) do on the servers what a model in plain Rust does: {} cases on SQLite, {} on two nodes of \
         one Postgres.\n",
        run.number("cases on Sqlite"),
        run.number("cases on Postgres"),
    )
}

//! Random sequences of operations do what a small model of the life of tokens says.

use std::sync::Arc;

use crate::support::Backend;
use crate::support::model::{Nodes, run};

/// Cases on each store, and the most operations of each.
const CASES: u32 = 20;
const LENGTH: usize = 30;

fn on(backend: Backend) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let nodes = Arc::new(runtime.block_on(Nodes::start(backend)));
    let seed = uuid::Uuid::new_v4().as_u64_pair().0;
    eprintln!("the seed is {seed}");
    run(&nodes, CASES, LENGTH, seed, &runtime);
}

#[test]
fn tokens_live_as_the_model_says_on_sqlite() {
    on(Backend::Sqlite);
}

#[test]
fn tokens_live_as_the_model_says_on_two_nodes_of_postgres() {
    on(Backend::Postgres);
}

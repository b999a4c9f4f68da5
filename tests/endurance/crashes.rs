//! The server is killed at random moments under mixed load, again and again; on Postgres the database, too.

use crate::run::Run;
use crate::support::Backend;
use crate::support::crash::World;
use crate::{Part, block_on};

/// Cycles on each store.
const CYCLES: u64 = 300;

pub(crate) const PART: Part = Part { name: "crashes", title: "Killed at random moments", counts: 2, run };

fn run(run: &mut Run) -> String {
    let evidence = run.evidence();
    for backend in run.stores.clone() {
        let cycles = name(backend, "cycles");
        if !run.wants(&cycles, CYCLES) {
            continue;
        }
        block_on(async {
            let mut world = World::begin(backend, run.random()).await;
            while run.wants(&cycles, CYCLES) {
                world.cycle(&evidence.join(format!("{backend:?}"))).await;
                for (what, number) in std::mem::take(&mut world.counts) {
                    run.add(&name(backend, what), number);
                }
                for (what, milliseconds) in std::mem::take(&mut world.longest) {
                    run.most(&name(backend, &format!("longest {what}, ms")), milliseconds);
                }
                run.done(&cycles, 1);
            }
            world.end();
        });
    }
    table(run)
}

fn name(backend: Backend, what: &str) -> String {
    format!("{what} on {}", store(backend))
}

fn store(backend: Backend) -> &'static str {
    match backend {
        Backend::Sqlite => "SQLite",
        Backend::Postgres => "Postgres",
    }
}

fn table(run: &Run) -> String {
    let backends = [Backend::Sqlite, Backend::Postgres];
    let mut rows: Vec<&str> = run.names().filter_map(|name| name.rsplit_once(" on ").map(|(what, _)| what)).collect();
    rows.sort_unstable();
    rows.dedup();
    let row = |what: &str| {
        let cells = backends.map(|backend| run.number(&name(backend, what)).to_string());
        format!("| {what} | {} |\n", cells.join(" | "))
    };
    let lines: String = rows.into_iter().map(row).collect();
    format!(
        "Six clients and users work at once: logins, client_credentials, refreshes by one request and by two at a time, \
         revocations of tokens, sessions, users and clients, changes of passwords, secrets, names and keys. At a random \
         moment the server is killed (on Postgres one of two servers, both, or processes of Postgres) and started again, \
         without any repair. After each cycle everything acknowledged must be there. A write whose answer was lost must have \
         happened completely, with its effects and its audit record, or not at all.\n\n| what | SQLite | Postgres |\n| --- | ---: | ---: |\n{lines}"
    )
}

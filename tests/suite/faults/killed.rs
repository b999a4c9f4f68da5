//! Killed at random moments under mixed load: a few cycles of what tests/endurance does for long.

use std::path::Path;

use crate::support::Backend;
use crate::support::crash::World;

const CYCLES: usize = 3;

async fn what_was_acknowledged_is_there(backend: Backend) {
    let seed = uuid::Uuid::new_v4().as_u64_pair().0;
    eprintln!("the seed is {seed}");
    let mut world = World::begin(backend, seed).await;
    for _ in 0..CYCLES {
        world.cycle(&Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("killed-{seed}"))).await;
    }
    world.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_loses_nothing_that_it_acknowledged_on_sqlite() {
    what_was_acknowledged_is_there(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_servers_and_a_killed_postgres_lose_nothing_that_was_acknowledged() {
    what_was_acknowledged_is_there(Backend::Postgres).await;
}

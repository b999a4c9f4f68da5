//! Random sequences of operations on servers and on a small [model](plain) of the life of tokens: both must say the
//! same.

mod case;
mod nodes;
mod operation;
mod plain;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};

use super::crash::Random;
use case::Case;
pub(crate) use nodes::Nodes;
use operation::{Step, operation};

/// How many tokens and sessions are checked after each operation.
const LOOKED_AT: usize = 4;

/// Runs this many cases of up to this many operations, and shrinks a failing case to the fewest operations that still
/// fail. The cases depend on the seed alone.
pub(crate) fn run(nodes: &Arc<Nodes>, cases: u32, length: usize, seed: u64, runtime: &tokio::runtime::Runtime) {
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &wide(seed));
    let config = Config { cases, max_shrink_iters: 300, failure_persistence: None, ..Config::default() };
    let steps = prop::collection::vec((operation(), 0..4_usize), 1..=length);
    // The requests of a case go either all to one node, or to random nodes that each read the log after a change.
    let strategy = (steps, any::<bool>());
    let outcome = TestRunner::new_with_rng(config, random).run(&strategy, |(steps, one_node)| {
        runtime.block_on(replay(nodes, &steps, one_node));
        Ok(())
    });
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(reason, (steps, one_node))) => {
            panic!("{reason}\nwith {one_node} for one_node, after these steps: {steps:#?}")
        }
        Err(error) => panic!("{error}"),
    }
}

/// The 32 bytes that ChaCha takes.
fn wide(seed: u64) -> Vec<u8> {
    let mut random = Random(seed);
    (0..4).flat_map(|_| random.next().to_le_bytes()).collect()
}

async fn replay(nodes: &Nodes, steps: &[Step], one_node: bool) {
    let number = nodes.cases.fetch_add(1, Ordering::Relaxed);
    let mut case = Case::begin(nodes, number).await;
    nodes.catch_up().await;
    for (operation, node) in steps {
        let node = if one_node { 0 } else { node % nodes.all.len() };
        case.perform(operation, &nodes.all[node]).await;
        if !one_node {
            nodes.catch_up().await;
        }
        case.is_right(&nodes.all[node], LOOKED_AT).await;
    }
    nodes.catch_up().await;
    for node in &nodes.all {
        case.is_right(node, usize::MAX).await;
    }
}

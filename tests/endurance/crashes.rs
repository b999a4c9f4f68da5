//! The server is killed at random moments under mixed load, again and again.

use crate::Part;
use crate::run::Run;

pub(crate) const PART: Part = Part { name: "crashes", title: "Killed at random moments", counts: 2, run };

fn run(run: &mut Run) -> String {
    for store in run.stores.clone() {
        let count = format!("cycles on {store:?}");
        while run.wants(&count, 300) {
            run.random();
            run.done(&count, 1);
        }
    }
    String::new()
}

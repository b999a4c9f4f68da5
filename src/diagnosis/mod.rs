//! Why a token is refused. A good token never comes here.
//!
//! * `bytes`: what the text shows to anyone: its shape, its claims, damage in transit.
//! * `keys`: what this server's keys prove: the signature, and repairs of damage.
//! * `records`: what this server knows: revocations, sessions, the log, the time.
//! * `apart`: where that is done beside other requests.
//! * `pasted`: requests that people paste, and what is wrong with how they present a token.
//! * `words`: what people learn about a refusal, and who may learn what.
//!
//! The bytes alone decide the first cause of a text that does not verify. The keys add proof, and with it further
//! findings, but never change which cause comes first.

pub(crate) mod apart;
mod bytes;
mod examine;
mod finding;
mod keys;
pub mod pasted;
mod records;
mod report;
mod words;

pub use examine::{MAX_EFFORT, MAX_EFFORT_AT_ONCE, examine, examine_within};
pub use finding::{Damage, Fact, Finding, HolderFault, Source};
pub use keys::repair::MAX_REPAIR_CHECKS;
pub use records::{investigate, judge};
pub use report::Diagnosis;
pub use words::{advice, commands, explanation, public, timeline};

#[cfg(test)]
mod tests;

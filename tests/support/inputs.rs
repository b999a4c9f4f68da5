//! Inputs for the laws in `fuzz/`, made from seeds.

use proptest::prelude::*;

/// A change to an input.
#[derive(Clone, Debug)]
enum Change {
    Set(usize, u8),
    Insert(usize, u8),
    Remove(usize),
    Cut(usize),
    Repeat(usize, usize),
    Splice(usize, usize),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (any::<usize>(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        (any::<usize>(), any::<u8>()).prop_map(|(at, byte)| Change::Insert(at, byte)),
        (any::<usize>(), 0x20..0x7fu8).prop_map(|(at, byte)| Change::Insert(at, byte)),
        any::<usize>().prop_map(Change::Remove),
        any::<usize>().prop_map(Change::Cut),
        (any::<usize>(), 1..40usize).prop_map(|(at, length)| Change::Repeat(at, length)),
        (any::<usize>(), any::<usize>()).prop_map(|(seed, at)| Change::Splice(seed, at)),
    ]
}

/// A seed after some changes, or occasionally arbitrary bytes.
pub(crate) fn inputs(seeds: &'static [&'static str], longest: usize) -> impl Strategy<Value = Vec<u8>> {
    let changes = proptest::collection::vec(change(), 0..12);
    prop_oneof![
        9 => (any::<usize>(), changes).prop_map(move |(seed, changes)| changed(seeds, seed, &changes, longest)),
        1 => proptest::collection::vec(any::<u8>(), 0..64),
    ]
}

fn changed(seeds: &[&str], seed: usize, changes: &[Change], longest: usize) -> Vec<u8> {
    let mut bytes = seeds[seed % seeds.len()].as_bytes().to_vec();
    for change in changes {
        let place = |at: usize| at % (bytes.len() + 1);
        match *change {
            Change::Set(at, byte) => {
                let at = place(at);
                bytes.splice(at..bytes.len().min(at + 1), [byte]);
            }
            Change::Insert(at, byte) => bytes.insert(place(at), byte),
            Change::Remove(at) => {
                let at = place(at);
                bytes.splice(at..bytes.len().min(at + 1), []);
            }
            Change::Cut(at) => bytes.truncate(place(at)),
            Change::Repeat(at, length) => {
                let at = place(at);
                let part = bytes[at..bytes.len().min(at + length)].to_vec();
                bytes.extend(part);
            }
            Change::Splice(seed, at) => {
                let other = seeds[seed % seeds.len()].as_bytes();
                bytes.extend_from_slice(&other[at % other.len()..]);
            }
        }
    }
    bytes.truncate(longest);
    bytes
}

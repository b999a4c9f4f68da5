//! Versions of the program.

use std::fmt;
use std::str::FromStr;

/// Major, minor and patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub [u64; 3]);

impl FromStr for Version {
    type Err = ();

    /// Three numbers and nothing else.
    fn from_str(text: &str) -> Result<Self, ()> {
        let numbers: Vec<u64> = text.split('.').map(|part| part.parse().map_err(|_| ())).collect::<Result<_, ()>>()?;
        numbers.try_into().map(Self).map_err(|_| ())
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.0;
        write!(formatter, "{major}.{minor}.{patch}")
    }
}

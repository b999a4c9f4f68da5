//! What can be wrong with what is sent besides access tokens: client assertions, codes, authorization requests, the steps of a login.
//! Each fault has one name, which the log, the metrics and the pages below `/docs/errors` share, as each [cause](super::cause) has.

mod code;
mod login;
mod request;

use std::str::FromStr;

use crate::protocol::assertion;

pub use code::{CodeFault, DeviceCodeFault};
pub use login::LoginFault;
pub use request::RequestFault;

/// Makes the kinds into one enum: a further kind is one line.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident($type:ty),)+) => {
        /// What is wrong, of whatever kind.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Fault { $($(#[$doc])* $kind($type),)+ }

        impl Fault {
            /// All of them, kind by kind.
            pub fn all() -> impl Iterator<Item = Self> {
                std::iter::empty()$(.chain(<$type>::ALL.iter().copied().map(Self::$kind)))+
            }

            /// The name in logs, metrics and the addresses of pages.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$kind(fault) => fault.name(),)+ }
            }
        }

        $(impl From<$type> for Fault {
            fn from(fault: $type) -> Self {
                Self::$kind(fault)
            }
        })+
    };
}

kinds! {
    /// A client assertion.
    Assertion(assertion::Fault),
    /// An authorization code, or what belongs to it.
    Code(CodeFault),
    /// A device code.
    DeviceCode(DeviceCodeFault),
    /// An authorization request.
    Request(RequestFault),
    /// A step of a login, or what the person said.
    Login(LoginFault),
}

impl FromStr for Fault {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Self::all().find(|fault| fault.name() == name).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::cause::Cause;
    use crate::protocol::error::ErrorCode;

    #[test]
    fn every_fault_has_a_name_of_its_own_and_is_read_back_by_it() {
        for fault in Fault::all() {
            let name = fault.name();
            assert_eq!(name.parse(), Ok(fault));
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
            assert!(name.parse::<Cause>().is_err() && name.parse::<ErrorCode>().is_err(), "{name} is taken");
        }
        assert!("code_".parse::<Fault>().is_err());
    }
}

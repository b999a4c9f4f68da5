//! Enums whose values have registered names.

/// Defines such an enum from one table: a new name is one line.
macro_rules! names {
    ($(#[$about:meta])* $type:ident { $($(#[$doc:meta])* $variant:ident $name:tt,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[derive(serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
        pub enum $type { $($(#[$doc])* #[serde(rename = $name)] $variant,)+ }

        impl $type {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The registered name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }

        impl std::str::FromStr for $type {
            type Err = ();

            /// Names are matched exactly (RFC 6749 §1.9).
            fn from_str(name: &str) -> Result<Self, ()> {
                Self::ALL.iter().copied().find(|one| one.name() == name).ok_or(())
            }
        }
    };
}

pub(crate) use names;

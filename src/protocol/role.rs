//! Roles: what people may administer in the console.

use crate::protocol::names::names;
use crate::protocol::scope::{ADMIN, CLIENTS, READ, REVOKE, USERS};

names! {
    /// What a user may administer in the console: as much as a client with the scope of that name.
    Role {
        /// Everything.
        Admin "admin",
        /// Clients and resources.
        Clients "clients",
        /// Users without a role.
        Users "users",
        /// Sessions and revocations.
        Revoke "revoke",
        /// Nothing; but everything may be read, and tokens explained.
        Read "read",
    }
}

impl Role {
    /// The scope whose powers it has.
    pub const fn scope(self) -> &'static str {
        match self {
            Self::Admin => ADMIN,
            Self::Clients => CLIENTS,
            Self::Users => USERS,
            Self::Revoke => REVOKE,
            Self::Read => READ,
        }
    }

    /// Whether it has the powers of one of these scopes, or of all.
    pub fn has_one_of(self, scopes: &[&str]) -> bool {
        self == Self::Admin || scopes.iter().any(|scope| *scope == self.scope())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::scope::RESERVED;

    #[test]
    fn each_scope_of_the_admin_api_has_its_role() {
        let scopes: Vec<&str> = Role::ALL.iter().map(|role| role.scope()).collect();
        assert_eq!(scopes, RESERVED);
        for role in Role::ALL {
            assert_eq!(format!("jeton:{}", role.name()), role.scope());
            assert_eq!(role.name().parse(), Ok(*role));
        }
        assert_eq!("root".parse::<Role>(), Err(()));
    }

    #[test]
    fn a_role_has_the_powers_of_its_scope_and_the_first_has_all() {
        assert!(Role::Admin.has_one_of(&[]) && Role::Admin.has_one_of(&[USERS]));
        assert!(Role::Users.has_one_of(&[USERS, READ]) && Role::Read.has_one_of(&[USERS, READ]));
        assert!(
            !Role::Users.has_one_of(&[]) && !Role::Users.has_one_of(&[CLIENTS]) && !Role::Read.has_one_of(&[ADMIN])
        );
    }
}

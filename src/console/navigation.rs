//! Where one can go from every page, and the role that it takes.

use crate::admin::powers::{Powers, READ, READ_CLIENTS, READ_REVOCATIONS, READ_USERS};
use crate::protocol::role::Role;
use crate::protocol::scope;

/// What every role may see.
const EVERY_ROLE: Powers = &[scope::CLIENTS, scope::USERS, scope::REVOKE, scope::READ];

/// An entry of the navigation.
#[derive(Clone, Debug)]
pub struct NavigationEntry {
    /// Its path, below the root.
    pub path: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Whether the page belongs to it.
    pub is_current: bool,
}

/// Path, name, what it takes, and further paths that belong to it.
const ENTRIES: [(&str, &str, Powers, &[&str]); 12] = [
    ("console", "Overview", EVERY_ROLE, &["console/"]),
    ("console/doctor", "Token doctor", READ, &["console/verdict"]),
    ("console/preview", "Preview", READ, &[]),
    ("console/clients", "Clients", READ_CLIENTS, &["console/client", "console/client-settings", "console/new-client"]),
    (
        "console/resources",
        "Resources",
        READ_CLIENTS,
        &["console/resource", "console/new-resource", "console/change-resource"],
    ),
    (
        "console/issuers",
        "Issuers",
        READ_CLIENTS,
        &[
            "console/issuer",
            "console/new-issuer",
            "console/change-issuer",
            "console/issuer-rule",
            "console/issuer-test",
            "console/allow-github",
            "console/github-workflow",
        ],
    ),
    ("console/users", "Users", READ_USERS, &["console/user", "console/new-user"]),
    ("console/sessions", "Sessions", READ_REVOCATIONS, &["console/session"]),
    ("console/revocations", "Revocations", READ_REVOCATIONS, &["console/revocation", "console/revoke"]),
    ("console/keys", "Keys", READ, &[]),
    ("console/audit", "Audit", READ, &[]),
    ("console/nodes", "Nodes", READ, &[]),
];

/// The entries for a role, of which one is the page at this path.
pub(super) fn of(role: Role, path: &str) -> Vec<NavigationEntry> {
    let here = path.trim_start_matches('/');
    let allowed = ENTRIES.into_iter().filter(|(_, _, powers, _)| role.has_one_of(powers));
    let entry = |(path, name, _, also): (&'static str, &'static str, Powers, &[&str])| NavigationEntry {
        path,
        name,
        is_current: path == here || also.contains(&here),
    };
    allowed.map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_sees_only_the_entries_of_what_it_may_read() {
        let names = |role| of(role, "/console").into_iter().map(|entry| entry.name).collect::<Vec<_>>();
        assert_eq!(names(Role::Admin).len(), ENTRIES.len());
        assert_eq!(names(Role::Read), names(Role::Admin));
        assert_eq!(names(Role::Clients), ["Overview", "Clients", "Resources", "Issuers"]);
        assert_eq!(names(Role::Users), ["Overview", "Users"]);
        assert_eq!(names(Role::Revoke), ["Overview", "Sessions", "Revocations"]);
        let current = |path| of(Role::Admin, path).into_iter().filter(|entry| entry.is_current).count();
        for path in [
            "/console",
            "/console/",
            "/console/client",
            "/console/new-client",
            "/console/revoke",
            "/console/audit",
            "/console/issuer-rule",
            "/console/new-resource",
        ] {
            assert_eq!(current(path), 1, "{path}");
        }
    }
}

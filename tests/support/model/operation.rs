//! Random operations on the servers and the model.

use proptest::prelude::*;

use super::plain::{ACCESS_TTL, CLIENTS, PUBLIC, REFRESH_TTL, RETRY_WINDOWS, USERS};

/// Who asks about a token.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asker {
    /// A resource server that may introspect everything.
    Api,
    /// Another client without that permission.
    Stranger,
    /// The client that it was issued to.
    Owner,
}

/// An operation. Tokens and sessions are chosen among those that there are; `back` counts generations of refresh tokens
/// before the newest.
#[derive(Clone, Debug)]
pub(super) enum Operation {
    Login {
        user: usize,
        client: usize,
        old_password: bool,
    },
    ClientCredentials {
        client: usize,
    },
    Refresh {
        session: usize,
        back: usize,
    },
    RevokeToken {
        token: usize,
    },
    RevokeRefreshToken {
        session: usize,
        back: usize,
    },
    RevokeSession {
        session: usize,
    },
    RevokeUser {
        user: usize,
    },
    RevokeClient {
        client: usize,
    },
    RevokeAll,
    ChangePassword {
        user: usize,
    },
    EnableUser {
        user: usize,
        enabled: bool,
    },
    EnableClient {
        client: usize,
        enabled: bool,
    },
    DeleteUser {
        user: usize,
    },
    DeleteClient {
        client: usize,
    },
    Advance {
        seconds: u64,
    },
    /// To a limit of the newest session (its retry window, its newest access token, its end), or a second before it.
    Reach {
        limit: usize,
        before: bool,
    },
    /// One refresh, repeated as if each answer was lost.
    RefreshOften {
        session: usize,
    },
    Introspect {
        token: usize,
        asker: Asker,
    },
    IntrospectRefreshToken {
        session: usize,
        back: usize,
    },
    Explain {
        token: usize,
    },
}

/// Choices from this one on, of 64, are the newest.
pub(super) const NEWEST: usize = 24;

/// An operation and the node to ask. `Delete…` recreates a user or client that is gone.
pub(super) type Step = (Operation, usize);

pub(super) fn operation() -> impl Strategy<Value = Operation> {
    use Operation::*;
    let (user, client, which) = (0..USERS, 0..CLIENTS, 0..64_usize);
    let back = prop_oneof![6 => Just(0), 4 => Just(1), 1 => Just(2)];
    // Around each limit, on both sides.
    let seconds = prop_oneof![
        Just(1_u64),
        Just(RETRY_WINDOWS[PUBLIC] - 1),
        Just(RETRY_WINDOWS[PUBLIC]),
        Just(RETRY_WINDOWS[0] - 1),
        Just(RETRY_WINDOWS[0]),
        Just(ACCESS_TTL - 1),
        Just(ACCESS_TTL),
        Just(REFRESH_TTL - 1),
        Just(REFRESH_TTL),
    ];
    let asker = prop_oneof![2 => Just(Asker::Api), 1 => Just(Asker::Stranger), 1 => Just(Asker::Owner)];
    prop_oneof![
        8 => (user.clone(), client.clone(), prop::bool::weighted(0.15))
            .prop_map(|(user, client, old_password)| Login { user, client, old_password }),
        4 => client.clone().prop_map(|client| ClientCredentials { client }),
        16 => (which.clone(), back.clone()).prop_map(|(session, back)| Refresh { session, back }),
        4 => which.clone().prop_map(|token| RevokeToken { token }),
        2 => (which.clone(), back.clone()).prop_map(|(session, back)| RevokeRefreshToken { session, back }),
        2 => which.clone().prop_map(|session| RevokeSession { session }),
        1 => user.clone().prop_map(|user| RevokeUser { user }),
        2 => client.clone().prop_map(|client| RevokeClient { client }),
        1 => Just(RevokeAll),
        2 => user.clone().prop_map(|user| ChangePassword { user }),
        3 => (user.clone(), any::<bool>()).prop_map(|(user, enabled)| EnableUser { user, enabled }),
        3 => (client.clone(), any::<bool>()).prop_map(|(client, enabled)| EnableClient { client, enabled }),
        2 => user.prop_map(|user| DeleteUser { user }),
        2 => client.prop_map(|client| DeleteClient { client }),
        4 => seconds.prop_map(|seconds| Advance { seconds }),
        10 => (0..3_usize, any::<bool>()).prop_map(|(limit, before)| Reach { limit, before }),
        3 => which.clone().prop_map(|session| RefreshOften { session }),
        8 => (which.clone(), asker).prop_map(|(token, asker)| Introspect { token, asker }),
        4 => (which.clone(), back).prop_map(|(session, back)| IntrospectRefreshToken { session, back }),
        4 => which.prop_map(|token| Explain { token }),
    ]
}

/// One of this many: mostly the newest, so that operations meet.
pub(super) fn chosen(choice: usize, of: usize) -> Option<usize> {
    if choice < NEWEST { choice.checked_rem(of) } else { of.checked_sub(1) }
}

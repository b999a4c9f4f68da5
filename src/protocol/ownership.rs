//! Whose a token is, and which clients may see it.

use crate::protocol::claims::AccessClaims;
use crate::protocol::client::{Client, Permission};
use crate::protocol::resource::Resources;
use crate::protocol::session::Session;

/// Whose a token is.
#[derive(Clone, Copy, Debug)]
pub struct Ownership<'a> {
    /// The client that it was issued to.
    pub client_id: &'a str,
    /// Since when it exists, or its session, in seconds since the epoch.
    pub since: i64,
    /// For whom it is.
    pub audiences: &'a [String],
}

impl<'a> From<&'a AccessClaims> for Ownership<'a> {
    fn from(claims: &'a AccessClaims) -> Self {
        Self { client_id: &claims.client_id, since: claims.iat, audiences: claims.aud.all() }
    }
}

impl<'a> From<&'a Session> for Ownership<'a> {
    fn from(session: &'a Session) -> Self {
        let Session { client_id, created_at, audiences, .. } = session;
        Self { client_id, since: created_at.seconds(), audiences }
    }
}

impl Ownership<'_> {
    /// The same, known to be in force: what an earlier client with the same id had was revoked when that was deleted, so the
    /// clocks of nodes need not agree on which came first.
    pub fn in_force(self) -> Self {
        Self { since: i64::MAX, ..self }
    }
}

/// Whether a client may see a token: its own and those for a resource that it serves always, and with the permission those
/// of others, perhaps only for certain audiences. What is nobody's token is for no audience, so a client limited to
/// audiences does not learn that it is a forgery.
pub fn may_see(client: &Client, permission: Permission, resources: &Resources, token: Option<Ownership<'_>>) -> bool {
    // A client with the same id that was created later is a different one.
    let is_own =
        token.is_some_and(|token| token.client_id == client.client_id && token.since >= client.created_at.seconds());
    let audiences = token.map_or(&[][..], |token| token.audiences);
    let is_for_it = match &client.settings.introspect_audiences {
        Some(limits) => audiences.iter().any(|audience| limits.contains(audience)),
        None => true,
    };
    is_own
        || resources.are_served_by(audiences, &client.client_id)
        || (client.settings.permissions.contains(&permission) && is_for_it)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::protocol::resource::tests::resources;
    use crate::protocol::time::Timestamp;

    fn client(settings: Value) -> Client {
        Client {
            client_id: "c".into(),
            settings: serde_json::from_value(settings).unwrap(),
            secrets: vec![],
            created_at: Timestamp::from_seconds(100),
            version: 1,
        }
    }

    #[test]
    fn a_client_sees_its_own_tokens_and_with_the_permission_those_of_others() {
        let audiences = ["https://a".to_owned()];
        let token = |client_id, since| Some(Ownership { client_id, since, audiences: &audiences });
        let sees = |settings: Value| {
            let client = client(settings);
            let tokens = [token("c", 100), token("c", 99), token("d", 100), None];
            tokens.map(|token| may_see(&client, Permission::Introspect, &Resources::default(), token))
        };
        assert_eq!(sees(json!({})), [true, false, false, false]);
        assert_eq!(sees(json!({"permissions": ["explain"]})), [true, false, false, false]);
        let limited = |audience| json!({"permissions": ["introspect"], "introspect_audiences": [audience]});
        assert_eq!(sees(json!({"permissions": ["introspect"]})), [true, true, true, true]);
        assert_eq!(sees(limited("https://a")), [true, true, true, false]);
        assert_eq!(sees(limited("https://b")), [true, false, false, false]);
    }

    #[test]
    fn a_client_sees_the_tokens_for_a_resource_that_it_serves() {
        let serving = resources(&json!({"https://a": {"serves": ["c"]}}));
        let client = client(json!({}));
        for (audience, expected) in [("https://a", true), ("https://b", false)] {
            let audiences = [audience.to_owned()];
            let token = Some(Ownership { client_id: "d", since: 0, audiences: &audiences });
            assert_eq!(may_see(&client, Permission::Introspect, &serving, token), expected);
            assert_eq!(may_see(&client, Permission::Explain, &serving, token), expected);
        }
        assert!(!may_see(&client, Permission::Explain, &serving, None));
    }
}

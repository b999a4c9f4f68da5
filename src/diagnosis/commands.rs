//! Commands that show what is wrong, or put it right: they stand beside the [advice](crate::diagnosis::advice) and on the pages.
//!
//! `{issuer}` and `{ops}` stand for the addresses of this server.

use crate::protocol::cause::Cause;

/// How a refusal is explained on this server.
#[derive(Clone, Copy, Debug)]
pub struct Explaining {
    /// The command on the machine of the server.
    pub here: &'static str,
    /// The request of a client that has a secret; none where the request is at fault and not the token.
    pub by_client: Option<&'static str>,
}

/// Explains an access token on the machine of the server.
pub const EXPLAIN_HERE: &str = "printf '%s\\n' \"$TOKEN\" | jeton token explain";
/// Explains a refresh token on the machine of the server.
pub const EXPLAIN_REFRESH_TOKEN: &str = "printf '%s\\n' \"$REFRESH_TOKEN\" | jeton token explain --refresh-token";
/// Has a token explained, by a client that has a secret.
pub const EXPLAIN: &str = "curl -s -u CLIENT_ID:CLIENT_SECRET {issuer}/auth/explain --data-urlencode \"token=$TOKEN\"";
/// Gets a new access token for a client itself.
pub const NEW_TOKEN: &str = "curl -s -u CLIENT_ID:CLIENT_SECRET {issuer}/auth/token -d grant_type=client_credentials";
/// Gets a new access token with a refresh token.
pub const REFRESH: &str = "curl -s {issuer}/auth/token -d grant_type=refresh_token -d client_id=CLIENT_ID --data-urlencode \"refresh_token=$REFRESH_TOKEN\"";
/// Gives a token back (RFC 7009).
pub const REVOKE: &str = "curl -s {issuer}/auth/revoke -d client_id=CLIENT_ID --data-urlencode \"token=$TOKEN\"";
/// Asks whether a token is active (RFC 7662).
pub const INTROSPECT: &str =
    "curl -s -u CLIENT_ID:CLIENT_SECRET {issuer}/auth/introspect --data-urlencode \"token=$TOKEN\"";
/// Asks as a proxy does whether a token is accepted.
pub const VERIFY: &str =
    "curl -s -i -H \"Authorization: Bearer $TOKEN\" '{issuer}/auth/verify?audience=https://api.example.com'";
/// Shows the claims of a JWT, without a check.
pub const CLAIMS: &str =
    "printf '%s===' \"$(printf %s \"$TOKEN\" | cut -d. -f2 | tr -- -_ +/)\" | base64 -d 2>/dev/null; echo";
/// Shows what cannot be seen in a token, such as a line feed.
pub const BYTES: &str = "printf %s \"$TOKEN\" | od -c | head";
/// Shows the public keys (RFC 7517).
pub const KEYS: &str = "curl -s {issuer}/.well-known/jwks.json";
/// Shows the metadata of the server (RFC 8414).
pub const METADATA: &str = "curl -s {issuer}/.well-known/oauth-authorization-server";
/// Gets an access token for the admin API.
pub const ADMIN_TOKEN: &str =
    "curl -s -u CLIENT_ID:CLIENT_SECRET {issuer}/auth/token -d grant_type=client_credentials -d scope=jeton:admin";
/// Shows a client.
pub const SHOW_CLIENT: &str = "jeton client show CLIENT_ID";
/// Shows a user.
pub const SHOW_USER: &str = "jeton user show USERNAME";
/// Looks for what will cause trouble.
pub const DOCTOR: &str = "jeton doctor";
/// Asks whether the server can answer, and if not, why.
pub const READY: &str = "curl -s http://{ops}/readyz";

/// How a refusal for this cause is explained; nothing can be explained while nothing can be checked.
pub const fn explaining(cause: Cause) -> Option<Explaining> {
    let by_client = Some(EXPLAIN);
    Some(match cause {
        Cause::Missing => Explaining {
            here: "jeton token explain --curl <<'END'\ncurl https://api.example.com/data\nEND",
            by_client: None,
        },
        Cause::SentTwice => Explaining {
            here: "jeton token explain --curl <<'END'\ncurl -H 'Authorization: Bearer TOKEN' \
                   'https://api.example.com/data?access_token=TOKEN'\nEND",
            by_client: None,
        },
        Cause::InQueryString => Explaining {
            here: "jeton token explain --curl <<'END'\ncurl 'https://api.example.com/data?access_token=TOKEN'\nEND",
            by_client: None,
        },
        Cause::WrongScheme => Explaining {
            here: "jeton token explain --curl <<'END'\ncurl -H 'Authorization: Token TOKEN' \
                   https://api.example.com/data\nEND",
            by_client: None,
        },
        Cause::WrongAudience => Explaining {
            here: "printf '%s\\n' \"$TOKEN\" | jeton token explain --audience https://api.example.com",
            by_client: Some(
                "curl -s -u CLIENT_ID:CLIENT_SECRET {issuer}/auth/explain --data-urlencode \"token=$TOKEN\" \
                 -d audience=https://api.example.com",
            ),
        },
        Cause::InsufficientScope => Explaining {
            here: "printf '%s\\n' \"$TOKEN\" | jeton token explain --scope 'read write'",
            by_client: Some(
                "curl -s -u CLIENT_ID:CLIENT_SECRET {issuer}/auth/explain --data-urlencode \"token=$TOKEN\" \
                 -d 'scope=read write'",
            ),
        },
        Cause::CouldNotCheck => return None,
        _ => Explaining { here: EXPLAIN_HERE, by_client },
    })
}

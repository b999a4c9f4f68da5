//! Commands that show or fix what is wrong, for the [advice](crate::diagnosis::advice) and the pages.
//!
//! `{issuer}` and `{ops}` are placeholders for the addresses of this server. Tokens and secrets come from variables, by a pipe: in an
//! argument, everybody on the machine could read them.

use crate::protocol::cause::Cause;

/// Sends a token to an endpoint as a client with a secret. Both are secret, so curl reads the second from a file of its own.
macro_rules! with_secret {
    ($endpoint:literal, $more:literal) => {
        concat!(
            "printf %s \"$TOKEN\" | curl -s {issuer}/auth/",
            $endpoint,
            " --data-urlencode token@-",
            $more,
            " -K /dev/fd/3 3<<END\nuser = \"CLIENT_ID:$CLIENT_SECRET\"\nEND"
        )
    };
}

/// The commands that explain a refusal.
#[derive(Clone, Copy, Debug)]
pub struct ExplainCommands {
    /// The command on the server's machine.
    pub on_server: &'static str,
    /// The request of a client with a secret; `None` if the request is at fault rather than the token.
    pub by_client: Option<&'static str>,
}

/// Explains an access token on the server's machine.
pub const EXPLAIN_ON_SERVER: &str = "printf '%s\\n' \"$TOKEN\" | jeton token explain";
/// Explains a refresh token on the server's machine.
pub const EXPLAIN_REFRESH_TOKEN: &str = "printf '%s\\n' \"$REFRESH_TOKEN\" | jeton token explain --refresh-token";
/// Explains a token to a client with a secret.
pub const EXPLAIN: &str = with_secret!("explain", "");
/// Gets a new access token for the client itself.
pub const NEW_TOKEN: &str = "printf %s \"$CLIENT_SECRET\" | curl -s {issuer}/auth/token -d grant_type=client_credentials \
                             --data-urlencode client_id=CLIENT_ID --data-urlencode client_secret@-";
/// Gets a new access token with a refresh token.
pub const REFRESH: &str = "printf %s \"$REFRESH_TOKEN\" | curl -s {issuer}/auth/token -d grant_type=refresh_token \
                           --data-urlencode client_id=CLIENT_ID --data-urlencode refresh_token@-";
/// The same for a client with a secret.
pub const REFRESH_WITH_SECRET: &str = "printf %s \"$REFRESH_TOKEN\" | curl -s {issuer}/auth/token -d grant_type=refresh_token \
                                       --data-urlencode refresh_token@- -K /dev/fd/3 3<<END\n\
                                       user = \"CLIENT_ID:$CLIENT_SECRET\"\nEND";
/// Revokes a token (RFC 7009).
pub const REVOKE: &str = "printf %s \"$TOKEN\" | curl -s {issuer}/auth/revoke --data-urlencode client_id=CLIENT_ID \
                          --data-urlencode token@-";
/// Asks whether a token is active (RFC 7662).
pub const INTROSPECT: &str = with_secret!("introspect", "");
/// Asks, as a proxy does, whether a token is accepted.
pub const VERIFY: &str = "printf 'Authorization: Bearer %s' \"$TOKEN\" | curl -s -i -H @- \
                          '{issuer}/auth/verify?audience=https://api.example.com'";
/// Shows the claims of a JWT without verifying it.
pub const CLAIMS: &str =
    "printf '%s===' \"$(printf %s \"$TOKEN\" | cut -d. -f2 | tr -- -_ +/)\" | base64 -d 2>/dev/null; echo";
/// Shows invisible characters in a token, such as a line feed.
pub const BYTES: &str = "printf %s \"$TOKEN\" | od -c | head";
/// Shows the public keys (RFC 7517).
pub const KEYS: &str = "curl -s {issuer}/.well-known/jwks.json";
/// Shows the metadata of the server (RFC 8414).
pub const METADATA: &str = "curl -s {issuer}/.well-known/oauth-authorization-server";
/// Gets an access token for the admin API.
pub const ADMIN_TOKEN: &str = "printf %s \"$CLIENT_SECRET\" | curl -s {issuer}/auth/token -d grant_type=client_credentials \
                               -d scope=jeton:admin --data-urlencode client_id=CLIENT_ID --data-urlencode client_secret@-";
/// The time of this machine, in seconds since the epoch, like that in tokens.
pub const CLOCK: &str = "date +%s";
/// Shows a client.
pub const SHOW_CLIENT: &str = "jeton client show CLIENT_ID";
/// Shows a user.
pub const SHOW_USER: &str = "jeton user show USERNAME";
/// Runs the checks that predict trouble.
pub const DOCTOR: &str = "jeton doctor";
/// Asks whether the server is ready and, if not, why.
pub const READY: &str = "curl -s http://{ops}/readyz";

/// The commands that explain a refusal for this cause; `None` for an outage.
pub const fn explain_commands(cause: Cause) -> Option<ExplainCommands> {
    let (on_server, by_client) = match cause {
        Cause::Missing => ("jeton token explain --curl <<'END'\ncurl https://api.example.com/data\nEND", None),
        Cause::SentTwice => (
            "jeton token explain --curl <<'END'\ncurl -H 'Authorization: Bearer TOKEN' \
                   'https://api.example.com/data?access_token=TOKEN'\nEND",
            None,
        ),
        Cause::InQueryString => {
            ("jeton token explain --curl <<'END'\ncurl 'https://api.example.com/data?access_token=TOKEN'\nEND", None)
        }
        Cause::WrongScheme => (
            "jeton token explain --curl <<'END'\ncurl -H 'Authorization: Token TOKEN' \
                   https://api.example.com/data\nEND",
            None,
        ),
        Cause::WrongAudience => (
            "printf '%s\\n' \"$TOKEN\" | jeton token explain --audience https://api.example.com",
            Some(with_secret!("explain", " -d audience=https://api.example.com")),
        ),
        Cause::InsufficientScope => (
            "printf '%s\\n' \"$TOKEN\" | jeton token explain --scope 'read write'",
            Some(with_secret!("explain", " -d 'scope=read write'")),
        ),
        Cause::CouldNotCheck => return None,
        _ => (EXPLAIN_ON_SERVER, Some(EXPLAIN)),
    };
    Some(ExplainCommands { on_server, by_client })
}

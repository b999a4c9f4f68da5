//! What each cause means, how to see it, and what the client, the resource server and the administrator can do: the texts
//! of `/docs/errors/{code}`, of `/auth/explain` and of the command line.
//!
//! `{issuer}` and `{ops}` stand for the addresses of this server. `code` stands in backticks.

use crate::diagnosis::commands::{
    BYTES, CLAIMS, DOCTOR, EXPLAIN_REFRESH_TOKEN, INTROSPECT, KEYS, METADATA, NEW_TOKEN, READY, REFRESH, REVOKE,
    SHOW_CLIENT, SHOW_USER, VERIFY,
};
use crate::protocol::cause::Cause;

/// What is to be said of an error.
#[derive(Clone, Copy, Debug)]
pub struct Advice {
    /// What it means.
    pub meaning: &'static str,
    /// How to see it.
    pub see: &'static str,
    /// What the client can do.
    pub client: &'static str,
    /// What the resource server can do.
    pub resource_server: &'static str,
    /// What the administrator can do.
    pub administrator: &'static str,
    /// Commands that help, besides those that explain.
    pub commands: &'static [&'static str],
}

/// What is to be said of a cause.
#[expect(clippy::too_many_lines, reason = "a table")]
pub const fn about(cause: Cause) -> Advice {
    match cause {
        Cause::Missing => Advice {
            meaning: "The request has no `Authorization: Bearer` header, or nothing stands in it.",
            see: "The answer is 401 with a `WWW-Authenticate` that names no error. Put the request, as it left \
                  the client, between the two lines with `END`: a `curl` command, or its headers.",
            client: "Send `Authorization: Bearer TOKEN` with each request. Many libraries drop the header after a redirect to \
                     another host.",
            resource_server: "Answer 401 with `WWW-Authenticate: Bearer` and no error code (RFC 6750 §3.1).",
            administrator: "See whether a proxy removes the header.",
            commands: &[VERIFY],
        },
        Cause::SentTwice => Advice {
            meaning: "There are two `Authorization` headers, or a token in the header and another one in the address.",
            see: "Put the request, as it left the client, between the two lines with `END`: a `curl` command, or \
                  its headers.",
            client: "Send the token once, in the header.",
            resource_server: "Answer 400 `invalid_request` (RFC 6750 §2).",
            administrator: "See whether a proxy adds a header of its own.",
            commands: &[VERIFY],
        },
        Cause::InQueryString => Advice {
            meaning: "The token was sent as `access_token` in the address. Addresses end up in logs and histories.",
            see: "The address has `access_token=`. Put the request, as it left the client, between the two lines \
                  with `END`: a `curl` command, or its headers.",
            client: "Send it as `Authorization: Bearer TOKEN`. Give the token back, since others may have seen it.",
            resource_server: "Answer 400 `invalid_request`, and never accept it there (RFC 9700 §4.3.2).",
            administrator: "Remove such addresses from the logs of proxies, and revoke the token.",
            commands: &[VERIFY, REVOKE],
        },
        Cause::WrongScheme => Advice {
            meaning: "The `Authorization` header begins with another word than `Bearer`, such as `Basic`, `Token` or `JWT`, or \
                      has the token alone.",
            see: "The header must be `Bearer`, one space, the token. Put the request, as it left the client, \
                  between the two lines with `END`: a `curl` command, or its headers.",
            client: "Write `Authorization: Bearer TOKEN`.",
            resource_server: "Answer 401 with `WWW-Authenticate: Bearer` and no error code.",
            administrator: "See whether a proxy puts credentials of its own into the header.",
            commands: &[VERIFY],
        },
        Cause::SurroundingWhitespace => Advice {
            meaning: "A space, a tab or a line end stands before or after the token. It often comes from a file or from \
                      `echo`.",
            see: "The explanation says what stands where, and whether the rest is a token of this server.",
            client: "Remove the white space when the token is read, for example with `tr -d '[:space:]'`.",
            resource_server: "Do not repair it silently; the client should learn of it.",
            administrator: "Nothing.",
            commands: &[BYTES],
        },
        Cause::LineBreak => Advice {
            meaning: "The token was wrapped, by a terminal, a mail or `base64` without `-w0`.",
            see: "The explanation says where the line breaks stand, and whether the rest is a token of this \
                  server.",
            client: "Remove every line break from the token, and keep it in one line.",
            resource_server: "Do not repair it silently; the client should learn of it.",
            administrator: "Nothing.",
            commands: &[BYTES],
        },
        Cause::InvisibleCharacter => Advice {
            meaning: "A character that nobody sees stands in the token: a zero-width space, a no-break space, a byte order \
                      mark. It comes from copying out of documents and chats.",
            see: "The explanation names the character and its place. A token has printable ASCII characters \
                  only.",
            client: "Copy the token from where it was issued, or remove everything that is not printable ASCII.",
            resource_server: "Do not repair it silently; the client should learn of it.",
            administrator: "Nothing.",
            commands: &[BYTES],
        },
        Cause::BearerPrefixLeftIn => Advice {
            meaning: "The word `Bearer` is part of the token, as in `Authorization: Bearer Bearer eyJ…` or `token=Bearer eyJ…`.",
            see: "The token begins with `Bearer`. The explanation says whether the rest is a token of this \
                  server.",
            client: "Keep the token without the word, and add it once, when the header is written.",
            resource_server: "Cut the word off before the token is introspected.",
            administrator: "Nothing.",
            commands: &[],
        },
        Cause::Quoted => Advice {
            meaning: "Quotes stand around the token. It was taken from JSON or from a settings file with them.",
            see: "The explanation says which quotes stand where, and whether the rest is a token of this server.",
            client: "Read the JSON with a parser, for example `jq -r .access_token`, and keep the text without quotes.",
            resource_server: "Do not repair it silently; the client should learn of it.",
            administrator: "Nothing.",
            commands: &["curl -s -u CLIENT_ID:CLIENT_SECRET {issuer}/auth/token -d grant_type=client_credentials \
                 | sed 's/.*\"access_token\":\"\\([^\"]*\\)\".*/\\1/'"],
        },
        Cause::PercentEncoded => Advice {
            meaning: "The token was encoded for a form or an address once more than it was decoded.",
            see: "`%` stands in the token; a token never has one. The explanation says how often it was encoded.",
            client: "Encode a token only when it goes into a form, and once. A header takes it as it is.",
            resource_server: "Encode the `token` parameter once: most form encoders do it for you.",
            administrator: "See whether a proxy encodes headers.",
            commands: &[],
        },
        Cause::Truncated => Advice {
            meaning: "The end or the beginning of the token is missing. A column, a log or a copied line was too short.",
            see: "The explanation says which part is missing or too short. What is missing is never filled in, \
                  so nothing more can be told of the token.",
            client: "Find where it is cut: a database column of 255 characters is the usual place. Tokens can be several \
                     kilobytes long.",
            resource_server: "Allow headers of at least 16 KiB.",
            administrator: "See whether a proxy limits the length of headers.",
            commands: &["printf %s \"$TOKEN\" | wc -c"],
        },
        Cause::TwoTokensJoined => Advice {
            meaning: "Two tokens stand one after the other, with a comma or with nothing between. A header was added where it \
                      should have been replaced.",
            see: "The explanation says how they were joined.",
            client: "Replace the header instead of adding to it.",
            resource_server: "Look at libraries that join repeated headers with a comma.",
            administrator: "See whether a proxy adds an `Authorization` header of its own.",
            commands: &[],
        },
        Cause::WrongBase64Alphabet => Advice {
            meaning: "The token has `+`, `/` or `=` where base64url has `-`, `_` and nothing. Something decoded it and \
                      encoded it again.",
            see: "The explanation says which characters are wrong, and whether the token is one of this server \
                  without them.",
            client: "Treat the token as a text that means nothing to you, and never decode it.",
            resource_server: "Pass the token on as it came.",
            administrator: "Nothing.",
            commands: &[],
        },
        Cause::ChangedCase => Advice {
            meaning: "The token was turned into lower or upper case, by a cache, a database collation or a header library.",
            see: "The explanation says by what it is seen. What the letters were cannot be found out.",
            client: "Find the place that changes the case; tokens are compared letter for letter.",
            resource_server: "Do not change the case of header values, only of their names.",
            administrator: "Nothing.",
            commands: &[],
        },
        Cause::NotAToken => Advice {
            meaning: "What was sent has not the form of a token: it is empty of meaning (`undefined`, `null`, \
                      `[object Object]`), a placeholder such as `$TOKEN`, JSON, a page, or something of another system.",
            see: "The explanation says what was sent instead. A token of this server is a JWT (`eyJ…`, two dots) \
                  or begins with `jat_`.",
            client: "Look at what stands in the variable before it is sent. Take `access_token` out of the answer, not the \
                     whole answer.",
            resource_server: "Take what follows `Bearer` and one space.",
            administrator: "Nothing.",
            commands: &[NEW_TOKEN],
        },
        Cause::RefreshTokenAsAccessToken => Advice {
            meaning: "A refresh token was sent to a resource server. It is for the token endpoint alone.",
            see: "The token begins with `jrt_`. The explanation says what became of its session, too.",
            client: "Send `access_token` to resource servers, and `refresh_token` to `/auth/token` only.",
            resource_server: "Accept a token only if `token_type` of its introspection is `Bearer`.",
            administrator: "End the session, if the refresh token was seen by others.",
            commands: &[REFRESH, "printf %s \"$TOKEN\" | jeton revoke --token -"],
        },
        Cause::IdTokenAsAccessToken => Advice {
            meaning: "An ID token was sent. It tells a client who logged in; it is no permission.",
            see: "Its header has `typ` `JWT` where an access token has `at+jwt`, and its audience is a client.",
            client: "Send the access token.",
            resource_server: "Accept only JWTs whose header has `typ` `at+jwt` (RFC 9068 §4).",
            administrator: "Nothing.",
            commands: &[CLAIMS],
        },
        Cause::ClientSecretAsToken => Advice {
            meaning: "A client secret was sent in place of a token, and so to somebody who must not see it.",
            see: "It begins with `jcs_`. The log does not have it.",
            client: "Exchange the secret for a token at `/auth/token`, and send that. Ask for a new secret.",
            resource_server: "Do not log what was sent.",
            administrator: "Replace the secret: add a new one, then retire this one.",
            commands: &[
                NEW_TOKEN,
                "jeton client secret add CLIENT_ID",
                "jeton client secret retire CLIENT_ID --secret-id SECRET_ID",
            ],
        },
        Cause::WrongEnvironment => Advice {
            meaning: "The token is of a sibling environment, such as staging, that this server knows by `JETON_KNOWN_ISSUERS`.",
            see: "The explanation names the sibling. It is told by `iss` of a JWT, or by the word after `jat_` or \
                  `jrt_`.",
            client: "Get the token from the token endpoint of this environment; compare the settings of the two.",
            resource_server: "Check that you ask the server that belongs to your environment.",
            administrator: "Tell both sides the issuer of this environment.",
            commands: &[METADATA, "jeton config"],
        },
        Cause::ForeignToken => Advice {
            meaning: "The token names an issuer or an environment that this server does not know.",
            see: "The explanation says which issuer or environment the token names, and which this server is.",
            client: "Get the token from this server; `issuer` of the metadata must be `iss` of the token, letter for letter.",
            resource_server: "Choose the server to ask by `iss`, from a fixed list.",
            administrator: "After a change of `JETON_ISSUER`, old tokens are foreign until they expire.",
            commands: &[METADATA, "jeton config"],
        },
        Cause::AlgorithmNotAllowed => Advice {
            meaning: "The header of the JWT names an algorithm that this server never uses, such as `none` or `HS256`. It is \
                      forged, or of another system.",
            see: "The explanation has `alg` of the header; the published keys have the algorithms that are \
                  allowed.",
            client: "Get a token from this server and do not change it.",
            resource_server: "Accept the algorithms of the published keys only, never what the token names (RFC 8725 §3.1).",
            administrator: "If it goes on, look for the address in the log.",
            commands: &[KEYS],
        },
        Cause::UnknownKey => Advice {
            meaning: "The token names a key (`kid`) that this server never had. It is of another server with the same issuer, \
                      or of a database that was replaced.",
            see: "The explanation has `kid` of the header; compare it with the keys that there are.",
            client: "Get a new token.",
            resource_server: "Read the published keys anew when a `kid` is not among them, at most once a minute.",
            administrator: "See whether two servers with different databases share the issuer.",
            commands: &[KEYS, "jeton key list"],
        },
        Cause::RetiredKey => Advice {
            meaning: "The key that made the token was deleted, by an administrator or by a reset of the keys.",
            see: "The explanation says when the key was withdrawn.",
            client: "Get a new token, by a new login if the refresh token is refused, too.",
            resource_server: "Read the published keys anew.",
            administrator: "It is as it should be, if the key was deleted on purpose. Rotating alone withdraws nothing.",
            commands: &[KEYS, "jeton key list"],
        },
        Cause::BadSignature => Advice {
            meaning: "The key is known and the signature does not fit: the token was changed after it was issued, is damaged, \
                      or forged.",
            see: "Compare the token with the one that was issued, letter for letter. What its claims say is only \
                  claimed.",
            client: "Get a new token and pass it on as it is.",
            resource_server: "Check that you verify with the key that `kid` names, over the bytes as they came.",
            administrator: "If it goes on, look for the address in the log.",
            commands: &[CLAIMS, KEYS],
        },
        Cause::WrongIssuer => Advice {
            meaning: "The signature is ours, but `iss` is another one: `JETON_ISSUER` was changed, or two servers share a key.",
            see: "The explanation has `iss` of the token and the issuer of this server.",
            client: "Get a new token.",
            resource_server: "Expect `iss` to be `issuer` of the metadata, letter for letter.",
            administrator: "Give each environment a database of its own. After a change of the issuer, wait until the old \
                            tokens are over.",
            commands: &[METADATA, "jeton config"],
        },
        Cause::TokenRevoked => Advice {
            meaning: "This one access token was given back by its client or revoked by an administrator.",
            see: "The explanation says when the token was revoked, by whom and why. Introspection says only that \
                  it is inactive.",
            client: "Get a new token: refresh, or log in again.",
            resource_server: "Answer 401 `invalid_token`. Whoever verifies by the published keys alone learns of it only when \
                              the token expires.",
            administrator: "If it was not meant to be, ask whoever the explanation names.",
            commands: &[INTROSPECT],
        },
        Cause::SessionRevoked => Advice {
            meaning: "The session was ended, with its refresh token and all its access tokens: the user logged out, or an \
                      administrator ended it.",
            see: "The explanation says when the session ended, by whom and why.",
            client: "Log the user in again.",
            resource_server: "Answer 401 `invalid_token`.",
            administrator: "If it was not meant to be, ask whoever the explanation names.",
            commands: &[],
        },
        Cause::RefreshReuseDetected => Advice {
            meaning: "A refresh token that had been spent was used again. Either the client kept an old one, or somebody else \
                      has a copy; so the session ended.",
            see: "The explanation has both uses: when the refresh token was spent, and when it was presented \
                  again. An access token and a refresh token of the session tell the same.",
            client: "Log the user in again. Store the new refresh token before it is used, refresh from one place at a time, \
                     and repeat a refresh only when its answer never came.",
            resource_server: "Answer 401 `invalid_token`.",
            administrator: "If several processes of a client share a session, let one of them refresh. `retry_window` allows \
                            for answers that get lost.",
            commands: &[EXPLAIN_REFRESH_TOKEN, "jeton client update CLIENT_ID --retry-window 30s"],
        },
        Cause::Superseded => Advice {
            meaning: "The user had more sessions with this client than `max_sessions` allows, and the one unused longest \
                      ended; or the refresh token has a successor that is in use.",
            see: "The explanation says which of the two it is, and since when.",
            client: "Log in once and keep the session, in place of a login for each request. Keep the newest refresh token.",
            resource_server: "Answer 401 `invalid_token`.",
            administrator: "If sessions end because there are too many, and so many devices are real, raise `max_sessions`. A \
                            refresh token that was exchanged needs nothing.",
            commands: &[EXPLAIN_REFRESH_TOKEN, "jeton client update CLIENT_ID --max-sessions 200"],
        },
        Cause::UserRevoked => Advice {
            meaning: "Everything that was issued to the user was revoked, by an administrator or by a new password. What was \
                      issued afterwards is good.",
            see: "The explanation says when, by whom and why.",
            client: "Log the user in again.",
            resource_server: "Answer 401 `invalid_token`.",
            administrator: "If it was not meant to be, ask whoever the explanation names.",
            commands: &[SHOW_USER],
        },
        Cause::ClientRevoked => Advice {
            meaning: "Everything that was issued to the client was revoked, by an administrator or with a secret that was \
                      retired. What was issued afterwards is good.",
            see: "The explanation says when, by whom and why.",
            client: "Get a new token; log users in again.",
            resource_server: "Answer 401 `invalid_token`.",
            administrator: "If it was not meant to be, ask whoever the explanation names.",
            commands: &[SHOW_CLIENT],
        },
        Cause::AllRevoked => Advice {
            meaning: "Everything that had been issued was revoked at once, by an administrator or by a reset of the keys. \
                      What was issued afterwards is good.",
            see: "The explanation says when, by whom and why.",
            client: "Get a new token; log users in again.",
            resource_server: "Answer 401 `invalid_token`.",
            administrator: "If it was not meant to be, ask whoever the explanation names.",
            commands: &[],
        },
        Cause::UserDisabled => Advice {
            meaning: "The user of the token was disabled, and what was issued to it ended.",
            see: "The explanation says since when, by whom and why; `enabled` of the user says how it stands now.",
            client: "Tell the user to ask the administrator. To try again with this token does not help.",
            resource_server: "Answer 401 `invalid_token`.",
            administrator: "Enable the user, if that is right. It must log in again: what ended stays ended.",
            commands: &[SHOW_USER, "jeton user enable USERNAME"],
        },
        Cause::ClientDisabled => Advice {
            meaning: "The client of the token was disabled, and what was issued to it ended.",
            see: "The explanation says since when, by whom and why; `enabled` of the client says how it stands now.",
            client: "Ask the administrator. To try again with this token does not help.",
            resource_server: "Answer 401 `invalid_token`.",
            administrator: "Enable the client, if that is right. What ended stays ended.",
            commands: &[SHOW_CLIENT, "jeton client enable CLIENT_ID"],
        },
        Cause::UserDeleted => Advice {
            meaning: "The user of the token does not exist any more.",
            see: "The explanation says when and by whom. The list of users does not have it.",
            client: "Forget the session.",
            resource_server: "Answer 401 `invalid_token`.",
            administrator: "A user that is created again gets a new id, and revives no token.",
            commands: &["jeton user list"],
        },
        Cause::ClientDeleted => Advice {
            meaning: "The client of the token does not exist any more.",
            see: "The explanation says when and by whom. The list of clients does not have it.",
            client: "Ask the administrator for a client.",
            resource_server: "Answer 401 `invalid_token`.",
            administrator: "A client that is created again with the same id revives no token.",
            commands: &["jeton client list"],
        },
        Cause::Expired => Advice {
            meaning: "The token is older than its life. There is no leeway.",
            see: "The explanation says how long ago, and how long the token lived.",
            client: "Refresh, or get a new token, some time before `expires_in` is over, and once more after a 401.",
            resource_server: "Answer 401 `invalid_token`, and check your clock.",
            administrator: "Change the life of the tokens of the client, if that is too short.",
            commands: &[REFRESH, "jeton client update CLIENT_ID --access-token-ttl 30m"],
        },
        Cause::NotYetValid => Advice {
            meaning: "The token was issued more than a minute in the future. The clock of some node is wrong.",
            see: "The explanation says how far ahead it was issued; `iat` of the claims is in seconds since the \
                  epoch.",
            client: "Nothing; trying again later helps.",
            resource_server: "Check your clock, if you verify by yourself.",
            administrator: "Let the nodes and the database keep the time by NTP; readiness and `jeton doctor` report an offset.",
            commands: &["date +%s", READY, DOCTOR],
        },
        Cause::WrongAudience => Advice {
            meaning: "The token is good, but not for this resource server: `aud` does not name it. The admin API takes tokens \
                      for `{issuer}/admin/v1` alone.",
            see: "The explanation has the audiences of the token beside the one that is expected; a slash at the \
                  end counts.",
            client: "Ask for a token with `resource` set to the audience of the resource server. For the admin API, ask for a \
                     `jeton:` scope.",
            resource_server: "Answer 401 `invalid_token`. Check which audience you expect: a slash at the end counts.",
            administrator: "Add the audience to the client. The list replaces the one before.",
            commands: &[SHOW_CLIENT, "jeton client update CLIENT_ID --audiences https://api.example.com"],
        },
        Cause::InsufficientScope => Advice {
            meaning: "The token is good, but its scope does not allow this.",
            see: "The explanation says what is needed, what the token has and what it lacks. So does `scope` of \
                  the challenge.",
            client: "Ask for a token with that scope. A refresh cannot add one: log in again.",
            resource_server: "Answer 403 `insufficient_scope` with the `scope` that is needed, never 401.",
            administrator: "Add the scope to the client, and to the user if it has a list of its own. The list replaces the \
                            one before.",
            commands: &[SHOW_CLIENT, "jeton client update CLIENT_ID --scope 'read write'"],
        },
        Cause::NeverIssued => Advice {
            meaning: "The token is authentic, but the record that must stand behind it is not in this database: the \
                      database is another one or was restored from a backup.",
            see: "The explanation says which record is missing.",
            client: "Log the user in again.",
            resource_server: "Answer 401 `invalid_token`.",
            administrator: "See whether all nodes use the same database, and whether it was restored. After a restore, \
                            `jeton revoke --all --yes` makes a clean start.",
            commands: &["jeton config", DOCTOR],
        },
        Cause::CouldNotCheck => Advice {
            meaning: "The database did not answer, and what this node remembers is too old to rely on. Nothing is known \
                      against the token.",
            see: "The answer is 503 with `Retry-After`; readiness says how old the memory is.",
            client: "Wait as long as `Retry-After` says and repeat the request. Keep the token.",
            resource_server: "Answer 503, never 401: a client that gets 401 throws its token away.",
            administrator: "See whether the database answers. `JETON_MAX_STALENESS` bounds the age.",
            commands: &[READY, DOCTOR],
        },
    }
}

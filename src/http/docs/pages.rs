//! What each error code and each cause means, and what to do about it: the texts of `/docs/errors/{code}`.
//!
//! In the commands, `{issuer}` and `{ops}` stand for the addresses of this server. `code` stands in backticks.

use crate::oauth::cause::Cause;
use crate::oauth::error::ErrorCode;

/// The codes with which the admin API answers; each is the last part of `type` of a problem.
pub(super) const PROBLEMS: [&str; 8] = [
    "invalid_input",
    "invalid_request",
    "missing",
    "invalid_token",
    "insufficient_scope",
    "not_found",
    "conflict",
    "temporarily_unavailable",
];

/// A page, but for what follows from its code.
#[derive(Clone, Copy, Debug)]
pub(super) struct Page {
    /// The last part of its address.
    pub(super) code: &'static str,
    /// What it is, in one sentence.
    pub(super) title: &'static str,
    /// The text.
    pub(super) text: Text,
    /// Whether it is a cause, which the log and the metrics name.
    pub(super) is_cause: bool,
}

/// The text of a page.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text {
    /// What it means.
    pub(super) meaning: &'static str,
    /// How to see it.
    pub(super) see: &'static str,
    /// What the client can do.
    pub(super) client: &'static str,
    /// What the resource server can do.
    pub(super) resource_server: &'static str,
    /// What the administrator can do.
    pub(super) administrator: &'static str,
    /// Commands that help.
    pub(super) commands: &'static [&'static str],
}

const NEW_TOKEN: &str = "curl -s -u CLIENT_ID:CLIENT_SECRET {issuer}/auth/token -d grant_type=client_credentials";
const REFRESH: &str = "curl -s {issuer}/auth/token -d grant_type=refresh_token -d client_id=CLIENT_ID -d \"refresh_token=$REFRESH_TOKEN\"";
const INTROSPECT: &str =
    "curl -s -u CLIENT_ID:CLIENT_SECRET {issuer}/auth/introspect --data-urlencode \"token=$TOKEN\"";
const HEADER: &str =
    "printf '%s===' \"$(printf %s \"$TOKEN\" | cut -d. -f1 | tr -- -_ +/)\" | base64 -d 2>/dev/null; echo";
const CLAIMS: &str =
    "printf '%s===' \"$(printf %s \"$TOKEN\" | cut -d. -f2 | tr -- -_ +/)\" | base64 -d 2>/dev/null; echo";
const BYTES: &str = "printf %s \"$TOKEN\" | od -c | head";
const LENGTH: &str = "printf %s \"$TOKEN\" | wc -c";
const KEYS: &str = "curl -s {issuer}/.well-known/jwks.json";
const METADATA: &str = "curl -s {issuer}/.well-known/oauth-authorization-server";
const SEND: &str = "curl -s -H \"Authorization: Bearer $TOKEN\" {issuer}/admin/v1/keys";
const ADMIN_TOKEN: &str =
    "curl -s -u CLIENT_ID:CLIENT_SECRET {issuer}/auth/token -d grant_type=client_credentials -d scope=jeton:admin";
const SHOW_CLIENT: &str = "jeton client show CLIENT_ID";
const SHOW_USER: &str = "jeton user show USERNAME";
const REVOCATIONS: &str = "curl -s -H \"Authorization: Bearer $ADMIN_TOKEN\" {issuer}/admin/v1/revocations";
const SESSIONS: &str = "curl -s -H \"Authorization: Bearer $ADMIN_TOKEN\" '{issuer}/admin/v1/sessions?user=USERNAME'";
const DOCTOR: &str = "jeton doctor";
const READY: &str = "curl -s http://{ops}/readyz";

/// The page of a code.
pub(super) fn find(code: &str) -> Option<Page> {
    if let Ok(cause) = code.parse::<Cause>() {
        return Some(of_cause(cause));
    }
    let error = ErrorCode::ALL.into_iter().find(|error| error.name() == code);
    error.map(of_error).or_else(|| OTHERS.into_iter().find(|page| page.code == code))
}

/// The page of a cause.
pub(super) fn of_cause(cause: Cause) -> Page {
    Page { code: cause.name(), title: cause.title(), text: cause_text(cause), is_cause: true }
}

/// The page of an error of the OAuth endpoints.
pub(super) fn of_error(error: ErrorCode) -> Page {
    let (title, text) = error_text(error);
    Page { code: error.name(), title, text, is_cause: false }
}

/// The codes of the admin API that are neither causes nor errors of the OAuth endpoints.
const OTHERS: [Page; 4] = [
    Page {
        code: "invalid_input",
        title: "Something about the request to the admin API is not acceptable.",
        text: Text {
            meaning: "A member, a parameter or the body breaks a rule. Nothing was changed.",
            see: "`detail` of the answer names what is wrong.",
            client: "Correct what `detail` names. The body is one JSON object with `Content-Type: application/json`, at most \
                     64 KiB and not compressed; unknown members are refused.",
            resource_server: "Nothing.",
            administrator: "Nothing: the rules are in the reference, `/docs`.",
            commands: &["curl -s {issuer}/openapi.yaml"],
        },
        is_cause: false,
    },
    Page {
        code: "invalid_token",
        title: "The token is not good for the admin API.",
        text: Text {
            meaning: "The request carried a token, and it was refused: it is damaged, expired, revoked, of somebody else, or \
                      meant for another audience.",
            see: "`detail` of the answer says which of these it is. A token for the admin API has the audience \
                  `{issuer}/admin/v1` and a `jeton:` scope.",
            client: "Get a new token with a `jeton:` scope and send it as `Authorization: Bearer TOKEN`.",
            resource_server: "Answer `invalid_token` with 401 for the same reasons (RFC 6750).",
            administrator: "If nobody has a client for administration any more, create one on the machine of the server.",
            commands: &[
                ADMIN_TOKEN,
                CLAIMS,
                "jeton client create --client-id ops --grant-types client_credentials --scope jeton:admin",
            ],
        },
        is_cause: false,
    },
    Page {
        code: "not_found",
        title: "There is no such thing.",
        text: Text {
            meaning: "The path does not exist, or what it names does not, or not any more.",
            see: "`detail` of the answer names what was looked for.",
            client: "Check the id. In a path, characters such as `/`, `?` and `%` are percent-encoded. `client_id` is compared \
                     exactly.",
            resource_server: "Nothing.",
            administrator: "List what there is.",
            commands: &["jeton client list", "jeton user list"],
        },
        is_cause: false,
    },
    Page {
        code: "conflict",
        title: "The request conflicts with what is there.",
        text: Text {
            meaning: "The name is taken, the thing was changed at the same time, there are two secrets already, the token has \
                      expired already, or it is the last key. Nothing was changed.",
            see: "`detail` of the answer says which of these it is.",
            client: "Read the thing anew and decide again. A change that came at the same time can be repeated.",
            resource_server: "Nothing.",
            administrator: "Look at what is there; the audit trail says who changed it.",
            commands: &[SHOW_CLIENT, "jeton key list"],
        },
        is_cause: false,
    },
];

const fn error_text(error: ErrorCode) -> (&'static str, Text) {
    match error {
        ErrorCode::InvalidRequest => (
            "The request is not well-formed.",
            Text {
                meaning: "A parameter is missing or stands twice, the client authenticates in two ways at once, or the body \
                          cannot be read. At the admin API: the token was sent twice, in the address or beside a form.",
                see: "`error_description` says which of these it is; `detail` at the admin API.",
                client: "Send parameters in the body, each once, as `application/x-www-form-urlencoded` or as a flat JSON \
                         object of strings, with a `Content-Type`. Authenticate by HTTP Basic or in the body, not both.",
                resource_server: "Send the `token` to be introspected in the body, never in the address.",
                administrator: "Nothing, as a rule. A proxy that compresses or rewrites bodies is worth a look.",
                commands: &[NEW_TOKEN],
            },
        ),
        ErrorCode::InvalidClient => (
            "The client did not authenticate.",
            Text {
                meaning: "The client is unknown or disabled, its secret is wrong or missing, a public client sent a secret, or \
                          it is a public client where one with a secret is needed. The answer is the same for all of them.",
                see: "The log line of the request id says which of these it is.",
                client: "Check `client_id` and `client_secret`. For HTTP Basic both are form-encoded first; in the body they \
                         are encoded like every parameter. A public client sends its `client_id` and no secret.",
                resource_server: "The same: introspection needs your own `client_id` and `client_secret`, not those of the \
                                  client that got the token.",
                administrator: "See whether the client exists and is enabled. A lost secret is replaced: add a second one, \
                                give it to the client, retire the first.",
                commands: &[SHOW_CLIENT, "jeton client secret add CLIENT_ID", "jeton client enable CLIENT_ID"],
            },
        ),
        ErrorCode::InvalidGrant => (
            "The password or the refresh token is not good.",
            Text {
                meaning: "For `password`: the username or the password is wrong, or the user is disabled; the answer is the \
                          same for all of them. For `refresh_token`: it is spent, expired, revoked, damaged or another \
                          client's.",
                see: "`error_description` tells the client of a session whether it expired, was ended or was reused. The log \
                      line of the request id has the exact cause.",
                client: "Log the user in again. Always keep the newest refresh token: each refresh gives a new one, and a \
                         spent one that is used again ends the session.",
                resource_server: "Nothing: this is between the client and this server.",
                administrator: "See whether the user exists and is enabled, and what ended the session.",
                commands: &[SHOW_USER, "jeton user password USERNAME", SESSIONS],
            },
        ),
        ErrorCode::UnauthorizedClient => (
            "The client may not use this grant.",
            Text {
                meaning: "The client authenticated, but `grant_type` is not among its `grant_types`. A public client never \
                          has `client_credentials`.",
                see: "Compare `grant_type` of the request with `grant_types` of the client.",
                client: "Use a grant that the client has.",
                resource_server: "Nothing.",
                administrator: "Switch the grant on for the client, if it is meant to have it. The list replaces the one before.",
                commands: &[
                    SHOW_CLIENT,
                    "jeton client update CLIENT_ID --grant-types client_credentials,password,refresh_token",
                ],
            },
        ),
        ErrorCode::UnsupportedGrantType => (
            "This server does not support the grant.",
            Text {
                meaning: "`grant_type` is none that this server knows, or it is `password` and no client may use that.",
                see: "`grant_types_supported` of the metadata lists the grants that are on.",
                client: "Use one of these grants; names are compared exactly.",
                resource_server: "Nothing.",
                administrator: "The password grant is on as soon as one enabled client has it.",
                commands: &[METADATA, "jeton client update CLIENT_ID --grant-types password,refresh_token"],
            },
        ),
        ErrorCode::InvalidScope => (
            "The scope is not well-formed, or goes beyond what may be granted.",
            Text {
                meaning: "The client, the user or the session may not have all that `scope` names; or names are not separated \
                          by single spaces; or a `jeton:` scope was asked for together with others.",
                see: "Compare `scope` of the request with that of the client and, for a login, of the user.",
                client: "Ask for less, or leave `scope` out to get all that may be granted. In a form, a space is `+` or `%20`.",
                resource_server: "Nothing.",
                administrator: "Add the scope to the client, and to the user if it has a list of its own. The list replaces \
                                the one before.",
                commands: &[SHOW_CLIENT, SHOW_USER, "jeton client update CLIENT_ID --scope 'read write'"],
            },
        ),
        ErrorCode::InvalidTarget => (
            "The resource is not one that the client may ask for.",
            Text {
                meaning: "`resource` (RFC 8707) names something that is not among the `audiences` of the client or, for a \
                          refresh, of the session.",
                see: "Compare `resource` of the request with `audiences` of the client, letter for letter: a slash at the end \
                      counts.",
                client: "Send one of the audiences exactly as it is configured, or leave `resource` out.",
                resource_server: "Tell the client which audience you expect.",
                administrator: "Add the audience to the client. The list replaces the one before.",
                commands: &[SHOW_CLIENT, "jeton client update CLIENT_ID --audiences https://api.example.com"],
            },
        ),
        ErrorCode::TemporarilyUnavailable => (
            "The server could not decide just now.",
            Text {
                meaning: "The database did not answer, or more passwords arrive than can be hashed. Nothing was refused; a \
                          change may or may not have happened.",
                see: "The answer is 503 with `Retry-After`. The log line of the request id has the reason.",
                client: "Wait as long as `Retry-After` says and repeat the same request. A refresh may be repeated with the \
                         same refresh token.",
                resource_server: "Do not treat it as a refusal: answer 503 yourself, or go on with tokens that you verify by \
                                  the published keys.",
                administrator: "See whether the database answers, and whether there are enough threads for passwords \
                                (`JETON_PASSWORD_THREADS`).",
                commands: &[READY, DOCTOR],
            },
        ),
        ErrorCode::ServerError => (
            "The server met a fault.",
            Text {
                meaning: "Something happened that must not happen. It is a mistake in this server.",
                see: "The log has a line at the level `ERROR` with the fault and the request id.",
                client: "Try again later; do not change the request.",
                resource_server: "Treat it like an outage, never like a refusal.",
                administrator: "Keep the log lines of the request id and report them.",
                commands: &["jeton --version", DOCTOR],
            },
        ),
    }
}

#[expect(clippy::too_many_lines, reason = "a table")]
const fn cause_text(cause: Cause) -> Text {
    match cause {
        Cause::Missing => Text {
            meaning: "The request has no `Authorization: Bearer` header, or nothing stands in it.",
            see: "The answer is 401 with a `WWW-Authenticate` that names no error. Look at the request as it left the client.",
            client: "Send `Authorization: Bearer TOKEN` with each request. Many libraries drop the header after a redirect to \
                     another host.",
            resource_server: "Answer 401 with `WWW-Authenticate: Bearer` and no error code (RFC 6750 §3.1).",
            administrator: "See whether a proxy removes the header.",
            commands: &[SEND],
        },
        Cause::SentTwice => Text {
            meaning: "There are two `Authorization` headers, or a token in the header and another one in the address.",
            see: "Look at the request as it left the client: `curl -v` shows each header.",
            client: "Send the token once, in the header.",
            resource_server: "Answer 400 `invalid_request` (RFC 6750 §2).",
            administrator: "See whether a proxy adds a header of its own.",
            commands: &[SEND],
        },
        Cause::InQueryString => Text {
            meaning: "The token was sent as `access_token` in the address. Addresses end up in logs and histories.",
            see: "The address has `access_token=`.",
            client: "Send it as `Authorization: Bearer TOKEN`. Give the token back, since others may have seen it.",
            resource_server: "Answer 400 `invalid_request`, and never accept it there (RFC 9700 §4.3.2).",
            administrator: "Remove such addresses from the logs of proxies, and revoke the token.",
            commands: &["curl -s {issuer}/auth/revoke -d client_id=CLIENT_ID --data-urlencode \"token=$TOKEN\"", SEND],
        },
        Cause::WrongScheme => Text {
            meaning: "The `Authorization` header begins with another word than `Bearer`, such as `Basic`, `Token` or `JWT`, or \
                      has the token alone.",
            see: "Look at the header: it must be `Bearer`, one space, the token.",
            client: "Write `Authorization: Bearer TOKEN`.",
            resource_server: "Answer 401 with `WWW-Authenticate: Bearer` and no error code.",
            administrator: "See whether a proxy puts credentials of its own into the header.",
            commands: &[SEND],
        },
        Cause::SurroundingWhitespace => Text {
            meaning: "A space, a tab or a line end stands before or after the token. It often comes from a file or from \
                      `echo`.",
            see: "Count the bytes, or show them.",
            client: "Remove the white space when the token is read, for example with `tr -d '[:space:]'`.",
            resource_server: "Do not repair it silently; the client should learn of it.",
            administrator: "Nothing.",
            commands: &[BYTES, LENGTH],
        },
        Cause::LineBreak => Text {
            meaning: "The token was wrapped, by a terminal, a mail or `base64` without `-w0`.",
            see: "Show the bytes: `\\n` stands in the middle.",
            client: "Remove every line break from the token, and keep it in one line.",
            resource_server: "Do not repair it silently; the client should learn of it.",
            administrator: "Nothing.",
            commands: &[BYTES],
        },
        Cause::InvisibleCharacter => Text {
            meaning: "A character that nobody sees stands in the token: a zero-width space, a no-break space, a byte order \
                      mark. It comes from copying out of documents and chats.",
            see: "Show the bytes: a token has printable ASCII characters only.",
            client: "Copy the token from where it was issued, or remove everything that is not printable ASCII.",
            resource_server: "Do not repair it silently; the client should learn of it.",
            administrator: "Nothing.",
            commands: &[BYTES, "printf %s \"$TOKEN\" | LC_ALL=C tr -d '!-~' | wc -c"],
        },
        Cause::BearerPrefixLeftIn => Text {
            meaning: "The word `Bearer` is part of the token, as in `Authorization: Bearer Bearer eyJ…` or `token=Bearer eyJ…`.",
            see: "The token begins with `Bearer`.",
            client: "Keep the token without the word, and add it once, when the header is written.",
            resource_server: "Cut the word off before the token is introspected.",
            administrator: "Nothing.",
            commands: &[BYTES],
        },
        Cause::Quoted => Text {
            meaning: "Quotes stand around the token. It was taken from JSON or from a settings file with them.",
            see: "The token begins or ends with a quote, plain or typographic.",
            client: "Read the JSON with a parser, for example `jq -r .access_token`, and keep the text without quotes.",
            resource_server: "Do not repair it silently; the client should learn of it.",
            administrator: "Nothing.",
            commands: &[
                "curl -s -u CLIENT_ID:CLIENT_SECRET {issuer}/auth/token -d grant_type=client_credentials | jq -r .access_token",
            ],
        },
        Cause::PercentEncoded => Text {
            meaning: "The token was encoded for a form or an address once more than it was decoded.",
            see: "`%` stands in the token; a token never has one.",
            client: "Encode a token only when it goes into a form, and once. A header takes it as it is.",
            resource_server: "Encode the `token` parameter once: most form encoders do it for you.",
            administrator: "See whether a proxy encodes headers.",
            commands: &[INTROSPECT],
        },
        Cause::Truncated => Text {
            meaning: "The end or the beginning of the token is missing. A column, a log or a copied line was too short.",
            see: "A JWT has three parts with dots between; compare the length with that of a new token.",
            client: "Find where it is cut: a database column of 255 characters is the usual place. Tokens can be several \
                     kilobytes long.",
            resource_server: "Allow headers of at least 16 KiB.",
            administrator: "See whether a proxy limits the length of headers.",
            commands: &[LENGTH, "printf %s \"$TOKEN\" | tr -dc . | wc -c"],
        },
        Cause::TwoTokensJoined => Text {
            meaning: "Two tokens stand one after the other, with a comma or with nothing between. A header was added where it \
                      should have been replaced.",
            see: "The token is twice as long as a new one, or has more than two dots.",
            client: "Replace the header instead of adding to it.",
            resource_server: "Look at libraries that join repeated headers with a comma.",
            administrator: "See whether a proxy adds an `Authorization` header of its own.",
            commands: &[LENGTH, "printf %s \"$TOKEN\" | tr -dc . | wc -c"],
        },
        Cause::WrongBase64Alphabet => Text {
            meaning: "The token has `+`, `/` or `=` where base64url has `-`, `_` and nothing. Something decoded it and \
                      encoded it again.",
            see: "Look for `+`, `/` and `=` in the token.",
            client: "Treat the token as a text that means nothing to you, and never decode it.",
            resource_server: "Pass the token on as it came.",
            administrator: "Nothing.",
            commands: &["printf %s \"$TOKEN\" | tr -dc '+/=' | wc -c"],
        },
        Cause::ChangedCase => Text {
            meaning: "The token was turned into lower or upper case, by a cache, a database collation or a header library.",
            see: "A token has letters of both cases; this one has one.",
            client: "Find the place that changes the case; tokens are compared letter for letter.",
            resource_server: "Do not change the case of header values, only of their names.",
            administrator: "Nothing.",
            commands: &["printf %s \"$TOKEN\" | tr -dc A-Z | wc -c"],
        },
        Cause::NotAToken => Text {
            meaning: "What was sent has not the form of a token: it is empty of meaning (`undefined`, `null`, \
                      `[object Object]`), a placeholder such as `$TOKEN`, JSON, a page, or something of another system.",
            see: "A token of this server is a JWT (`eyJ…`, two dots) or begins with `jat_`.",
            client: "Look at what stands in the variable before it is sent. Take `access_token` out of the answer, not the \
                     whole answer.",
            resource_server: "Take what follows `Bearer` and one space.",
            administrator: "Nothing.",
            commands: &[BYTES, NEW_TOKEN],
        },
        Cause::RefreshTokenAsAccessToken => Text {
            meaning: "A refresh token was sent to a resource server. It is for the token endpoint alone.",
            see: "The token begins with `jrt_`; `token_type` of its introspection is `refresh_token`.",
            client: "Send `access_token` to resource servers, and `refresh_token` to `/auth/token` only.",
            resource_server: "Accept a token only if `token_type` of its introspection is `Bearer`.",
            administrator: "End the session, if the refresh token was seen by others.",
            commands: &[REFRESH, "printf %s \"$TOKEN\" | jeton revoke --token -"],
        },
        Cause::IdTokenAsAccessToken => Text {
            meaning: "An ID token was sent. It tells a client who logged in; it is no permission.",
            see: "Its header has `typ` `JWT` where an access token has `at+jwt`, and its audience is a client.",
            client: "Send the access token.",
            resource_server: "Accept only JWTs whose header has `typ` `at+jwt` (RFC 9068 §4).",
            administrator: "Nothing.",
            commands: &[HEADER, CLAIMS],
        },
        Cause::ClientSecretAsToken => Text {
            meaning: "A client secret was sent in place of a token, and so to somebody who must not see it.",
            see: "It begins with `jcs_`.",
            client: "Exchange the secret for a token at `/auth/token`, and send that. Ask for a new secret.",
            resource_server: "Do not log what was sent.",
            administrator: "Replace the secret: add a new one, then retire this one.",
            commands: &[
                NEW_TOKEN,
                "jeton client secret add CLIENT_ID",
                "jeton client secret retire CLIENT_ID --secret-id SECRET_ID",
            ],
        },
        Cause::WrongEnvironment => Text {
            meaning: "The token is of a sister environment, such as staging, that this server knows by `JETON_KNOWN_ISSUERS`.",
            see: "`iss` of a JWT, or the word after `jat_` or `jrt_`, names the environment.",
            client: "Get the token from the token endpoint of this environment; compare the settings of the two.",
            resource_server: "Check that you ask the server that belongs to your environment.",
            administrator: "Tell both sides the issuer of this environment.",
            commands: &[CLAIMS, METADATA, "jeton config"],
        },
        Cause::ForeignToken => Text {
            meaning: "The token names an issuer or an environment that this server does not know.",
            see: "`iss` of a JWT, or the word after `jat_` or `jrt_`, is not that of this server.",
            client: "Get the token from this server; `issuer` of the metadata must be `iss` of the token, letter for letter.",
            resource_server: "Choose the server to ask by `iss`, from a fixed list.",
            administrator: "After a change of `JETON_ISSUER`, old tokens are foreign until they expire.",
            commands: &[CLAIMS, METADATA, "jeton config"],
        },
        Cause::AlgorithmNotAllowed => Text {
            meaning: "The header of the JWT names an algorithm that this server never uses, such as `none` or `HS256`. It is \
                      forged, or of another system.",
            see: "Look at `alg` of the header.",
            client: "Get a token from this server and do not change it.",
            resource_server: "Accept the algorithms of the published keys only, never what the token names (RFC 8725 §3.1).",
            administrator: "If it goes on, look for the address in the log.",
            commands: &[HEADER, KEYS],
        },
        Cause::UnknownKey => Text {
            meaning: "The token names a key (`kid`) that this server never had. It is of another server with the same issuer, \
                      or of a database that was replaced.",
            see: "Compare `kid` of the header with the published keys.",
            client: "Get a new token.",
            resource_server: "Read the published keys anew when a `kid` is not among them, at most once a minute.",
            administrator: "See whether two servers with different databases share the issuer.",
            commands: &[HEADER, KEYS, "jeton key list"],
        },
        Cause::RetiredKey => Text {
            meaning: "The key that made the token was deleted, by an administrator or by a reset of the keys.",
            see: "`kid` of the header is not among the published keys any more; the audit trail has `key.delete`.",
            client: "Get a new token, by a new login if the refresh token is refused, too.",
            resource_server: "Read the published keys anew.",
            administrator: "It is as it should be, if the key was deleted on purpose. Rotating alone withdraws nothing.",
            commands: &[HEADER, KEYS, "jeton key list"],
        },
        Cause::BadSignature => Text {
            meaning: "The key is known and the signature does not fit: the token was changed after it was issued, is damaged, \
                      or forged.",
            see: "Compare the token with the one that was issued, letter for letter.",
            client: "Get a new token and pass it on as it is.",
            resource_server: "Check that you verify with the key that `kid` names, over the bytes as they came.",
            administrator: "If it goes on, look for the address in the log.",
            commands: &[HEADER, KEYS, INTROSPECT],
        },
        Cause::WrongIssuer => Text {
            meaning: "The signature is ours, but `iss` is another one: `JETON_ISSUER` was changed, or two servers share a key.",
            see: "Compare `iss` of the claims with `issuer` of the metadata.",
            client: "Get a new token.",
            resource_server: "Expect `iss` to be `issuer` of the metadata, letter for letter.",
            administrator: "Give each environment a database of its own. After a change of the issuer, wait until the old \
                            tokens are over.",
            commands: &[CLAIMS, METADATA, "jeton config"],
        },
        Cause::TokenRevoked => Text {
            meaning: "This one access token was given back by its client or revoked by an administrator.",
            see: "Introspection says inactive; the list of revocations has its `jti`.",
            client: "Get a new token: refresh, or log in again.",
            resource_server: "Answer 401 `invalid_token`. Whoever verifies by the published keys alone learns of it only when \
                              the token expires.",
            administrator: "The revocation says who, when and why.",
            commands: &[CLAIMS, REVOCATIONS],
        },
        Cause::SessionRevoked => Text {
            meaning: "The session was ended, with its refresh token and all its access tokens: the user logged out, or an \
                      administrator ended it.",
            see: "The session has `revoked`; its id is `sid` of the token.",
            client: "Log the user in again.",
            resource_server: "Answer 401 `invalid_token`.",
            administrator: "The revocation says who, when and why.",
            commands: &[SESSIONS, REVOCATIONS],
        },
        Cause::RefreshReuseDetected => Text {
            meaning: "A refresh token that had been spent was used again. Either the client kept an old one, or somebody else \
                      has a copy; so the session ended.",
            see: "The audit trail and the revocation have the generation that was presented and the one that was due.",
            client: "Log the user in again. Store the new refresh token before it is used, refresh from one place at a time, \
                     and repeat a refresh only when its answer never came.",
            resource_server: "Answer 401 `invalid_token`.",
            administrator: "If several processes of a client share a session, let one of them refresh. `retry_window` allows \
                            for answers that get lost.",
            commands: &[SESSIONS, REVOCATIONS, "jeton client update CLIENT_ID --retry-window 30s"],
        },
        Cause::Superseded => Text {
            meaning: "The user had more sessions with this client than `max_sessions` allows, and the one unused longest \
                      ended; or the refresh token has a successor that is in use.",
            see: "The session has `revoked` with this cause; or a newer refresh token of the session exists.",
            client: "Log in once and keep the session, in place of a login for each request. Keep the newest refresh token.",
            resource_server: "Answer 401 `invalid_token`.",
            administrator: "Raise `max_sessions`, if so many devices are real.",
            commands: &[SESSIONS, "jeton client update CLIENT_ID --max-sessions 200"],
        },
        Cause::UserRevoked => Text {
            meaning: "Everything that was issued to the user was revoked, by an administrator or by a new password. What was \
                      issued afterwards is good.",
            see: "The list of revocations has the user.",
            client: "Log the user in again.",
            resource_server: "Answer 401 `invalid_token`.",
            administrator: "The revocation says who, when and why.",
            commands: &[REVOCATIONS, SHOW_USER],
        },
        Cause::ClientRevoked => Text {
            meaning: "Everything that was issued to the client was revoked, by an administrator or with a secret that was \
                      retired. What was issued afterwards is good.",
            see: "The list of revocations has the client.",
            client: "Get a new token; log users in again.",
            resource_server: "Answer 401 `invalid_token`.",
            administrator: "The revocation says who, when and why.",
            commands: &[REVOCATIONS, SHOW_CLIENT],
        },
        Cause::AllRevoked => Text {
            meaning: "Everything that had been issued was revoked at once, by an administrator or by a reset of the keys. \
                      What was issued afterwards is good.",
            see: "The list of revocations has one of the kind `all`.",
            client: "Get a new token; log users in again.",
            resource_server: "Answer 401 `invalid_token`.",
            administrator: "The revocation says who, when and why.",
            commands: &[REVOCATIONS],
        },
        Cause::UserDisabled => Text {
            meaning: "The user of the token is disabled, and what was issued to it ended.",
            see: "`enabled` of the user is false.",
            client: "Tell the user to ask the administrator. To try again does not help.",
            resource_server: "Answer 401 `invalid_token`.",
            administrator: "Enable the user, if that is right. It must log in again: what ended stays ended.",
            commands: &[SHOW_USER, "jeton user enable USERNAME"],
        },
        Cause::ClientDisabled => Text {
            meaning: "The client of the token is disabled, and what was issued to it ended.",
            see: "`enabled` of the client is false.",
            client: "Ask the administrator. To try again does not help.",
            resource_server: "Answer 401 `invalid_token`.",
            administrator: "Enable the client, if that is right. What ended stays ended.",
            commands: &[SHOW_CLIENT, "jeton client enable CLIENT_ID"],
        },
        Cause::UserDeleted => Text {
            meaning: "The user of the token does not exist any more.",
            see: "The list of users does not have it; the audit trail has `user.delete`.",
            client: "Forget the session.",
            resource_server: "Answer 401 `invalid_token`.",
            administrator: "A user that is created again gets a new id, and revives no token.",
            commands: &["jeton user list", REVOCATIONS],
        },
        Cause::ClientDeleted => Text {
            meaning: "The client of the token does not exist any more.",
            see: "The list of clients does not have it; the audit trail has `client.delete`.",
            client: "Ask the administrator for a client.",
            resource_server: "Answer 401 `invalid_token`.",
            administrator: "A client that is created again with the same id revives no token.",
            commands: &["jeton client list", REVOCATIONS],
        },
        Cause::Expired => Text {
            meaning: "The token is older than its life. There is no leeway.",
            see: "`exp` of the claims, in seconds since the epoch, is past.",
            client: "Refresh, or get a new token, some time before `expires_in` is over, and once more after a 401.",
            resource_server: "Answer 401 `invalid_token`, and check your clock.",
            administrator: "Change the life of the tokens of the client, if that is too short.",
            commands: &[CLAIMS, "date +%s", REFRESH, "jeton client update CLIENT_ID --access-token-ttl 30m"],
        },
        Cause::NotYetValid => Text {
            meaning: "The token was issued more than a minute in the future. The clock of some node is wrong.",
            see: "`iat` of the claims, in seconds since the epoch, lies ahead.",
            client: "Nothing; trying again later helps.",
            resource_server: "Check your clock, if you verify by yourself.",
            administrator: "Let the nodes and the database keep the time by NTP; readiness and `jeton doctor` report an offset.",
            commands: &[CLAIMS, "date +%s", READY, DOCTOR],
        },
        Cause::WrongAudience => Text {
            meaning: "The token is good, but not for this resource server: `aud` does not name it. The admin API takes tokens \
                      for `{issuer}/admin/v1` alone.",
            see: "Compare `aud` of the claims with what is expected, letter for letter.",
            client: "Ask for a token with `resource` set to the audience of the resource server. For the admin API, ask for a \
                     `jeton:` scope.",
            resource_server: "Answer 401 `invalid_token`. Check which audience you expect: a slash at the end counts.",
            administrator: "Add the audience to the client. The list replaces the one before.",
            commands: &[CLAIMS, SHOW_CLIENT, "jeton client update CLIENT_ID --audiences https://api.example.com"],
        },
        Cause::InsufficientScope => Text {
            meaning: "The token is good, but its scope does not allow this.",
            see: "`scope` of the challenge in `WWW-Authenticate` names what is needed; `scope` of the claims is what is held.",
            client: "Ask for a token with that scope. A refresh cannot add one: log in again.",
            resource_server: "Answer 403 `insufficient_scope` with the `scope` that is needed, never 401.",
            administrator: "Add the scope to the client, and to the user if it has a list of its own. The list replaces the \
                            one before.",
            commands: &[CLAIMS, SHOW_CLIENT, "jeton client update CLIENT_ID --scope 'read write'"],
        },
        Cause::NeverIssued => Text {
            meaning: "The token is authentic, but the session that must stand behind it is not in this database: the database \
                      is another one or was restored from a backup, or the session was cleaned up.",
            see: "The session that the token names cannot be shown.",
            client: "Log the user in again.",
            resource_server: "Answer 401 `invalid_token`.",
            administrator: "See whether all nodes use the same database, and whether it was restored. After a restore, \
                            `jeton revoke --all --yes` makes a clean start.",
            commands: &[SESSIONS, "jeton config", DOCTOR],
        },
        Cause::CouldNotCheck => Text {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn every_page() -> Vec<Page> {
        let causes = Cause::ALL.iter().map(|cause| of_cause(*cause));
        causes.chain(ErrorCode::ALL.into_iter().map(of_error)).chain(OTHERS).collect()
    }

    #[test]
    fn every_page_says_everything() {
        for page in every_page() {
            let Text { meaning, see, client, resource_server, administrator, commands } = page.text;
            for text in [page.title, meaning, see, client, resource_server, administrator] {
                assert!(text.ends_with('.') && text.len() > 7, "{}: {text:?}", page.code);
                assert_eq!(text.matches('`').count() % 2, 0, "{}: {text:?}", page.code);
            }
            assert!(!commands.is_empty(), "{}", page.code);
        }
    }

    #[test]
    fn every_code_leads_to_its_page() {
        let codes = Cause::ALL.iter().map(|cause| cause.name()).chain(ErrorCode::ALL.map(ErrorCode::name));
        for code in codes.chain(PROBLEMS) {
            assert_eq!(find(code).map(|page| page.code), Some(code));
        }
        assert!(find("no_such_code").is_none());
    }

    #[test]
    fn no_two_pages_have_one_address() {
        let mut codes: Vec<&str> = every_page().iter().map(|page| page.code).collect();
        codes.sort_unstable();
        let all = codes.len();
        codes.dedup();
        assert_eq!(codes.len(), all);
    }
}

//! What each error of the OAuth endpoints means, and what to do about it.

use crate::diagnosis::advice::{self, Advice as Text};
use crate::diagnosis::commands::{
    ADMIN_TOKEN, CLOCK, DOCTOR, EXPLAIN, EXPLAIN_ON_SERVER, EXPLAIN_REFRESH_TOKEN, METADATA, NEW_TOKEN, READY,
    SHOW_CLIENT, SHOW_USER,
};
use crate::protocol::cause::Cause;
use crate::protocol::error::ErrorCode;

/// The title and the text of the page of an error.
pub(super) const fn about(error: ErrorCode) -> (&'static str, Text) {
    match error {
        ErrorCode::InvalidRequest => (
            "The request is malformed.",
            Text {
                meaning: "A parameter is missing or repeated, the client authenticates in two ways at once, \
                          or the body cannot be read. At the admin API: the token was sent twice, in the address \
                          or beside a form.",
                see: "`error_description` says which; at the admin API, `detail`.",
                client: "Send parameters in the body (at `/auth/authorize`, in the address or the body), each once, as `application/x-www-form-urlencoded` or as a \
                         flat JSON object of strings, with a `Content-Type`. Authenticate by HTTP Basic or in \
                         the body, not both.",
                resource_server: "Send the `token` to be introspected in the body, never in the address.",
                administrator: "Usually nothing. Check whether a proxy compresses or rewrites bodies.",
                commands: &[NEW_TOKEN],
            },
        ),
        ErrorCode::InvalidClient => (
            "The client did not authenticate.",
            Text {
                meaning: "The client is unknown or disabled, its secret is wrong or missing, a public client \
                          sent a secret, or the endpoint requires a client with a secret or a key. The answer is \
                          always the same. Or its `client_assertion` breaks a rule, was used before, or was not \
                          signed by a key of the client.",
                see: "Only the log says which, in `reason`. What is wrong with an assertion itself, such as its times, \
                      `error_description` says as well; by how much, the log does.",
                client: "Check `client_id` and `client_secret`, and that they belong to this environment. For HTTP \
                         Basic, form-encode both first; in the body, encode them like every parameter. A \
                         public client sends its `client_id` and no secret. With a key: make a new assertion for \
                         each request, with `iss` and `sub` the `client_id`, `aud` the issuer, `exp` at most 5 \
                         minutes ahead, and a `jti` of its own; check the clock. A client that registered itself \
                         is gone if nobody logged in with it within an hour, or 90 days after its last session: register again.",
                resource_server: "The same: introspection needs your own `client_id` and `client_secret`, or your own \
                                  key, not those of the client that got the token.",
                administrator: "Check that the client exists and is enabled. To replace a lost secret, add a \
                                second one, give it to the client, and retire the first. With a key: check that it is \
                                in `jwks` or at `jwks_uri`, where a new one counts within ten seconds.",
                commands: &[SHOW_CLIENT, "jeton client secret add CLIENT_ID", "jeton client enable CLIENT_ID"],
            },
        ),
        ErrorCode::InvalidGrant => (
            "The password, the code or the refresh token is invalid.",
            Text {
                meaning: "For `password`: the username or the password is wrong, or the user is disabled; the \
                          answer is always the same. For `refresh_token`: it is spent, expired, revoked, \
                          damaged or another client's. For `authorization_code`: the code was used before, is older \
                          than 60 seconds or another client's, or `redirect_uri` or `code_verifier` are not those of \
                          the authorization request; a wrong one spends the code, and a second use ends its session. \
                          For the device grant: the device code is unknown, was used, or is another client's.",
                see: "`error_description` tells only a client with a secret whether its session expired, was \
                      ended or was reused. The log has the cause; for a password or a code, in `reason`. The first \
                      command explains a refresh token.",
                client: "Log the user in again; after a wrong password, ask the user for it again. Always keep \
                         the newest refresh token: each refresh returns a new one, and reusing a spent one \
                         ends the session. After a refused code, begin a new authorization request.",
                resource_server: "Nothing. Resource servers never see these.",
                administrator: "Check that the user exists and is enabled, and see what ended the session.",
                commands: &[EXPLAIN_REFRESH_TOKEN, SHOW_USER, "jeton user password USERNAME"],
            },
        ),
        ErrorCode::UnauthorizedClient => (
            "The client may not use this grant.",
            Text {
                meaning: "The client authenticated, but `grant_type` is not among its `grant_types`. A public \
                          client never has `client_credentials`.",
                see: "Compare `grant_type` of the request with `grant_types` of the client.",
                client: "Use one of the client's grants.",
                resource_server: "Nothing.",
                administrator: "If the client should have the grant, enable it. The new list replaces the old one.",
                commands: &[
                    SHOW_CLIENT,
                    "jeton client update CLIENT_ID --grant-types client_credentials,password,refresh_token",
                ],
            },
        ),
        ErrorCode::UnsupportedGrantType => (
            "This server does not support the grant.",
            Text {
                meaning: "This server does not know the `grant_type`, or it is `password` and no client may use that.",
                see: "`grant_types_supported` of the metadata lists the grants that are enabled.",
                client: "Use one of these grants. Names are compared exactly.",
                resource_server: "Nothing.",
                administrator: "The password grant is enabled as soon as one enabled client has it.",
                commands: &[METADATA, "jeton client update CLIENT_ID --grant-types password,refresh_token"],
            },
        ),
        ErrorCode::InvalidScope => (
            "The scope is malformed or goes beyond what may be granted.",
            Text {
                meaning: "`scope` names something that the client, the user or the session may not have; or its \
                          names are not separated by single spaces; or it mixes `jeton:` scopes with others.",
                see: "Compare `scope` of the request with that of the client and, for a login, of the user.",
                client: "Ask for less, or leave `scope` out to get everything that may be granted. In a form, a space \
                         is `+` or `%20`.",
                resource_server: "Nothing.",
                administrator: "Add the scope to the client, and to the user if the user has a list of scopes. The \
                                new list replaces the old one.",
                commands: &[SHOW_CLIENT, SHOW_USER, "jeton client update CLIENT_ID --scope 'read write'"],
            },
        ),
        ErrorCode::InvalidTarget => (
            "The client may not ask for this resource.",
            Text {
                meaning: "`resource` (RFC 8707) is neither among the `audiences` of the client nor a resource that is open \
                          to it; or, for a code or a refresh, not among those that were authorized; or several resources \
                          want different forms of tokens.",
                see: "Compare `resource` of the request with `audiences` of the client, letter for letter, \
                      including a final slash.",
                client: "Send one of the audiences exactly as it is configured, or leave `resource` out.",
                resource_server: "Tell the client which audience you expect.",
                administrator: "Add the audience to the client (the new list replaces the old one), or open the resource to \
                                clients.",
                commands: &[SHOW_CLIENT, "jeton client update CLIENT_ID --audiences https://api.example.com"],
            },
        ),
        ErrorCode::InvalidToken => (
            "The token is invalid.",
            Text {
                meaning: "The token of the request was refused: it is damaged, expired, revoked, from another \
                          server, or meant for another audience. If it cannot be verified, the answer says no more.",
                see: "The first two commands say why. A token for the admin API has the audience \
                      `{issuer}/admin/v1` and a `jeton:` scope.",
                client: "Get a new token and send it as `Authorization: Bearer TOKEN`; for the admin API, with a \
                         `jeton:` scope.",
                resource_server: "Answer `invalid_token` with 401 for the same reasons (RFC 6750).",
                administrator: "If no client for administration is left, create one on the server's machine.",
                commands: &[
                    EXPLAIN_ON_SERVER,
                    EXPLAIN,
                    ADMIN_TOKEN,
                    "jeton client create --client-id ops --grant-types client_credentials --scope jeton:admin",
                ],
            },
        ),
        // Its page is that of the cause.
        ErrorCode::InsufficientScope => (Cause::InsufficientScope.title(), advice::about(Cause::InsufficientScope)),
        ErrorCode::UnsupportedResponseType => (
            "This server does not know the response type.",
            Text {
                meaning: "`response_type` of the authorization request is not `code`. The implicit and hybrid flows put \
                          tokens into addresses and do not exist here (RFC 9700 section 2.1.2).",
                see: "`error` in the address to which the browser returned.",
                client: "Send `response_type=code` with a PKCE challenge. Choose the code flow in the settings of the library.",
                resource_server: "Nothing.",
                administrator: "Nothing.",
                commands: &[METADATA],
            },
        ),
        ErrorCode::AccessDenied => (
            "The person did not allow it.",
            Text {
                meaning: "The person was asked what the client may have, or whether a device may come in, and said no.",
                see: "`error` in the address to which the browser returned, or in the answer to the device. The audit trail has the consents that were given.",
                client: "Accept the answer, and explain why the access is needed before asking again.",
                resource_server: "Nothing.",
                administrator: "Nothing. `consent` of the client says when people are asked.",
                commands: &[SHOW_CLIENT],
            },
        ),
        ErrorCode::AuthorizationPending => (
            "Nobody has answered the device yet.",
            Text {
                meaning: "The person has not typed in the code of the device, or has not answered yet. It is no fault.",
                see: "`interval` of the answer that gave the device its codes: 5 seconds.",
                client: "Ask again with the same `device_code` after `interval` seconds. Show the code and the address for as long.",
                resource_server: "Nothing.",
                administrator: "Nothing.",
                commands: &[METADATA],
            },
        ),
        ErrorCode::SlowDown => (
            "The device asks too often.",
            Text {
                meaning: "The device asked again before `interval` seconds were over, and nobody has answered it yet. From now on it \
                          has to wait 5 seconds longer between two requests.",
                see: "Each such answer adds 5 seconds (RFC 8628 section 3.5).",
                client: "Add 5 seconds to the interval, then ask again with the same `device_code`.",
                resource_server: "Nothing.",
                administrator: "Nothing.",
                commands: &[METADATA],
            },
        ),
        ErrorCode::ExpiredToken => (
            "The code of the device has expired.",
            Text {
                meaning: "Nobody answered the request of the device within 10 minutes.",
                see: "`expires_in` of the answer that gave the device its codes.",
                client: "Ask `/auth/device` for new codes and show them, when the person is there.",
                resource_server: "Nothing.",
                administrator: "Nothing.",
                commands: &[METADATA],
            },
        ),
        ErrorCode::LoginRequired => (
            "The person has to log in, and may not be asked.",
            Text {
                meaning: "The authorization request has `prompt=none`, and nobody is logged in at this browser, or the login is \
                          older than `max_age`; or the person is another one than `id_token_hint` or `claims` names.",
                see: "`error` in the address to which the browser returned.",
                client: "Send the same request without `prompt=none`; or without `id_token_hint`, if anybody may log in.",
                resource_server: "Nothing.",
                administrator: "Nothing. `JETON_BROWSER_SESSION_IDLE` and `JETON_BROWSER_SESSION_TTL` say how long people stay \
                                logged in.",
                commands: &["jeton config"],
            },
        ),
        ErrorCode::ConsentRequired => (
            "The person has to consent, and may not be asked.",
            Text {
                meaning: "The authorization request has `prompt=none`, and the person has not allowed the client all of this for \
                          good. For loopback redirect URIs and private-use schemes, people are asked each time.",
                see: "`error` in the address to which the browser returned.",
                client: "Send the same request without `prompt=none`.",
                resource_server: "Nothing.",
                administrator: "If the client belongs to you, set its `consent` to `once` or `skip`.",
                commands: &[SHOW_CLIENT, "jeton client update CLIENT_ID --consent once"],
            },
        ),
        ErrorCode::InvalidRequestUri => (
            "The authorization request that the address stands for is not valid.",
            Text {
                meaning: "`request_uri` is damaged, has expired, was pushed by another client, or names no request of this \
                          server. A pushed request can be used for 90 seconds, a login page for one hour.",
                see: "The log has the reason.",
                client: "Begin again with a new authorization request.",
                resource_server: "Nothing.",
                administrator: "Nothing. If it happens to many, compare the clocks of the nodes.",
                commands: &[DOCTOR],
            },
        ),
        ErrorCode::RequestNotSupported => (
            "This server accepts no request objects.",
            Text {
                meaning: "The authorization request has the parameter `request` (a signed request, RFC 9101).",
                see: "`request_parameter_supported` of the metadata is `false`. The refusal is sent as the `response_mode` in the object asks, \
                      unless the request has one itself.",
                client: "Send plain parameters, or push them to `/auth/par`.",
                resource_server: "Nothing.",
                administrator: "Nothing.",
                commands: &[METADATA],
            },
        ),
        ErrorCode::RequestUriNotSupported => (
            "This server fetches no requests from elsewhere.",
            Text {
                meaning: "`request_uri` of the authorization request is not one that `/auth/par` gave out.",
                see: "`request_uri_parameter_supported` of the metadata is `false`.",
                client: "Send plain parameters, or push them to `/auth/par`.",
                resource_server: "Nothing.",
                administrator: "Nothing.",
                commands: &[METADATA],
            },
        ),
        ErrorCode::InvalidDpopProof => (
            "The DPoP proof of a request is not valid.",
            Text {
                meaning: "The proof in the header `DPoP` breaks a rule (RFC 9449 §4.3), or there is more than one. Nothing was \
                          spent: neither a code nor a refresh token.",
                see: "The `error_description` says which rule, such as by how much the clock is off or which part of `htu` \
                      differs. The log has what was sent as well.",
                client: "Make a new proof for each request, also for a repeated one: `typ` is `dpop+jwt`, `jwk` the public key, \
                         `htm` and `htu` are method and address of the request, `iat` is now, `jti` is new.",
                resource_server: "The same rules hold for proofs beside tokens, which have `ath` as well.",
                administrator: "If many proofs are too old or from the future, a clock is wrong. \
                                `jeton_dpop_proofs_refused_total` counts them by what was wrong.",
                commands: &[CLOCK, METADATA, DOCTOR],
            },
        ),
        ErrorCode::UseDpopNonce => (
            "The DPoP proof needs a nonce of this server.",
            Text {
                meaning: "`JETON_DPOP_NONCE` is `required` and the proof has no nonce, or its nonce is too old or not one of this \
                          server (RFC 9449 §8).",
                see: "The answer has a nonce in the header `DPoP-Nonce`.",
                client: "Repeat the request with a new proof whose `nonce` is that of the header. It can be used for 5 minutes, on \
                         every node; answers bring newer ones. Libraries for DPoP do this by themselves.",
                resource_server: "Pass the header `DPoP-Nonce` on, and 401 with the scheme `DPoP`.",
                administrator: "Nothing. Pages in browsers read the header, which CORS exposes.",
                commands: &[METADATA],
            },
        ),
        ErrorCode::InvalidRedirectUri => (
            "A redirect URI of a client that nobody registered by hand is not allowed.",
            Text {
                meaning: "`redirect_uris` is missing or empty, or has an entry that is not https, http of the person's own \
                          machine, or a private scheme with a dot; or one with a fragment or a user name.",
                see: "The description names the entry, counted from 0, and what is wrong with it.",
                client: "Correct the entry, in the request to register or in the metadata document at the `client_id`. On a device, use `http://127.0.0.1/callback`: any port matches.",
                resource_server: "Nothing.",
                administrator: "Nothing.",
                commands: &[METADATA],
            },
        ),
        ErrorCode::InvalidClientMetadata => (
            "The metadata of a client that nobody registered by hand are not allowed.",
            Text {
                meaning: "The body of a request to register, or the metadata document at the `client_id`, is not a JSON object, a \
                          member has the wrong type or a value that this server does not support, or members contradict each \
                          other. Or the document could not be fetched: it comes by https from a public address, with status 200, as \
                          `application/json`, in at most 5 KiB and 5 s.",
                see: "The description names the member. The metadata of the server list what it supports.",
                client: "Correct the member. A document has its own URL as `client_id`. Unknown members are ignored; grants, response types and scopes that such clients \
                         cannot have are left out.",
                resource_server: "Nothing.",
                administrator: "A client that needs more than clients get that nobody registered is registered by you.",
                commands: &[METADATA, "jeton client create --client-name Chat --grant-types client_credentials"],
            },
        ),
        ErrorCode::UnapprovedSoftwareStatement => (
            "This server trusts no software statements.",
            Text {
                meaning: "The registration has a `software_statement` (RFC 7591 section 2.3), and no issuer of such statements \
                          is trusted here, whoever signed it.",
                see: "The request.",
                client: "Register without a software statement.",
                resource_server: "Nothing.",
                administrator: "Nothing.",
                commands: &[METADATA],
            },
        ),
        ErrorCode::InvalidForm => (
            "The form was not shown to this browser.",
            Text {
                meaning: "A form of the pages of this server came from another site or another browser, without its cookie, or \
                          more than 12 hours after it was shown. It changed nothing.",
                see: "The log has the reason.",
                client: "Go back, load the page again and repeat. Cookies of this server must be allowed.",
                resource_server: "Nothing.",
                administrator: "If it happens to many, check that the proxy passes `Cookie` and `Set-Cookie` on, and that people reach \
                                the server under `JETON_ISSUER`.",
                commands: &["jeton config"],
            },
        ),
        ErrorCode::TemporarilyUnavailable => (
            "The server could not decide just now.",
            Text {
                meaning: "The database did not answer, more passwords arrive than can be hashed, or too many metadata \
                          documents of clients are being fetched (503); or there \
                          were too many failed logins, wrong codes, explanations, pushed requests, registrations, \
                          waiting devices or new metadata documents of clients (429). Nothing was refused. A change may or may not have happened.",
                see: "The answer is 503 or 429 with `Retry-After`. The log has the reason.",
                client: "Wait as long as `Retry-After` says and repeat the same request. A refresh may be \
                         repeated with the same refresh token.",
                resource_server: "Do not treat it as a refusal: answer 503 too, or accept tokens that you can verify \
                                  with the published keys.",
                administrator: "Check that the database answers and that there are enough password threads \
                                (`JETON_PASSWORD_THREADS`).",
                commands: &[READY, DOCTOR],
            },
        ),
        ErrorCode::ServerError => (
            "The server failed.",
            Text {
                meaning: "This is a bug in the server.",
                see: "The log has an `ERROR` line with the fault and the request id.",
                client: "Try again later with the same request.",
                resource_server: "Treat it like an outage, never like a refusal.",
                administrator: "Report the bug with the log lines of the request id.",
                commands: &["jeton --version", DOCTOR],
            },
        ),
    }
}

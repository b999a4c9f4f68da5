//! What is wrong with an authorization request, and what to do about it: texts of `/docs/errors/{code}`.

use crate::diagnosis::advice::{Advice as Text, NOTHING, beside_resource_servers as text};
use crate::diagnosis::commands::{DOCTOR, METADATA, SHOW_CLIENT, SHOW_USER};
use crate::protocol::fault::RequestFault;

/// The client is told by the redirect.
const BY_REDIRECT: &str = "The client gets the error by the redirect, or in the answer if it pushed the request: \
                           `error_description` says what is wrong. The log has the client.";
/// Nobody but the person at the browser is told.
const BY_PAGE: &str = "The page at the browser names the parameter, what was received and what is wrong; nobody is sent anywhere. A client \
                       that pushed the request has it in the answer.";
/// The person at the browser is told nothing but to begin again.
const BY_MESSAGE: &str = "The page at the browser says that the login took too long. The log has the exact reason.";

/// The title and the text of a fault.
pub(super) const fn about(fault: RequestFault) -> (&'static str, Text) {
    match fault {
        RequestFault::ParameterRepeated => (
            "A parameter was sent twice.",
            text(
                "No parameter but `resource` may be repeated (RFC 6749 §3.1), at whichever endpoint. One of the two might be forged.",
                "The answer is `invalid_request` and names the parameter.",
                "Send it once. Look for code that appends to an address that has the parameter already.",
                "Check whether a proxy adds parameters.",
                &[METADATA],
            ),
        ),
        RequestFault::ParameterTooLong => (
            "A parameter is too long.",
            text(
                "The request travels sealed through the pages, and so `state`, `nonce`, `login_hint`, `prompt` and `claims` have \
                 a largest length, which the description names.",
                BY_REDIRECT,
                "Keep what is large at the client, under a short random `state`.",
                NOTHING,
                &[METADATA],
            ),
        ),
        RequestFault::ClientMissing => (
            "There is no client_id.",
            text(
                "The authorization request has no `client_id`, or an empty one.",
                BY_PAGE,
                "Send the `client_id` with which the client is registered, also beside a `request_uri`.",
                NOTHING,
                &["jeton client list", METADATA],
            ),
        ),
        RequestFault::ClientUnknown => (
            "There is no such client.",
            text(
                "No client with this `client_id` is registered here. It is compared exactly.",
                BY_PAGE,
                "Compare the `client_id` with the registration. A client that registered itself is removed after an hour \
                 without a login, or 90 days after its last session: register again.",
                "Register the client, or tell its developer the right server.",
                &["jeton client list", SHOW_CLIENT],
            ),
        ),
        RequestFault::ClientDocumentsOff => (
            "Metadata documents of clients are not fetched here.",
            text(
                "The `client_id` is a URL, and `JETON_CIMD` is off.",
                BY_PAGE,
                "Register the client, by hand or at the registration endpoint if there is one in the metadata.",
                "Set `JETON_CIMD` to `on` if clients that nobody registered are welcome.",
                &["jeton config", METADATA],
            ),
        ),
        RequestFault::ClientUrlUnfit => (
            "The client_id is not the URL of a metadata document.",
            text(
                "There is no such client, and as the URL of a document it would have to be https with a path, in its usual spelling, without \
                 fragment, user name and a dot at the end of its host. The page says what is wrong.",
                BY_PAGE,
                "Correct the `client_id`.",
                NOTHING,
                &["jeton client list", METADATA],
            ),
        ),
        RequestFault::ClientDocumentUnreachable => (
            "The metadata document of the client could not be fetched.",
            text(
                "Its host has no public address, does not answer in time, redirects, or answers anything but 200 with JSON of at \
                 most 5 KiB. The same is answered for ten seconds.",
                BY_PAGE,
                "Fetch the document from elsewhere, and look at its status, its `Content-Type` and its size.",
                "The log has the exact reason. `JETON_FETCH_ALLOW` and `JETON_FETCH_CA` are for documents inside your own network.",
                &["jeton config", DOCTOR],
            ),
        ),
        RequestFault::ClientDocumentUnfit => (
            "The metadata document of the client is not good.",
            text(
                "It is no JSON object, its `client_id` is not the URL at which it is, or a member has a value that is not possible here. The page \
                 says which. Clients with documents are public here: `token_endpoint_auth_method` is `none`, or not there.",
                BY_PAGE,
                "Correct the document. It is fetched anew after ten seconds.",
                NOTHING,
                &[METADATA],
            ),
        ),
        RequestFault::ClientNameTaken => (
            "The client_id is the name of something else.",
            text(
                "The URL of the metadata document is a resource, an audience or a user here, for which its tokens could be mistaken.",
                BY_PAGE,
                "Publish the document at another URL.",
                "If the resource or the audience has this name by mistake, rename it.",
                &["jeton resource list", SHOW_CLIENT],
            ),
        ),
        RequestFault::RedirectUriMissing => (
            "There is no redirect URI.",
            text(
                "The `redirect_uri` may be left out only if exactly one is registered for the client, and never with the scope `openid`.",
                BY_PAGE,
                "Send the `redirect_uri`.",
                "Register one for the client if it has none: `jeton client update CLIENT_ID --redirect-uris URI`.",
                &[SHOW_CLIENT],
            ),
        ),
        RequestFault::RedirectUriUnregistered => (
            "The redirect URI is not registered for the client.",
            text(
                "Redirect URIs are compared character by character: scheme, host, port, path and query. Only the port of loopback \
                 addresses of native clients is free.",
                BY_PAGE,
                "Send one that is registered. Look for a slash at the end, `http` in place of `https`, another port, `www.`.",
                "Register it if it is the client's: `jeton client update CLIENT_ID --redirect-uris URI`. A foreign address is an attack, which \
                 failed.",
                &[SHOW_CLIENT],
            ),
        ),
        RequestFault::ResponseTypeMissing => (
            "There is no response_type.",
            text(
                "The parameter is required (RFC 6749 §3.1.1).",
                BY_REDIRECT,
                "Send `response_type=code`.",
                NOTHING,
                &[METADATA],
            ),
        ),
        RequestFault::ResponseModeUnsupported => (
            "The response_mode is not supported.",
            text(
                "It is `query`, the default, or `form_post`. Fragments would leave the code in the history of the browser.",
                BY_REDIRECT,
                "Leave it out, or send `form_post`.",
                NOTHING,
                &[METADATA],
            ),
        ),
        RequestFault::CodeChallengeMissing => (
            "There is no code_challenge.",
            text(
                "The client needs PKCE (RFC 7636), as public clients always do, and sends no `code_challenge`.",
                BY_REDIRECT,
                "Switch PKCE with `S256` on in the library.",
                "For a confidential client whose library cannot do it, there is `--require-pkce false`.",
                &[SHOW_CLIENT, METADATA],
            ),
        ),
        RequestFault::CodeChallengeMalformed => (
            "The code_challenge has the wrong form.",
            text(
                "It is the SHA-256 hash of the verifier in base64url: 43 characters, without `=`.",
                BY_REDIRECT,
                "Hash the ASCII characters of the verifier, and write the 32 bytes in base64url, not in hexadecimal.",
                NOTHING,
                &[METADATA],
            ),
        ),
        RequestFault::CodeChallengeMethodUnsupported => (
            "The code_challenge_method is not S256.",
            text(
                "It is missing, which means `plain`, or another than `S256`. A plain challenge protects nothing once the request is seen.",
                BY_REDIRECT,
                "Send `code_challenge_method=S256` and the hash of the verifier.",
                NOTHING,
                &[METADATA],
            ),
        ),
        RequestFault::PromptContradictory => (
            "The prompt contradicts itself.",
            text(
                "`none` says that no page may be shown, and stands beside another value that asks for one.",
                BY_REDIRECT,
                "Send `none` alone, or leave it out.",
                NOTHING,
                &[METADATA],
            ),
        ),
        RequestFault::MaxAgeMalformed => (
            "The max_age is no number of seconds.",
            text("It consists of digits only.", BY_REDIRECT, "Send a number such as `3600`.", NOTHING, &[METADATA]),
        ),
        RequestFault::ClaimsMalformed => (
            "The parameter claims has the wrong form.",
            text(
                "It is a JSON object with `userinfo` and `id_token`, whose members are null or objects (OpenID Connect Core §5.5).",
                BY_REDIRECT,
                "Send JSON such as `{\"id_token\":{\"email\":null}}`, encoded like every parameter.",
                NOTHING,
                &[METADATA],
            ),
        ),
        RequestFault::HintUnfit => (
            "The id_token_hint is no ID token of this client.",
            text(
                "It is something else, such as an access token, or an ID token of another issuer or another client. One that has expired would do.",
                BY_REDIRECT,
                "Send the last ID token that this client got here, or leave it out.",
                "After keys were deleted, older ID tokens are no longer recognised.",
                &[METADATA, "jeton key list"],
            ),
        ),
        RequestFault::PushRequired => (
            "The client has to push its requests.",
            text(
                "The client has `require_pushed_authorization_requests`, and came with plain parameters (RFC 9126).",
                BY_REDIRECT,
                "Send the parameters to `/auth/par`, then the `request_uri` that it answers with.",
                "Take the setting back if the client cannot do it.",
                &[SHOW_CLIENT, METADATA],
            ),
        ),
        RequestFault::PushedUri => (
            "A pushed request has a request_uri.",
            text(
                "What is pushed are the parameters themselves (RFC 9126 §2.1).",
                "The endpoint for pushed requests answers 400 `invalid_request`.",
                "Leave the `request_uri` out.",
                NOTHING,
                &[METADATA],
            ),
        ),
        RequestFault::UriUnknown => (
            "The request_uri is none of this server.",
            text(
                "It was changed on the way, is of another installation or environment, or its key was deleted.",
                BY_MESSAGE,
                "Send the `request_uri` of the answer of `/auth/par` unchanged, encoded like every parameter.",
                "If it happens to many, check that all nodes behind the proxy share one database and one `JETON_ENVIRONMENT`.",
                &["jeton key list", DOCTOR],
            ),
        ),
        RequestFault::UriExpired => (
            "The request_uri has expired.",
            text(
                "It was not used within 90 seconds after the push.",
                BY_MESSAGE,
                "Push the request when the person wants to log in, not when the page is made.",
                NOTHING,
                &[METADATA],
            ),
        ),
        RequestFault::UriOfAnotherClient => (
            "The request_uri was given to another client.",
            text(
                "The `client_id` beside it is not that of the client that pushed the request.",
                BY_MESSAGE,
                "Send the `client_id` that pushed.",
                NOTHING,
                &[SHOW_CLIENT],
            ),
        ),
        RequestFault::AnotherPerson => (
            "Another person logged in than the client means.",
            text(
                "The request names a person, by `id_token_hint` or by `claims`, and somebody else has just logged in.",
                "The client gets `login_required` by the redirect. The log has the client.",
                "Ask again without naming a person, if anybody will do.",
                NOTHING,
                &[METADATA],
            ),
        ),
        RequestFault::ScopeNotOfPerson => (
            "The person may not be granted what the client asks for.",
            text(
                "The scope of the user has nothing of what client or device ask for.",
                "The client gets `invalid_scope` by the redirect; of a device, the page says so.",
                "Ask for scopes that this person has.",
                "Give the user the scopes, if that is right.",
                &[SHOW_USER, SHOW_CLIENT],
            ),
        ),
    }
}

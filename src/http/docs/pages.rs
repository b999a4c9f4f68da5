//! What each error code and each cause means, and what to do about it: the texts of `/docs/errors/{code}`.
//!
//! In the commands, `{issuer}` and `{ops}` stand for the addresses of this server. `code` stands in backticks.

use crate::diagnosis::advice::{self, Advice as Text};
use crate::diagnosis::commands::{
    ADMIN_TOKEN, DOCTOR, EXPLAIN, EXPLAIN_ON_SERVER, EXPLAIN_REFRESH_TOKEN, METADATA, NEW_TOKEN, READY, SHOW_CLIENT,
    SHOW_USER,
};
use crate::protocol::cause::Cause;
use crate::protocol::error::ErrorCode;

/// The codes with which the admin API answers; each is the last part of `type` of a problem.
pub(crate) const PROBLEMS: [&str; 8] = [
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
pub(crate) struct Page {
    /// The last part of its address.
    pub(crate) code: &'static str,
    /// What it is, in one sentence.
    pub(crate) title: &'static str,
    /// The text.
    pub(crate) text: Text,
    /// The cause that it is about, which the log and the metrics name.
    pub(crate) cause: Option<Cause>,
}

/// The page of a code.
pub(crate) fn find(code: &str) -> Option<Page> {
    if let Ok(cause) = code.parse::<Cause>() {
        return Some(of_cause(cause));
    }
    let error = ErrorCode::ALL.into_iter().find(|error| error.name() == code);
    error.map(of_error).or_else(|| OTHERS.into_iter().find(|page| page.code == code))
}

/// The page of a cause.
pub(crate) fn of_cause(cause: Cause) -> Page {
    Page { code: cause.name(), title: cause.title(), text: advice::about(cause), cause: Some(cause) }
}

/// The page of an error of the OAuth endpoints.
pub(crate) fn of_error(error: ErrorCode) -> Page {
    if let Ok(cause) = error.name().parse() {
        return of_cause(cause);
    }
    let (title, text) = error_text(error);
    Page { code: error.name(), title, text, cause: None }
}

/// The codes of the admin API that are neither causes nor errors of the OAuth endpoints.
const OTHERS: [Page; 3] = [
    Page {
        code: "invalid_input",
        title: "Something about the request to the admin API is not acceptable.",
        text: Text {
            meaning: "A member, a parameter or the body breaks a rule. Nothing was changed.",
            see: "`detail` of the answer names what is wrong.",
            client: "Correct what `detail` names. The body is one JSON object with `Content-Type: \
                     application/json`, at most 64 KiB and not compressed; unknown members are refused.",
            resource_server: "Nothing.",
            administrator: "Nothing: the rules are in the reference, `/docs`.",
            commands: &["curl -s {issuer}/openapi.yaml"],
        },
        cause: None,
    },
    Page {
        code: "not_found",
        title: "There is no such thing.",
        text: Text {
            meaning: "The path does not exist, or what it names does not, or not any more.",
            see: "`detail` of the answer names what was looked for.",
            client: "Check the id. In a path, characters such as `/`, `?` and `%` are percent-encoded. \
                     `client_id` is compared exactly.",
            resource_server: "Nothing.",
            administrator: "List what there is.",
            commands: &["jeton client list", "jeton user list"],
        },
        cause: None,
    },
    Page {
        code: "conflict",
        title: "The request conflicts with what is there.",
        text: Text {
            meaning: "The name is taken, the thing was changed at the same time, there are two secrets already, \
                      the token has expired already, or it is the last key. Nothing was changed.",
            see: "`detail` of the answer says which of these it is.",
            client: "Read the thing anew and decide again. A change that came at the same time can be repeated.",
            resource_server: "Nothing.",
            administrator: "Look at what is there; the audit trail says who changed it.",
            commands: &[SHOW_CLIENT, "jeton key list"],
        },
        cause: None,
    },
];

const fn error_text(error: ErrorCode) -> (&'static str, Text) {
    match error {
        ErrorCode::InvalidRequest => (
            "The request is not well-formed.",
            Text {
                meaning: "A parameter is missing or stands twice, the client authenticates in two ways at once, \
                          or the body cannot be read. At the admin API: the token was sent twice, in the address \
                          or beside a form.",
                see: "`error_description` says which of these it is; `detail` at the admin API.",
                client: "Send parameters in the body, each once, as `application/x-www-form-urlencoded` or as a \
                         flat JSON object of strings, with a `Content-Type`. Authenticate by HTTP Basic or in \
                         the body, not both.",
                resource_server: "Send the `token` to be introspected in the body, never in the address.",
                administrator: "Nothing, as a rule. A proxy that compresses or rewrites bodies is worth a look.",
                commands: &[NEW_TOKEN],
            },
        ),
        ErrorCode::InvalidClient => (
            "The client did not authenticate.",
            Text {
                meaning: "The client is unknown or disabled, its secret is wrong or missing, a public client \
                          sent a secret, or it is a public client where one with a secret is needed. The answer \
                          is the same for all of them.",
                see: "Only the log says which of these it is, in `reason`.",
                client: "Check `client_id` and `client_secret`, and that they are of this environment. For HTTP \
                         Basic both are form-encoded first; in the body they are encoded like every parameter. A \
                         public client sends its `client_id` and no secret.",
                resource_server: "The same: introspection needs your own `client_id` and `client_secret`, not \
                                  those of the client that got the token.",
                administrator: "See whether the client exists and is enabled. A lost secret is replaced: add a \
                                second one, give it to the client, retire the first.",
                commands: &[SHOW_CLIENT, "jeton client secret add CLIENT_ID", "jeton client enable CLIENT_ID"],
            },
        ),
        ErrorCode::InvalidGrant => (
            "The password or the refresh token is not good.",
            Text {
                meaning: "For `password`: the username or the password is wrong, or the user is disabled; the \
                          answer is the same for all of them. For `refresh_token`: it is spent, expired, \
                          revoked, damaged or another client's.",
                see: "`error_description` tells a client with a secret whether its session expired, was ended or \
                      was reused, and nobody else. The log has the cause; of a password, in `reason`. The first \
                      command explains a refresh token.",
                client: "Log the user in again; after a wrong password, let the user type it anew. Always keep \
                         the newest refresh token: each refresh gives a new one, and a spent one that is used \
                         again ends the session.",
                resource_server: "Nothing: this is between the client and this server.",
                administrator: "See whether the user exists and is enabled, and what ended the session.",
                commands: &[EXPLAIN_REFRESH_TOKEN, SHOW_USER, "jeton user password USERNAME"],
            },
        ),
        ErrorCode::UnauthorizedClient => (
            "The client may not use this grant.",
            Text {
                meaning: "The client authenticated, but `grant_type` is not among its `grant_types`. A public \
                          client never has `client_credentials`.",
                see: "Compare `grant_type` of the request with `grant_types` of the client.",
                client: "Use a grant that the client has.",
                resource_server: "Nothing.",
                administrator: "Switch the grant on for the client, if it is meant to have it. The list replaces \
                                the one before.",
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
                meaning: "The client, the user or the session may not have all that `scope` names; or names are \
                          not separated by single spaces; or a `jeton:` scope was asked for together with \
                          others.",
                see: "Compare `scope` of the request with that of the client and, for a login, of the user.",
                client: "Ask for less, or leave `scope` out to get all that may be granted. In a form, a space \
                         is `+` or `%20`.",
                resource_server: "Nothing.",
                administrator: "Add the scope to the client, and to the user if it has a list of its own. The \
                                list replaces the one before.",
                commands: &[SHOW_CLIENT, SHOW_USER, "jeton client update CLIENT_ID --scope 'read write'"],
            },
        ),
        ErrorCode::InvalidTarget => (
            "The resource is not one that the client may ask for.",
            Text {
                meaning: "`resource` (RFC 8707) names something that is not among the `audiences` of the client \
                          or, for a refresh, of the session.",
                see: "Compare `resource` of the request with `audiences` of the client, letter for letter: a \
                      slash at the end counts.",
                client: "Send one of the audiences exactly as it is configured, or leave `resource` out.",
                resource_server: "Tell the client which audience you expect.",
                administrator: "Add the audience to the client. The list replaces the one before.",
                commands: &[SHOW_CLIENT, "jeton client update CLIENT_ID --audiences https://api.example.com"],
            },
        ),
        ErrorCode::InvalidToken => (
            "The token is not good.",
            Text {
                meaning: "The request carried a token, and it was refused: it is damaged, expired, revoked, of \
                          somebody else, or meant for another audience. Whoever sent it is told no more if it \
                          cannot be verified.",
                see: "The first two commands say why. A token for the admin API has the audience \
                      `{issuer}/admin/v1` and a `jeton:` scope.",
                client: "Get a new token and send it as `Authorization: Bearer TOKEN`; for the admin API, with a \
                         `jeton:` scope.",
                resource_server: "Answer `invalid_token` with 401 for the same reasons (RFC 6750).",
                administrator: "If nobody has a client for administration any more, create one on the machine of \
                                the server.",
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
        ErrorCode::TemporarilyUnavailable => (
            "The server could not decide just now.",
            Text {
                meaning: "The database did not answer, or more passwords arrive than can be hashed (503); or there \
                          were too many failed logins, or too many explanations for one client (429). Nothing was \
                          refused; a change may or may not have happened.",
                see: "The answer is 503 or 429 with `Retry-After`. The log has the reason.",
                client: "Wait as long as `Retry-After` says and repeat the same request. A refresh may be \
                         repeated with the same refresh token.",
                resource_server: "Do not treat it as a refusal: answer 503 yourself, or go on with tokens that \
                                  you verify by the published keys.",
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

#[cfg(test)]
mod tests {
    use super::*;

    fn every_page() -> Vec<Page> {
        let causes = Cause::ALL.iter().map(|cause| of_cause(*cause));
        causes
            .chain(ErrorCode::ALL.into_iter().map(of_error).filter(|page| page.cause.is_none()))
            .chain(OTHERS)
            .collect()
    }

    #[test]
    fn every_page_has_every_section() {
        for page in every_page() {
            let Text { meaning, see, client, resource_server, administrator, commands } = page.text;
            for text in [page.title, meaning, see, client, resource_server, administrator] {
                assert!(text.ends_with('.') && text.len() > 7, "{}: {text:?}", page.code);
                assert_eq!(text.matches('`').count() % 2, 0, "{}: {text:?}", page.code);
            }
            let explained = page.cause.and_then(crate::diagnosis::commands::explain_commands).is_some();
            assert!(explained || !commands.is_empty(), "{}", page.code);
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

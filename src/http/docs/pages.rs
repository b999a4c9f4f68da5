//! What each error code and each cause means, and what to do about it: the texts of `/docs/errors/{code}`.
//!
//! In the commands, `{issuer}` and `{ops}` stand for the addresses of this server. `code` stands in backticks.

use crate::diagnosis::advice::{self, Advice as Text};
use crate::diagnosis::commands::SHOW_CLIENT;
use crate::http::docs::{errors, faults};
use crate::protocol::cause::Cause;
use crate::protocol::error::ErrorCode;
use crate::protocol::fault::Fault;

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
    if let Ok(fault) = code.parse::<Fault>() {
        return Some(of_fault(fault));
    }
    let error = ErrorCode::ALL.iter().copied().find(|error| error.name() == code);
    error.map(of_error).or_else(|| OTHERS.into_iter().find(|page| page.code == code))
}

/// The page of a cause.
pub(crate) fn of_cause(cause: Cause) -> Page {
    Page { code: cause.name(), title: cause.title(), text: advice::about(cause), cause: Some(cause) }
}

/// The page of a fault.
pub(crate) fn of_fault(fault: Fault) -> Page {
    let (title, text) = faults::about(fault);
    Page { code: fault.name(), title, text, cause: None }
}

/// The page of an error of the OAuth endpoints.
pub(crate) fn of_error(error: ErrorCode) -> Page {
    if let Ok(cause) = error.name().parse() {
        return of_cause(cause);
    }
    let (title, text) = errors::about(error);
    Page { code: error.name(), title, text, cause: None }
}

/// The codes of the admin API that are neither causes nor errors of the OAuth endpoints.
const OTHERS: [Page; 3] = [
    Page {
        code: "invalid_input",
        title: "The request to the admin API breaks a rule.",
        text: Text {
            meaning: "A member, a parameter or the body is invalid. Nothing was changed.",
            see: "`detail` of the answer names what is wrong.",
            client: "Correct what `detail` names. Send one JSON object with `Content-Type: \
                     application/json`, at most 64 KiB and not compressed. Unknown members are refused.",
            resource_server: "Nothing.",
            administrator: "Nothing. The reference, `/docs`, has the rules.",
            commands: &["curl -s {issuer}/openapi.yaml"],
        },
        cause: None,
    },
    Page {
        code: "not_found",
        title: "Nothing was found under this path or id.",
        text: Text {
            meaning: "The path does not exist, or what it names does not exist or was deleted.",
            see: "`detail` of the answer names what was not found.",
            client: "Check the id. In a path, percent-encode characters such as `/`, `?` and `%`. \
                     `client_id` is compared exactly.",
            resource_server: "Nothing.",
            administrator: "List the clients and users.",
            commands: &["jeton client list", "jeton user list"],
        },
        cause: None,
    },
    Page {
        code: "conflict",
        title: "The request conflicts with the current state.",
        text: Text {
            meaning: "The name is taken or would lead to two users, somebody else changed the same client or user, the \
                      client has two secrets, the token has already expired, the key is the last one, new keys are \
                      announced already, or a running node is too old for the setting. Nothing was changed.",
            see: "`detail` of the answer says which.",
            client: "Read the current state and decide again. After a simultaneous change, repeat yours.",
            resource_server: "Nothing.",
            administrator: "Look at the current state; the audit trail says who changed it. Upgrade a node that `detail` \
                            names as too old.",
            commands: &[SHOW_CLIENT, "jeton key list"],
        },
        cause: None,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    fn every_page() -> Vec<Page> {
        let causes = Cause::ALL.iter().map(|cause| of_cause(*cause));
        causes
            .chain(ErrorCode::ALL.iter().copied().map(of_error).filter(|page| page.cause.is_none()))
            .chain(OTHERS)
            .chain(Fault::all().map(of_fault))
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
        let codes = Cause::ALL.iter().map(|cause| cause.name()).chain(ErrorCode::ALL.iter().map(|error| error.name()));
        for code in codes.chain(PROBLEMS).chain(Fault::all().map(Fault::name)) {
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

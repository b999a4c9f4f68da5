//! A request that was pasted, and what is wrong with it.

use serde::Serialize;

use crate::protocol::cause::Cause;

/// Something that is wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The cause for which a server refuses the request; `None` if it is merely worth knowing.
    pub cause: Option<Cause>,
    /// What is wrong.
    pub detail: &'static str,
    /// What to do about it.
    pub fix: &'static str,
}

/// A request as it would be sent.
#[derive(Default)]
pub struct Pasted {
    /// The method, in upper case.
    pub method: String,
    /// The whole URL for curl, often only the path for a block of headers. Empty if there is none.
    pub url: String,
    /// The headers in their order, with their names as written.
    pub headers: Vec<(String, String)>,
    /// The parameters of a form body or of a flat JSON body.
    pub body: Vec<(String, String)>,
    /// What is wrong with it, the first cause first.
    pub problems: Vec<Problem>,
    /// The text that was presented as a token or, if there was none, one found in the wrong place.
    pub token: Option<String>,
}

impl Pasted {
    /// The values of a header.
    pub(super) fn values_of(&self, wanted: &str) -> Vec<String> {
        let headers = self.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
        headers.map(|(_, value)| value.clone()).collect()
    }
}

/// A request, and what else its reader learned.
#[derive(Default)]
pub(super) struct Draft {
    pub(super) request: Pasted,
    /// Whether the body is a form.
    pub(super) is_form: bool,
    /// `user:password`, if HTTP Basic is used.
    pub(super) basic: Option<String>,
    /// The scheme of the URL, if known.
    pub(super) scheme: Option<String>,
    /// The Authorization header has a variable that the shell expands.
    pub(super) expanded: bool,
    /// The Authorization header has a variable that the shell does not expand.
    pub(super) unexpanded: bool,
    /// The header is in double quotes, where a variable may have been empty.
    pub(super) maybe_empty: bool,
}

impl Draft {
    /// Reports a problem, once.
    pub(super) fn report(&mut self, cause: impl Into<Option<Cause>>, detail: &'static str, fix: &'static str) {
        let problem = Problem { cause: cause.into(), detail, fix };
        if !self.request.problems.contains(&problem) {
            self.request.problems.push(problem);
        }
    }
}

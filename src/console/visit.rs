//! A person with a role who asks for a page, or for something to be done; and what comes of it.

use crate::admin::powers::Powers;
use crate::admin::{Actor, AdminError, ListRequest};
use crate::app::{App, Failure, Request};
use crate::console::File;
use crate::console::page::{Block, Page};
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::role::Role;
use crate::store::{Audited, BrowserSessionRecord, StoreError};

/// A person with a role at a browser.
pub(super) struct Visit<'a> {
    pub(super) app: &'a App,
    pub(super) request: &'a Request<'a>,
    pub(super) record: &'a BrowserSessionRecord,
    pub(super) role: Role,
}

/// What is shown.
pub(super) enum Content {
    Page(Box<Page>),
    File(File),
    /// Another address, below the root.
    Elsewhere(String),
}

impl From<Page> for Content {
    fn from(page: Page) -> Self {
        Self::Page(Box::new(page))
    }
}

/// Why something is not shown or done.
pub(super) enum Problem {
    Failure(Failure),
    Admin(AdminError),
    /// It takes one of these scopes, or the role with its powers.
    NoPower(Powers),
    /// The person has no role at all.
    NoRole,
    /// The person has to prove anew who they are, on this page.
    Unproven(Box<Page>),
    /// The login has ended meanwhile.
    LoginEnded,
    NoSuchPage,
    /// There are as many of something as there may be.
    TooMany(&'static str),
}

pub(super) type Outcome<T> = Result<T, Problem>;

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self::Failure(refusal.into())
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::Failure(error.into())
    }
}

impl From<AdminError> for Problem {
    fn from(error: AdminError) -> Self {
        match error {
            AdminError::Unavailable(reason) => Self::Failure(Failure::Unavailable(reason)),
            AdminError::Overloaded => Self::Failure(Failure::Overloaded),
            error => Self::Admin(error),
        }
    }
}

impl Problem {
    /// The page that says what is wrong.
    ///
    /// # Errors
    /// A failure, which is answered as everywhere.
    pub(super) fn page(self) -> Result<Page, Failure> {
        let (status, title, text, code) = match self {
            Self::Failure(failure) => return Err(failure),
            Self::Unproven(page) => return Ok(*page),
            Self::NoPower(powers) => {
                let roles: Vec<&str> =
                    Role::ALL.iter().filter(|role| role.has_one_of(powers)).map(|role| role.name()).collect();
                let text = format!("You need one of these roles: {}.", roles.join(", "));
                (403, "Your role does not allow this", text, ErrorCode::InsufficientScope)
            }
            Self::NoRole => {
                let text = "Your account has no role, so you cannot administer here. Ask an administrator for one.";
                (403, "Your account has no role", text.to_owned(), ErrorCode::InsufficientScope)
            }
            Self::LoginEnded => {
                let text = "Your login has ended, so nothing was changed. Log in again.";
                (403, "Your login has ended", text.to_owned(), ErrorCode::InsufficientScope)
            }
            Self::NoSuchPage => {
                (404, "There is no such page", "Nothing was changed.".to_owned(), ErrorCode::InvalidRequest)
            }
            Self::TooMany(text) => {
                (503, "This is not possible now", text.to_owned(), ErrorCode::TemporarilyUnavailable)
            }
            Self::Admin(error) => {
                let (status, title, code) = match &error {
                    AdminError::NotFound(_) => (404, "Not found", ErrorCode::InvalidRequest),
                    AdminError::Conflict(_) => (409, "This is not possible now", ErrorCode::InvalidRequest),
                    AdminError::NeedsAdmin(_) => (403, "Your role does not allow this", ErrorCode::InsufficientScope),
                    _ => (400, "Something is wrong with the request", ErrorCode::InvalidRequest),
                };
                (status, title, sentence(&error.to_string()), code)
            }
        };
        // What was sent may be a secret in the wrong place, so the log has only the kind of problem.
        let refusal = Refusal::new(code, title);
        Ok(Page { status, failure: Some(refusal.into()), ..Page::new(title) }.with(Block::problem(text)))
    }
}

/// The refusal of a form that asks for nothing known.
pub(super) fn unknown_action() -> Problem {
    AdminError::Invalid("the form asks for nothing that can be done here".into()).into()
}

/// A text of administration, which begins in lower case, as a sentence.
pub(super) fn sentence(text: &str) -> String {
    let mut rest = text.chars();
    let first: String = rest.next().into_iter().flat_map(char::to_uppercase).collect();
    let end = if text.ends_with(['.', '?', '!']) { "" } else { "." };
    format!("{first}{}{end}", rest.as_str())
}

impl<'a> Visit<'a> {
    /// Whether the person's role has one of these powers.
    pub(super) fn may(&self, powers: Powers) -> bool {
        self.role.has_one_of(powers)
    }

    /// Refuses, unless the person's role has one of these powers.
    pub(super) fn needs(&self, powers: Powers) -> Outcome<()> {
        if self.may(powers) { Ok(()) } else { Err(Problem::NoPower(powers)) }
    }

    /// The person, as administration knows it.
    pub(super) fn actor(&self) -> Actor {
        Actor::person(&self.record.user, self.role, self.request)
    }

    /// The same for the audit trail.
    pub(super) fn audited(&self) -> Audited {
        self.app.dated(&self.actor())
    }

    /// A parameter as it was sent.
    pub(super) fn raw(&self, name: &'static str) -> Outcome<Option<&'a str>> {
        let parameters = self.request.parameters;
        Ok(parameters.one(name)?)
    }

    /// A parameter, which has no control characters.
    pub(super) fn one(&self, name: &'static str) -> Outcome<Option<&'a str>> {
        let value = self.raw(name)?;
        if value.is_some_and(|value| value.chars().any(char::is_control)) {
            return Err(AdminError::Invalid(format!("the parameter {name} has control characters")).into());
        }
        Ok(value)
    }

    /// The same as a text of its own; empty if it was not sent.
    pub(super) fn text(&self, name: &'static str) -> Outcome<String> {
        Ok(self.one(name)?.unwrap_or_default().to_owned())
    }

    /// Which part of a list is asked for.
    pub(super) fn part(&self) -> Outcome<ListRequest> {
        Ok(ListRequest { limit: None, cursor: self.one("cursor")?.map(str::to_owned) })
    }

    /// What the last form did, if the address says so: a notice.
    pub(super) fn done(&self) -> Outcome<Option<Block>> {
        let text = match self.one("done")? {
            Some("enabled") => "It is enabled.",
            Some("changed") => "The settings are changed.",
            Some("unchanged") => "There was nothing to change.",
            Some("disabled") => "It is disabled, and what was issued to it has ended.",
            Some("deleted") => "It is deleted, and what was issued to it has ended.",
            Some("secret_retired") => "The secret no longer works.",
            Some("role_changed") => "The role is changed. The user has to log in again.",
            Some("second_factor_removed") => "The second factor is removed.",
            Some("revoked") => "It is revoked. Each node below says when it has seen that.",
            Some("rotated") => {
                "New keys are announced. They become active when every resource server has had the time to see them."
            }
            Some("resource_saved" | "issuer_saved") => "It is saved, and every node follows within a second.",
            Some("resource_deleted") => "The resource is deleted. Tokens for it are good until they expire.",
            Some("issuer_disabled") => "It is disabled: its tokens are refused from now on.",
            Some("issuer_deleted") => "The issuer is deleted: its tokens are refused from now on.",
            Some("withdrawn") => "The link is withdrawn: it leads nowhere any more.",
            Some("kept") => "It is kept. The link at the end of this page is for your colleagues.",
            Some("key_deleted") => "The key is deleted: what it made no longer works.",
            _ => return Ok(None),
        };
        Ok(Some(Block::notice(text)))
    }
}

/// An address below the root: a path, with these parameters that are not empty.
pub(super) fn address(path: &str, parameters: &[(&str, &str)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(parameters.iter().filter(|(_, value)| !value.is_empty()));
    let query = query.finish();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_holds_any_value() {
        assert_eq!(
            address("console/client", &[("id", "a&b=c/#é"), ("x", "")]),
            "console/client?id=a%26b%3Dc%2F%23%C3%A9"
        );
        assert_eq!(address("console/users", &[("user", "")]), "console/users");
    }

    #[test]
    fn a_text_of_administration_becomes_a_sentence() {
        assert_eq!(sentence("there is no user \"x\""), "There is no user \"x\".");
        assert_eq!(sentence("Done."), "Done.");
        assert_eq!(sentence(""), ".");
    }
}

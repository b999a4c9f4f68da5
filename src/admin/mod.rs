//! Administration: what the admin API and the command line both do.

pub mod clients;
pub mod demo;
pub mod keys;
pub mod records;
pub mod revocations;
pub mod users;

use std::sync::Arc;

use serde::Serialize;

use crate::app::App;
use crate::clock::Clock;
use crate::crypto::{base64url, from_base64url, sha256};
use crate::passwords::pool::{Overloaded, PasswordPool};
use crate::protocol::bearer::begins_like_a_token;
use crate::protocol::cause::Cause;
use crate::protocol::revocation::{NewRevocation, Target};
use crate::settings::Settings;
use crate::store::{Audited, Page, Store, StoreError};

/// The most items of a list in one answer.
const LARGEST_PAGE: i64 = 200;
/// The items of a list in one answer, unless the caller says otherwise.
const DEFAULT_PAGE: i64 = 50;

/// What administration works with.
#[derive(Clone, Debug)]
pub struct Administration {
    /// The settings.
    pub settings: Arc<Settings>,
    /// The one clock.
    pub clock: Clock,
    /// The database.
    pub store: Store,
    /// Hashes passwords and chosen secrets.
    pub passwords: PasswordPool,
}

impl From<&App> for Administration {
    fn from(app: &App) -> Self {
        Self {
            settings: Arc::clone(&app.settings),
            clock: app.clock.clone(),
            store: app.store.clone(),
            passwords: app.passwords.clone(),
        }
    }
}

/// Who administers, and with what power.
#[derive(Clone, Debug)]
pub struct Actor {
    /// For the trail of audit.
    pub audited: Audited,
    /// Whether it holds `jeton:admin` or is the command line.
    pub is_admin: bool,
}

/// Why something was not done. Each text is one plain sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdminError {
    /// What was asked for is not acceptable.
    Invalid(String),
    /// There is no such thing.
    NotFound(String),
    /// It conflicts with what is there.
    Conflict(String),
    /// It needs the scope `jeton:admin`.
    NeedsAdmin(String),
    /// The database did not answer; the text is for the log.
    Unavailable(String),
    /// More passwords arrive than can be hashed.
    Overloaded,
}

impl std::fmt::Display for AdminError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Invalid(text)
            | Self::NotFound(text)
            | Self::Conflict(text)
            | Self::NeedsAdmin(text)
            | Self::Unavailable(text) => formatter.write_str(text),
            Self::Overloaded => formatter.write_str("more passwords arrive than can be hashed; try again in a moment"),
        }
    }
}

impl std::error::Error for AdminError {}

impl From<StoreError> for AdminError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Exists => Self::Conflict("it exists already".into()),
            StoreError::Unavailable(_) => Self::Unavailable(error.to_string()),
        }
    }
}

impl From<Overloaded> for AdminError {
    fn from(Overloaded: Overloaded) -> Self {
        Self::Overloaded
    }
}

/// The result of an act of administration.
pub type Result<T> = std::result::Result<T, AdminError>;

/// There is no such thing. What was sent is shown only if it is short and no secret of this server, sent by mistake.
fn no_such(kind: &str, sent: &str) -> AdminError {
    let looks_secret = begins_like_a_token(sent);
    if looks_secret || sent.len() > 255 {
        AdminError::NotFound(format!(
            "there is no such {kind}; what was sent looks like a token or is too long for an id"
        ))
    } else {
        AdminError::NotFound(format!("there is no {kind} {sent:?}"))
    }
}

/// A part of a list.
#[derive(Clone, Debug, Serialize)]
pub struct List<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next part begins; none: this was the last.
    pub next: Option<String>,
}

/// Which part of a list is wanted.
#[derive(Clone, Debug, Default)]
pub struct ListRequest {
    /// At most so many items.
    pub limit: Option<i64>,
    /// What an earlier part gave as `next`.
    pub cursor: Option<String>,
}

impl ListRequest {
    /// The part to read: one item more than wanted, which tells whether there is a next part.
    fn page(&self, list: &'static str) -> Result<Page> {
        let limit = self.limit.unwrap_or(DEFAULT_PAGE);
        if !(1..=LARGEST_PAGE).contains(&limit) {
            return Err(AdminError::Invalid(format!("limit is a number from 1 to {LARGEST_PAGE}")));
        }
        let after = self.cursor.as_deref().map(|cursor| read_cursor(list, cursor)).transpose()?;
        Ok(Page { limit: limit + 1, after })
    }
}

/// Makes a list of what was read for a page.
fn list<T, U>(
    name: &'static str,
    page: &Page,
    mut read: Vec<T>,
    key: impl Fn(&T) -> String,
    show: impl Fn(T) -> U,
) -> List<U> {
    let wanted = usize::try_from(page.limit - 1).unwrap_or(usize::MAX);
    let has_more = read.len() > wanted;
    read.truncate(wanted);
    let next = if has_more { read.last().map(|last| write_cursor(name, &key(last))) } else { None };
    List { items: read.into_iter().map(show).collect(), next }
}

/// A cursor is the key of the last item with a checksum, so that a changed one is told from a real one.
fn write_cursor(list: &'static str, key: &str) -> String {
    base64url([&cursor_checksum(list, key), key.as_bytes()].concat())
}

fn read_cursor(list: &'static str, cursor: &str) -> Result<String> {
    let read = || -> Option<String> {
        let bytes = from_base64url(cursor)?;
        let (checksum, key) = bytes.split_at_checked(8)?;
        let key = std::str::from_utf8(key).ok()?;
        (checksum == cursor_checksum(list, key)).then(|| key.to_owned())
    };
    read().ok_or_else(|| AdminError::Invalid("cursor is not one that this list gave as next".into()))
}

fn cursor_checksum(list: &'static str, key: &str) -> [u8; 8] {
    let hash = sha256(format!("cursor of {list}: {key}").as_bytes());
    std::array::from_fn(|index| hash[index])
}

impl Administration {
    /// A revocation by this actor, from now on.
    fn revocation(&self, target: Target, cause: Cause, reason: impl Into<Option<String>>) -> NewRevocation {
        let covers_until = self.settings.covers_until(self.clock.now());
        NewRevocation { target, cause, reason: reason.into(), covers_until }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_in_its_own_list_only() {
        let cursor = write_cursor("clients", "billing");
        assert_eq!(read_cursor("clients", &cursor), Ok("billing".into()));
        assert!(read_cursor("users", &cursor).is_err());
        assert!(read_cursor("clients", &cursor.to_lowercase()).is_err());
        for text in ["", "x", "AAAA", "%00"] {
            assert!(read_cursor("clients", text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_list_says_whether_more_follows() {
        let page = ListRequest { limit: Some(2), cursor: None }.page("n").unwrap();
        let make = |count: i32| list("n", &page, (0..count).collect(), ToString::to_string, |item| item);
        assert_eq!((make(2).items, make(2).next), (vec![0, 1], None));
        assert_eq!((make(3).items, make(3).next.is_some()), (vec![0, 1], true));
        assert!(ListRequest { limit: Some(0), cursor: None }.page("n").is_err());
        assert!(ListRequest { limit: Some(201), cursor: None }.page("n").is_err());
    }
}

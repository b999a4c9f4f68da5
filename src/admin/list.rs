//! Lists in pages, each of which says where the next one begins.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::json;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use crate::admin::schema::QueryText;
use crate::admin::{AdminError, Result};
use crate::crypto::{base64url, from_base64url, sha256};
use crate::protocol::schema::with_keywords;
use crate::store::{Looked, Page};

/// The most items in one page.
const LARGEST_PAGE: i64 = 200;
/// The items in one page, unless the caller says otherwise.
const DEFAULT_PAGE: i64 = 50;

/// A page of a list.
#[derive(Clone, Debug, Serialize)]
pub struct List<T> {
    /// The items.
    pub items: Vec<T>,
    /// The cursor of the next page; null on the last one.
    pub next: Option<String>,
}

impl<T: ToSchema> PartialSchema for List<T> {
    fn schema() -> RefOr<Schema> {
        let item = format!("#/components/schemas/{}", T::name());
        with_keywords(json!({
            "description": "A page of a list.",
            "type": "object",
            "required": ["items", "next"],
            "properties": {
                "items": {"type": "array", "items": {"$ref": item}},
                "next": {"type": ["string", "null"], "description": "The cursor of the next page; null on the last one."},
            },
        }))
    }
}

impl<T: ToSchema> ToSchema for List<T> {
    fn name() -> Cow<'static, str> {
        format!("{}s", T::name()).into()
    }

    fn schemas(found: &mut Vec<(String, RefOr<Schema>)>) {
        found.push((T::name().into(), T::schema()));
        T::schemas(found);
    }
}

/// Which page of a list to read.
#[derive(Clone, Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListRequest {
    /// The most items in one answer.
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub limit: Option<i64>,
    /// Where to go on: the `next` of the page before, of the same list.
    #[param(value_type = Option<QueryText>)]
    pub cursor: Option<String>,
}

impl ListRequest {
    /// The page to read: one item more than requested, which shows whether there is a next page.
    pub(super) fn page(&self, list: &'static str) -> Result<Page> {
        let limit = self.limit.unwrap_or(DEFAULT_PAGE);
        if !(1..=LARGEST_PAGE).contains(&limit) {
            return Err(AdminError::Invalid(format!("limit is a number from 1 to {LARGEST_PAGE}")));
        }
        let after = self.cursor.as_deref().map(|cursor| read_cursor(list, cursor)).transpose()?;
        Ok(Page { limit: limit + 1, after })
    }
}

impl<U> List<U> {
    /// Makes a list of the rows that were read for a page.
    pub(super) fn new<T>(
        name: &'static str,
        page: &Page,
        rows: Vec<T>,
        key: impl Fn(&T) -> String,
        show: impl Fn(T) -> U,
    ) -> Self {
        Self::of_looked(name, page, Looked { found: rows, looked_to: None }, key, show)
    }

    /// The same of a list of which only so many rows were looked at: a next page may follow one that is not full.
    pub(super) fn of_looked<T>(
        name: &'static str,
        page: &Page,
        Looked { found: mut rows, looked_to }: Looked<T>,
        key: impl Fn(&T) -> String,
        show: impl Fn(T) -> U,
    ) -> Self {
        let requested = usize::try_from(page.limit - 1).unwrap_or(usize::MAX);
        let has_more = rows.len() > requested;
        rows.truncate(requested);
        let next = if has_more { rows.last().map(key) } else { looked_to };
        Self { items: rows.into_iter().map(show).collect(), next: next.map(|key| write_cursor(name, &key)) }
    }
}

/// A cursor is the key of the last item with a checksum, so that a cursor that was altered is refused.
fn write_cursor(list: &'static str, key: &str) -> String {
    base64url([&cursor_checksum(list, key), key.as_bytes()].concat())
}

fn read_cursor(list: &'static str, cursor: &str) -> Result<String> {
    let read = || -> Option<String> {
        let bytes = from_base64url(cursor)?;
        let (checksum, key) = bytes.split_at_checked(8)?;
        let key = std::str::from_utf8(key).ok()?;
        // Anyone can compute the checksum, and Postgres knows no NUL.
        (checksum == cursor_checksum(list, key) && !key.contains('\0')).then(|| key.to_owned())
    };
    read().ok_or_else(|| AdminError::Invalid("cursor was not given by this list as next".into()))
}

fn cursor_checksum(list: &'static str, key: &str) -> [u8; 8] {
    let hash = sha256(format!("cursor of {list}: {key}").as_bytes());
    std::array::from_fn(|index| hash[index])
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
        assert!(read_cursor("clients", &write_cursor("clients", "a\0b")).is_err(), "no key has a NUL");
    }

    #[test]
    fn a_list_says_whether_more_follows() {
        let page = ListRequest { limit: Some(2), cursor: None }.page("n").unwrap();
        let make = |count: i32| List::new("n", &page, (0..count).collect(), ToString::to_string, |item| item);
        assert_eq!((make(2).items, make(2).next), (vec![0, 1], None));
        assert_eq!((make(3).items, make(3).next.is_some()), (vec![0, 1], true));
        // Not every row was looked at.
        let looked = |count: i32| Looked { found: (0..count).collect(), looked_to: Some("key".into()) };
        let part = |count: i32| List::of_looked("n", &page, looked(count), ToString::to_string, |item| item);
        assert_eq!((part(0).items, part(0).next), (vec![], Some(write_cursor("n", "key"))));
        assert_eq!((part(3).items, part(3).next), (vec![0, 1], Some(write_cursor("n", "1"))));
        assert!(ListRequest { limit: Some(0), cursor: None }.page("n").is_err());
        assert!(ListRequest { limit: Some(201), cursor: None }.page("n").is_err());
    }
}

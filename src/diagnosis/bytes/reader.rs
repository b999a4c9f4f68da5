//! Reads what is within a text, with a limit on the work: whatever is sent, an examination ends soon.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use serde_json::{Map, Value};

use crate::crypto::from_base64url;
use crate::diagnosis::bytes::characters::to_base64url;

/// What it costs to parse a byte of JSON: small members each need memory of their own.
pub(super) const PARSING: usize = 32;
/// What anything costs, however short it is.
const STEP: usize = 32;

/// A JSON object that was read once and is shared from then on.
pub(in crate::diagnosis) type Object = Rc<Map<String, Value>>;

/// The work that an examination may still be, in bytes that are looked at once, and the JSON objects that it has read.
///
/// Whatever goes over a whole text takes its cost first. When there is not enough left the reader gives up: it finds
/// nothing any more, and the examination must not be believed.
#[derive(Debug)]
pub(in crate::diagnosis) struct Reader {
    left: Cell<Option<usize>>,
    objects: RefCell<HashMap<String, Option<Object>>>,
}

impl Reader {
    pub(in crate::diagnosis) fn new(effort: usize) -> Self {
        Self { left: Cell::new(Some(effort)), objects: RefCell::default() }
    }

    /// Takes the cost of going over a text so many times; whether there was enough left.
    pub(in crate::diagnosis) fn may_read(&self, text: &str, times: usize) -> bool {
        let left = self.left.get().and_then(|left| left.checked_sub(text.len() * times + STEP));
        self.left.set(left);
        left.is_some()
    }

    /// Whether the text was too much work.
    pub(in crate::diagnosis) fn gave_up(&self) -> bool {
        self.left.get().is_none()
    }

    /// The effort that is left.
    #[cfg(test)]
    pub(in crate::diagnosis) fn left(&self) -> usize {
        self.left.get().unwrap_or(0)
    }

    /// A segment of a JWT as a JSON object, in either base64 alphabet, with or without padding.
    pub(in crate::diagnosis) fn object(&self, segment: &str) -> Option<Object> {
        if !self.may_read(segment, 4) {
            return None;
        }
        if let Some(known) = self.objects.borrow().get(segment) {
            return known.clone();
        }
        let object = self.parse(segment).map(Rc::new);
        if !self.gave_up() {
            self.objects.borrow_mut().insert(segment.to_owned(), object.clone());
        }
        object
    }

    fn parse(&self, segment: &str) -> Option<Map<String, Value>> {
        let json = from_base64url(to_base64url(segment))?;
        // Most texts are no JSON, which costs little to see.
        if json.trim_ascii_start().first() != Some(&b'{') || !self.may_read(segment, PARSING) {
            return None;
        }
        serde_json::from_slice(&json).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::base64url;

    #[test]
    fn an_object_is_parsed_once() {
        let segment = base64url(r#"{"alg":"none"}"#);
        let reader = Reader::new(10_000);
        let first = reader.object(&segment).unwrap();
        let after_first = reader.left();
        let second = reader.object(&segment).unwrap();
        assert!(Rc::ptr_eq(&first, &second));
        assert!(after_first - reader.left() < (10_000 - after_first) / 3);
    }

    #[test]
    fn a_reader_that_gave_up_finds_nothing_any_more() {
        let segment = base64url(r#"{"alg":"none"}"#);
        let reader = Reader::new(segment.len() * PARSING);
        assert_eq!(reader.object(&segment), None);
        assert!(reader.gave_up());
        assert!(!reader.may_read("", 1));
    }
}

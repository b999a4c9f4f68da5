//! The answer to a call.

use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderMap};

/// The longest `ETag` that is kept, in bytes.
const LONGEST_ETAG: usize = 256;

/// The answer to a call that was a success.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The body; empty if nothing has changed.
    pub body: Vec<u8>,
    /// Whether nothing has changed since the answer whose `ETag` was sent along (304).
    pub is_unchanged: bool,
    /// For how many seconds it may be kept, if it says so (RFC 9111 §5.2.2.1).
    pub max_age: Option<u64>,
    /// By which it can be asked for again (RFC 9110 §8.8.3).
    pub etag: Option<String>,
    /// Whether it is a JSON document by its media type.
    pub(super) is_json: bool,
}

impl Answer {
    /// Reads what the head says.
    pub(super) fn of(headers: &HeaderMap, is_unchanged: bool) -> Self {
        let one = |name| headers.get(name).and_then(|value| value.to_str().ok());
        Self {
            body: Vec::new(),
            is_unchanged,
            max_age: max_age(headers),
            etag: one(ETAG).filter(|etag| etag.len() <= LONGEST_ETAG).map(str::to_owned),
            is_json: one(CONTENT_TYPE).is_some_and(is_json),
        }
    }
}

/// What must be asked for again each time may be kept for no time.
fn max_age(headers: &HeaderMap) -> Option<u64> {
    let lines = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let directives: Vec<&str> = lines.flat_map(|line| line.split(',')).map(str::trim).collect();
    let has = |name: &str| directives.iter().any(|directive| directive.eq_ignore_ascii_case(name));
    if has("no-store") || has("no-cache") {
        return Some(0);
    }
    let value = |directive: &&str| {
        let (name, value) = directive.split_once('=')?;
        name.trim().eq_ignore_ascii_case("max-age").then(|| value.trim().trim_matches('"').parse().ok())?
    };
    directives.iter().find_map(value)
}

/// `application/json`, or a type whose name ends with `+json` (RFC 6839 §3.1).
fn is_json(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    media_type == "application/json" || (media_type.starts_with("application/") && media_type.ends_with("+json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_long_an_answer_may_be_kept_is_read_from_its_head() {
        let age = |lines: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(CACHE_CONTROL, line.parse().unwrap());
            }
            max_age(&headers)
        };
        assert_eq!(age(&[]), None);
        assert_eq!(age(&["public, max-age=600"]), Some(600));
        assert_eq!(age(&["public", "Max-Age=\"60\""]), Some(60));
        assert_eq!(age(&["max-age=600", "no-store"]), Some(0));
        assert_eq!(age(&["no-cache"]), Some(0));
        assert_eq!(age(&["max-age=soon"]), None);
    }

    #[test]
    fn a_json_document_is_known_by_its_media_type() {
        for json in ["application/json", "Application/JSON; charset=utf-8", "application/jwk-set+json"] {
            assert!(is_json(json), "{json}");
        }
        for other in ["text/html", "text/json", "application/jsonp", "application/x; a=application/json", ""] {
            assert!(!is_json(other), "{other}");
        }
    }
}

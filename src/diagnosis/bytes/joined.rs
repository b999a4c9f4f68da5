//! Texts that contain several tokens, or only a part of one.

use crate::diagnosis::bytes::reader::Reader;
use crate::diagnosis::bytes::shape::{self, Shape};
use crate::tokens::environment::PREFIXES;

/// The most positions that are tried as the start of a second JWT.
const MAX_STARTS: usize = 64;
/// The longest header of a JWT that is tried, in characters.
const MAX_HEADER: usize = 2000;

/// The tokens of a text in which several follow one another.
pub(super) fn split<'t>(reader: &Reader, core: &'t str) -> Option<Vec<&'t str>> {
    if !reader.may_read(core, 32) {
        return None;
    }
    let is_separator = |character| matches!(character, ' ' | '\t' | '\r' | '\n' | ',' | ';' | '|' | '&');
    let is_token = |part: &&str| !part.is_empty() && !part.eq_ignore_ascii_case("bearer");
    let parts: Vec<&str> = core.split(is_separator).filter(is_token).collect();
    if shape::beginnings(&parts) > 1 {
        // Not everything that begins like a token is one.
        let tokens: Vec<&str> = parts.into_iter().filter(|part| shape::of(reader, part) != Shape::Nothing).collect();
        if tokens.len() > 1 {
            return Some(tokens);
        }
    }
    let second = second_start(reader, core)?;
    let (first, second) = core.split_at(second);
    Some(vec![first, second])
}

/// Where a second token begins that follows the first without a separator.
fn second_start(reader: &Reader, core: &str) -> Option<usize> {
    let prefixes = PREFIXES.iter().filter_map(|(prefix, _)| {
        let at = core.match_indices(prefix).map(|(at, _)| at).find(|at| *at > 0)?;
        // An environment must follow, or four letters within a signature would pass for a prefix.
        shape::parts(core.get(at..)?).0.map(|_| at)
    });
    // A JWT that begins within the signature of another: its header is an object with `alg`.
    let after = match shape::of(reader, core) {
        Shape::Jwt => core.match_indices('.').nth(1).map_or(core.len(), |(dot, _)| dot + 2),
        _ => 1,
    };
    let jwts = core.get(after..).into_iter().flat_map(|rest| rest.match_indices("eyJ")).take(MAX_STARTS);
    let jwt = jwts.map(|(at, _)| after + at).find(|at| {
        let rest = &core.as_bytes()[*at..];
        let end = rest.iter().take(MAX_HEADER).position(|byte| *byte == b'.');
        end.is_some_and(|end| reader.object(&core[*at..at + end]).is_some_and(|header| header.contains_key("alg")))
    });
    prefixes.chain(jwt).min()
}

/// The position of an ellipsis or a mask, in bytes.
pub(super) fn ellipsis(core: &str) -> Option<usize> {
    let marks =
        ["...", "…", "***", "[..", "(truncated", "[truncated", "<snip", "[redacted", "<redacted", "•••", "(redacted"];
    let lower = core.to_ascii_lowercase();
    // Looking only where one can begin is much faster, and so is a look at its second byte before the rest.
    let mut positions = lower.match_indices(['.', '…', '*', '[', '(', '<', '•']).map(|(at, _)| at);
    let begins = |rest: &[u8], mark: &[u8]| rest.get(1) == mark.get(1) && rest.starts_with(mark);
    positions.find(|at| marks.iter().any(|mark| begins(&lower.as_bytes()[*at..], mark.as_bytes())))
}

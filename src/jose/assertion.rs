//! The form of an assertion (RFC 7523 §3): what its bytes show before anything is proved.

use crate::crypto::from_base64url;
use crate::jose::algorithm::SigningAlgorithm;
use crate::jose::jws::{self, Header, JwsError};
use crate::protocol::assertion::{Fault, Problem};

/// The longest assertion, in bytes.
pub(crate) const LONGEST: usize = 16 * 1024;

/// The problem of an assertion whose form is wrong.
pub(crate) fn malformed(reason: &str) -> Problem {
    Problem::new(Fault::Malformed, reason)
}

/// The problem of claims that are something else.
pub(crate) fn no_object() -> Problem {
    malformed("the claims of the assertion are not a JSON object in base64url")
}

/// The header of an assertion, and the bytes of its claims.
///
/// # Errors
/// The first rule that it breaks.
pub(crate) fn parts(
    text: &str,
    is_type: impl Fn(Option<&str>) -> bool,
    algorithm: impl Fn(&str) -> Option<SigningAlgorithm>,
) -> Result<(Header, Vec<u8>), Problem> {
    if text.len() > LONGEST {
        return Err(malformed("the assertion has more than 16 KiB"));
    }
    let header = jws::header(text).map_err(|error| match error {
        JwsError::Critical => malformed("the assertion requires an extension of JWS (crit)"),
        _ => malformed("the header of the assertion is not a JSON object in base64url, or has no alg"),
    })?;
    if !is_type(header.typ.as_deref()) {
        return Err(Problem::new(Fault::WrongType, "the typ of the assertion is that of something else"));
    }
    if algorithm(&header.alg).is_none() {
        return Err(Problem::new(Fault::AlgorithmNotAllowed, "the alg of the assertion is none of those allowed"));
    }
    let mut segments = text.split('.');
    let (Some(_), Some(payload), Some(_), None) = (segments.next(), segments.next(), segments.next(), segments.next())
    else {
        return Err(malformed("the assertion does not have three segments"));
    };
    let payload = from_base64url(payload).filter(|payload| payload.trim_ascii_start().starts_with(b"{"));
    Ok((header, payload.ok_or_else(no_object)?))
}

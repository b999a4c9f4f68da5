//! Percent-encoding.

use crate::diagnosis::finding::Damage;
use crate::protocol::cause::Cause;

/// One round of percent-decoding; `None` if there is nothing to decode.
pub(super) fn decode(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    let mut found = false;
    while let Some((byte, after)) = rest.split_first() {
        let digit = |index: usize| after.get(index).and_then(|digit| char::from(*digit).to_digit(16));
        if *byte == b'%'
            && let (Some(high), Some(low)) = (digit(0), digit(1))
        {
            found = true;
            decoded.push(u8::try_from(high * 16 + low).ok()?);
            rest = &after[2..];
        } else {
            decoded.push(*byte);
            rest = after;
        }
    }
    if found { String::from_utf8(decoded).ok() } else { None }
}

/// The damage done by encoding the token so often.
pub(super) fn damage(times: usize) -> Damage {
    let how_often = match times {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        _ => format!("{times} times"),
    };
    Damage::new(
        Cause::PercentEncoded,
        format!("The token was percent-encoded {how_often} more than it was decoded."),
        format!(
            "Decode it {how_often} (`%2E` is a dot). Better still, do not encode it: a header takes a token as it is, and a \
             form encoder does it for you."
        ),
    )
}

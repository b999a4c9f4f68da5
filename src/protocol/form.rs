//! Strict decoding of `application/x-www-form-urlencoded`: nothing is repaired or replaced.

/// Why a text is not form-encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormError {
    /// A `%` is not followed by two hex digits.
    Percent,
    /// The bytes are not UTF-8.
    Utf8,
}

/// Decodes one name or one value.
pub fn decode(text: &str) -> Result<String, FormError> {
    let encoded = text.as_bytes();
    if !encoded.contains(&b'%') && !encoded.contains(&b'+') {
        return Ok(text.to_owned());
    }
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.iter();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => hex(rest.next())? << 4 | hex(rest.next())?,
            byte => *byte,
        });
    }
    String::from_utf8(bytes).map_err(|_| FormError::Utf8)
}

fn hex(digit: Option<&u8>) -> Result<u8, FormError> {
    let value = digit.and_then(|digit| char::from(*digit).to_digit(16)).ok_or(FormError::Percent)?;
    u8::try_from(value).map_err(|_| FormError::Percent)
}

/// Decodes a whole body into names and values; a part without `=` is a name with an empty value.
pub fn decode_pairs(body: &[u8]) -> Result<Vec<(String, String)>, FormError> {
    let body = std::str::from_utf8(body).map_err(|_| FormError::Utf8)?;
    let parts = body.split('&').filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            Ok((decode(name)?, decode(value)?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn broken_encoding_is_not_repaired() {
        for text in ["%", "%e", "%zz", "a%4", "%+1", "%%41"] {
            assert_eq!(decode(text), Err(FormError::Percent), "{text}");
        }
        for text in ["%FF%FE", "a%C3", "%C3é"] {
            assert_eq!(decode(text), Err(FormError::Utf8), "{text}");
        }
        assert_eq!(decode_pairs(b"a=\xff"), Err(FormError::Utf8));
        assert_eq!(decode("a+b%2B%C3%A9%26é").unwrap(), "a b+é&é");
    }

    proptest! {
        #[test]
        fn what_was_form_encoded_reads_back(pairs in proptest::collection::vec((".*", ".*"), 0..5)) {
            let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(&pairs).finish();
            prop_assert_eq!(decode_pairs(body.as_bytes()).unwrap(), pairs);
        }

        #[test]
        fn what_decodes_does_so_as_in_a_browser(body in "[a&=+%0-9A-F]{0,40}") {
            if let Ok(pairs) = decode_pairs(body.as_bytes()) {
                let by_url_standard: Vec<(String, String)> = form_urlencoded::parse(body.as_bytes()).into_owned().collect();
                prop_assert_eq!(pairs, by_url_standard);
            }
        }
    }
}

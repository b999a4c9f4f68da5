//! Texts that are not tokens at all.

use crate::protocol::device::UserCode;

/// What the text seems to be, and what to do about it.
pub(in crate::diagnosis) fn describe(text: &str) -> (String, &'static str) {
    let lower = text.to_ascii_lowercase();
    let look = "Check the value of the variable before you send it.";
    let placeholder = "Replace it with the token itself.";
    let (what, repair) = match lower.as_str() {
        "undefined" | "null" | "none" | "nil" | "nan" | "true" | "false" | "void" | "(null)" | "<nil>" => {
            (format!("It is the word {lower}, as printed for a variable without a value"), look)
        }
        _ if lower.starts_with("[object ") || lower.starts_with("[function") => {
            ("It is a JavaScript object that was converted to text".into(), look)
        }
        _ if is_placeholder(&lower) => ("It is a placeholder that nobody replaced".into(), placeholder),
        _ if lower.starts_with("<!doctype") || lower.starts_with("<html") || lower.starts_with("<?xml") => {
            ("It is an HTML or XML page, perhaps an error page that was mistaken for the response".into(), look)
        }
        _ if text.starts_with('<') && text.ends_with('>') => ("It is HTML, XML or a placeholder".into(), placeholder),
        _ if text.starts_with('{') && text.contains("\"error\"") => (
            "It is the response to a request that was refused".into(),
            "Read its member `error`, then request a token again.",
        ),
        _ if text.starts_with(['{', '[']) => {
            ("It is JSON".into(), "Take the member `access_token` out of the response and send only that.")
        }
        _ if lower.starts_with("urn:ietf:params:oauth:request_uri:") => (
            "It is the `request_uri` of an authorization request that was pushed".into(),
            "Send it to the authorization endpoint, beside the `client_id`. The tokens come later, from the token endpoint.",
        ),
        _ if is_user_code(text) => (
            "It has the form of the code that a device shows".into(),
            "A person types it in at `/device`. The device gets its tokens from the token endpoint.",
        ),
        _ if lower.starts_with("http://") || lower.starts_with("https://") => ("It is a URL".into(), look),
        _ if lower.contains("-----begin") => {
            ("It is a key or a certificate, which must never be sent anywhere".into(), look)
        }
        _ if text.contains(' ') => ("It is a text of several words".into(), look),
        _ if text.contains('@') => ("It is an e-mail address or a username".into(), look),
        _ if uuid::Uuid::try_parse(text).is_ok() => ("It is an id (a UUID), not a token".into(), look),
        _ if lower.starts_with("zxlk") || lower.starts_with("amf0x") || lower.starts_with("anj0x") => {
            ("It is a token in base64".into(), "Decode it once, for example with `base64 -d`.")
        }
        _ => (
            format!("It has {} characters and does not look like a token of this server", text.chars().count()),
            "Send the `access_token` from the token endpoint's response: it begins with `eyJ` and has two dots, or it begins \
             with `jat_`.",
        ),
    };
    (format!("{what}."), repair)
}

/// `$TOKEN`, `${TOKEN}`, `{{token}}`, `<token>`, `%TOKEN%`, `YOUR_TOKEN_HERE` and the like.
fn is_placeholder(lower: &str) -> bool {
    let inner = lower.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    if lower.starts_with("process.env") || lower.starts_with("os.environ") || lower.contains("getenv") {
        return true;
    }
    if matches!(lower, "%s" | "%v" | "{}" | "{0}" | "%@") || is_one_character(lower) {
        return true;
    }
    let is_name = !inner.is_empty()
        && inner.len() < 60
        && inner.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-. ".contains(&b));
    let is_marked = (lower.starts_with('$') && lower.len() > 1)
        || (lower.starts_with("{{") && lower.ends_with("}}"))
        || (lower.starts_with('<') && lower.ends_with('>'))
        || (lower.starts_with('%') && lower.ends_with('%'))
        || (lower.starts_with('{') && lower.ends_with('}') && is_name)
        || (lower.starts_with('[') && lower.ends_with(']') && is_name)
        || (lower.starts_with("__") && lower.ends_with("__"));
    let words =
        ["your", "my", "insert", "replace", "paste", "example", "changeme", "placeholder", "xxx", "todo", "dummy"];
    let things = ["token", "jwt", "bearer", "secret", "key"];
    let is_spoken = is_name
        && (things.contains(&inner)
            || words.iter().any(|word| inner.starts_with(word))
            || inner.ends_with("_here")
            || ["access_token", "access-token", "accesstoken", "api_key", "auth_token", "id_token"].contains(&inner));
    is_name && (is_marked || is_spoken)
}

/// The code of a device as it is shown: `WDJB-MJHT`.
fn is_user_code(text: &str) -> bool {
    text.len() == 9 && text.parse::<UserCode>().is_ok_and(|code| code.to_string() == text)
}

/// Asterisks, dots or crosses that mask something.
fn is_one_character(text: &str) -> bool {
    let mut characters = text.chars();
    let first = characters.next();
    matches!(first, Some('*' | 'x' | '•' | '#')) && text.chars().count() > 2 && characters.all(|c| Some(c) == first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_else_a_login_gives_out_is_recognised() {
        assert!(describe("WDJB-MJHT").0.contains("code that a device shows"));
        assert!(describe("urn:ietf:params:oauth:request_uri:AQEC").0.contains("`request_uri`"));
        for text in ["WDJBMJHT", "wdjb-mjht", "AEIO-UAEI", "WDJB-MJH", "ABCD-1234"] {
            assert!(!describe(text).0.contains("device"), "{text}");
        }
    }

    #[test]
    fn placeholders_are_recognised() {
        for text in [
            "$token",
            "${token}",
            "{{ access_token }}",
            "<access_token>",
            "%token%",
            "your_token_here",
            "your-api-token",
            "<your token>",
            "access_token",
            "{token}",
            "__token__",
            "xxxxxxxx",
        ] {
            assert!(is_placeholder(text), "{text}");
        }
        for text in ["undefined", "hello", "0123456789abcdef", "", "$"] {
            assert!(!is_placeholder(text), "{text}");
        }
    }
}

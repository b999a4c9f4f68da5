//! The look of the pages that people see: name, logo and colour of whoever runs the server.

use std::io::Read;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::settings::checker::Checker;

/// The largest logo, in bytes: it is part of each page.
const LARGEST_LOGO: u64 = 64 * 1024;
/// The longest name, in characters.
const LONGEST_NAME: usize = 64;

/// The look of the pages that people see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Brand {
    /// The name of the service.
    pub name: Option<String>,
    /// The logo as a `data:` URI.
    pub logo: Option<String>,
    /// The colour of buttons and links, as `#rrggbb`.
    pub color: Option<String>,
}

impl Brand {
    pub(super) fn check(checker: &mut Checker<'_>) -> Self {
        Self {
            name: checker.parse("brand_name", optional(name), None),
            logo: checker.parse("brand_logo", optional(|path| logo(Path::new(path))), None),
            color: checker.parse("brand_color", optional(color), None),
        }
    }
}

/// An empty text counts as none.
fn optional(parse: impl Fn(&str) -> Result<String, String>) -> impl Fn(&str) -> Result<Option<String>, String> {
    move |text| if text.is_empty() { Ok(None) } else { parse(text).map(Some) }
}

fn name(text: &str) -> Result<String, String> {
    if text.chars().count() > LONGEST_NAME || text.chars().any(char::is_control) {
        return Err(format!("is not a name of at most {LONGEST_NAME} characters"));
    }
    Ok(text.to_owned())
}

fn color(text: &str) -> Result<String, String> {
    let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6);
    match digits {
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_hexdigit()) => Ok(text.to_ascii_lowercase()),
        _ => Err("is not a colour such as #0a5ad4".into()),
    }
}

/// Reads a logo. An image can run no script, also if it is an SVG that has some.
fn logo(path: &Path) -> Result<String, String> {
    let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(LARGEST_LOGO + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > LARGEST_LOGO {
        return Err(format!("is larger than {} KiB", LARGEST_LOGO / 1024));
    }
    let is_svg = std::str::from_utf8(&bytes).is_ok_and(|text| text.contains("<svg"));
    let media_type = match bytes.as_slice() {
        [0x89, b'P', b'N', b'G', ..] => "image/png",
        _ if is_svg => "image/svg+xml",
        _ => return Err("is neither an SVG nor a PNG image".into()),
    };
    Ok(format!("data:{media_type};base64,{}", STANDARD.encode(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logo_is_a_small_svg_or_png() {
        let folder = tempfile::tempdir().unwrap();
        let file = |content: &[u8]| {
            let path = folder.path().join("logo");
            std::fs::write(&path, content).unwrap();
            logo(&path)
        };
        assert_eq!(file(b"<svg/>").unwrap(), "data:image/svg+xml;base64,PHN2Zy8+");
        assert!(file(b"\x89PNG\r\n").unwrap().starts_with("data:image/png;base64,"));
        for wrong in [&b"GIF89a"[..], b"", b"<html>", &[b' '; LARGEST_LOGO as usize + 1]] {
            assert!(file(wrong).is_err());
        }
        assert!(logo(&folder.path().join("missing")).is_err());
    }

    #[test]
    fn a_colour_has_six_hex_digits() {
        assert_eq!(color("#0A5ad4").unwrap(), "#0a5ad4");
        for wrong in ["red", "#fff", "#0a5ad45", "#0a5adg", "0a5ad4", "#0a5ad4;}"] {
            assert!(color(wrong).is_err(), "{wrong}");
        }
    }
}

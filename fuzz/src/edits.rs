//! Changes to a good text, told by bytes: what a fuzzer varies is then what was done to a token, and not a token that it
//! could never sign.

/// What is put around a text.
const WRAPPINGS: [(&str, &str); 24] = [
    (" ", ""),
    ("", " "),
    ("\n", "\n"),
    ("", "\r\n"),
    ("\"", "\""),
    ("'", "'"),
    ("\\\"", "\\\""),
    ("“", "”"),
    ("<", ">"),
    ("Bearer ", ""),
    ("bearer%20", ""),
    ("Authorization: Bearer ", ""),
    ("{\"access_token\":\"", "\"}"),
    ("[\"", "\"]"),
    ("access_token=", "&x=1"),
    ("\u{feff}", ""),
    ("", "\u{200b}"),
    ("", "\\n"),
    ("", ","),
    ("", "..."),
    ("", "="),
    ("https://a.example/?token=", ""),
    ("&quot;", "&quot;"),
    ("", "\0"),
];

/// What is put into a text.
const INSERTED: [&str; 16] = [
    "\n",
    "\r\n",
    " ",
    "\u{200b}",
    "\u{ad}",
    "\u{202e}",
    ".",
    "..",
    "=",
    "+",
    "/",
    "%2E",
    "…",
    "\\",
    "eyJ",
    "\u{1b}[31m",
];

/// Bytes of one edit.
const STEP: usize = 4;
/// The most edits of one text, and the longest text that they make.
const MOST: usize = 12;
const LONGEST: usize = 16 * 1024;

/// The text after every edit that the bytes tell of; `other` is what it may be joined with.
pub fn edited(text: &str, other: &str, bytes: &[u8]) -> String {
    let mut text = text.to_owned();
    for edit in bytes.chunks_exact(STEP).take(MOST) {
        if text.len() > LONGEST {
            break;
        }
        let at = place(&text, usize::from(u16::from_le_bytes([edit[1], edit[2]])));
        let value = edit[3];
        let next = at + text[at..].chars().next().map_or(0, char::len_utf8);
        match edit[0] % 16 {
            0 | 1 => text.replace_range(at..next, &char::from(value).to_string()),
            2 => text.replace_range(at..next, ""),
            3 => text.insert(at, char::from(value)),
            4 => text.truncate(at),
            5 => text.replace_range(..at, ""),
            6 => text.insert_str(at, INSERTED[usize::from(value) % INSERTED.len()]),
            7 | 8 => {
                let (before, after) = WRAPPINGS[usize::from(value) % WRAPPINGS.len()];
                text = format!("{before}{text}{after}");
            }
            9 => text = if value.is_multiple_of(2) { text.to_ascii_uppercase() } else { text.to_ascii_lowercase() },
            10 => {
                text = [[text.as_str(), other].join(""), [other, &text].join(","), [&text, other].join(" ")]
                    [usize::from(value) % 3]
                    .clone()
            }
            11 => text = text.replace('-', "+").replace('_', "/"),
            12 => text = percent_encoded(&text, value),
            13 => {
                // One part takes the place of another.
                let parts: Vec<&str> = text.split('.').collect();
                let (one, two) = (usize::from(value & 15) % parts.len(), usize::from(value >> 4) % parts.len());
                let mut parts = parts.clone();
                parts.swap(one, two);
                text = parts.join(".");
            }
            14 => {
                let part = text[at..].to_owned();
                for _ in 0..value % 8 {
                    text.push_str(&part);
                }
            }
            _ => text = text.split('.').map(|part| format!("{part}=")).collect::<Vec<_>>().join("."),
        }
    }
    text
}

/// The beginning of a character, near a position.
fn place(text: &str, position: usize) -> usize {
    let mut at = position % (text.len() + 1);
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn percent_encoded(text: &str, value: u8) -> String {
    let is_plain =
        |byte: u8| if value.is_multiple_of(2) { byte.is_ascii_alphanumeric() } else { byte != b'%' && byte != b'.' };
    text.bytes()
        .map(
            |byte| {
                if is_plain(byte) && byte.is_ascii() { char::from(byte).to_string() } else { format!("%{byte:02X}") }
            },
        )
        .collect()
}

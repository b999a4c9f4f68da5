//! The comparison of usernames.

use jeton::protocol::user::{check_username, is_credential, username_key};
use unicode_normalization::UnicodeNormalization;

/// What to begin with.
pub const SEEDS: &[&str] = &[
    "Alice",
    "STRASSE straße",
    "\u{FB01}n",
    "e\u{301}\u{E9}",
    "İstanbul ı",
    "\u{3b1}\u{345}\u{1fb3}",
    "ﷺ",
    "Σσς",
    " a\u{0}",
];

/// A name and whatever Unicode holds to be the same name have one key, which is its own key.
pub fn usernames(bytes: &[u8]) {
    let Ok(name) = std::str::from_utf8(bytes) else { return };
    let key = username_key(name);
    assert_eq!(username_key(&key), key, "the key of a key is itself: {name:?}");
    let same: [String; 4] = [name.nfc().collect(), name.nfd().collect(), name.nfkc().collect(), name.nfkd().collect()];
    for other in same {
        assert_eq!(username_key(&other), key, "{other:?} is {name:?}");
    }
    if name.is_ascii() {
        assert_eq!(key, name.to_ascii_lowercase());
    }
    if check_username(name).is_ok() {
        assert!(is_credential(name) && name.len() <= 255 && name.trim() == name);
        assert!(!name.chars().any(char::is_control));
    }
    assert!(key.len() <= name.len() * 18, "a name does not grow without bounds");
}

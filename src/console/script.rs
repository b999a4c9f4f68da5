//! The one script of the console, which keeps parts of a page current. Its address has its hash, so browsers may keep it.

use std::sync::LazyLock;

use crate::crypto::{base64url, sha256};

/// The script.
pub const SCRIPT: &str = include_str!("../../templates/console/live.js");

/// Its address, below the root.
pub static ADDRESS: LazyLock<String> = LazyLock::new(|| {
    let hash = base64url(sha256(SCRIPT.as_bytes()));
    format!("console/live-{}.js", &hash[..16])
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_is_small_and_its_address_names_its_content() {
        assert!(SCRIPT.len() < 20 * 1024, "{} bytes", SCRIPT.len());
        assert_eq!(ADDRESS.len(), "console/live-0123456789abcdef.js".len());
        assert!(!SCRIPT.contains("eval") && !SCRIPT.contains("http"), "it loads nothing from elsewhere");
    }
}

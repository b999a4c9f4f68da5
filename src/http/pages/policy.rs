//! What a page may do (Content Security Policy): be styled by its own style, show what it holds, and send its form where it says.

use axum::http::HeaderValue;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::crypto::sha256;
use crate::http::pages::look::Look;

/// The policy of a page. A browser holds a form to `form-action` through all redirects.
#[derive(Debug, Default)]
pub(super) struct Policy<'a> {
    /// The one script that the page may run.
    pub(super) script: Option<&'static str>,
    /// Whether the page runs scripts that are files of this server, and lets them ask it.
    pub(super) runs_own_files: bool,
    /// Where the form may lead besides this server: source expressions.
    pub(super) form_targets: &'a [String],
}

/// The source expression of a text that stands in the page.
fn hash(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(sha256(text.as_bytes())))
}

impl Policy<'_> {
    pub(super) fn header(&self, look: &Look<'_>) -> HeaderValue {
        let styles = look.styles().map(hash).collect::<Vec<_>>().join(" ");
        let script = self.script.map(|script| format!("script-src {}; ", hash(script))).unwrap_or_default();
        let own_files = if self.runs_own_files { "script-src 'self'; connect-src 'self'; " } else { "" };
        // What could end the directive is no source expression.
        let is_safe = |target: &&String| target.bytes().all(|byte| byte.is_ascii_graphic() && !b",;".contains(&byte));
        let targets: Vec<&str> = self.form_targets.iter().filter(is_safe).map(String::as_str).collect();
        let policy = format!(
            "default-src 'none'; style-src {styles}; {script}{own_files}img-src data:; form-action 'self' {}; base-uri 'none'; \
             frame-ancestors 'none'",
            targets.join(" ")
        );
        HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::pages::tests::look;

    #[test]
    fn a_form_target_cannot_add_a_directive() {
        let targets = ["https://app.example".to_owned(), "x; script-src *".to_owned(), "y,z".to_owned()];
        let policy = Policy { form_targets: &targets, ..Policy::default() }.header(&look("en"));
        let policy = policy.to_str().unwrap();
        assert!(policy.contains("form-action 'self' https://app.example;"), "{policy}");
        assert!(!policy.contains("script-src"), "{policy}");
    }
}

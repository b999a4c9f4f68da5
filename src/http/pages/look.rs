//! How pages look to one person: the language of the browser, and the brand of the operator.

use std::borrow::Cow;
use std::fmt;

use crate::http::page::STYLE;

/// What the pages of the console have besides.
const CONSOLE_STYLE: &str = include_str!("../../../templates/console/style.css");

/// Whose login this is, to the people who see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Brand<'a> {
    /// The name.
    pub(crate) name: &'a str,
    /// A picture as a `data:` URI.
    pub(crate) logo: Option<&'a str>,
    /// The colour of buttons, as `#rrggbb`.
    pub(crate) color: Option<&'a str>,
}

/// The languages of the pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Language {
    #[default]
    English,
    French,
}

/// How pages look to one person.
#[derive(Clone, Debug)]
pub(crate) struct Look<'a> {
    pub(super) brand: Brand<'a>,
    /// The root of this server's paths, with a slash at its end.
    pub(super) root: String,
    pub(super) language: Language,
    /// The rule by which the brand has its colour.
    brand_style: Option<String>,
    /// The style of these pages alone.
    own_style: Option<&'static str>,
}

impl<'a> Look<'a> {
    /// The look for a browser that sends these `Accept-Language` headers, below the path of the issuer.
    pub(crate) fn new(brand: Brand<'a>, issuer_path: &str, accept_language: &[&[u8]]) -> Self {
        let language = Language::of(accept_language);
        let brand_style = brand.color.and_then(brand_style);
        Self { brand, root: format!("{issuer_path}/"), language, brand_style, own_style: None }
    }

    /// The look of the console, which is in English.
    pub(crate) fn of_console(self) -> Self {
        Self { language: Language::English, own_style: Some(CONSOLE_STYLE), ..self }
    }

    /// A text in the language of the browser.
    pub(super) fn say(&self, english: &'static str, french: &'static str) -> Cow<'static, str> {
        match self.language {
            Language::English => english.into(),
            Language::French => with_narrow_spaces(french),
        }
    }

    /// One of two texts, for one or for several; `{}` stands for the number.
    pub(super) fn count(&self, number: u64, english: [&'static str; 2], french: [&'static str; 2]) -> String {
        // In French, none is singular.
        let (plural, texts) = match self.language {
            Language::English => (number != 1, english),
            Language::French => (number > 1, french),
        };
        with_narrow_spaces(texts[usize::from(plural)]).replace("{}", &number.to_string())
    }

    /// What a scope allows, in words; the standard ones (OpenID Connect Core §5.4) are described here.
    pub(super) fn scope(&self, scope: &str, description: &str) -> Option<String> {
        let standard = match scope {
            "openid" => self.say("Know that it is you", "Savoir que c’est vous"),
            "profile" => self.say("See your name and profile", "Voir votre nom et votre profil"),
            "email" => self.say("See your email address", "Voir votre adresse e-mail"),
            "address" => self.say("See your postal address", "Voir votre adresse postale"),
            "phone" => self.say("See your phone number", "Voir votre numéro de téléphone"),
            "offline_access" => self.say("Keep access after you log out", "Garder l’accès après votre déconnexion"),
            _ => return (!description.is_empty()).then(|| description.to_owned()),
        };
        Some(standard.into_owned())
    }

    /// The styles of a page, each an element of its own.
    pub(super) fn styles(&self) -> impl Iterator<Item = &str> {
        [STYLE].into_iter().chain(self.own_style).chain(self.brand_style.as_deref())
    }
}

impl Language {
    /// The language that the browser prefers (RFC 9110 §12.5.4): of two that it likes alike, the first.
    fn of(accept_language: &[&[u8]]) -> Self {
        let mut best = (Self::default(), 0.0);
        let headers = accept_language.iter().filter_map(|header| std::str::from_utf8(header).ok());
        for range in headers.flat_map(|header| header.split(',')) {
            let mut parts = range.split(';').map(str::trim);
            let tag = parts.next().unwrap_or_default();
            let language = match tag.split('-').next().unwrap_or_default().to_ascii_lowercase().as_str() {
                "en" | "*" => Self::English,
                "fr" => Self::French,
                _ => continue,
            };
            let quality = parts.find_map(|part| part.strip_prefix("q=")).map_or(1.0, |q| q.parse().unwrap_or(0.0));
            if quality > best.1 {
                best = (language, quality);
            }
        }
        best.0
    }
}

impl fmt::Display for Language {
    /// The tag (RFC 5646).
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::English => "en",
            Self::French => "fr",
        })
    }
}

/// A French text whose punctuation never begins a line.
fn with_narrow_spaces(text: &'static str) -> Cow<'static, str> {
    if !text.contains([':', ';', '?', '!', '«', '»']) {
        return text.into();
    }
    let marks = [(" :", "\u{a0}:"), (" ;", "\u{202f};"), (" ?", "\u{202f}?"), (" !", "\u{202f}!")];
    let quotes = [("« ", "«\u{a0}"), (" »", "\u{a0}»")];
    marks.into_iter().chain(quotes).fold(text.to_owned(), |text, (from, to)| text.replace(from, to)).into()
}

/// The rule for a colour; the text upon it is black or white, whichever is read better.
fn brand_style(color: &str) -> Option<String> {
    let digits = color
        .strip_prefix('#')
        .filter(|digits| digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    let part = |at: usize| {
        let part = f64::from(u8::from_str_radix(&digits[at..at + 2], 16).ok()?) / 255.0;
        Some(if part <= 0.040_45 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) })
    };
    // The relative luminance of WCAG 2; at 0.179 black and white contrast alike.
    let luminance = 0.2126 * part(0)? + 0.7152 * part(2)? + 0.0722 * part(4)?;
    let text = if luminance > 0.179 { "#000000" } else { "#ffffff" };
    Some(format!(":root{{--accent:{color};--on-accent:{text}}}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_browser_chooses_the_language() {
        for (header, language) in [
            ("", "en"),
            ("fr", "fr"),
            ("fr-CA, en;q=0.8", "fr"),
            ("en-GB,en;q=0.9,fr;q=0.8", "en"),
            ("de, fr;q=0.5, en;q=0.3", "fr"),
            ("de, *;q=0.5", "en"),
            ("fr;q=0, en;q=0.1", "en"),
            ("fr;q=x", "en"),
            ("FR", "fr"),
            (";;,,=", "en"),
        ] {
            assert_eq!(Language::of(&[header.as_bytes()]).to_string(), language, "{header}");
        }
        assert_eq!(Language::of(&[b"\xff", b"fr"]), Language::French);
    }

    #[test]
    fn a_button_of_any_colour_can_be_read() {
        for (color, text) in
            [("#ffffff", "#000000"), ("#000000", "#ffffff"), ("#0b57b5", "#ffffff"), ("#ffcc00", "#000000")]
        {
            assert_eq!(brand_style(color), Some(format!(":root{{--accent:{color};--on-accent:{text}}}")));
        }
        for wrong in ["", "red", "#fff", "#12345g", "#00000é", "#+1+1+1", "#}}}}}}"] {
            assert_eq!(brand_style(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn french_punctuation_stays_with_its_word() {
        assert_eq!(with_narrow_spaces("Ce n’est pas vous ?"), "Ce n’est pas vous\u{202f}?");
        assert_eq!(with_narrow_spaces("« Bonjour »"), "«\u{a0}Bonjour\u{a0}»");
    }
}

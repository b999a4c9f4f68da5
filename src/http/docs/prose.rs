//! Short texts in which backticks mark code.

use askama::Template;

/// A paragraph.
#[derive(Template)]
#[template(
    ext = "html",
    source = "{% for piece in pieces %}{% if piece.is_code %}<code>{{ piece.text }}</code>{% else %}{{ piece.text }}{% endif %}{% endfor %}"
)]
pub(crate) struct Prose {
    pieces: Vec<Piece>,
}

struct Piece {
    is_code: bool,
    text: String,
}

/// A paragraph writes its own markup and escapes all else.
impl askama::filters::HtmlSafe for Prose {}

impl Prose {
    /// A text of one paragraph.
    pub(crate) fn new(text: &str) -> Self {
        let pieces = text.split('`').enumerate().filter(|(_, text)| !text.is_empty());
        Self { pieces: pieces.map(|(index, text)| Piece { is_code: index % 2 == 1, text: text.to_owned() }).collect() }
    }

    /// A text whose paragraphs are separated by empty lines.
    pub(crate) fn paragraphs(text: &str) -> Vec<Self> {
        text.split("\n\n").map(str::trim).filter(|text| !text.is_empty()).map(Self::new).collect()
    }
}

//! What is wrapped around a token or scattered within it: white space, invisible characters, `Bearer`, quotes, JSON,
//! percent-encoding. Layer after layer is removed and reported; the core is left.

mod embedded;
mod labels;
mod percent;
mod space;

use crate::diagnosis::bytes::reader::Reader;
use crate::diagnosis::finding::Damage;

/// The most layers that are removed.
const MAX_LAYERS: usize = 24;
/// How often looking for a layer goes over the text, all looks together.
const LOOKS: usize = 32;

/// The text without a layer, and the damage that the layer was.
type Layer = Option<(String, Vec<Damage>)>;

/// A text without its wrapping.
#[derive(Debug)]
pub(in crate::diagnosis) struct Unwrapped {
    /// What is left.
    pub(in crate::diagnosis) core: String,
    /// What was removed, the outermost layer first.
    pub(in crate::diagnosis) damage: Vec<Damage>,
    /// Whether it is encoded more often than it was decoded.
    pub(in crate::diagnosis) is_deeper: bool,
}

/// Removes every layer.
pub(in crate::diagnosis) fn unwrap(reader: &Reader, text: &str) -> Unwrapped {
    let (mut core, mut damage, mut encodings) = (text.to_owned(), vec![], 0);
    let mut layers = 0;
    while layers < MAX_LAYERS && reader.may_read(&core, LOOKS) {
        let layer = space::white_space(&core)
            .or_else(|| space::invisible(text, &core))
            .or_else(|| labels::word_in_front(reader, &core))
            .or_else(|| embedded::json(reader, &core))
            .or_else(|| labels::quotes(reader, &core))
            .or_else(|| {
                let decoded = percent::decode(&core)?;
                encodings += 1;
                Some((decoded, vec![]))
            })
            .or_else(|| space::escaped_breaks(reader, &core))
            .or_else(|| embedded::shortened(reader, &core))
            .or_else(|| embedded::embedded(reader, &core))
            .or_else(|| space::inner_space(reader, text, &core));
        let Some((rest, mut found)) = layer else { break };
        if encodings > 0 {
            for damage in &mut found {
                damage.repair.insert_str(0, "After decoding: ");
            }
        }
        core = rest;
        damage.extend(found);
        layers += 1;
    }
    if encodings > 0 {
        damage.push(percent::damage(encodings));
    }
    let is_deeper = layers == MAX_LAYERS && percent::decode(&core).is_some();
    Unwrapped { core, damage, is_deeper }
}

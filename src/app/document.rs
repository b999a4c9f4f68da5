//! Documents that are the same for everybody until something changes: written once, and served from memory.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use serde::Serialize;

use crate::crypto::{base64url, sha256};

/// A JSON document as it is sent.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    pub(crate) text: Bytes,
    /// Its entity tag (RFC 9110 §8.8.3), with quotes.
    pub(crate) etag: String,
}

impl Document {
    pub(crate) fn new(content: &impl Serialize) -> serde_json::Result<Self> {
        let text = serde_json::to_vec(content)?;
        let etag = format!("\"{}\"", base64url(&sha256(&text)[..12]));
        Ok(Self { text: text.into(), etag })
    }
}

/// The last version of a document, with what it was made from.
#[derive(Debug)]
pub(crate) struct Kept<K>(ArcSwapOption<(K, Document)>);

impl<K> Default for Kept<K> {
    fn default() -> Self {
        Self(ArcSwapOption::empty())
    }
}

impl<K> Kept<K> {
    /// The document, if it was made from what is current.
    pub(crate) fn get(&self, is_current: impl FnOnce(&K) -> bool) -> Option<Document> {
        let kept = self.0.load();
        kept.as_deref().filter(|(from, _)| is_current(from)).map(|(_, document)| document.clone())
    }

    /// Keeps a document and gives it back.
    pub(crate) fn keep(&self, from: K, document: Document) -> Document {
        self.0.store(Some(Arc::new((from, document.clone()))));
        document
    }
}

//! The pages of the console: one template shows them all.

use axum::http::StatusCode;
use axum::response::Response;

use crate::console::{Frame, Page};
use crate::http::pages::look::Look;
use crate::http::pages::policy::Policy;
use crate::http::pages::{answer, shown_by};

/// A page in its frame. Its forms post `proof` and what they hold to where they say, below the root.
pub(crate) struct ConsolePage<'a> {
    /// The page.
    pub(crate) page: &'a Page,
    /// What is around it.
    pub(crate) frame: &'a Frame,
}

shown_by!(ConsolePage, "console/page.html");

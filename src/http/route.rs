//! What a route says of itself: everything in which one path differs from another.

use std::sync::Arc;

use axum::handler::Handler;
use axum::routing::{self, MethodRouter};

use crate::app::App;

/// The largest body of most endpoints, in bytes.
pub(crate) const USUAL_BODY: usize = 64 * 1024;
/// A text to explain may be anything, and each byte of it takes three when it is percent-encoded.
const BODY_WITH_ANY_TEXT: usize = 256 * 1024;

/// A path and how it is served.
pub struct Route {
    /// The path, as axum writes it; `{*name}` at its end stands for everything below.
    pub path: &'static str,
    /// The described methods, in upper case.
    pub methods: Vec<&'static str>,
    /// For each method, the scopes of which an administrator's token needs one.
    pub(crate) scopes: Vec<Scopes>,
    pub(crate) endpoint: Endpoint,
    pub(crate) cors: Cors,
    pub(crate) handler: MethodRouter<Arc<App>>,
}

/// Scopes of the admin API; `jeton:admin` always suffices.
pub(crate) type Scopes = &'static [&'static str];

/// A method of a path of the admin API.
pub(crate) struct AdminMethod {
    pub(crate) name: &'static str,
    pub(crate) scopes: Scopes,
    pub(crate) handler: MethodRouter<Arc<App>>,
}

/// What the code around a handler has to know about it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Endpoint {
    /// The name in the log and in metrics.
    pub(crate) name: &'static str,
    pub(crate) errors: ErrorForm,
    pub(crate) body: BodyForm,
    /// The largest body, in bytes; of any text, only that of a caller whom the head of the request makes known.
    pub(crate) largest_body: usize,
}

/// The form of the errors that arise around a handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorForm {
    /// The JSON object of RFC 6749 §5.2.
    OAuth,
    /// A problem document (RFC 9457).
    Problem,
    /// A page (HTML).
    Page,
}

/// How a body is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyForm {
    /// Not at all, or by the handler itself.
    Unread,
    /// As OAuth parameters: a form, or a flat JSON object.
    Parameters,
    /// At browsers: as a form for POST, else the query of the address.
    AtBrowser,
    /// Not as parameters: as a JSON document, by the use case.
    Document,
    /// As parameters, one of which may be any text: a form that is not UTF-8 is read as well.
    AnyText,
    /// As a form if it is posted as one; anything else is not read.
    FormIfSent,
}

/// Which other sites may read the answers in a browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cors {
    Nobody,
    ConfiguredOrigins,
    Everybody,
}

impl Endpoint {
    /// An endpoint that reads no body.
    pub(crate) const fn named(name: &'static str) -> Self {
        Self { name, errors: ErrorForm::OAuth, body: BodyForm::Unread, largest_body: 0 }
    }

    /// An endpoint that shows pages.
    pub(crate) const fn page(name: &'static str) -> Self {
        Self { errors: ErrorForm::Page, ..Self::named(name) }
    }

    /// The admin API is one endpoint to logs and metrics.
    pub(crate) const ADMIN: Self =
        Self { name: "admin", errors: ErrorForm::Problem, body: BodyForm::Unread, largest_body: USUAL_BODY };
}

impl Route {
    /// A route that reads no body.
    pub(crate) fn new(
        name: &'static str,
        path: &'static str,
        methods: &[&'static str],
        handler: MethodRouter<Arc<App>>,
    ) -> Self {
        let endpoint = Endpoint::named(name);
        Self { path, methods: methods.to_vec(), scopes: Vec::new(), endpoint, cors: Cors::Nobody, handler }
    }

    /// A route that answers GET.
    pub(crate) fn get<T: 'static>(name: &'static str, path: &'static str, handler: impl Handler<T, Arc<App>>) -> Self {
        Self::new(name, path, &["GET"], routing::get(handler))
    }

    /// A route that shows a page.
    pub(crate) fn page<T: 'static>(name: &'static str, path: &'static str, handler: impl Handler<T, Arc<App>>) -> Self {
        Self { endpoint: Endpoint::page(name), ..Self::get(name, path, handler) }
    }

    /// A route for people at browsers, which answers GET, POST or both.
    pub(crate) fn at_browser(
        name: &'static str,
        path: &'static str,
        methods: &[&'static str],
        handler: MethodRouter<Arc<App>>,
    ) -> Self {
        let body = BodyForm::AtBrowser;
        let endpoint = Endpoint { body, largest_body: USUAL_BODY, ..Endpoint::page(name) };
        Self { endpoint, ..Self::new(name, path, methods, handler) }
    }

    /// A route whose methods may take a JSON document.
    pub(crate) fn document(
        name: &'static str,
        path: &'static str,
        methods: &[&'static str],
        handler: MethodRouter<Arc<App>>,
    ) -> Self {
        let body = BodyForm::Document;
        let endpoint = Endpoint { body, largest_body: USUAL_BODY, ..Endpoint::named(name) };
        Self { endpoint, ..Self::new(name, path, methods, handler) }
    }

    /// A route that answers POST with OAuth parameters.
    pub(crate) fn post<T: 'static>(name: &'static str, path: &'static str, handler: impl Handler<T, Arc<App>>) -> Self {
        let body = BodyForm::Parameters;
        let endpoint = Endpoint { body, largest_body: USUAL_BODY, ..Endpoint::named(name) };
        Self { endpoint, ..Self::new(name, path, &["POST"], routing::post(handler)) }
    }

    /// A route of the admin API.
    pub(crate) fn admin(path: &'static str, methods: impl IntoIterator<Item = AdminMethod>) -> Self {
        let route = Self::new(Endpoint::ADMIN.name, path, &[], MethodRouter::new());
        methods.into_iter().fold(Self { endpoint: Endpoint::ADMIN, ..route }, |mut route, method| {
            route.methods.push(method.name);
            route.scopes.push(method.scopes);
            Self { handler: route.handler.merge(method.handler), ..route }
        })
    }

    /// A route that answers POST, which may have a form, like GET.
    pub(crate) fn get_or_post(name: &'static str, path: &'static str, handler: MethodRouter<Arc<App>>) -> Self {
        let endpoint = Endpoint { body: BodyForm::FormIfSent, largest_body: USUAL_BODY, ..Endpoint::named(name) };
        Self { endpoint, ..Self::new(name, path, &["GET", "POST"], handler) }
    }

    pub(crate) fn with_any_text(mut self) -> Self {
        (self.endpoint.body, self.endpoint.largest_body) = (BodyForm::AnyText, BODY_WITH_ANY_TEXT);
        self
    }

    /// The same with a body of at most so many bytes.
    pub(crate) fn with_body_of(mut self, largest: usize) -> Self {
        self.endpoint.largest_body = largest;
        self
    }

    /// The same with errors as problem documents.
    pub(crate) fn with_problems(mut self) -> Self {
        self.endpoint.errors = ErrorForm::Problem;
        self
    }

    pub(crate) fn open_to(self, cors: Cors) -> Self {
        Self { cors, ..self }
    }
}

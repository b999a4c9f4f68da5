//! The HTTP API: one table of routes, one file per endpoint, and the errors in the form that each route names.

mod admin;
mod body;
mod challenge;
mod client_address;
mod client_certificate;
mod console;
mod console_stream;
mod context;
mod deadline;
mod docs;
mod endpoints;
mod envelope;
mod error;
mod event_stream;
mod guard;
mod host;
mod oauth_error;
mod ops;
mod original_request;
mod page;
mod pages;
mod problem;
mod reply;
mod request;
mod route;
mod router;
mod routes;
mod trace;

pub use docs::openapi::Operations;
pub use ops::{Health, router as ops_router};
pub use route::Route;
pub use router::router;
pub use routes::routes;

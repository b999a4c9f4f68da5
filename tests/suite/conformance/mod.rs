//! The rows of the conformance list, section by section; a test has the ids of its rows in its name or beside them.

mod answers;
mod client_authentication;
mod client_credentials;
mod coverage;
mod general;
mod password;
mod scope;
mod security;
mod token_endpoint;

mod access_token;
pub(crate) mod bearer;
mod dpop;
mod exchange;
mod exchange_foreign;
pub(crate) mod forgery;
mod guessing;
mod id_jag;
mod introspection;
pub(crate) mod jose;
mod jwt_bearer;
mod key_set;
mod metadata;
mod mutual_tls;
pub(crate) mod private_key_jwt;
mod refresh;
mod resource;
mod revocation;
mod signed_introspection;

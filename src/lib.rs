//! Jeton, a self-hosted OAuth 2.0 token server. `ARCHITECTURE.md` describes the modules.

pub mod admin;
pub mod app;
pub mod authorization;
pub mod browser;
pub mod cli;
pub mod client_auth;
pub mod clock;
pub mod crypto;
pub mod current_request;
pub mod diagnosis;
pub mod endpoints;
pub mod grants;
pub mod http;
pub mod issuer;
pub mod jose;
pub mod keys;
pub mod passwords;
pub mod protocol;
pub mod serve;
pub mod settings;
pub mod state;
pub mod store;
pub mod telemetry;
pub mod throttle;
pub mod tokens;
pub mod validation;

//! Jeton, a self-hosted OAuth 2.0 token server. See `ARCHITECTURE.md` for what the parts are for.

pub mod admin;
pub mod cli;
pub mod clock;
pub mod flow;
pub mod http;
pub mod oauth;
pub mod secret;
pub mod serve;
pub mod settings;
pub mod store;
pub mod token;
pub mod view;

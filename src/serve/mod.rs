//! Runs a server: listeners, background tasks, graceful stop.

mod accepted;
mod cleanup;
mod client_blocks;
mod client_certificate;
mod connection;
mod deliveries;
mod events;
mod explained;
mod files;
mod http1;
mod http2;
mod listener;
mod lock;
mod logout_notices;
mod prepare;
pub(crate) mod process;
mod receivers;
mod server;
mod slots;
#[cfg(test)]
mod tests;
mod tls;
mod unread_body;
mod webhooks;
mod wire;

pub use prepare::{check_schema, reach_database};
pub use server::Server;

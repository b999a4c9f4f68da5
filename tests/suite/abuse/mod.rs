//! What those who may do something could do too much of: administrators whose power ended, and users in a loop.

mod administrators;
mod configuration;
mod logins;
mod sessions;

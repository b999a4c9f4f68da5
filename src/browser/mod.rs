//! People at browsers: second factors, links to set a password.

pub mod password_link;
pub mod second_factor;

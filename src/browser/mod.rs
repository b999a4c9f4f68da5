//! People at browsers: who is logged in, how they prove who they are, and that a form is one that this server showed.

pub(crate) mod cookie;
pub(crate) mod form;
pub mod new_password;
pub(crate) mod password;
pub mod password_link;
pub(crate) mod password_proof;
pub mod second_factor;
pub(crate) mod session;

//! Logins at a browser: the authorization endpoint and the pages that it leads to.

mod bad_input;
mod consent;
mod device;
mod flow;
mod forms;
mod nodes;
mod pushed;
mod requests;

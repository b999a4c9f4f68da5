//! Logins at a browser: the authorization endpoint and the pages that it leads to.

mod account;
mod bad_input;
mod consent;
mod flow;
mod forms;
mod logout;
mod nodes;
mod requests;

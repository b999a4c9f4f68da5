//! Why a token is refused: tables of broken tokens and requests, written from the server's promises alone. A row says
//! how a text is made from a valid token, and what the answers must say about it. `ask` holds what must be true of
//! every answer.
//!
//! If a promise leaves room, a row lists every possible answer, separated by `|`.

mod ask;
mod causes;
mod stage;

mod damage;
mod damage_twice;
mod history;
mod kinds;
mod origin;
mod placeholders;
mod presentation;
mod signature;
mod state;
mod state_twice;

mod active;
mod bad_input;
mod callers;
mod command_line;
mod mutations;

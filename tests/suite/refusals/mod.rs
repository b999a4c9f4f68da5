//! Why a token is refused: tables of broken tokens and requests, written from what the server promises and from nothing
//! else. A row says how a text is made from a good token, and what has to be said of it. Whatever is asked, the same must
//! hold of every answer: that is in `ask`.
//!
//! Where a promise leaves room, a row names every answer that it leaves, with `|` between them.

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

//! The network side: one loop, its connections, its files and its helpers.
//!
//! Owns: everything that touches a socket or waits. Must not know: what a line typed means, how anything is shown.
//!
//! Reading order: [`reactor`] (the turn), [`pump`] (bytes between a session and the world), [`connection`],
//! [`doorkeeper`], `securing`, `openings`, `refusing`, `bulk` and [`gate`] (who comes in), [`dialler`], [`conversation`],
//! [`files`] and [`pool`].

mod again;
mod asking;
mod calling;
pub mod channel;
pub mod connection;
pub mod conversation;
pub mod dialler;
pub mod doorkeeper;
pub mod event;
pub mod files;
pub mod gate;
pub mod input;
mod journal;
mod late;
pub mod listener;
pub mod listing;
pub mod lookup;
pub mod names;
mod openings;
pub mod output;
pub mod part;
pub mod passing;
pub mod pool;
pub mod pump;
pub mod reactor;
pub mod read_ahead;
mod refusing;
mod securing;
pub mod source;
pub mod standing;
pub mod stream;
pub mod unfinished;
mod words;
pub mod work;

pub use event::NetEvent;
pub use reactor::{Reactor, Settings};

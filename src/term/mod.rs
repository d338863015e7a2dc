//! Lines in, lines out.
//!
//! Owns: what a person, or a program that reads NDJSON, types and sees. Must not know: sockets.
//!
//! On a terminal: [`keys`] turns its bytes into keys, [`editor`] the keys into lines, which [`history`] remembers and
//! [`complete`] finishes; [`view`] lays out what is pinned at the bottom, [`painter`] writes frames around it, and
//! [`console`] is the terminal itself. All but the last are pure.

mod bar;
pub mod capable;
pub mod complete;
pub mod console;
pub mod draft;
pub mod editor;
pub mod history;
pub mod json;
pub mod keys;
pub mod lines;
pub mod painter;
pub mod plain;
mod prompt;
pub mod view;
mod width;

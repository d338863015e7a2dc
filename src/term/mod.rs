//! Lines in, lines out.
//!
//! Owns: what a person, or a program that reads NDJSON, types and sees. Must not know: sockets.

pub mod capable;
pub mod complete;
pub mod json;
pub mod lines;
pub mod plain;

//! Who somebody is, and that nobody else reads or changes what is said.
//!
//! Owns: keys, the encrypted channel, one-time codes and their proof. Bytes in, bytes out; it stores its own few files. Must not know: sockets, sessions, who is let in.

pub mod code;
pub mod key;
pub mod pairing;
pub mod tls;
mod verifier;
mod words;

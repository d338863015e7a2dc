//! Who somebody is, and that nobody else reads or changes what is said.
//!
//! Owns: keys. Bytes in, bytes out; it stores its own few files. Must not know: sockets, sessions, who is let in.

pub mod key;
pub mod tls;
mod verifier;

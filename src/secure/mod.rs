//! Who somebody is, and that nobody else reads or changes what is said.
//!
//! Owns: keys, the encrypted channel, first meetings by a one-time code; the folder of an installation, its key and
//! whom it knows. Bytes in, bytes out; it stores its own few files. Must not know: sockets, sessions, who is let in.
//!
//! Reading order: [`key`], [`tls`] (the channel), [`code`] and [`pairing`] (a first meeting), [`folder`], [`identity`],
//! [`known`].

pub mod code;
pub mod folder;
pub mod identity;
pub mod key;
pub mod known;
pub mod pairing;
pub mod saved_name;
pub mod tls;
mod verifier;
mod words;

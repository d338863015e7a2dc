//! Who is let in, and what somebody on the way can read or change: between real processes, each with a folder of keys.
//!
//! Anna is called, bob calls. Two processes with the same folder are two terminals of one user.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod codes;
#[path = "../common/mod.rs"]
mod common;
mod ends;
mod flips;
mod folders;
mod keys;
mod links;
mod meetings;
mod middle;
mod nonsense;
mod person;
mod questions;
#[path = "../e2e_bulk/relay.rs"]
mod relay;
mod screen;
mod tap;
mod wire;

/// Bytes that nothing compresses.
fn noise(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    bytes
}

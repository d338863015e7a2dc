//! Conversations from beginning to end, on two sessions with no sockets; each test's name is what it shows.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../support/mod.rs"]
mod support;

mod away;
mod bulk;
mod cancelling;
mod failing;
mod files;
mod floods;
mod hostile;
mod leaving;
mod mending;
mod splicing;
mod stages;
mod talking;

//! The program at a terminal, as people see it: keys go in, screens come out.
//!
//! Each child has a session and a terminal of its own, a home of its own and an account of its own: never those of
//! whoever runs the tests.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod asked;
#[path = "../common/mod.rs"]
mod common;
#[allow(dead_code, reason = "a kit; not every part is in use at all times")]
mod console;
mod emulator;
mod hostile;
mod leaving;
mod lines;
mod panics;
mod people;
mod plainness;
mod screens;
mod sending;
mod shells;
mod shown;
mod sizes;
mod stalled;
mod start;
mod typing;
mod waiting;

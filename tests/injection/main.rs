//! Faults put into the real program: system calls that fail, a process that is killed, stopped or starved, a network
//! that goes away.
//!
//! `strace` makes the nth call of a kind fail, or kills there; `calls` says which calls and with what errors, `tracer`
//! runs it, `talk` is the conversation that is disturbed and what must hold afterwards, `sweep` goes through all of it
//! and prints the table. Where strace or namespaces cannot be had a test says so and is over.
//!
//! `SWEEP=all cargo test --test injection sweep -- --nocapture` is the whole sweep, some 2,000 faults in eight minutes on two cores;
//! `SWEEP=fsync` that of one call, and `SWEEP=attached:encrypted:listener:fsync:EIO:2` repeats one run and shows it.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod calls;
#[path = "../common/mod.rs"]
mod common;
mod kills;
mod leaving;
mod limits;
mod network;
mod short;
mod streams;
mod sweep;
mod talk;
mod tracer;

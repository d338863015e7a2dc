//! Files between real processes, driven through standard input and output alone.
//!
//! Every wait has a condition and a deadline; whoever waits in vain tells what the processes have said so far.
//! `support` starts and drives a tete, `raw` is a peer that keeps no rule; the other modules hold the tests.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]
#![cfg(unix)]

mod content;
mod cuts;
mod disk;
mod flood;
mod frames;
mod leaving;
mod names;
mod offers;
mod pace;
mod raw;
mod resuming;
mod sources;
mod support;
mod typed;

//! Reads and writes that move fewer bytes than they could.
//!
//! strace can make a call fail, not fall short. So a library of a page of C stands between the program and the C library and
//! asks for less, at random, under a seed; where there is no C compiler the test says so and is over. What the program
//! calls without the C library (`sendfile`, and `send` with MSG_MORE, both by rustix) it does not see. `SEEDS=100` tries so
//! many.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::common::{Tete, free_port};
use crate::talk::{Side, drive, run};

/// Conversations of each kind in every run of the tests.
const SEEDS: u64 = 4;

/// The library; `None`, and that is printed, where it cannot be built.
fn library(folder: &TempDir) -> Option<PathBuf> {
    let (source, library) = (folder.path().join("short.c"), folder.path().join("short.so"));
    fs::write(&source, include_str!("short.c")).unwrap();
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(&source).arg("-ldl");
    let built = compiler.output().is_ok_and(|built| built.status.success());
    if !built {
        println!("nothing can be compiled here: nothing to test");
    }
    built.then_some(library)
}

/// Adds what a side has told of calls that fell short.
fn count(log: &Path, calls: &mut BTreeMap<String, u64>) {
    for line in fs::read_to_string(log).unwrap_or_default().lines() {
        let (name, times) = line.split_once(' ').unwrap();
        *calls.entry(name.to_owned()).or_default() += times.parse::<u64>().unwrap();
    }
}

/// A conversation of two under the library. Both have to have ended well, with everything.
fn talk(library: &Path, logs: &Path, plain: bool, seed: u64, calls: &mut BTreeMap<String, u64>) {
    let port = free_port();
    let start = |side: Side| -> Tete {
        let log = logs.join(side.name());
        let run = run(side, port, plain, &[]).env("LD_PRELOAD", library).env("SHORT_LOG", log);
        run.env("SHORT_SEED", (seed * 2 + side as u64).to_string()).start()
    };
    let mut anna = start(Side::Listener);
    anna.event("listening");
    let mut bob = start(Side::Caller);
    let outcome = drive(&mut anna, &mut bob, Side::Caller);
    assert!(outcome.well && !outcome.leftovers, "seed {seed}: {:?}\n{}", outcome.wrong, outcome.said);
    for side in Side::BOTH {
        count(&logs.join(side.name()), calls);
    }
}

#[test]
fn everything_arrives_whole_though_every_other_call_moves_fewer_bytes_than_it_could() {
    let folder = tempfile::tempdir().unwrap();
    let Some(library) = library(&folder) else { return };
    let seeds = std::env::var("SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(SEEDS);
    for plain in [false, true] {
        let mut calls = BTreeMap::new();
        (1..=seeds).for_each(|seed| talk(&library, folder.path(), plain, seed, &mut calls));
        println!("{seeds} conversations, plain: {plain}; calls that fell short: {calls:?}");
        let to_a_link = if plain { "send" } else { "writev" };
        for name in ["read", "write", "recv", to_a_link, "pread", "pwrite"] {
            assert!(calls[name] > 0, "{name} was never shortened: {calls:?}");
        }
    }
}

//! What fuzzing has found, and thousands of mutations of it, for every reader of what strangers say: the same bodies that
//! `tests/fuzz` gives to libFuzzer, here under a seed. `SEED=7` tries other mutations, `MUTATIONS=100000` more of them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "fuzz/src/bodies.rs"]
mod bodies;

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;

use bodies::{End, TARGETS, Target, lived, played};

/// Mutations of a reader's corpus. A proof of a code takes far longer than a greeting.
const MUTATIONS: u64 = 10_000;
const MUTATIONS_OF_CODES: u64 = 2000;
/// Longest input that grows in a mutation, in bytes.
const MAX_INPUT: usize = 8 * 1024;
/// Bytes that readers have opinions about.
const TELLING: [u8; 12] = [0, 1, 2, 4, 0x10, 0x20, 0x7f, 0x80, 0xff, b'"', b'-', b'\n'];

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 0 to `end` - 1.
    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    /// A place in `bytes`, and how many bytes from there.
    fn part(&mut self, bytes: &[u8]) -> std::ops::Range<usize> {
        let from = self.below(bytes.len() + 1);
        let most = (bytes.len() - from).min(64);
        from..from + self.below(most + 1)
    }

    fn byte(&mut self) -> u8 {
        if self.next() & 1 == 0 { TELLING[self.below(TELLING.len())] } else { self.next() as u8 }
    }

    /// A mutation of one of these.
    fn mutated(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        let mut out = corpus[self.below(corpus.len())].clone();
        for _ in 0..=self.below(4) {
            let part = self.part(&out);
            match self.below(7) {
                0 if !out.is_empty() => {
                    let at = self.below(out.len());
                    out[at] ^= 1 << self.below(8);
                }
                1 if !out.is_empty() => {
                    let at = self.below(out.len());
                    out[at] = self.byte();
                }
                2 => out.insert(part.start, self.byte()),
                3 => drop(out.drain(part)),
                4 => out.truncate(part.start),
                5 => {
                    let again = out[part.clone()].to_vec();
                    out.splice(part.start..part.start, again);
                }
                _ => {
                    let other = &corpus[self.below(corpus.len())];
                    let other = other[self.part(other)].to_vec();
                    out.splice(part, other);
                }
            }
        }
        out.truncate(MAX_INPUT);
        out
    }
}

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(name);
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let seeds = paths.iter().filter(|path| path.extension().is_some_and(|extension| extension == "seed"));
    seeds.map(|path| fs::read(path).unwrap()).collect()
}

/// Runs a body; one that panics has shown what it got.
fn run((name, body): Target, input: &[u8]) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| body(input))) {
        eprintln!("{name} got \"{}\"", input.escape_ascii());
        resume_unwind(panic);
    }
}

fn replay(name: &str) {
    let target = TARGETS.into_iter().find(|target| target.0 == name).unwrap();
    let corpus = corpus(name);
    assert!(!corpus.is_empty(), "{name} has no corpus");
    corpus.iter().for_each(|input| run(target, input));
    let mutations = if name == "code" { MUTATIONS_OF_CODES } else { MUTATIONS };
    let mut random = Random(number("SEED").unwrap_or(1));
    for _ in 0..number("MUTATIONS").unwrap_or(mutations) {
        run(target, &random.mutated(&corpus));
    }
}

#[test]
fn greetings_are_read_alike_however_they_are_cut() {
    replay("hello");
}

#[test]
fn keys_have_one_form_each() {
    replay("key");
}

#[test]
fn fault_72_known_peers_are_read_in_every_part_or_not_at_all() {
    replay("known_peers");
}

#[test]
fn codes_are_proved_by_nobody_who_does_not_know_them() {
    replay("code");
}

#[test]
fn fault_30_nobody_gets_through_an_opening_before_both_have_said_welcome() {
    replay("opening");
}

#[test]
fn frames_are_read_alike_however_they_are_cut() {
    replay("decoder");
}

#[test]
fn whatever_a_keyboard_sends_the_line_stays_whole_and_within_its_bounds() {
    replay("line_editor");
}

#[test]
fn fault_64_of_a_journal_nothing_is_believed_that_was_not_written_so() {
    replay("journal");
}

#[test]
fn names_become_one_entry_of_their_folder_that_is_seen_there_or_nothing() {
    replay("name");
}

#[test]
fn fault_17_whatever_is_said_does_nothing_to_a_terminal_nor_in_json() {
    replay("text");
}

#[test]
fn no_peer_and_no_order_of_calls_makes_a_session_panic_or_call_something_delivered_that_is_not() {
    replay("session");
}

#[test]
fn the_corpus_of_openings_reaches_every_end() {
    let ends: BTreeSet<End> = corpus("opening").iter().map(|script| played(script)).collect();
    assert_eq!(ends, BTreeSet::from([End::Undecided, End::Open, End::Joined, End::Refused, End::Broken]));
}

#[test]
fn the_corpus_of_sessions_reaches_every_event_and_every_end() {
    let seen: BTreeSet<&str> = corpus("session").iter().flat_map(|script| lived(script)).collect();
    let events = ["message", "received", "sent", "delivered", "offer", "failed", "resumed", "peer leaving", "silent"];
    let more = ["answering", "link lost", "back", "part taken up", "progress", "verdict"];
    let ends = ["ended: left", "ended: peer cut", "ended: cut", "ended: lost", "ended: broken"];
    let missing: Vec<_> = events.iter().chain(&more).chain(&ends).filter(|what| !seen.contains(*what)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn every_target_has_a_test_and_a_place_in_the_package_for_fuzzing() {
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/Cargo.toml")).unwrap();
    let this = include_str!("corpora.rs");
    for (name, _) in TARGETS {
        assert!(manifest.contains(&format!("\nname = \"{name}\"\n")), "{name}");
        assert!(this.contains(&format!("replay(\"{name}\")")), "{name}");
    }
}

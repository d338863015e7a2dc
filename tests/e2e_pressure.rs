//! More than anybody reads, for as long as nobody reads it: memory stays small, files go on, and leaving ends.

mod common;

use std::io::Write as _;
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{Duration, Instant};

use common::{Duo, Tete, anna, bob, tete};
use rustix::process::Signal;

/// What either side may ever hold, in bytes.
const MEMORY: u64 = 40_000_000;
/// How long leaving may take when nobody reads.
const LEAVING: Duration = Duration::from_secs(15);

/// So many lines that nobody will acknowledge them all.
fn many_lines() -> String {
    (0..3000).map(|n| format!("line {n} of a flood that nobody reads\n")).collect()
}

/// Bob's standard output is never read, and anna has said as much as the two will take.
fn flooded(file: &[u8]) -> (Duo, thread::JoinHandle<()>) {
    let mut duo = Duo::new(tete(&anna(&["--json"])).file("a.bin", file), |port| {
        tete(&bob(port, &["--json"])).unread().file("b.bin", file)
    });
    duo.bob.send("transfer b.bin");
    duo.anna.event("received");
    duo.anna.send("transfer a.bin");
    duo.anna.event("sent");
    let mut input = duo.anna.take_input();
    let flood = thread::spawn(move || {
        // What was not taken when it left is nobody's loss.
        let _ = input.write_all(many_lines().as_bytes()).and_then(|()| input.write_all(b"exit\n"));
    });
    duo.anna.find("text 300", |event| event["event"] == "queued" && event["seq"] == 300);
    (duo, flood)
}

#[test]
fn megabytes_of_text_through_a_pipe_arrive_in_order_and_in_little_memory() {
    const BYTES: usize = 45_000_000;
    let mut line = String::new();
    let mut all = Vec::with_capacity(BYTES + 2000);
    for n in 0_usize.. {
        if all.len() >= BYTES {
            break;
        }
        line.clear();
        line.push_str(&format!("{n} "));
        line.extend("some words ".chars().cycle().take(n * 37 % 1900));
        all.extend_from_slice(line.trim_end().as_bytes());
        all.push(b'\n');
    }
    let mut duo = Duo::new(tete(&anna(&["--json"])), |port| tete(&bob(port, &["--json"])));
    let mut input = duo.bob.take_input();
    let poured = all.clone();
    let pour = thread::spawn(move || {
        input.write_all(&poured).expect("it reads");
        input
    });
    let last = all.iter().filter(|byte| **byte == b'\n').count();
    duo.anna.count("message", last);
    duo.bob.find("all delivered", |event| event["event"] == "delivered" && event["seq"] == last);
    let high = [duo.anna.high_water(), duo.bob.high_water()];
    drop(pour.join().expect("it reads"));
    duo.end_with(0, 0);
    let mut heard = Vec::with_capacity(all.len());
    for event in duo.anna.all("message") {
        heard.extend_from_slice(event["text"].as_str().expect("a text").as_bytes());
        heard.push(b'\n');
    }
    assert!(heard == all, "what arrived is not what was poured");
    assert!(high.iter().all(|bytes| *bytes < MEMORY), "{high:?}");
}

#[test]
fn files_go_both_ways_and_leaving_ends_while_nobody_reads_stdout() {
    let file: Vec<u8> = (0..20_000_000_u32).map(|n| (n % 251) as u8).collect();
    let (mut duo, flood) = flooded(&file);
    for (tete, name) in [(&duo.anna, "fetched_b.bin"), (&duo.bob, "fetched_a.bin")] {
        assert!(std::fs::read(tete.file(name)).expect("it was received") == file);
        assert!(tete.high_water() < MEMORY);
    }
    // Her `exit` stands behind texts that bob will never take: the signal is how she leaves.
    duo.anna.signal(Signal::TERM);
    let began = Instant::now();
    assert_eq!(duo.anna.exit_code_within(LEAVING), 143);
    duo.bob.exit_code_within(LEAVING - began.elapsed());
    flood.join().expect("it ended");
}

#[test]
fn the_one_whose_output_nobody_reads_can_leave_by_its_own_input() {
    let (mut duo, flood) = flooded(b"small");
    duo.bob.send("exit");
    let began = Instant::now();
    duo.bob.exit_code_within(LEAVING);
    duo.anna.exit_code_within(LEAVING - began.elapsed());
    flood.join().expect("it ended");
}

#[test]
fn the_one_whose_output_nobody_reads_ends_at_a_signal() {
    let (mut duo, flood) = flooded(b"small");
    duo.bob.signal(Signal::TERM);
    assert_eq!(duo.bob.exit_code_within(Duration::from_secs(10)), 143);
    duo.anna.exit_code();
    flood.join().expect("it ended");
}

#[test]
fn a_log_that_nobody_reads_stops_nothing() {
    let (unread, errors) = std::io::pipe().expect("a pipe");
    let mut duo = Duo::new(tete(&anna(&["--json"])), |port| {
        tete(&bob(port, &["--json", "-vvv", "--linger", "0"])).errors(errors)
    });
    for n in 0..2000 {
        duo.anna.send(&format!("text {n}"));
    }
    duo.bob.find("the last text", |event| event["text"] == "text 1999");
    duo.bob.signal(Signal::TERM);
    assert_eq!(duo.bob.exit_code_within(LEAVING), 143);
    drop(unread);
}

/// How much was poured when it is pushed back: quiet for a second is stopped.
fn poured(taken: &Receiver<usize>) -> usize {
    let mut poured = 0;
    while poured < 10_000_000
        && let Ok(bytes) = taken.recv_timeout(Duration::from_secs(1))
    {
        poured += bytes;
    }
    poured
}

#[test]
fn what_a_program_says_to_nobody_yet_is_pushed_back_instead_of_held() {
    let mut anna = tete(&anna(&["--json"])).start();
    anna.port();
    let mut input = anna.take_input();
    let (told, taken) = std::sync::mpsc::channel();
    let pour = thread::spawn(move || {
        // As long as an object may be: every byte of a message is escaped.
        let line = format!("{{\"say\": \"{}\"}}\n", "\\u0078".repeat(16_000));
        while input.write_all(line.as_bytes()).is_ok() {
            let _ = told.send(line.len());
        }
    });
    let poured = poured(&taken);
    assert!(poured < 1_000_000, "{poured} bytes: nothing pushes back");
    anna.signal(Signal::TERM);
    assert_eq!(anna.exit_code(), 143);
    pour.join().expect("it ended");
}

#[test]
fn fault_79_the_input_of_the_one_who_floods_is_pushed_back_instead_of_held() {
    let mut duo = Duo::new(tete(&anna(&["--json"])), |port| tete(&bob(port, &[])).unread());
    let mut input = duo.anna.take_input();
    let (told, taken) = std::sync::mpsc::channel();
    let pour = thread::spawn(move || {
        let line = [vec![b'x'; 999], vec![b'\n']].concat();
        while input.write_all(&line).is_ok() {
            // The test is over: nobody counts any more.
            let _ = told.send(line.len());
        }
    });
    let poured = poured(&taken);
    assert!(poured < 3_000_000, "{poured} bytes: nothing pushes back");
    assert!(duo.anna.high_water() < MEMORY && duo.bob.high_water() < MEMORY);
    duo.anna.signal(Signal::TERM);
    assert_eq!(duo.anna.exit_code(), 143);
    pour.join().expect("it ended");
}

#[test]
fn two_who_say_nothing_cost_next_to_nothing() {
    let mut duo = Duo::json();
    duo.bob.send("hi");
    duo.anna.event("message");
    let before = [duo.anna.cpu(), duo.bob.cpu()];
    thread::sleep(Duration::from_secs(2)); // paced: what is measured is what waiting costs.
    for (tete, before) in [&duo.anna, &duo.bob].into_iter().zip(before) {
        let (used, memory) = (tete.cpu() - before, tete.high_water());
        // A build for tests has more code than one for use, which stays a megabyte below.
        assert!(used <= Duration::from_millis(20) && memory < 9_000_000, "{used:?} {memory} bytes");
    }
}

/// Ends quietly after its output was closed.
fn ends_quietly(tete: &mut Tete) {
    tete.exit_code();
    let err = tete.err();
    assert!(!err.contains("panic") && !err.contains("Broken pipe"), "{err}");
}

#[test]
fn faults_15_and_84_output_that_was_closed_early_ends_the_conversation_quietly() {
    for more in [&["--json"][..], &[]] {
        let mut duo = Duo::new(tete(&anna(&["--json"])), |port| tete(&bob(port, more)).unread());
        duo.bob.close_output();
        duo.anna.send("hi");
        ends_quietly(&mut duo.bob);
        assert_eq!(duo.anna.event("closed")["by"], "peer");
        duo.anna.exit_code();
    }
}

#[test]
fn fault_15_output_that_is_closed_in_the_middle_of_a_file_keeps_what_there_is_of_it() {
    const SIZE: usize = 60_000_000;
    let mut duo = Duo::new(tete(&anna(&["--json", "--limit", "10M"])).file("big", vec![7; SIZE]), |port| {
        tete(&bob(port, &["--json"])).unread()
    });
    duo.anna.send("transfer big");
    duo.anna.find("a few blocks", |event| event["bytes"].as_u64().is_some_and(|bytes| bytes > 5_000_000));
    duo.bob.close_output();
    duo.anna.send("hi");
    ends_quietly(&mut duo.bob);
    let names: Vec<_> =
        std::fs::read_dir(duo.bob.folder()).expect("a folder").map(|entry| entry.expect("an entry")).collect();
    let is = |end: &str| names.iter().any(|entry| entry.file_name().to_string_lossy().ends_with(end));
    assert!(is(".part") && is(".journal") && !is("fetched_big"), "{names:?}");
    duo.anna.signal(Signal::TERM);
    duo.anna.exit_code();
}

#[test]
fn fault_84_errors_that_nobody_reads_do_not_end_the_conversation() {
    let mut anna = tete(&anna(&["--json"])).start();
    let port = anna.port();
    let mut bob = tete(&bob(port, &[])).without_errors().start();
    bob.send_bytes(b"/status\n/help\nstill here\n");
    anna.find("a text", |event| event["text"] == "still here");
    anna.send("hi");
    bob.says("anna: hi\n");
    anna.send("exit");
    assert_eq!((anna.exit_code(), bob.exit_code()), (0, 0));
}

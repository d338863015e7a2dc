//! A terminal that nobody reads.

use std::fs;

use crate::common::tete;
use crate::console::Desk;
use crate::people::{Talk, hears};

/// What the program may hold, whatever it is fed.
const BOUND: u64 = 64 << 20;

#[test]
fn fault_16_while_nobody_reads_the_terminal_files_arrive_and_memory_is_bounded() {
    const SIZE: usize = 5_000_000;
    let mut talk = Talk::with(&Desk::new(), &[], |bob| bob.file("a.bin", vec![b'a'; SIZE]));
    fs::write(talk.ann.file("b.bin"), vec![b'b'; SIZE]).unwrap();
    talk.ann.stop_reading();
    // Far more than the terminal takes, and less than what pushes back on bob.
    let long = "x".repeat(2000);
    for nth in 0..200 {
        talk.bob_says(&format!("{nth} {long}"));
    }
    talk.bob.send("transfer a.bin");
    assert_eq!(talk.bob.event("sent")["bytes"], SIZE);
    assert_eq!(fs::metadata(talk.ann.file("fetched_a.bin")).unwrap().len(), SIZE as u64);
    // What is typed is obeyed too.
    talk.ann.says("transfer b.bin");
    assert_eq!(talk.bob.event("received")["bytes"], SIZE);
    assert!(talk.ann.high_water() < BOUND, "{} bytes", talk.ann.high_water());

    talk.ann.go_on_reading();
    talk.bob_says("the last");
    hears(&mut talk.ann, "bob: the last");
    hears(&mut talk.ann, &format!("bob: 0 {long}"));
    hears(&mut talk.ann, &format!("bob: 199 {long}"));
    talk.ann.prompts("ann>");
    talk.part();
}

#[test]
fn fault_16_a_flood_of_messages_pushes_back_on_who_says_them_and_all_are_shown_in_the_end() {
    const MESSAGES: usize = 3000;
    let mut talk = Talk::new();
    talk.ann.stop_reading();
    let mut input = talk.bob.take_input();
    let flood = std::thread::spawn(move || {
        use std::io::Write;
        let filler = "y".repeat(500);
        for nth in 0..MESSAGES {
            writeln!(input, "{nth} {filler}").unwrap();
        }
        input
    });
    // Far fewer than all are taken while nobody reads.
    talk.bob.count("queued", 256);
    assert!(talk.ann.high_water() < BOUND, "{} bytes", talk.ann.high_water());
    talk.ann.go_on_reading();
    let input = flood.join().unwrap();
    talk.ann.waits_for("the last message", |ann| ann.screen().contains(&format!("bob: {} yyy", MESSAGES - 1)));
    assert!(talk.ann.high_water() < BOUND, "{} bytes", talk.ann.high_water());
    drop(input);
    talk.ann.shows("bob left");
    talk.ann.ends(0);
}

#[test]
fn who_waits_for_a_call_at_a_terminal_that_nobody_reads_is_still_called() {
    let mut ann = Desk::new().start(&["--plain", "-n", "ann", "-l", "0"]);
    let port = crate::people::port(&mut ann);
    ann.prompts("Whom to call, as PORT or HOST:PORT [wait for a call]:");
    ann.stop_reading();
    let mut bob = tete(&crate::common::bob(port, &["--json"])).start();
    bob.event("connected");
    ann.says("hello");
    assert_eq!(bob.event("message")["text"], "hello");
    ann.go_on_reading();
    hears(&mut ann, "ann: hello ✓");
}

//! More than anybody reads, and more than anybody needs at once: memory and part files stay few.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::common::{PATIENCE, anna, bob, tete};
use crate::relay::{Fate, Relay, Way};
use crate::{MB, Relayed, Sender, noise};

/// What either side may ever hold, in bytes.
const MEMORY: u64 = 40_000_000;
/// How long leaving may take when nobody reads.
const LEAVING: Duration = Duration::from_secs(15);
/// Files whose bytes flow at once, at most.
const ACTIVE: usize = 8;

#[test]
fn faults_16_and_79_a_file_goes_on_over_its_own_link_while_nobody_reads_what_one_side_says() {
    let file = noise(100 * MB);
    for sender in Sender::BOTH {
        let limited = ["--json", "-v", "--limit", "60M"];
        let mut anna = tete(&anna(&limited)).start();
        let relay = Relay::to(anna.port(), |_| Fate::Pass);
        // Bob's standard output is never read.
        let mut bob = tete(&bob(relay.port, &limited)).unread().start();
        anna.event("connected");
        let (from, event, to) = match sender {
            Sender::Anna => (&mut anna, "sent", &bob),
            Sender::Bob => (&mut bob, "received", &anna),
        };
        fs::write(from.file("big"), &file).unwrap();
        let arrived = to.file("fetched_big");
        from.send("transfer big");
        from.tells("goes over the bulk link");
        anna.event("progress");
        for n in 0..300 {
            // More than a pipe holds.
            anna.send(&format!("text {n} {}", "x".repeat(500)));
        }
        anna.find("the last text", |event| event["event"] == "queued" && event["seq"] == 300);
        assert_eq!(anna.all(event).count(), 0, "the pipe is full before the file is through");
        let told = anna.event(event);
        assert_eq!(told["blake3"], blake3::hash(&file).to_string());
        assert!(fs::read(arrived).unwrap() == file);
        // It began on the talk link.
        assert!(relay.passed(1, sender.way()) > 50 * MB as u64);
        assert_eq!(anna.all("delivered").filter(|event| event["seq"] == 300).count(), 0, "bob has read it all");
        let high = [anna.high_water(), bob.high_water()];
        println!("memory: {high:?}");
        assert!(high.iter().all(|bytes| *bytes < MEMORY), "{high:?}");
        anna.signal(Signal::TERM);
        assert_eq!(anna.exit_code_within(LEAVING), 143);
        bob.exit_code_within(LEAVING);
    }
}

#[test]
fn a_thousand_files_offered_at_once_all_arrive_with_few_part_files_at_any_moment() {
    const FILES: usize = 1000;
    let mut two = Relayed::with(tete(&anna(&["--json"])), &["--json"], |_| Fate::Pass);
    for n in 0..FILES {
        fs::write(two.bob.file(&format!("tiny{n}")), format!("{n}")).unwrap();
    }
    let folder = two.anna.folder().to_owned();
    let over = AtomicBool::new(false);
    let most = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let (mut most, began) = (0, Instant::now());
            while !over.load(Ordering::Relaxed) && began.elapsed() < 2 * PATIENCE {
                let names = fs::read_dir(&folder).unwrap().filter_map(|entry| Some(entry.ok()?.file_name()));
                most = most.max(names.filter(|name| name.to_string_lossy().starts_with(".tete-")).count());
                std::thread::sleep(Duration::from_millis(1)); // paced: a folder that is looked at all the time is slow.
            }
            most
        });
        for n in 0..FILES {
            two.bob.send(&format!("transfer tiny{n}"));
        }
        two.bob.count("sent", FILES);
        two.anna.count("received", FILES);
        over.store(true, Ordering::Relaxed);
        watcher.join().unwrap()
    });
    assert!((1..=ACTIVE).contains(&most), "{most} part files at once");
    for n in 0..FILES {
        assert_eq!(fs::read_to_string(two.anna.file(&format!("fetched_tiny{n}"))).unwrap(), n.to_string());
    }
    let high = [two.anna.high_water(), two.bob.high_water()];
    assert!(high.iter().all(|bytes| *bytes < MEMORY), "{high:?}");
    println!("memory: {high:?}, {most} part files");
    assert_eq!((two.relay.connections(), two.relay.passed(1, Way::Up)), (1, 0));
    two.part();
}

//! Which connection files go over.

use std::time::Instant;

use rustix::process::{Resource, Rlimit, getrlimit, prlimit};

use crate::common::{PATIENCE, Tete, anna, tete};
use crate::relay::{Fate, Relay, Way};
use crate::{MB, OWN, Relayed, Sender};

#[test]
fn a_large_file_goes_over_the_second_connection_and_what_is_said_meanwhile_over_the_first() {
    for sender in Sender::BOTH {
        let limited = ["--json", "-v", "--limit", "20M"];
        let mut two = Relayed::with(tete(&anna(&limited)), &limited, |_| Fate::Pass).linked();
        let before = [0, 1].map(|connection| two.relay.passed(connection, sender.way()));
        two.send(sender, "big", 20 * MB);
        let (from, to) = two.sides(sender);
        from.tells("transfer ");
        from.tells(" goes over the bulk link");
        for n in 0..50 {
            from.send(&format!("text {n} {}", "x".repeat(1000)));
        }
        to.count("message", 50);
        assert!(to.all("received").all(|event| event["name"] != "big"), "texts do not wait for the file");
        two.arrived(sender, "big", 20 * MB);
        let passed = [0, 1].map(|connection| two.relay.passed(connection, sender.way()) - before[connection]);
        assert!((20 * MB as u64..20_100_000).contains(&passed[1]), "{passed:?}");
        assert!((50_000..200_000).contains(&passed[0]), "{passed:?}");
        assert_eq!(two.relay.connections(), 2);
        two.part();
    }
}

#[test]
fn a_small_file_needs_no_second_connection() {
    let mut two = Relayed::new(|_| Fate::Pass);
    two.send(Sender::Bob, "small", 64 * 1024);
    two.arrived(Sender::Bob, "small", 64 * 1024);
    assert_eq!(two.relay.connections(), 1);
    two.part();
}

#[test]
fn status_says_over_which_link_a_file_goes() {
    let limited = ["--json", "-v", "--limit", "4M"];
    let both = [
        (Fate::Pass, OWN, "over the bulk link"),
        (Fate::Refuse, "files share the talk link; one of their own could not be had", "over the talk link"),
    ];
    for (fate, links, ride) in both {
        let mut two =
            Relayed::with(
                tete(&anna(&["--json", "-v"])),
                &limited,
                move |connection| {
                    if connection == 1 { fate } else { Fate::Pass }
                },
            );
        two.send(Sender::Bob, "big", 8 * MB);
        let since = if ride.contains("bulk") { "goes over the bulk link" } else { "no link of their own for files" };
        two.bob.tells(since);
        two.bob.find("some of it", |event| event["event"] == "progress" && event["bytes"].as_u64() > Some(0));
        two.bob.send("/status");
        two.bob.until("the file's line", |bob| {
            bob.err().lines().any(|line| line.contains(" verified, ") && line.contains(ride)).then_some(())
        });
        assert!(two.bob.err().contains(links));
        two.arrived(Sender::Bob, "big", 8 * MB);
        two.part();
    }
}

#[test]
fn a_file_whose_link_is_refused_arrives_over_the_talk_link() {
    for sender in Sender::BOTH {
        let mut two = Relayed::new(|connection| if connection == 0 { Fate::Pass } else { Fate::Refuse });
        two.send(sender, "big", 20 * MB);
        two.arrived(sender, "big", 20 * MB);
        assert!(two.relay.passed(0, sender.way()) > 20 * MB as u64);
        assert!(two.bob.err().contains("no link of their own for files"), "{}", two.bob.err());
        two.part();
    }
}

/// Two who call each other at once, each through a relay that opens when both have called.
#[test]
fn of_two_who_call_each_other_the_second_call_is_the_link_for_files_and_there_is_no_third() {
    for sender in Sender::BOTH {
        let (to_anna, to_bob) = (Relay::nowhere(), Relay::nowhere());
        let caller = |name, port: u16| {
            let port = port.to_string();
            tete(&["--plain", "--json", "-v", "-n", name, "-l", "127.0.0.1:0", &port]).start()
        };
        let (mut anna, mut bob) = (caller("anna", to_bob.port), caller("bob", to_anna.port));
        let ports = (anna.port(), bob.port());
        let began = Instant::now();
        while to_anna.connections() == 0 || to_bob.connections() == 0 {
            assert!(began.elapsed() < PATIENCE, "they do not call each other");
            std::thread::yield_now();
        }
        to_anna.lead_to(ports.0);
        to_bob.lead_to(ports.1);
        anna.event("connected");
        bob.event("connected");
        for side in [&mut anna, &mut bob] {
            side.tells("files have a link of their own, number 2");
        }
        let (from, to) = if sender == Sender::Anna { (&mut anna, &mut bob) } else { (&mut bob, &mut anna) };
        std::fs::write(from.file("big"), crate::noise(20 * MB)).unwrap();
        from.send("transfer big");
        let sent = from.event("sent");
        assert_eq!(to.event("received")["blake3"], sent["blake3"]);
        assert!(from.err().contains("goes over the bulk link"));
        assert_eq!((to_anna.connections(), to_bob.connections()), (1, 1));
        from.send("exit");
        for side in [&mut anna, &mut bob] {
            assert_eq!(side.exit_code(), 0);
            assert_eq!((side.all("connected").count(), side.all("refused").count()), (1, 0));
            assert_eq!(side.err().matches(OWN).count(), 1, "{}", side.err());
        }
    }
}

/// Leaves a running process so many free descriptors.
fn leave_descriptors(tete: &Tete, free: usize) {
    let pid = tete.pid();
    let open: Vec<u64> = std::fs::read_dir(format!("/proc/{}/fd", pid.as_raw_nonzero()))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().parse().unwrap())
        .collect();
    let limit = (0..).filter(|number| !open.contains(number)).nth(free).unwrap();
    let old = getrlimit(Resource::Nofile);
    prlimit(Some(pid), Resource::Nofile, Rlimit { current: Some(limit), maximum: old.maximum }).unwrap();
}

#[test]
fn fault_78_a_source_that_takes_the_last_descriptor_is_sent_over_the_talk_link() {
    let mut two = Relayed::new(|_| Fate::Pass);
    leave_descriptors(&two.bob, 1);
    two.send(Sender::Bob, "big", 4 * MB);
    two.arrived(Sender::Bob, "big", 4 * MB);
    assert!(two.relay.passed(0, Way::Up) > 4 * MB as u64);
    assert!(two.bob.err().contains("no link of their own for files (Too many open files)"), "{}", two.bob.err());
    two.part();
}

//! Conversations between real processes whose connections are lost, and go on.
//!
//! Bob calls anna through a relay that cuts what it is told to.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../e2e_bulk/relay.rs"]
mod relay;

use std::fs;
use std::time::{Duration, Instant};

use common::{Tete, free_port, tete};
use relay::{Fate, Relay, Way};
use rustix::process::Signal;
use serde_json::Value;

/// A megabyte.
const MB: usize = 1_000_000;
/// Most bytes of a file that one cut may cost: what stood in the buffers of the two systems and of the relay, and a
/// block.
const COST: u64 = 12_000_000;

/// Two who talk through a relay.
struct Two {
    anna: Tete,
    bob: Tete,
    relay: Relay,
}

const PLAIN: &[&str] = &["--plain"];
const SECURE: &[&str] = &["--trust", "new"];

fn listening(how: &[&str], port: u16, more: &[&str]) -> Tete {
    let listen = format!("127.0.0.1:{port}");
    tete(&[how, &["-n", "anna", "--json", "--no-sync", "-l", &listen], more].concat()).start()
}

impl Two {
    fn new(how: &[&str]) -> Self {
        Self::with(how, &[], &[])
    }

    fn with(how: &[&str], to_anna: &[&str], to_bob: &[&str]) -> Self {
        let anna = listening(how, 0, to_anna);
        Self::called(anna, how, to_bob)
    }

    /// Bob calls this one.
    fn called(mut anna: Tete, how: &[&str], to_bob: &[&str]) -> Self {
        let relay = Relay::to(anna.port(), |_| Fate::Pass);
        let target = format!("127.0.0.1:{}", relay.port);
        let mut bob = tete(&[how, &["-n", "bob", "--json", "--no-sync", &target], to_bob].concat()).start();
        anna.event("connected");
        bob.event("connected");
        Self { anna, bob, relay }
    }

    fn sides(&mut self) -> [&mut Tete; 2] {
        [&mut self.anna, &mut self.bob]
    }

    /// The connection is cut, and both know that it is there again.
    fn cut(&mut self) {
        let before = [&self.anna, &self.bob].map(|side| side.all("reconnected").count());
        self.relay.cut();
        for (side, before) in self.sides().into_iter().zip(before) {
            side.count("reconnected", before + 1);
        }
    }

    /// So many texts of both have come, once and in order.
    fn assert_texts(&mut self, count: usize) {
        for (side, from) in self.sides().into_iter().zip(["bob", "anna"]) {
            side.count("message", count);
            let texts: Vec<_> = side.all("message").map(|event| event["text"].clone()).collect();
            let expected: Vec<_> = (0..count).map(|n| Value::from(format!("{from} {n}"))).collect();
            assert_eq!(texts, expected);
        }
    }

    /// Each hears a text that it has not heard before.
    fn still_talk(&mut self) {
        let (anna, bob) = (&mut self.anna, &mut self.bob);
        Self::hears(bob, anna);
        Self::hears(anna, bob);
    }

    fn hears(from: &mut Tete, to: &mut Tete) {
        let text = format!("still here after {} messages", to.all("message").count());
        from.send(&text);
        to.find(&text, |event| event["text"] == *text);
    }

    /// Both leave, with nothing left over.
    fn part(mut self) {
        self.still_talk();
        self.bob.send("exit");
        assert_eq!((self.anna.exit_code(), self.bob.exit_code()), (0, 0));
        for side in [&self.anna, &self.bob] {
            assert_eq!((side.all("transfer_failed").count(), side.all("connected").count()), (0, 1));
        }
    }
}

/// Bytes that nothing compresses.
fn noise(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    bytes
}

fn send(from: &mut Tete, name: &str, size: usize) {
    fs::write(from.file(name), noise(size)).unwrap();
    from.send(&format!("transfer {name}"));
}

/// It has arrived whole, and once, and both know.
fn arrived(from: &mut Tete, to: &mut Tete, name: &str, size: usize) {
    let hash = blake3::hash(&noise(size)).to_string();
    for (side, event) in [(&mut *from, "sent"), (&mut *to, "received")] {
        let told = side.find(event, |told| told["event"] == event && told["name"] == name);
        assert_eq!((&told["bytes"], &told["blake3"]), (&size.into(), &hash.clone().into()), "{told}");
        assert_eq!(side.all(event).count(), 1);
    }
    assert!(fs::read(to.file(&format!("fetched_{name}"))).unwrap() == noise(size), "other bytes have arrived");
}

/// So many bytes of a file have been stored, as its sender knows.
fn until_stored(from: &mut Tete, bytes: u64) {
    from.find("progress", |event| event["event"] == "progress" && event["bytes"].as_u64() >= Some(bytes));
}

fn cuts_in_a_transfer(how: &[&str]) {
    const SIZE: usize = 30 * MB;
    let mut two = Two::with(how, &["--limit", "15M"], &["--limit", "15M"]);
    send(&mut two.bob, "up", SIZE);
    send(&mut two.anna, "down", SIZE);
    for n in 0..4 {
        for (side, name) in two.sides().into_iter().zip(["anna", "bob"]) {
            (0..10).for_each(|text| side.send(&format!("{name} {}", n * 10 + text)));
        }
        until_stored(&mut two.bob, n * 6_000_000 + 1);
        two.cut();
    }
    arrived(&mut two.bob, &mut two.anna, "up", SIZE);
    arrived(&mut two.anna, &mut two.bob, "down", SIZE);
    two.assert_texts(40);
    for way in [Way::Up, Way::Down] {
        let passed: u64 = (0..two.relay.connections()).map(|connection| two.relay.passed(connection, way)).sum();
        let extra = passed - SIZE as u64;
        assert!(extra < 4 * COST, "{extra} bytes more than the file, for four cuts");
    }
    for (side, calls) in two.sides().into_iter().zip([false, true]) {
        let lost: Vec<_> = side.all("link_lost").collect();
        assert_eq!((lost.len(), side.all("reconnected").count()), (4, 4));
        for event in lost {
            assert!(event["reason"].as_str().is_some_and(|words| !words.is_empty()), "{event}");
            assert_eq!(event["retry_in"].is_number(), calls, "{event}");
            assert_eq!(event["retry_in"].is_null(), !calls, "{event}");
        }
    }
    two.part();
}

#[test]
fn fault_73_cuts_in_plain_transfers_both_ways_lose_and_double_nothing() {
    cuts_in_a_transfer(PLAIN);
}

#[test]
fn fault_73_cuts_in_encrypted_transfers_both_ways_lose_and_double_nothing() {
    cuts_in_a_transfer(SECURE);
}

#[test]
fn fault_75_a_connection_that_is_closed_without_a_goodbye_is_called_for_again() {
    let mut anna = listening(PLAIN, 0, &[]);
    let close = Fate::After(Way::Up, 300, relay::How::Close);
    let relay = Relay::to(anna.port(), move |nth| if nth == 0 { close } else { Fate::Pass });
    let target = format!("127.0.0.1:{}", relay.port);
    let mut bob = tete(&["--plain", "-n", "bob", "--json", &target]).start();
    anna.event("connected");
    let mut two = Two {
        anna,
        bob: {
            bob.event("connected");
            bob
        },
        relay,
    };
    for n in 0..20 {
        for (side, name) in two.sides().into_iter().zip(["anna", "bob"]) {
            side.send(&format!("{name} {n}"));
        }
    }
    two.assert_texts(20);
    let back = two.anna.event("reconnected");
    assert!(back["reason"].is_string() && back["retry_in"].is_null(), "{back}");
    two.part();
}

#[test]
fn fault_76_who_comes_back_may_come_from_another_address() {
    for how in [PLAIN, SECURE] {
        let mut two = Two::new(how);
        two.relay.call_from(2);
        two.cut();
        two.part();
    }
}

#[test]
fn who_was_called_calls_back_where_the_caller_listens_when_it_cannot_be_reached_any_more() {
    let mut anna = listening(SECURE, 0, &[]);
    // After the first one nobody gets through to anna.
    let relay = Relay::to(anna.port(), |nth| if nth == 0 { Fate::Pass } else { Fate::Refuse });
    let target = format!("127.0.0.1:{}", relay.port);
    let mut bob = tete(&[SECURE, &["-n", "bob", "--json", "-l", "127.0.0.1:0", &target]].concat()).start();
    anna.event("connected");
    bob.event("connected");
    let mut two = Two { anna, bob, relay };
    two.cut();
    assert!(two.anna.event("link_lost")["retry_in"].is_number());
    let to = two.anna.event("dialling")["to"].clone();
    assert_eq!(to, format!("127.0.0.1:{}", two.bob.port()));
    two.part();
}

#[test]
fn a_script_that_sends_and_leaves_survives_cuts() {
    const SIZE: usize = 20 * MB;
    let mut anna = listening(PLAIN, 0, &[]);
    let relay = Relay::to(anna.port(), |_| Fate::Pass);
    let target = format!("127.0.0.1:{}", relay.port);
    let args = ["--plain", "-n", "bob", "--json", "--no-sync", "--limit", "10M", &target, "--send", "big"];
    let mut bob = tete(&args).file("big", noise(SIZE)).start();
    for n in 1..=3 {
        until_stored(&mut bob, n * 4_000_000);
        relay.cut();
        bob.count("reconnected", n as usize);
    }
    arrived(&mut bob, &mut anna, "big", SIZE);
    assert_eq!((bob.exit_code(), anna.exit_code()), (0, 0));
}

#[test]
fn if_nobody_comes_back_it_ends_after_the_linger_and_tells_what_was_not_delivered() {
    for pending in [false, true] {
        let mut two = Two::with(PLAIN, &["--linger", "2", "--limit", "1M"], &["--linger", "2"]);
        if pending {
            send(&mut two.anna, "big", 20 * MB);
            until_stored(&mut two.anna, 1);
        } else {
            two.still_talk();
            two.anna.event("delivered");
        }
        two.bob.kill();
        let began = Instant::now();
        two.anna.event("link_lost");
        if pending {
            two.anna.send("nobody reads this");
        }
        assert_eq!(two.anna.exit_code(), if pending { 4 } else { 3 });
        let took = began.elapsed();
        assert!((Duration::from_millis(1800)..Duration::from_secs(8)).contains(&took), "{took:?}");
        assert_eq!(two.anna.event("closed")["by"], "error");
        assert_eq!(two.anna.all("transfer_failed").count(), usize::from(pending));
        let texts = |error: &Value| (error["undelivered"].as_u64(), error["from_seq"].as_u64());
        let told: Vec<_> = two.anna.all("error").map(texts).collect();
        assert_eq!(told, if pending { vec![(Some(1), Some(1))] } else { vec![] });
    }
}

/// The conversation with the one process has ended, and that with the next has begun.
fn goes_on_with(survivor: &mut Tete, mut next: Tete) {
    let closed = survivor.event("closed");
    assert!(closed["reason"].as_str().unwrap().contains("begun anew"), "{closed}");
    survivor.count("connected", 2);
    next.event("connected");
    next.send("it is me again");
    survivor.find("the next one's text", |event| event["text"] == "it is me again");
    next.send("exit");
    assert_eq!((next.exit_code(), survivor.exit_code()), (0, 0));
}

#[test]
fn a_partner_whose_process_was_started_again_is_called_anew() {
    for how in [PLAIN, SECURE] {
        let port = free_port();
        let mut two = Two::called(listening(how, port, &[]), how, &[]);
        two.still_talk();
        two.bob.event("delivered"); // else the kill may have cut off the word of it
        two.anna.kill();
        let home = two.anna.kept().to_owned();
        let listen = format!("127.0.0.1:{port}");
        let args = [how, &["-n", "anna", "--json", "--config-dir", home.to_str().unwrap(), "-l", &listen]].concat();
        let mut other = tete(&args).start();
        assert_eq!(other.port(), port);
        goes_on_with(&mut two.bob, other);
    }
}

#[test]
fn a_partner_whose_process_was_started_again_and_who_calls_is_let_in() {
    for how in [PLAIN, SECURE] {
        let mut anna = listening(how, 0, &["-vvv"]);
        let home = tempfile::tempdir().unwrap();
        let target = format!("127.0.0.1:{}", anna.port());
        let args = [how, &["-n", "bob", "--json", "--config-dir", home.path().to_str().unwrap(), &target]].concat();
        let mut bob = tete(&args).start();
        bob.event("connected");
        anna.event("connected");
        if how == SECURE {
            anna.tells("answer: remembered"); // the file alone may be there before she has heard that it is
        }
        bob.kill();
        anna.event("link_lost");
        goes_on_with(&mut anna, tete(&args).start());
        let again = anna.all("connected").last().unwrap();
        if how == SECURE {
            assert_eq!((&again["trust"], &again["peer"]["saved_as"]), (&Value::from("known"), &Value::from("bob")));
        }
    }
}

#[test]
fn who_came_to_send_files_ends_when_the_partner_has_begun_anew() {
    let port = free_port();
    let mut anna = listening(PLAIN, port, &[]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("big");
    fs::write(&file, noise(20 * MB)).unwrap();
    let target = format!("127.0.0.1:{port}");
    let file = file.to_str().unwrap();
    let args = [PLAIN, &["-n", "bob", "--json", "--limit", "1M", &target, "--send", file]].concat();
    let mut bob = tete(&args).start();
    until_stored(&mut bob, 1);
    anna.kill();
    let mut other = listening(PLAIN, port, &[]);
    assert_eq!(bob.exit_code(), 4);
    other.kill();
}

#[test]
fn who_leaves_while_the_other_is_away_is_soon_gone() {
    let mut two = Two::new(PLAIN);
    two.still_talk();
    two.anna.kill();
    two.bob.event("link_lost");
    let began = Instant::now();
    two.bob.send("exit");
    two.bob.exit_code();
    assert!(began.elapsed() < Duration::from_secs(9));
}

#[test]
fn fault_74_a_connection_that_fell_silent_is_replaced_by_another() {
    for how in [PLAIN, SECURE] {
        let mut two = Two::new(how);
        two.still_talk();
        two.relay.hush();
        for (side, name) in two.sides().into_iter().zip(["anna", "bob"]) {
            (0..3).for_each(|n| side.send(&format!("{name} silent {n}")));
        }
        for side in two.sides() {
            side.event("reconnected");
            side.count("message", 4);
        }
        two.part();
    }
}

#[test]
fn fault_91_who_was_suspended_for_less_than_the_linger_goes_on() {
    let mut two = Two::with(PLAIN, &[], &["-vv"]);
    two.still_talk();
    two.anna.signal(Signal::STOP);
    two.bob.send("are you asleep?");
    two.bob.tells("for Talk");
    two.anna.signal(Signal::CONT);
    two.anna.find("what was said meanwhile", |event| event["text"] == "are you asleep?");
    // The call that was under way is taken: until then the old link may still be replaced.
    two.bob.find("the new link", |event| event["event"] == "reconnected");
    two.anna.find("the new link", |event| event["event"] == "reconnected");
    two.still_talk();
    assert_eq!(two.anna.all("message").filter(|event| event["text"] == "are you asleep?").count(), 1);
    two.part();
}

#[test]
fn fault_91_who_is_suspended_for_longer_than_the_linger_is_given_up() {
    let mut two = Two::with(PLAIN, &[], &["--linger", "11"]);
    two.still_talk();
    two.anna.signal(Signal::STOP);
    two.bob.send("are you asleep?");
    assert_eq!(two.bob.exit_code(), 4);
    two.anna.signal(Signal::CONT);
}

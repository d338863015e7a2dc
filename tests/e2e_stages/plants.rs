//! Fourteen transfers, each with one bottleneck of a known kind in it.
//!
//! Owns: where it is put, and what both sides have to call it. Must not know: how it is made.

use std::io::Write;
use std::path::Path;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::brakes::{self, burners, starved};
use crate::common::{Run, Tete, tete, tete_by};
use crate::tracer::{self, Fault, Tracer};

const MIB: usize = 1 << 20;

/// How a transfer is begun.
#[derive(Clone, Copy)]
struct Way {
    plain: bool,
    /// Bytes of the file.
    size: usize,
}

/// What the transfer of a file has led to on both sides.
struct Told {
    sent: Value,
    received: Value,
}

fn arguments<'a>(name: &'a str, plain: bool, more: &[&'a str]) -> Vec<&'a str> {
    let mut args = vec!["--json", "-n", name, "--trust", "new"];
    args.extend(plain.then_some("--plain"));
    args.extend(more);
    args
}

fn start(starter: &[String], args: &[&str]) -> Run {
    match starter {
        [] => tete(args),
        words => tete_by(&words.iter().map(AsRef::as_ref).collect::<Vec<_>>(), args),
    }
}

/// Two who are connected; anna receives, bob sends. `starters`: words before the program's name on either side.
/// `through`: from anna's port, the one that is called.
fn two(way: Way, starters: [&[String]; 2], more: &[&str], through: impl FnOnce(u16) -> u16) -> (Tete, Tete) {
    let mut anna = start(starters[0], &arguments("anna", way.plain, &["-l", "127.0.0.1:0"])).start();
    let place = format!("127.0.0.1:{}", through(anna.port()));
    let args = [&[&place[..]], more].concat();
    let mut content = vec![0; way.size];
    blake3::Hasher::new().finalize_xof().fill(&mut content);
    let bob = start(starters[1], &arguments("bob", way.plain, &args)).file("big", content).file("small", vec![1; MIB]);
    let mut bob = bob.start();
    anna.event("connected");
    bob.event("connected");
    (anna, bob)
}

fn same(port: u16) -> u16 {
    port
}

/// The transfer of this file, the first that is told of.
fn told(anna: &mut Tete, bob: &mut Tete, name: &str) -> Told {
    let is_it = |event: &Value, kind: &str| event["event"] == kind && event["name"] == name;
    let received = anna.find("it arrives", |event| is_it(event, "received"));
    Told { sent: bob.find("it is sent", |event| is_it(event, "sent")), received }
}

fn send_big(anna: &mut Tete, bob: &mut Tete) -> Told {
    bob.send("transfer big");
    told(anna, bob, "big")
}

/// Which of the two is slow.
#[derive(Clone, Copy, PartialEq)]
enum Whose {
    Sender,
    Receiver,
}

/// Every such call of one side takes so much longer.
fn delayed(way: Way, whose: Whose, call: &str, delay: Duration) -> Told {
    let (mut anna, mut bob) = two(way, [&[], &[]], &[], same);
    let log = tempfile::tempdir().unwrap();
    let fault = Fault { call: call.into(), deed: format!("delay_enter={}", delay.as_micros()), nth: 0, of: None };
    let pid = if whose == Whose::Sender { bob.pid() } else { anna.pid() };
    let _tracer = Tracer::attach(pid, &fault, log.path().join("log")).unwrap();
    send_big(&mut anna, &mut bob)
}

/// A pipe that is filled slowly.
fn slow_pipe(way: Way) -> Told {
    let (mut anna, mut bob) = two(way, [&[], &[]], &["--send", "-", "--as", "big"], same);
    let mut input = bob.take_input();
    let filling = thread::spawn(move || {
        for _ in 0..50 {
            input.write_all(&[5; 64 * 1024]).unwrap();
            thread::sleep(Duration::from_millis(20)); // paced: it is slow.
        }
    });
    let told = told(&mut anna, &mut bob, "big");
    filling.join().unwrap();
    told
}

fn narrow(way: Way) -> Told {
    let (mut anna, mut bob) = two(way, [&[], &[]], &[], |port| brakes::narrow(port, 8 * MIB));
    send_big(&mut anna, &mut bob)
}

/// With little of a core, for at most two seconds: what is left of the file then takes a few milliseconds, and how fast a
/// core is does not decide how long all this takes.
fn send_starved(anna: &mut Tete, bob: &mut Tete) -> Told {
    let burners = burners();
    bob.send("transfer big");
    thread::sleep(Duration::from_secs(2)); // paced: it is slow.
    drop(burners);
    told(anna, bob, "big")
}

/// One side gets little of a core.
fn starving(way: Way, whose: Whose) -> Told {
    let starved = starved();
    let starters: [&[String]; 2] = if whose == Whose::Sender { [&[], &starved] } else { [&starved, &[]] };
    let (mut anna, mut bob) = two(way, starters, &[], same);
    send_starved(&mut anna, &mut bob)
}

/// What hashes on one side gets little of a core.
fn slow_hashing(way: Way, whose: Whose) -> Told {
    let (mut anna, mut bob) = two(way, [&[], &[]], &[], same);
    bob.send("transfer small");
    told(&mut anna, &mut bob, "small");
    brakes::starve_hashing(if whose == Whose::Sender { bob.pid() } else { anna.pid() });
    send_starved(&mut anna, &mut bob)
}

/// The receiver runs a tenth of the time.
fn slow_reader(way: Way) -> Told {
    let (mut anna, mut bob) = two(way, [&[], &[]], &[], same);
    let _stopping = brakes::stopping(anna.pid(), Duration::from_millis(45), Duration::from_millis(5));
    send_big(&mut anna, &mut bob)
}

fn limited(way: Way) -> Told {
    let (mut anna, mut bob) = two(way, [&[], &[]], &["--limit", "8M"], same);
    send_big(&mut anna, &mut bob)
}

/// What an event names as the limit, with the stage of it and its share.
fn named(event: &Value) -> (String, String) {
    let limit = &event["limit"];
    let shown = |value: &Value| value.as_str().unwrap_or("none").to_owned();
    (shown(&limit["resource"]), format!("{}, {}", shown(&limit["stage"]), limit["share"]))
}

#[test]
fn planted_bottlenecks_are_named() {
    if !tracer::is_here() || !brakes::can_starve() || !Path::new("/proc/thread-self/schedstat").exists() {
        return;
    }
    let way = |plain, mib: usize| Way { plain, size: mib * MIB };
    let ms = Duration::from_millis;
    use Whose::{Receiver, Sender};
    type Plant = (&'static str, &'static str, Box<dyn Fn() -> Told>);
    let plants: [Plant; 14] = [
        ("a slow source", "source", Box::new(move || delayed(way(true, 16), Sender, "pread64", ms(20)))),
        ("a slow source, encrypted", "source", Box::new(move || delayed(way(false, 8), Sender, "pread64", ms(20)))),
        ("a slow pipe", "source", Box::new(move || slow_pipe(way(false, 0)))),
        ("a slow disk", "receiver_disk", Box::new(move || delayed(way(true, 1), Receiver, "pwrite64", ms(400)))),
        (
            "a slow disk, encrypted",
            "receiver_disk",
            Box::new(move || delayed(way(false, 1), Receiver, "pwrite64", ms(50))),
        ),
        (
            "a slow fsync",
            "receiver_disk",
            Box::new(move || delayed(way(false, 8), Receiver, "fsync,?fdatasync", ms(500))),
        ),
        ("a narrow link", "network", Box::new(move || narrow(way(true, 8)))),
        ("a narrow link, encrypted", "network", Box::new(move || narrow(way(false, 8)))),
        ("a slow sender", "sender_processor", Box::new(move || starving(way(false, 16), Sender))),
        ("a slow receiver", "receiver_processor", Box::new(move || starving(way(true, 16), Receiver))),
        ("a stopped receiver", "receiver_processor", Box::new(move || slow_reader(way(true, 64)))),
        ("slow hashing there", "sender_processor", Box::new(move || slow_hashing(way(true, 32), Sender))),
        ("slow hashing here", "receiver_processor", Box::new(move || slow_hashing(way(false, 32), Receiver))),
        ("a limit", "limit", Box::new(move || limited(way(true, 8)))),
    ];
    let (mut right, mut tries) = (0, 0);
    println!("{:<26}{:<20}{:<50}{:<50}", "planted", "is", "the sender says", "the receiver says");
    for (name, expected, plant) in &plants {
        // A second time, because what is planted is sometimes not what happened. While somebody who does not read lets a
        // queue on loopback fill, where one segment is 64 KiB, its system acknowledges each of them a tenth of a second
        // late: the writes that were made slow have to be a good deal slower than that.
        for _ in 0..2 {
            let told = plant();
            let (sent, received) = (named(&told.sent), named(&told.received));
            let ok = sent.0 == *expected && received.0 == *expected;
            let shown = |(resource, more): (String, String)| format!("{resource} ({more})");
            let word = if ok { "" } else { "WRONG" };
            println!("{name:<26}{expected:<20}{:<50}{:<50}{word}", shown(sent), shown(received));
            tries += 1;
            if ok {
                right += 1;
                break;
            }
            println!("  {}\n  {}", told.sent, told.received);
        }
    }
    println!("{right} of {} named rightly, in {tries} tries", plants.len());
    assert!(right + 1 >= plants.len() && tries <= plants.len() + 2, "{right} of {} in {tries}", plants.len());
}

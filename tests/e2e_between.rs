//! `tete bench -s` and `tete bench -c`, two processes as two machines have them. How fast it was is not looked at, but that
//! it was measured, told on both sides, and that a stranger gets nothing.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![cfg(target_os = "linux")]

mod common;

use common::{Run, Tete, tete};
use rustix::process::Signal;
use serde_json::Value;

/// A server on a port that the system picks, and the port.
fn server(more: &[&str]) -> (Tete, String) {
    let line = [&["bench", "-s", "-p", "0", "-B", "127.0.0.1"], more].concat();
    let mut server = tete(&line).start();
    server.tells("listening on 127.0.0.1:");
    let port = server.until("a port", |server| {
        let told = server.err();
        let (_, rest) = told.split_once("listening on 127.0.0.1:")?;
        Some(rest.split_once('\n')?.0.to_owned())
    });
    (server, port)
}

fn client(port: &str, more: &[&str]) -> Run {
    tete(&[&["bench", "-c", "127.0.0.1", "-p", port], more].concat())
}

/// The document of a client that is through.
fn document(mut client: Tete) -> Value {
    assert_eq!(client.exit_code(), 0, "{}{}", client.out(), client.err());
    serde_json::from_str(&client.out()).unwrap()
}

fn result<'a>(document: &'a Value, way: &str) -> &'a Value {
    let results = document["results"].as_array().unwrap();
    results.iter().find(|one| one["way"] == way).unwrap_or_else(|| panic!("{way} in {document:#}"))
}

#[test]
fn plain_both_sides_tell_the_same_bytes_and_what_was_the_limit() {
    let (mut server, port) = server(&["--plain", "--json", "-1"]);
    let told = document(client(&port, &["--plain", "-n", "20000000", "-J"]).start());
    assert_eq!(server.exit_code(), 0, "{}", server.err());
    let heard: Value = serde_json::from_str(&server.out()).unwrap();
    for (told, way) in [(&told, "sent"), (&heard, "received")] {
        let one = result(told, way);
        assert_eq!(one["bytes"], 20_000_000, "{told:#}");
        assert!(one["bytes_per_second"].as_f64().unwrap() > 0.0, "{told:#}");
        assert!(one["limit"].as_str().unwrap().contains('%'), "{told:#}");
        assert_eq!((&told["version"], &told["encrypted"], &told["trust"]), (&1.into(), &false.into(), &"none".into()));
        for side in ["ours", "theirs"] {
            assert!(told[side]["cpu_seconds_per_gb"].as_f64().unwrap() > 0.0, "{told:#}");
        }
    }
    assert_eq!((&told["side"], &heard["side"]), (&"client".into(), &"server".into()));
    assert_eq!(told["ours"]["sent_bytes"], told["theirs"]["received_bytes"]);
}

#[test]
fn encrypted_one_client_after_the_other_each_way_and_both_with_several_transfers() {
    let (server, port) = server(&["--trust", "new"]);
    let new = ["--trust", "new", "-J"];
    let reverse = document(client(&port, &[&new[..], &["-R", "-n", "3M"]].concat()).start());
    assert_eq!(result(&reverse, "received")["bytes"], 3_000_000);
    assert_eq!((&reverse["encrypted"], &reverse["results"].as_array().unwrap().len()), (&true.into(), &1));
    let both = document(client(&port, &[&new[..], &["--bidir", "-n", "5000003", "-P", "3"]].concat()).start());
    for way in ["sent", "received"] {
        assert_eq!(result(&both, way)["bytes"], 5_000_003, "{both:#}");
    }
    assert_eq!(both["asked"]["streams"], 3);
    server.signal(Signal::TERM);
    let mut server = server;
    assert_eq!(server.exit_code(), 143);
    assert_eq!(server.out().matches("in all").count(), 2, "{}", server.out());
}

#[test]
fn a_time_is_measured_in_intervals_without_what_is_left_out() {
    let (_server, port) = server(&["--plain"]);
    let told = document(client(&port, &["--plain", "-t", "1", "-O", "0.3", "-i", "0.2", "-J"]).start());
    let intervals = told["intervals"].as_array().unwrap();
    let bytes = |omitted: bool| -> u64 {
        let of = intervals.iter().filter(|one| one["omitted"] == omitted);
        of.map(|one| one["bytes"].as_u64().unwrap()).sum()
    };
    let all = result(&told, "sent");
    let seconds = all["seconds"].as_f64().unwrap();
    assert!(
        seconds > 0.9,
        "it went on for as long as was asked, but for the turn in which it began to count: {seconds}"
    );
    assert!(intervals.len() >= 3 && bytes(true) > 0, "{told:#}");
    assert!(bytes(false) <= all["bytes"].as_u64().unwrap(), "{told:#}");
    let sent = told["ours"]["sent_bytes"].as_u64().unwrap();
    assert_eq!(sent, told["theirs"]["received_bytes"].as_u64().unwrap());
    assert!(all["bytes"].as_u64().unwrap() < sent, "what is left out is not counted: {told:#}");
}

#[test]
fn lines_tell_what_goes_on_and_all_of_it_at_the_end() {
    let (_server, port) = server(&["--plain"]);
    let mut client = client(&port, &["--plain", "-t", "0.5", "-i", "0.1"]).start();
    assert_eq!(client.exit_code(), 0, "{}", client.err());
    let told = client.out();
    // What the limit was is told either way: one of them, or several with their shares.
    for words in ["sending for 0.5 s", "bit/s", "in all", "limit", "processor seconds for a GB"] {
        assert!(told.contains(words), "{words} in {told}");
    }
}

#[test]
fn who_is_interrupted_is_told_what_had_arrived_and_so_is_the_other_side() {
    let (mut server, port) = server(&["--plain", "--json", "-1"]);
    let mut client = client(&port, &["--plain", "-t", "60", "-i", "0.1"]).start();
    // Until something has arrived there is nothing to tell, and what has the other side looks at now and then.
    client.until("intervals in which something arrived", |client| {
        let out = client.out();
        let bytes = out.lines().filter_map(|line| line.split_whitespace().nth(5)?.parse::<f64>().ok());
        (bytes.filter(|bytes| *bytes > 0.0).count() >= 4).then_some(())
    });
    client.signal(Signal::INT);
    assert_eq!((client.exit_code(), server.exit_code()), (130, 4));
    let told = client.out();
    let (_, sum) = told.split_once("until it was cut short (a signal came)\n").unwrap_or_else(|| panic!("{told}"));
    assert!(sum.contains("sent") && sum.contains("bit/s"), "{sum}");
    let heard: Value = serde_json::from_str(&server.out()).unwrap();
    assert_eq!(heard["error"], "the other side left before it was measured");
    assert!(result(&heard, "received")["bytes"].as_u64().unwrap() > 0, "{heard:#}");
}

#[test]
fn a_document_tells_too_that_it_was_interrupted() {
    let (_server, port) = server(&["--plain"]);
    let mut client = client(&port, &["--plain", "-t", "60", "-J"]).start();
    client.tells("plain: anyone"); // from then on it heeds signals
    client.signal(Signal::INT);
    assert_eq!(client.exit_code(), 130);
    let told: Value = serde_json::from_str(&client.out()).unwrap();
    assert_eq!((&told["error"], &told["version"]), (&"a signal came".into(), &1.into()), "{told:#}");
}

#[test]
fn nobody_there_is_a_document_too() {
    let mut client = client(&common::free_port().to_string(), &["--plain", "--wait", "0.1", "-J"]).start();
    assert_eq!(client.exit_code(), 3);
    let told: Value = serde_json::from_str(&client.out()).unwrap();
    assert!(told["error"].as_str().unwrap().starts_with("nobody answered"), "{told:#}");
    assert!(client.err().contains("--wait waits longer"), "{}", client.err());
}

#[test]
fn a_connection_is_set_up_as_was_asked_for_or_that_is_refused() {
    let (_server, port) = server(&["--plain"]);
    let shaped = ["--plain", "-C", "reno", "-w", "64K", "-n", "3M", "-J"];
    let told = document(client(&port, &shaped).start());
    assert_eq!((&told["asked"]["congestion"], &told["asked"]["window"]), (&"reno".into(), &64_000.into()));
    assert_eq!(result(&told, "sent")["bytes"], 3_000_000);
    let mut strange = client(&port, &["--plain", "-C", "nothing", "-n", "1M"]).start();
    assert_eq!(strange.exit_code(), 1);
    assert!(strange.err().contains("congestion control \"nothing\""), "{}", strange.err());
}

#[test]
fn a_stranger_gets_no_service_and_the_next_one_does() {
    let (server, port) = server(&["--new-code"]);
    let words = server.err();
    let (_, rest) = words.split_once("one-time code: ").unwrap();
    let code = rest.split_once(" (").unwrap().0.to_owned();
    let mut stranger = client(&port, &["--trust", "new", "-n", "1M"]).start();
    assert_eq!(stranger.exit_code(), 5, "{}", stranger.err());
    assert!(stranger.out().is_empty(), "{}", stranger.out());
    let known = document(client(&port, &["-n", "1M", "-J"]).env("TETE_CODE", code).start());
    assert_eq!(known["trust"], "code");
}

#[test]
fn while_one_is_served_another_is_told_to_try_again() {
    let (_server, port) = server(&["--plain"]);
    let mut first = client(&port, &["--plain", "-t", "30", "-i", "0.1"]).start();
    first.says("bit/s");
    let mut second = client(&port, &["--plain", "-n", "1M"]).start();
    assert_eq!(second.exit_code(), 5, "{}", second.err());
    assert!(second.err().contains("hint: try again later"), "{}", second.err());
    first.signal(Signal::INT);
    assert_eq!(first.exit_code(), 130);
    let third = document(client(&port, &["--plain", "-n", "1M", "-J"]).start());
    assert_eq!(result(&third, "sent")["bytes"], 1_000_000);
}

#[test]
fn who_calls_and_does_not_measure_is_told_so_and_sent_away() {
    let (_server, port) = server(&["--plain"]);
    let mut caller = tete(&["--plain", "--json", &port]).file("a", "x").start();
    caller.event("connected");
    caller.send("transfer a");
    caller.send("hello");
    let said = caller.event("message");
    assert!(said["text"].as_str().unwrap().contains("only measures"), "{said:#}");
    assert_eq!(caller.event("transfer_failed")["name"], "a");
    caller.event("closed");
}

#[test]
fn who_is_called_and_does_not_measure_is_no_server() {
    let mut person = tete(&["--plain", "--json", "-l", "127.0.0.1:0", "--accept", "never"]).start();
    let port = person.port().to_string();
    let mut client = client(&port, &["--plain", "-n", "1M"]).start();
    person.event("connected");
    person.send("what do you want?");
    assert_eq!(client.exit_code(), 1, "{}", client.err());
    assert!(client.err().contains("does not measure"), "{}", client.err());
}

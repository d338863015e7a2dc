//! Faults 18 to 24: who comes to an encrypted listener and does not speak as it does, and the two kinds of tete.

use std::time::{Duration, Instant};

use tete::proto::frame::Frame;
use tete::proto::hello::{Hello, Nonce};
use tete::proto::text::Untrusted;
use tete::secure::key::SecretKey;

use crate::common::caller::{Caller, frame, hello};
use crate::common::{Tete, bob, tete};
use crate::ends::End;
use crate::noise;
use crate::person::{Person, connected, meet, refused, turned_away};

/// Whoever says nothing or nonsense is closed within this.
const CLOSED: Duration = Duration::from_secs(10);

/// The first message of a TLS 1.2 client (RFC 5246, section 7.4.1.2): one suite, two extensions.
fn tls12() -> Vec<u8> {
    let extensions = [0, 10, 0, 4, 0, 2, 0, 29, 0, 13, 0, 4, 0, 2, 8, 7];
    let mut body = [&[3, 3][..], &[7; 32], &[0, 0, 2, 0xc0, 0x2f, 1, 0]].concat();
    body.extend((extensions.len() as u16).to_be_bytes());
    body.extend(extensions);
    let message = [&[1, 0, 0, body.len() as u8][..], &body].concat();
    [&[22, 3, 1, 0, message.len() as u8][..], &message].concat()
}

fn reason(listener: &mut Tete, address: &str) -> String {
    let event = listener.find(address, |event| event["event"] == "refused" && event["address"] == address);
    event["reason"].as_str().unwrap().to_owned()
}

/// A good caller is served as ever.
fn still_serves(anna: &Person, listener: &mut Tete) {
    let mut caller = anna.again("bob").calls(listener.port(), &[]);
    meet("self", (anna, listener), (anna, &mut caller));
}

#[test]
fn faults_18_and_21_and_24_nonsense_is_closed_and_told_and_the_next_caller_served() {
    let anna = Person::new("anna");
    let mut listener = anna.listens(&[]);
    let port = listener.port();
    let before = listener.high_water();
    let oversized = [&[22, 3, 1, 0xff, 0xff][..], &noise(70_000)].concat();
    // A client's first message that never ends, in records as they should be.
    let endless: Vec<u8> = [&[22, 3, 3, 0x40, 0, 1, 0xff, 0xff, 0xff][..], &[0; 0x4000 - 4]].concat();
    let endless = [endless, [&[22, 3, 3, 0x40, 0][..], &[0; 0x4000]].concat().repeat(8)].concat();
    let cases: [(&str, Vec<u8>); 8] = [
        ("http", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec()),
        ("ssh", b"SSH-2.0-OpenSSH_9.9\r\n".to_vec()),
        ("random bytes", noise(4000)),
        ("TLS 1.2", tls12()),
        ("an oversized record", oversized),
        ("an endless message", endless),
        ("an alert", vec![21, 3, 3, 0, 2, 2, 40]),
        ("a plain greeting", hello(9)),
    ];
    for (what, bytes) in cases {
        let mut caller = Caller::call(port);
        let address = caller.address();
        caller.say(&bytes); // it may be thrown out before it has said everything
        let (_, after) = caller.closed();
        assert!(after < CLOSED, "{what}: closed after {after:?}");
        assert!(!reason(&mut listener, &address).is_empty(), "{what}");
    }
    assert!(listener.high_water() < before + (8 << 20), "from {before} to {}", listener.high_water());
    still_serves(&anna, &mut listener);
}

#[test]
fn fault_19_who_says_nothing_or_stops_is_closed_within_ten_seconds_and_told() {
    let anna = Person::new("anna");
    let mut listener = anna.listens(&[]);
    let port = listener.port();
    // Whole handshakes, and then nothing.
    let stranger = SecretKey::generate().unwrap();
    let ends: Vec<End> = [&[][..], &hello(9)[..20]]
        .into_iter()
        .map(|said| {
            let mut end = End::call(port, &stranger);
            end.say(said);
            end
        })
        .collect();
    let callers: Vec<Caller> =
        [&[][..], &[22], &tls12()[..20]].into_iter().map(|said| Caller::saying(port, said)).collect();
    let began = Instant::now();
    let addresses = ends.iter().map(End::address).chain(callers.iter().map(Caller::address)).collect::<Vec<_>>();
    ends.into_iter().for_each(|end| drop(end.closed()));
    callers.into_iter().for_each(|caller| drop(caller.closed()));
    assert!(began.elapsed() < CLOSED, "{:?}", began.elapsed());
    for address in &addresses {
        reason(&mut listener, address);
    }
    still_serves(&anna, &mut listener);
}

#[test]
fn faults_24_and_30_and_31_what_a_stranger_says_too_early_or_too_long_in_the_channel_is_refused() {
    let anna = Person::new("anna");
    let mut listener = anna.listens(&["--trust", "new"]);
    let mut long = hello(9);
    long[12..14].copy_from_slice(&u16::MAX.to_be_bytes());
    let text = frame(&Frame::Text { seq: 1, text: Untrusted::from("early") });
    let pair = frame(&Frame::Pair { message: vec![1; 34] });
    let mut future = hello(9);
    future[8..12].copy_from_slice(&[0, 7, 0, 9]);
    for said in [long, [hello(9), text].concat(), [hello(0), pair].concat(), future, noise(4000)] {
        let mut end = End::call(listener.port(), &SecretKey::generate().unwrap());
        assert_eq!(end.peer(), Some(anna.key()));
        let address = end.address();
        end.say(&said);
        assert!(end.closed().len() < 400, "it is told a greeting, a name and why");
        reason(&mut listener, &address);
    }
    assert_eq!((listener.all("message").count(), listener.all("connected").count()), (0, 0));
    still_serves(&anna, &mut listener);
}

#[test]
fn a_greeting_that_is_sent_back_through_the_channel_is_ourselves() {
    let anna = Person::new("anna");
    let mut listener = anna.listens(&["--trust", "new"]);
    let mut end = End::call(listener.port(), &SecretKey::generate().unwrap());
    let greeting = Hello::new(Nonce([0; 16])).encode().len();
    let theirs = end.hears(greeting);
    end.say(&theirs);
    end.closed();
    assert!(refused(&mut listener, 1).contains("that is you"));
    still_serves(&anna, &mut listener);
}

#[test]
fn who_speaks_plain_never_gets_into_an_encrypted_listener() {
    let anna = Person::new("anna");
    let mut listener = anna.listens(&["--trust", "new"]);
    let mut caller = tete(&bob(listener.port(), &["--json"])).start();
    assert!(turned_away(&mut caller).contains("--plain"));
    assert!(refused(&mut listener, 1).contains("--plain"));
    still_serves(&anna, &mut listener);
}

#[test]
fn who_speaks_encrypted_never_gets_into_a_plain_listener_and_never_falls_back() {
    let mut listener = tete(&["--plain", "--json", "-l", "127.0.0.1:0"]).start();
    let port = listener.port();
    let person = Person::new("bob");
    let mut caller = person.calls(port, &["--trust", "new"]);
    assert!(turned_away(&mut caller).contains("without encryption"));
    assert!(refused(&mut listener, 1).contains("--plain"));
    let mut caller = tete(&bob(port, &["--json"])).start();
    assert_eq!(caller.event("connected")["trust"], "none");
    assert_eq!(listener.event("connected")["encrypted"], false);
}

#[test]
fn a_hundred_silent_callers_do_not_keep_a_known_one_out() {
    let anna = Person::new("anna");
    let mut listener = anna.listens(&[]);
    let port = listener.port();
    let _silent: Vec<Caller> = (0..100).map(|_| Caller::call(port)).collect();
    let mut caller = anna.again("bob").calls(port, &[]);
    connected(&mut caller, "self", anna.key());
    connected(&mut listener, "self", anna.key());
}

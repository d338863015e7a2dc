//! Who comes to the listening port: strangers, nonsense, floods, oneself. Each is closed, and who is wanted gets in.

mod common;

use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use common::caller::{Caller, frame, hello};
use common::{Duo, Tete, anna, bob, free_port, tete, tete_with_descriptors};
use serde_json::json;
use tete::proto::frame::Frame;
use tete::proto::text::Untrusted;

/// Whoever says nothing or nonsense is closed within this.
const CLOSED: Duration = Duration::from_secs(10);

/// The conversation goes on as if nobody had come.
fn still_talk(duo: &mut Duo) {
    duo.bob.send("still here");
    duo.anna.find("bob's text", |event| event["text"] == "still here");
    duo.anna.send("me too");
    duo.bob.find("anna's text", |event| event["text"] == "me too");
    duo.bob.send("exit");
    duo.end_with(0, 0);
    assert_eq!(duo.anna.all("connected").count(), 1);
}

/// The event that tells that this address was not let in.
fn refused(tete: &mut Tete, address: &str) -> String {
    let event =
        tete.find(&format!("{address} refused"), |event| event["event"] == "refused" && event["address"] == address);
    event["reason"].as_str().expect("a reason").to_owned()
}

#[test]
fn faults_18_and_24_and_30_and_31_nonsense_on_the_port_is_closed_and_told_and_the_conversation_goes_on() {
    let mut duo = Duo::json();
    let random: Vec<u8> = (0..4000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut future = hello(9);
    future[8..12].copy_from_slice(&[0, 7, 0, 9]);
    let mut long = hello(9);
    long[12..14].copy_from_slice(&u16::MAX.to_be_bytes());
    let text = frame(&Frame::Text { seq: 1, text: Untrusted::from("early") });
    let huge = [0xff, 0xff, 0xff, 0xff, 0x10, 0, 0];
    // Who talks already may refuse it before or after having seen what stands behind the greeting.
    let cases: [(&str, Vec<u8>, &str); 7] = [
        ("http", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(), "greeting"),
        ("ssh", b"SSH-2.0-OpenSSH_9.9\r\n".to_vec(), "greeting"),
        ("random bytes", random, "greeting"),
        ("a future version", future, "versions 7 to 9"),
        ("a long hello", long, "HELLO of 65535 bytes"),
        ("a text before the welcome", [hello(9), text].concat(), ""),
        ("a huge frame before the welcome", [hello(9), huge.to_vec()].concat(), ""),
    ];
    for (what, bytes, words) in cases {
        let caller = Caller::saying(duo.port, &bytes);
        let address = caller.address();
        let (told, after) = caller.closed();
        assert!(after < CLOSED, "{what}: closed after {after:?}");
        let reason = refused(&mut duo.anna, &address);
        assert!(reason.contains(words), "{what}: {reason}");
        if what == "a future version" {
            assert!(told.starts_with(&hello(0)[..14]), "it is told which versions we speak: {told:?}");
        }
    }
    still_talk(&mut duo);
}

#[test]
fn frames_before_the_welcome_are_refused_where_nobody_talks_yet() {
    let mut anna = tete(&anna(&["--json"])).start();
    let port = anna.port();
    let huge = [0xff, 0xff, 0xff, 0xff, 0x10, 0, 0].to_vec();
    let text = frame(&Frame::Text { seq: 1, text: Untrusted::from("early") });
    let before = anna.high_water();
    for bytes in [text, huge] {
        let caller = Caller::saying(port, &[hello(9), bytes].concat());
        let address = caller.address();
        assert!(caller.closed().1 < CLOSED);
        refused(&mut anna, &address);
    }
    assert!(anna.high_water() < before + (8 << 20), "nothing is allocated for a length that was only claimed");
    assert_eq!((anna.all("connected").count(), anna.all("message").count()), (0, 0));
    let mut bob = tete(&bob(port, &["--json"])).start();
    bob.event("connected");
}

#[test]
fn a_caller_who_greets_and_then_says_nothing_keeps_nobody_out() {
    let mut anna = tete(&anna(&["--json"])).start();
    let port = anna.port();
    // The greater nonce leads: once as the one who has to speak next, once as the one who is waited for.
    let _strangers = [Caller::saying(port, &hello(0xff)), Caller::saying(port, &hello(0))];
    let mut bob = tete(&bob(port, &["--json"])).start();
    bob.send("hi");
    assert_eq!(anna.event("message")["from"], "bob");
    assert_eq!(anna.all("connected").count(), 1);
}

#[test]
fn a_greeting_cut_at_every_byte_harms_nobody() {
    let mut duo = Duo::json();
    let greeting = hello(9);
    for cut in 0..=greeting.len() {
        drop(Caller::saying(duo.port, &greeting[..cut]));
    }
    still_talk(&mut duo);
}

#[test]
fn faults_19_and_20_who_says_nothing_or_a_byte_a_second_is_closed_within_ten_seconds() {
    let mut duo = Duo::json();
    let silent = Caller::call(duo.port);
    let mut slow = Caller::call(duo.port);
    let half = Caller::saying(duo.port, &hello(9)[..20]);
    let addresses = [silent.address(), slow.address(), half.address()];
    let began = Instant::now();
    let mut said = 0;
    for byte in hello(9) {
        thread::sleep(Duration::from_secs(1)); // paced: a byte a second is what is being tested.
        if began.elapsed() > CLOSED || !slow.say(&[byte]) {
            break;
        }
        said += 1;
    }
    assert!(said >= 5, "it was heard for a while");
    for caller in [silent, slow, half] {
        caller.closed();
    }
    for address in addresses {
        refused(&mut duo.anna, &address);
    }
    let last = duo.anna.all("refused").map(|event| event["t"].as_f64().expect("a time")).fold(0.0, f64::max);
    assert!(last < CLOSED.as_secs_f64() + 1.0, "the last was closed after {last} s");
    still_talk(&mut duo);
}

#[test]
fn a_hundred_silent_callers_do_not_keep_a_real_one_out() {
    let mut anna = tete(&anna(&["--json"])).start();
    let port = anna.port();
    let strangers: Vec<Caller> = (0..100).map(|_| Caller::call(port)).collect();
    let began = Instant::now();
    let mut bob = tete(&bob(port, &["--json", "-w", "20"])).start();
    bob.event("connected");
    assert!(began.elapsed() < Duration::from_secs(12), "it took {:?}", began.elapsed());
    bob.send("hi");
    anna.event("message");
    for stranger in strangers {
        stranger.closed();
    }
    assert!(anna.high_water() < 20 << 20, "strangers cost little: {}", anna.high_water());
}

#[test]
fn fault_78_a_shortage_of_descriptors_does_not_spin_and_passes() {
    let mut anna = tete_with_descriptors(24, &["--plain", "--json", "-n", "anna", "-l", "0"]).start();
    let port = anna.port();
    let strangers: Vec<TcpStream> =
        (0..60).map(|_| TcpStream::connect(("127.0.0.1", port)).expect("the system takes the call")).collect();
    let (before, began) = (anna.cpu(), Instant::now());
    thread::sleep(Duration::from_secs(2)); // paced: what is measured is what waiting costs.
    let (used, passed) = (anna.cpu() - before, began.elapsed());
    assert!(used < passed / 8, "{used:?} of {passed:?}");
    drop(strangers);
    let mut bob = tete(&bob(port, &["--json"])).start();
    bob.event("connected");
    bob.send("hi");
    anna.event("message");
    bob.send("exit");
    assert_eq!((bob.exit_code(), anna.exit_code()), (0, 0));
}

#[test]
fn fault_28_a_call_to_oneself_is_refused_as_that_is_you() {
    let port = free_port().to_string();
    let mut anna = tete(&["--plain", "--json", "-l", &port, &format!("127.0.0.1:{port}")]).start();
    let error = anna.event("error");
    assert!(error["message"].as_str().expect("a message").contains("that is you"), "{error}");
    assert_eq!(anna.exit_code(), 5);
}

#[test]
fn a_mirror_that_sends_our_own_greeting_back_is_not_let_in() {
    let mirror = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = mirror.local_addr().expect("an address").port();
    let reflect = thread::spawn(move || {
        let (stream, _) = mirror.accept().expect("it calls");
        // It ends when the other side closes, in whichever way.
        let _ = std::io::copy(&mut &stream, &mut &stream);
    });
    let mut bob = tete(&bob(port, &["--json"])).start();
    assert_eq!(bob.exit_code(), 5);
    assert!(bob.event("error")["message"].as_str().expect("a message").contains("that is you"));
    reflect.join().expect("it ends");
}

#[test]
fn a_third_is_told_that_the_two_are_busy() {
    let mut duo = Duo::json();
    let mut carl = tete(&bob(duo.port, &["--json"])).env("TETE_NAME", "carl").start();
    let error = carl.event("error");
    assert!(error["message"].as_str().expect("a message").contains("talking to somebody else"), "{error}");
    assert_eq!(carl.exit_code(), 5);
    assert_eq!(carl.all("dialling").count(), 1, "a refusal is final");
    assert_eq!(duo.anna.event("refused")["reason"], "talking to somebody else");
    still_talk(&mut duo);
}

#[test]
fn fault_81_calling_before_anybody_listens_is_retried_and_said() {
    let port = free_port();
    let mut bob = tete(&bob(port, &[])).start();
    bob.tells("-- calling ");
    bob.tells("trying again");
    let mut anna = tete(&["--plain", "--json", "-n", "anna", "-l", &port.to_string()]).start();
    bob.tells("-- connected to anna ");
    bob.send("exit");
    assert_eq!((bob.exit_code(), anna.exit_code()), (0, 0));
}

#[test]
fn calling_is_given_up_after_the_time_that_was_named() {
    let mut bob = tete(&bob(free_port(), &["--json", "-w", "1"])).start();
    assert_eq!(bob.exit_code(), 3);
    let error = bob.event("error");
    let after = error["t"].as_f64().expect("a time");
    assert!((0.9..3.0).contains(&after), "{error}");
    assert!(error["message"].as_str().expect("a message").contains("refused") && error["hint"].is_string(), "{error}");
    assert!(bob.all("dialling").count() > 1);
}

#[test]
fn fault_3_a_host_that_nobody_has_is_an_error_within_ten_seconds() {
    let mut bob = tete(&["--plain", "--json", "nonexistent.invalid:5000"]).start();
    assert_eq!(bob.exit_code(), 3);
    let error = bob.event("error");
    assert!(error["t"].as_f64().expect("a time") < 10.0, "{error}");
    assert!(error["message"].as_str().expect("a message").contains("nonexistent.invalid"), "{error}");
}

#[test]
fn whom_we_call_and_who_is_no_tete_is_said_to_be_none() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let mut bob = tete(&bob(port, &["--json"])).start();
    let (mut stream, _) = listener.accept().expect("it calls");
    std::io::Write::write_all(&mut stream, b"SSH-2.0-OpenSSH_9.9\r\n").expect("it listens");
    let error = bob.event("error");
    assert!(error["hint"].as_str().expect("a hint").contains("tete"), "{error}");
    assert_eq!(bob.exit_code(), 3);
}

#[test]
fn a_listener_is_told_of_both_families_and_found_by_either() {
    let mut anna = tete(&anna(&["--json"])).start();
    let port = anna.port();
    let addresses = anna.event("listening")["addresses"].clone();
    assert!(addresses.as_array().expect("a list").contains(&json!(format!("127.0.0.1:{port}"))), "{addresses}");
    assert_eq!(anna.event("listening")["key"], json!(null), "plain has no key");
    // A port alone is this machine, whichever of its addresses the name gives first.
    let mut bob = tete(&["--plain", "--json", &port.to_string()]).start();
    bob.event("connected");
}

#[test]
fn whom_we_called_in_vain_cannot_end_the_conversation_with_somebody_else() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let called = silent.local_addr().expect("an address").port().to_string();
    let mut anna = tete(&["--plain", "--json", "-n", "anna", "-l", "0", &called]).start();
    let (mut stream, _) = silent.accept().expect("she calls");
    let mut bob = tete(&bob(anna.port(), &["--json"])).start();
    anna.event("connected");
    bob.event("connected");
    std::io::Write::write_all(&mut stream, b"no tete").expect("she listens");
    // It is read before the text that follows, for it came first.
    bob.send("still there?");
    anna.find("bob's text", |event| event["text"] == "still there?");
    anna.send("exit");
    assert_eq!((anna.exit_code(), bob.exit_code()), (0, 0));
}

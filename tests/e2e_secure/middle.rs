//! Somebody in the middle, who speaks TLS with both and passes on what they say.

use crate::common::Tete;
use crate::ends::in_the_middle;
use crate::person::{Person, at, connected, meet, part, refused, talk, turned_away};
use crate::tap::Tap;

/// The code that it has made.
fn code(tete: &mut Tete) -> String {
    tete.event("code")["code"].as_str().unwrap().to_owned()
}

#[test]
fn who_takes_any_new_key_may_be_talking_to_somebody_in_the_middle() {
    let (anna, bob) = Person::two();
    let mut listener = anna.listens(&["--trust", "new"]);
    let (port, key) = in_the_middle(listener.port());
    let mut caller = bob.calls(port, &["--trust", "new"]);
    connected(&mut listener, "new", key);
    connected(&mut caller, "new", key);
    talk(&mut listener, &mut caller);
}

#[test]
fn fault_27_nobody_stands_between_two_who_have_the_same_code() {
    let (anna, bob) = Person::two();
    let mut listener = anna.listens(&["--new-code", "--trust", "new"]);
    let (port, _) = in_the_middle(listener.port());
    let code = code(&mut listener);
    let mut caller = bob.calls(port, &["--code", &code, "--trust", "new"]);
    assert!(turned_away(&mut caller).contains("code"));
    refused(&mut listener, 1);
    assert_eq!((anna.names(), bob.names()), (vec![], vec![]));
}

#[test]
fn fault_27_bytes_may_be_passed_on_between_two_who_have_the_same_code() {
    let (anna, bob) = Person::two();
    let mut listener = anna.listens(&["--new-code"]);
    let tap = Tap::to(listener.port(), None);
    let code = code(&mut listener);
    let mut caller = bob.calls(tap.port, &["--code", &code]);
    meet("code", (&anna, &mut listener), (&bob, &mut caller));
}

#[test]
fn nobody_stands_before_a_pinned_or_a_known_key() {
    let (anna, bob) = Person::two();
    let mut listener = anna.listens(&["--trust", "new", "--stay"]);
    let (port, key) = in_the_middle(listener.port());
    let mut caller = bob.run(&[&format!("{}@{}", anna.key(), at(port)), "--trust", "new"]).start();
    let message = turned_away(&mut caller);
    assert!(message.contains(&anna.key().grouped()) && message.contains(&key.grouped()), "{message}");
    drop(listener);

    // Known on both sides, and strangers are not wanted: the one in the middle is one.
    let mut listener = anna.listens(&["--trust", "new"]);
    let mut caller = bob.calls(listener.port(), &["--trust", "new"]);
    connected(&mut listener, "new", bob.key());
    connected(&mut caller, "new", anna.key());
    part(&mut listener, &mut caller);
    let mut listener = anna.listens(&[]);
    let (port, _) = in_the_middle(listener.port());
    let mut caller = bob.calls(port, &[]);
    turned_away(&mut caller);
    assert_eq!((listener.all("connected").count(), caller.all("connected").count()), (0, 0));
    let mut caller = bob.calls(listener.port(), &[]);
    meet("known", (&anna, &mut listener), (&bob, &mut caller));
}

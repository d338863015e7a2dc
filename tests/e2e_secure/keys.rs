//! Keys that are expected: of a saved name, of a given address. Another one stops everything.

use crate::common::Tete;
use crate::person::{Person, at, connected, meet, part, refused, turned_away};

/// Both keys are shown in groups, to people and to programs.
fn assert_shows(caller: &mut Tete, keys: [&Person; 2]) -> String {
    let message = turned_away(caller);
    for person in keys {
        assert!(message.contains(&person.key().grouped()), "{message}");
    }
    message
}

/// Anna has called bob before, and knows him by name; where that was.
fn acquainted(anna: &Person, bob: &Person) -> u16 {
    let mut listener = bob.listens(&["--trust", "new"]);
    let port = listener.port();
    let mut caller = anna.calls(port, &["--trust", "new"]);
    meet("new", (bob, &mut listener), (anna, &mut caller));
    port
}

#[test]
fn fault_25_a_changed_key_stops_a_call_by_name_until_it_is_forgotten() {
    let (anna, bob) = Person::two();
    let port = acquainted(&anna, &bob);
    let before = anna.peers();
    let mallory = Person::new("bob");
    let mut listener = mallory.run(&["-l", &at(port), "--trust", "new", "--stay"]).start();
    listener.port();
    let mut caller = anna.run(&["bob", "--trust", "new"]).start();
    caller.send("secret");
    let message = assert_shows(&mut caller, [&bob, &mallory]);
    assert!(message.contains("bob at 127.0.0.1:"), "{message}");
    let error = caller.event("error");
    assert!(error["hint"].as_str().unwrap().contains("tete peers forget bob"), "{error}");
    refused(&mut listener, 1);
    assert_eq!(listener.all("message").count(), 0);
    assert!(!listener.out().contains(&anna.key().to_string()), "who is not whom we called is not told who calls");
    assert_eq!(anna.peers(), before);
    assert_eq!(mallory.names(), [""; 0]);

    anna.tells(&["peers", "forget", "bob"]);
    let mut caller = anna.calls(port, &[]);
    turned_away(&mut caller);
    let mut caller = anna.calls(port, &["--trust", "new"]);
    connected(&mut caller, "new", mallory.key());
    connected(&mut listener, "new", anna.key());
}

#[test]
fn a_caller_whose_key_is_not_the_saved_one_of_its_name_is_merely_new() {
    let (anna, bob) = Person::two();
    acquainted(&anna, &bob);
    let before = anna.peers();
    let mut listener = anna.listens(&[]);
    let other = Person::new("bob");
    let mut caller = other.calls(listener.port(), &["--trust", "new"]);
    turned_away(&mut caller);
    refused(&mut listener, 1);
    assert_eq!(anna.peers(), before);
}

#[test]
fn a_pinned_key_is_enough_for_who_calls_and_each_form_of_it_is_read() {
    for form in [|key: &str, at: &str| format!("{key}@{at}"), |key: &str, at: &str| format!("{at}#{key}")] {
        let (anna, bob) = Person::two();
        let mut listener = anna.listens(&["--trust", "new"]);
        let target = form(&anna.key().grouped().to_uppercase(), &at(listener.port()));
        let mut caller = bob.run(&[&target]).start();
        connected(&mut caller, "pinned", anna.key());
        connected(&mut listener, "new", bob.key());
        part(&mut listener, &mut caller);
        assert_eq!((anna.names(), bob.names()), (vec!["bob".to_owned()], vec![]), "a pin is given again each time");
    }
}

#[test]
fn a_pin_does_not_open_the_other_sides_door() {
    let (anna, bob) = Person::two();
    let mut listener = anna.listens(&[]);
    let mut caller = bob.run(&[&format!("{}@{}", anna.key(), at(listener.port()))]).start();
    turned_away(&mut caller);
    refused(&mut listener, 1);
    assert_eq!((anna.names(), bob.names()), (vec![], vec![]));
}

#[test]
fn a_pin_that_does_not_match_stops_the_call_with_both_keys_before_ours_is_shown() {
    let (anna, bob) = Person::two();
    let other = Person::new("other");
    let mut listener = anna.listens(&["--trust", "new", "-vvv"]);
    let port = at(listener.port());
    for (nth, target) in [format!("{}@{port}", other.key()), format!("{port}#{}", other.key())].iter().enumerate() {
        let mut caller = bob.run(&[target, "--trust", "new"]).start();
        assert_shows(&mut caller, [&other, &anna]);
        refused(&mut listener, nth + 1);
    }
    let said = listener.out() + &listener.err();
    assert!(!said.contains(&bob.key().to_string()) && !said.contains(&bob.key().grouped()));
    assert_eq!(bob.names(), [""; 0]);
}

#[test]
fn a_pin_that_differs_from_the_saved_key_is_what_counts() {
    let (anna, bob) = Person::two();
    let port = acquainted(&anna, &bob);
    let mallory = Person::new("mallory");
    let mut listener = mallory.run(&["-l", &at(port), "--trust", "new"]).start();
    listener.port();
    let mut caller = anna.run(&[&format!("{}@{}", bob.key(), at(port))]).start();
    assert_shows(&mut caller, [&bob, &mallory]);
    refused(&mut listener, 1);
}

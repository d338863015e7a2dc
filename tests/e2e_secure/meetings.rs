//! Somebody's own key, new keys, known keys, and two who call each other.

use std::ffi::OsString;
use std::fs;
use std::process::Stdio;

use crate::common::{free_port, tete};
use crate::noise;
use crate::person::{Person, at, connected, meet, part, refused, talk, turned_away};

#[test]
fn two_terminals_of_one_user_need_no_question_and_know_each_other_by_their_key() {
    let us = Person::new("anna");
    let mut anna = us.listens(&[]);
    let mut bob = us.again("bob").run(&[&at(anna.port())]).file("b.bin", noise(300_000)).start();
    fs::write(anna.file("a.bin"), noise(100_000)).unwrap();
    let key = us.key();
    assert_eq!(anna.event("listening")["key"], key.to_string());
    for (side, name) in [(&mut anna, "bob"), (&mut bob, "anna")] {
        assert_eq!(connected(side, "self", key)["peer"]["name"], name);
    }
    anna.send("/peers");
    anna.tells("bob at 127.0.0.1:");
    anna.tells("(encrypted, self)");
    anna.send("transfer a.bin");
    bob.send("transfer b.bin");
    for (side, name, size) in [(&mut anna, "fetched_b.bin", 300_000), (&mut bob, "fetched_a.bin", 100_000)] {
        side.event("received");
        assert!(fs::read(side.file(name)).unwrap() == noise(size));
    }
    part(&mut anna, &mut bob);
    assert_eq!(us.names(), [""; 0], "nobody is saved");
}

#[test]
fn fault_28_the_very_same_process_is_refused_as_that_is_you() {
    let port = free_port();
    let us = Person::new("anna");
    let mut anna = us.calls(port, &["-l", &at(port)]);
    assert!(turned_away(&mut anna).contains("that is you"));
}

#[test]
fn fault_29_a_new_key_is_refused_where_nobody_can_be_asked_and_the_listener_goes_on() {
    let (anna, bob) = Person::two();
    let mut listener = anna.listens(&[]);
    // Who has the last word is drawn by lot, each time anew.
    for nth in 1..=8 {
        let mut caller = bob.calls(listener.port(), &[]);
        turned_away(&mut caller);
        refused(&mut listener, nth);
    }
    let mut caller = anna.again("ann").calls(listener.port(), &[]);
    part(&mut listener, &mut caller);
    assert_eq!((anna.names(), bob.names()), (vec![], vec![]));
}

#[test]
fn new_keys_that_both_want_are_let_in_and_known_afterwards_on_both_sides() {
    let (anna, bob) = Person::two();
    let mut listener = anna.listens(&["--trust", "new"]);
    let mut caller = bob.calls(listener.port(), &["--trust", "new"]);
    meet("new", (&anna, &mut listener), (&bob, &mut caller));
    assert_eq!((anna.names(), bob.names()), (vec!["bob".to_owned()], vec!["anna".to_owned()]));
    for (host, guest) in [(&anna, &bob), (&bob, &anna)] {
        let mut listener = host.listens(&["--trust", "known"]);
        let mut caller = guest.calls(listener.port(), &[]);
        meet("known", (host, &mut listener), (guest, &mut caller));
    }
}

#[test]
fn who_is_met_only_for_a_moment_is_saved_and_that_is_told() {
    let (anna, bob) = Person::two();
    let mut listener = anna.listens(&["--trust", "new"]);
    let (home, there) = (bob.home(), at(listener.port()));
    let words = ["--trust", "new", "--config-dir"].map(OsString::from);
    let args: Vec<_> = words.into_iter().chain([home.into(), there.into()]).collect();
    let mut caller = tete(&args).input(Stdio::null()).start();
    assert_eq!(caller.exit_code(), 0, "{}", caller.err());
    // Nobody waits longer than two seconds for a disk.
    let is_saved = bob.names() == ["anna"];
    assert_eq!(caller.err().contains("-- saved as anna: known from now on\n"), is_saved, "{}", caller.err());
}

#[test]
fn a_new_key_that_only_one_side_wants_is_refused_by_the_other() {
    for (host, guest) in [("new", "known"), ("known", "new")] {
        let (anna, bob) = Person::two();
        let mut listener = anna.listens(&["--trust", host]);
        for nth in 1..=4 {
            let mut caller = bob.calls(listener.port(), &["--trust", guest]);
            turned_away(&mut caller);
            refused(&mut listener, nth);
        }
        assert_eq!((anna.names(), bob.names()), (vec![], vec![]), "nobody is saved who was not let in");
    }
}

#[test]
fn a_saved_name_is_called_where_it_was_last_reached_until_it_is_forgotten() {
    let (anna, bob) = Person::two();
    let mut listener = bob.listens(&["--trust", "new"]);
    let port = listener.port();
    let mut caller = anna.calls(port, &["--trust", "new"]);
    meet("new", (&bob, &mut listener), (&anna, &mut caller));
    assert_eq!(anna.known().peers()[0].address, Some(at(port)));
    assert_eq!(bob.known().peers()[0].address, None, "she has called from a port that nobody listens on");

    let listed = anna.tells(&["peers"]);
    let (groups, place) = (bob.key().grouped(), at(port));
    assert!(listed.starts_with(&format!("bob  {groups}  {place}  ")), "{listed}");

    let mut listener = bob.run(&["-l", &at(port)]).start();
    listener.port();
    let mut caller = anna.run(&["bob"]).start();
    let dialling = caller.event("dialling");
    assert_eq!((&dialling["attempt"], &dialling["to"]), (&1.into(), &at(port).into()), "that is where she calls");
    meet("known", (&bob, &mut listener), (&anna, &mut caller));

    assert!(anna.tells(&["peers", "forget", "bob"]).starts_with("forgotten: bob  "));
    let mut listener = bob.listens(&[]);
    let mut caller = anna.calls(listener.port(), &[]);
    turned_away(&mut caller);
    refused(&mut listener, 1);
    let mut caller = anna.calls(listener.port(), &["--trust", "new"]);
    connected(&mut listener, "known", anna.key());
    connected(&mut caller, "new", bob.key());
}

#[test]
fn fault_80_two_new_keys_that_call_each_other_have_one_conversation() {
    for _ in 0..4 {
        let (anna, bob) = Person::two();
        let ports = [free_port(), free_port()];
        let mut one = anna.calls(ports[1], &["-l", &at(ports[0])]);
        let mut two = bob.calls(ports[0], &["-l", &at(ports[1])]);
        meet("new", (&anna, &mut one), (&bob, &mut two));
        assert_eq!((anna.names(), bob.names()), (vec!["bob".to_owned()], vec!["anna".to_owned()]));
    }
}

#[test]
fn the_second_of_two_who_call_each_other_may_start_later() {
    let (anna, bob) = Person::two();
    let ports = [free_port(), free_port()];
    let mut one = anna.calls(ports[1], &["-l", &at(ports[0])]);
    one.count("dialling", 3);
    let mut two = bob.calls(ports[0], &["-l", &at(ports[1])]);
    meet("new", (&anna, &mut one), (&bob, &mut two));
}

#[test]
fn that_two_call_each_other_is_not_enough_for_who_wants_known_keys_alone() {
    let (anna, bob) = Person::two();
    let ports = [free_port(), free_port()];
    let mut one = anna.calls(ports[1], &["-l", &at(ports[0]), "--trust", "known", "-w", "2"]);
    let mut two = bob.calls(ports[0], &["-l", &at(ports[1]), "--trust", "new", "-w", "2"]);
    // Whose call is judged first is not let in or lets nobody in; the other one finds nobody any more.
    let codes = [one.exit_code(), two.exit_code()];
    assert!(codes.contains(&5) && codes.iter().all(|code| [3, 5].contains(code)), "{codes:?}");
    assert_eq!((one.all("connected").count(), two.all("connected").count()), (0, 0));
    assert_eq!((anna.names(), bob.names()), (vec![], vec![]));
}

#[test]
fn a_third_with_a_key_of_its_own_is_told_that_the_two_are_busy() {
    let us = Person::new("anna");
    let mut anna = us.listens(&["--trust", "new"]);
    let mut bob = us.again("bob").calls(anna.port(), &[]);
    connected(&mut anna, "self", us.key());
    connected(&mut bob, "self", us.key());
    let other = Person::new("carl");
    let mut carl = other.calls(anna.port(), &["--trust", "new"]);
    assert!(turned_away(&mut carl).contains("talking to somebody else"));
    talk(&mut anna, &mut bob);
    part(&mut anna, &mut bob);
}

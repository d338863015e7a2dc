//! The link for files of an encrypted conversation.

use std::fs;

use tete::proto::claim::{Binding, Claim};
use tete::proto::frame::{Assigned, Frame, SessionTicket, Welcome};
use tete::proto::hello::{Hello, Nonce, Purpose};
use tete::proto::text::Untrusted;

use crate::common::Tete;
use crate::common::caller::frame;
use crate::ends::End;
use crate::noise;
use crate::person::{Person, connected, part};
use crate::relay::{Fate, How, Relay, Way};

/// What both log of a second connection.
const OWN: &str = "files have a link of their own";
const MB: usize = 1_000_000;

fn send(from: &mut Tete, name: &str, size: usize) {
    fs::write(from.file(name), noise(size)).unwrap();
    from.send(&format!("transfer {name}"));
}

/// It has arrived whole, and both know.
fn arrived(from: &mut Tete, to: &mut Tete, name: &str, size: usize) {
    let hash = blake3::hash(&noise(size)).to_string();
    for (side, event) in [(&mut *from, "sent"), (&mut *to, "received")] {
        let told = side.find(event, |told| told["event"] == event && told["name"] == name);
        assert_eq!((&told["bytes"], &told["blake3"]), (&size.into(), &hash.clone().into()), "{told}");
    }
    assert!(fs::read(to.file(&format!("fetched_{name}"))).unwrap() == noise(size), "other bytes have arrived");
}

#[test]
fn a_large_file_goes_over_an_encrypted_link_of_its_own_and_when_that_is_cut_over_the_talk_link() {
    for way in [Way::Up, Way::Down] {
        let us = Person::new("anna");
        let mut anna = us.listens(&["-v"]);
        let cut = Fate::After(way, 15_000_000, How::Reset);
        let relay = Relay::to(anna.port(), move |nth| if nth == 1 { cut } else { Fate::Pass });
        let mut bob = us.again("bob").calls(relay.port, &["-v"]);
        let key = us.key();
        connected(&mut anna, "self", key);
        connected(&mut bob, "self", key);
        send(&mut bob, "first", MB);
        arrived(&mut bob, &mut anna, "first", MB);
        for side in [&mut anna, &mut bob] {
            side.tells(OWN);
        }
        let (from, to) = if way == Way::Up { (&mut bob, &mut anna) } else { (&mut anna, &mut bob) };
        send(from, "big", 40 * MB);
        from.tells("goes over the bulk link");
        arrived(from, to, "big", 40 * MB);
        let words = "the link for files is lost";
        assert!(anna.err().contains(words) || bob.err().contains(words));
        assert_eq!(relay.passed(1, way), 15_000_000);
        part(&mut anna, &mut bob);
    }
}

/// Somebody with this key says to belong to the conversation.
fn claims(anna: &mut Tete, person: &Person, words: &str) {
    for nonce in [Nonce([0; 16]), Nonce([0xff; 16])] {
        let mut end = End::call(anna.port(), &person.secret());
        let address = end.address();
        let ticket = SessionTicket { id: [1; 16], secret: [2; 16] };
        let claim = Claim::new(&ticket, 2, nonce, &Binding(end.binding()));
        let welcome = Frame::Welcome(Welcome { assigned: Assigned::Bulk(claim), port: 0, name: Untrusted::from("") });
        let hello = Hello { purpose: Purpose::Bulk(claim), ..Hello::new(nonce) };
        end.say(&[hello.encode(), frame(&welcome)].concat());
        assert!(end.closed().len() < 200, "it is told a greeting and a refusal");
        let event = anna.find("refused", |event| event["event"] == "refused" && event["address"] == address);
        assert_eq!(event["reason"], words);
    }
}

#[test]
fn who_calls_for_files_of_a_conversation_that_is_not_his_is_refused_whatever_his_key() {
    let (one, two) = Person::two();
    let mut anna = one.listens(&["--trust", "new", "-v"]);
    let mut bob = two.calls(anna.port(), &["--trust", "new", "-v", "--limit", "8M"]);
    connected(&mut anna, "new", two.key());
    connected(&mut bob, "new", one.key());
    for person in [&Person::new("carl"), &two, &one] {
        claims(&mut anna, person, "no such conversation goes on here");
    }
    send(&mut bob, "big", 8 * MB);
    for side in [&mut anna, &mut bob] {
        side.tells(OWN);
    }
    for person in [&Person::new("carl"), &two, &one] {
        claims(&mut anna, person, "no such conversation goes on here");
    }
    arrived(&mut bob, &mut anna, "big", 8 * MB);
    part(&mut anna, &mut bob);
}

#[test]
fn somebody_else_where_our_partner_listened_gets_no_link_for_files() {
    let (one, two) = Person::two();
    let mut anna = one.listens(&["--trust", "new", "-v"]);
    let third = Person::new("mallory");
    let mut mallory = third.listens(&["--trust", "new"]);
    let other = mallory.port();
    let relay = Relay::to(anna.port(), |_| Fate::Pass);
    let mut bob = two.calls(relay.port, &["--trust", "new", "-v"]);
    connected(&mut bob, "new", one.key());
    connected(&mut anna, "new", two.key());
    relay.lead_to(other);
    send(&mut bob, "big", 20 * MB);
    arrived(&mut bob, &mut anna, "big", 20 * MB);
    assert!(bob.err().contains("no link of their own for files"), "{}", bob.err());
    assert!(relay.passed(0, Way::Up) > 20 * MB as u64);
    assert!(relay.passed(1, Way::Up) < 10_000, "no byte of the file");
    assert_eq!(mallory.all("connected").count(), 0);
    part(&mut anna, &mut bob);
}

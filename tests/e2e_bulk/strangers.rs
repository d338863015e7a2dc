//! Who says to be the partner, and is not: no link for files, and not a byte of one.

use std::time::Duration;

use tete::proto::claim::{Binding, CLAIM, Claim};
use tete::proto::frame::{Assigned, Frame, SessionTicket, Welcome};
use tete::proto::hello::{Hello, Nonce, PREAMBLE, Purpose};
use tete::proto::text::Untrusted;

use crate::common::caller::{Caller, frame};
use crate::common::{Tete, anna, tete};
use crate::relay::{Fate, Way};
use crate::{MB, Relayed, Sender};

/// Whoever proves nothing is closed within this.
const CLOSED: Duration = Duration::from_secs(10);
/// What anybody at the gate may be told, in bytes: a greeting and a refusal.
const WORDS: usize = 200;

/// What bob has greeted anna with on this connection.
fn greeting(two: &Relayed, connection: usize) -> Hello {
    let (hello, _) = Hello::decode(&two.relay.head(connection, Way::Up)).unwrap().unwrap();
    hello
}

fn refused(tete: &mut Tete, address: &str) -> String {
    let event = tete.find("refused", |event| event["event"] == "refused" && event["address"] == address);
    event["reason"].as_str().unwrap().to_owned()
}

/// Somebody says this to anna, as the one who speaks first and as the one who answers: it is refused with these words
/// and told nothing.
fn assert_refused(two: &mut Relayed, nonce: Nonce, claim: Claim, words: &str) {
    let hello = Hello { purpose: Purpose::Bulk(claim), ..Hello::new(nonce) };
    let welcome = Frame::Welcome(Welcome { assigned: Assigned::Bulk(claim), port: 0, name: Untrusted::from("") });
    let caller = Caller::saying(two.anna.port(), &[hello.encode(), frame(&welcome)].concat());
    let address = caller.address();
    let (told, after) = caller.closed();
    assert!(after < CLOSED && told.len() < WORDS, "{} bytes, {after:?}", told.len());
    assert_eq!(refused(&mut two.anna, &address), words);
}

fn wrong_claim(session: [u8; 16], epoch: u32, speaker: Nonce) -> Claim {
    Claim::new(&SessionTicket { id: session, secret: [7; 16] }, epoch, speaker, &Binding::NONE)
}

#[test]
fn who_calls_for_files_with_a_wrong_claim_or_an_old_one_is_refused() {
    let limited = ["--json", "-v", "--limit", "8M"];
    let mut two = Relayed::with(tete(&anna(&limited)), &limited, |_| Fate::Pass);
    const REFUSED: &str = "no such conversation goes on here";
    let bob = greeting(&two, 0).nonce;
    for nonce in [Nonce([9; 16]), bob] {
        assert_refused(&mut two, nonce, wrong_claim([1; 16], 2, nonce), REFUSED);
    }
    two.send(Sender::Anna, "big", 16 * MB);
    two.bob.tells("files have a link of their own");
    two.anna.tells("files have a link of their own");
    let said = greeting(&two, 1);
    let Purpose::Bulk(claim) = said.purpose else { panic!("{said:?}") };
    assert_eq!(said.encode().len(), PREAMBLE + 18 + CLAIM);
    // An old one that is right: it may be a call that was overtaken, and is no news.
    let again = Hello { purpose: Purpose::Bulk(claim), ..Hello::new(bob) }.encode();
    let (told, after) = Caller::saying(two.anna.port(), &again).closed();
    assert!(after < CLOSED && told.len() < WORDS, "{} bytes, {after:?}", told.len());
    assert_refused(&mut two, Nonce([9; 16]), claim, REFUSED);
    assert_refused(&mut two, bob, Claim { epoch: claim.epoch + 1, ..claim }, REFUSED);
    assert_refused(&mut two, bob, wrong_claim(claim.session, claim.epoch + 1, bob), REFUSED);
    assert_eq!(two.anna.all("sent").count(), 0, "it was all said while the file was under way");
    two.arrived(Sender::Anna, "big", 16 * MB);
    assert!(two.relay.passed(1, Way::Down) > 8 * MB as u64);
    two.part();
}

#[test]
fn who_knows_the_partners_number_and_claims_nothing_gets_no_byte_and_is_closed() {
    // Once before there is a link for files, and once beside it.
    let limited = ["--json", "-v", "--limit", "4M"];
    let mut two = Relayed::with(tete(&anna(&limited)), &limited, |_| Fate::Pass);
    let hello = Hello::new(greeting(&two, 0).nonce).encode();
    let early = Caller::saying(two.anna.port(), &hello);
    two.still_talk();
    two.send(Sender::Anna, "big", 8 * MB);
    two.anna.tells("files have a link of their own");
    let late = Caller::saying(two.anna.port(), &hello);
    for stranger in [late, early] {
        let (told, after) = stranger.closed();
        assert!(after < CLOSED && told.len() < WORDS, "{} bytes, {after:?}", told.len());
    }
    two.arrived(Sender::Anna, "big", 8 * MB);
    assert!(two.relay.passed(1, Way::Down) > 4 * MB as u64);
    two.part();
}

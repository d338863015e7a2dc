//! What becomes of a file whose connection is lost: it arrives all the same, whole and once.

use crate::common::{anna, tete};
use crate::relay::{Fate, How, Way};
use crate::{MB, Relayed, Sender};

/// Bytes of the second connection after which it is cut: in its greeting, behind it, in the first block, later.
const POINTS: [u64; 6] = [0, 40, 200, 100_000, 5_000_000, 15_000_000];

/// The second connection has this fate.
fn second(fate: Fate) -> impl Fn(usize) -> Fate + Send + 'static {
    move |connection| if connection == 1 { fate } else { Fate::Pass }
}

/// A file of 20 MB arrives, wherever its connection is lost like this.
fn survives(sender: Sender, way: Way, how: How) {
    for point in POINTS {
        // The other way there are a few bytes of the opening, and nothing else.
        if way != sender.way() && point > 200 {
            continue;
        }
        let mut two = Relayed::new(second(Fate::After(way, point, how)));
        if point > 2 * MB as u64 {
            // However late the link comes, it is cut in this file.
            two = two.linked();
        }
        two.send(sender, "big", 20 * MB);
        two.arrived(sender, "big", 20 * MB);
        if way == sender.way() && point >= 100_000 {
            assert_eq!(two.relay.passed(1, way), point);
        }
        let two = two.part();
        if way == sender.way() && point >= 100_000 {
            let words = "the link for files is lost";
            assert!(two.anna.err().contains(words) || two.bob.err().contains(words), "{how:?} after {point}");
        }
    }
}

#[test]
fn fault_73_a_file_of_the_one_who_called_survives_the_reset_of_its_connection() {
    survives(Sender::Bob, Way::Up, How::Reset);
}

#[test]
fn fault_73_a_file_of_the_one_who_was_called_survives_the_reset_of_its_connection() {
    survives(Sender::Anna, Way::Down, How::Reset);
}

#[test]
fn fault_73_a_file_of_the_one_who_called_survives_the_closing_of_its_connection() {
    survives(Sender::Bob, Way::Up, How::Close);
}

#[test]
fn fault_73_a_file_of_the_one_who_was_called_survives_the_closing_of_its_connection() {
    survives(Sender::Anna, Way::Down, How::Close);
}

#[test]
fn fault_75_a_file_survives_that_its_receiver_hears_that_nothing_more_comes() {
    survives(Sender::Bob, Way::Up, How::Half);
    survives(Sender::Anna, Way::Down, How::Half);
}

#[test]
fn fault_75_a_file_survives_that_its_sender_hears_that_nothing_more_comes() {
    survives(Sender::Bob, Way::Down, How::Half);
    survives(Sender::Anna, Way::Up, How::Half);
}

#[test]
fn fault_73_sixty_megabytes_each_way_survive_the_reset_of_their_connection() {
    let mut two = Relayed::new(second(Fate::After(Way::Up, 30_000_000, How::Reset)));
    two.send(Sender::Bob, "big", 60 * MB);
    two.send(Sender::Anna, "back", 60 * MB);
    two.arrived(Sender::Bob, "big", 60 * MB);
    two.arrived(Sender::Anna, "back", 60 * MB);
    two.part();
}

#[test]
fn a_connection_that_was_lost_is_called_for_again_and_takes_over() {
    let limited = ["--json", "-v", "--limit", "2M"];
    let cut = Fate::After(Way::Up, 1_000_000, How::Reset);
    let mut two = Relayed::with(tete(&anna(&["--json", "-v"])), &limited, second(cut));
    two.send(Sender::Bob, "big", 36 * MB);
    two.bob.tells("files have a link of their own, number 2");
    two.bob.tells("files have a link of their own, number 4"); // who called has the even ones
    two.arrived(Sender::Bob, "big", 36 * MB);
    assert!(two.relay.passed(2, Way::Up) > MB as u64);
    two.part();
}

#[test]
fn files_of_which_some_are_through_survive_each_loss_of_a_connection() {
    let mut two = Relayed::new(second(Fate::After(Way::Up, 3_000_000, How::Reset)));
    for n in 0..12 {
        two.send(Sender::Bob, &format!("file{n}"), MB);
    }
    for n in 0..12 {
        two.arrived(Sender::Bob, &format!("file{n}"), MB);
    }
    assert_eq!((two.bob.all("sent").count(), two.anna.all("received").count()), (12, 12));
    two.part();
}

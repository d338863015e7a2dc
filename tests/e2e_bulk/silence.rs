//! Fault 74: the connection of a file falls silent, nobody says that it is gone, and the talk link lives.

use std::time::{Duration, Instant};

use crate::common::PATIENCE;
use crate::relay::{Fate, How};
use crate::{MB, Relayed, Sender};

/// Bytes of the second connection after which it is silent.
const POINT: u64 = 5_000_000;
/// How long leaving may take.
const LEAVING: Duration = Duration::from_secs(15);

fn talk_goes_on(sender: Sender, how: How) {
    let fate = Fate::After(sender.way(), POINT, how);
    let mut two = Relayed::new(move |connection| if connection == 1 { fate } else { Fate::Pass });
    two.send(sender, "big", 60 * MB);
    let began = Instant::now();
    while two.relay.passed(1, sender.way()) < POINT {
        assert!(began.elapsed() < PATIENCE, "the file never came so far");
        std::thread::yield_now();
    }
    two.still_talk();
    two.send(sender, "small", 1000);
    two.arrived(sender, "small", 1000);
    let (from, to) = two.sides(sender);
    from.send("/cancel");
    for side in [from, to] {
        assert_eq!(side.event("transfer_failed")["reason"], "cancelled by the sender");
    }
    two.still_talk();
    two.bob.send("exit");
    two.bob.exit_code_within(LEAVING);
    two.anna.exit_code_within(LEAVING);
    let (_, to) = two.sides(sender);
    assert_eq!(crate::hidden(to), [""; 0]);
}

#[test]
fn fault_74_beside_a_link_that_swallows_a_file_texts_small_files_a_cancel_and_a_goodbye_get_through() {
    Sender::BOTH.into_iter().for_each(|sender| talk_goes_on(sender, How::Swallow));
}

#[test]
fn fault_74_beside_a_link_that_takes_nothing_texts_small_files_a_cancel_and_a_goodbye_get_through() {
    Sender::BOTH.into_iter().for_each(|sender| talk_goes_on(sender, How::Stall));
}

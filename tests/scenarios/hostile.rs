//! Peers that break the rules: each is told apart from an honest one, and nothing of theirs is published.

use tete::proto::TransferId;
use tete::proto::digest::BLOCK;
use tete::proto::error::ProtocolError;
use tete::proto::event::{Event, LeaveReason};
use tete::proto::frame::{Assigned, CancelReason, Frame, Kind, MAX_OPTIONAL, Welcome};
use tete::proto::session::Ended;
use tete::proto::talk::WINDOW_TEXTS;
use tete::proto::text::Untrusted;
use tete::proto::transfers::{MAX_JOBS, MAX_OFFERS, Policy};

use crate::support::disk::Source;
use crate::support::lone::Lone;
use crate::support::pair::LINK;
use crate::support::{setup, with_policy};

const ID: TransferId = TransferId(2);

fn header(length: u32, kind: u8) -> [u8; 5] {
    let [a, b, c, d] = length.to_be_bytes();
    [a, b, c, d, kind]
}

fn lone() -> Lone {
    let mut lone = Lone::new(setup(true));
    lone.frames();
    lone
}

/// A session that takes a file of `size` bytes.
fn receiving(size: Option<u64>) -> Lone {
    let mut lone = lone();
    lone.hear_offer(ID.0, size).unwrap();
    lone.serve();
    assert_eq!(lone.side.state(ID), Some("Receiving"));
    lone
}

/// A session that sends a file of `size` bytes and has sent what it may.
fn sending(size: u64) -> Lone {
    let mut lone = lone();
    let id = lone.side.session.offer(lone.now, "a", Some(size)).unwrap();
    lone.side.disk.sources.insert(id, Source { key: 1, size });
    lone.frames();
    lone.hear(&Frame::Accept { id, from: 0 }).unwrap();
    while lone.side.serve(lone.now) || !lone.frames().is_empty() {}
    lone
}

/// Asserts that the session ended with that error, and that no file has its name.
fn assert_broken(mut lone: Lone, result: Result<(), ProtocolError>) -> ProtocolError {
    let error = result.expect_err("it was let through");
    assert_eq!(lone.side.ended(), Some(&Ended::Broken(error.clone())));
    lone.serve();
    assert!(lone.side.disk.published.is_empty() && lone.side.disk.parts.is_empty());
    assert_eq!(lone.hear(&Frame::Ping { token: 1 }), Ok(()), "a dead session takes no offence");
    error
}

fn text(seq: u64) -> Frame {
    Frame::Text { seq, text: Untrusted::from("x") }
}

#[test]
fn fault_32_the_longest_length_ends_it_for_every_kind() {
    for kind in Kind::ALL {
        let mut lone = lone();
        let result = lone.hear_bytes(&header(u32::MAX, kind.code()));
        assert!(matches!(assert_broken(lone, result), ProtocolError::TooLong { .. }));
    }
}

#[test]
fn fault_33_a_length_of_zero_ends_it_for_every_kind_that_has_a_payload() {
    for kind in Kind::ALL.into_iter().filter(|kind| kind.bounds().0 > 0) {
        let mut lone = lone();
        let result = lone.hear_bytes(&header(0, kind.code()));
        assert!(matches!(assert_broken(lone, result), ProtocolError::Malformed { .. }));
    }
}

#[test]
fn fault_34_an_unknown_frame_ends_it_unless_it_is_marked_as_one_to_be_skipped() {
    let mut closed = lone();
    let result = closed.hear_bytes(&header(0, 0x70));
    assert_eq!(assert_broken(closed, result), ProtocolError::UnknownFrame { kind: 0x70 });
    let mut open = lone();
    open.hear_bytes(&header(MAX_OPTIONAL, 0xf0)).unwrap();
    open.hear_bytes(&vec![7; MAX_OPTIONAL as usize]).unwrap();
    open.hear(&text(1)).unwrap();
    assert_eq!(open.side.session.poll_event(), Some(Event::Message { seq: 1, text: Untrusted::from("x") }));
    let mut long = lone();
    let result = long.hear_bytes(&header(MAX_OPTIONAL + 1, 0xf0));
    assert!(matches!(assert_broken(long, result), ProtocolError::TooLong { .. }));
}

#[test]
fn a_link_that_ends_at_any_byte_of_a_whole_transfer_before_its_end_publishes_nothing() {
    let mut bytes = Vec::new();
    let value = *blake3::hash(b"abc").as_bytes();
    tete::proto::frame::encode_chunk_header(&mut bytes, ID, 0, 3);
    bytes.extend_from_slice(b"abc");
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"abc");
    let chaining = blake3::hazmat::HasherExt::finalize_non_root(&hasher);
    Frame::Digests { id: ID, first: 0, values: vec![chaining] }.encode(&mut bytes);
    Frame::End { id: ID, size: 3, root: value }.encode(&mut bytes);
    for cut in 0..=bytes.len() {
        let mut lone = receiving(Some(3));
        lone.hear_bytes(&bytes[..cut]).unwrap();
        lone.serve();
        lone.side.session.handle_eof(crate::support::pair::LINK, lone.now);
        lone.serve();
        assert_eq!(lone.side.disk.published.len(), usize::from(cut == bytes.len()), "cut at {cut}");
        assert!(matches!(lone.side.ended(), Some(Ended::Lost(_))));
    }
}

#[test]
fn a_chunk_of_a_transfer_that_was_never_offered_ends_it() {
    for id in [1, 2, 99] {
        let mut lone = lone();
        let result = lone.hear_chunk(TransferId(id), 0, b"x");
        assert_eq!(assert_broken(lone, result), ProtocolError::UnknownTransfer(TransferId(id)));
    }
}

#[test]
fn a_chunk_of_an_undecided_offer_ends_it() {
    let mut lone = Lone::new(with_policy(true, Policy::Ask));
    lone.hear_offer(2, Some(10)).unwrap();
    let result = lone.hear_chunk(ID, 0, b"x");
    assert!(matches!(assert_broken(lone, result), ProtocolError::Unexpected { frame: "CHUNK", .. }));
}

#[test]
fn more_bytes_than_were_offered_end_it() {
    let mut lone = receiving(Some(10));
    lone.hear_chunk(ID, 0, &[1; 6]).unwrap();
    let result = lone.hear_chunk(ID, 6, &[1; 5]);
    assert_eq!(assert_broken(lone, result), ProtocolError::TooMuch { transfer: ID, offered: 10 });
}

#[test]
fn an_end_before_the_offered_size_fails_the_transfer_and_not_the_conversation() {
    let mut lone = receiving(Some(10));
    lone.hear_chunk(ID, 0, &[1; 6]).unwrap();
    lone.hear(&Frame::End { id: ID, size: 6, root: [0; 32] }).unwrap();
    lone.serve();
    assert!(lone.side.failed(ID) && lone.side.ended().is_none());
    assert!(matches!(lone.frames().last(), Some(Frame::Cancel { reason: Some(CancelReason::Mismatch), .. })));
    assert!(lone.side.disk.published.is_empty() && lone.side.disk.parts.is_empty());
}

#[test]
fn an_end_that_is_not_where_the_chunks_ended_ends_it() {
    for size in [0, 5, 7, u64::MAX] {
        let mut lone = receiving(None);
        lone.hear_chunk(ID, 0, &[1; 6]).unwrap();
        let result = lone.hear(&Frame::End { id: ID, size, root: [0; 32] });
        assert!(matches!(assert_broken(lone, result), ProtocolError::Malformed { frame: "END", .. }));
    }
}

#[test]
fn a_chunk_or_an_end_behind_the_end_ends_it() {
    let mut again = receiving(Some(6));
    again.side.does = |_| false;
    again.hear_chunk(ID, 0, &[1; 6]).unwrap();
    let told = Frame::Digests { id: ID, first: 0, values: vec![[0; 32]] };
    let end = Frame::End { id: ID, size: 6, root: [0; 32] };
    again.hear(&told).unwrap();
    again.hear(&end).unwrap();
    let result = again.hear(&end);
    again.side.does = |_| true;
    assert!(matches!(assert_broken(again, result), ProtocolError::Unexpected { frame: "END", .. }));
    let mut more = receiving(None);
    more.side.does = |_| false;
    more.hear_chunk(ID, 0, &[1; 6]).unwrap();
    more.hear(&told).unwrap();
    more.hear(&end).unwrap();
    let result = more.hear_chunk(ID, 6, b"x");
    more.side.does = |_| true;
    assert!(matches!(assert_broken(more, result), ProtocolError::Unexpected { frame: "CHUNK", .. }));
}

#[test]
fn a_root_that_is_not_that_of_the_bytes_fails_the_transfer() {
    let mut lone = receiving(Some(0));
    lone.hear(&Frame::End { id: ID, size: 0, root: [9; 32] }).unwrap();
    lone.serve();
    assert!(lone.side.failed(ID) && lone.side.disk.published.is_empty());
}

#[test]
fn a_number_that_was_used_before_or_is_ours_ends_it() {
    for id in [2, 1, 3, 0] {
        let mut lone = lone();
        lone.hear_offer(2, Some(1)).unwrap();
        let result = lone.hear_offer(id, Some(1));
        assert_eq!(assert_broken(lone, result), ProtocolError::UnknownTransfer(TransferId(id)));
    }
}

#[test]
fn a_hundred_thousand_offers_are_refused_beyond_the_first_and_end_as_a_flood_if_no_answer_is_read() {
    let mut lone = Lone::new(with_policy(true, Policy::Ask));
    let mut refused = 0;
    for id in 1..=100_000 {
        lone.hear_offer(2 * id, Some(1)).unwrap();
        refused += lone.frames().iter().filter(|frame| frame.kind() == Kind::Refuse).count();
    }
    assert_eq!((refused, lone.side.session.progress().len()), (100_000 - MAX_OFFERS, MAX_OFFERS));
    let mut deaf = Lone::new(with_policy(true, Policy::Ask));
    let result = (1..=100_000).try_for_each(|id| deaf.hear_offer(2 * id, Some(1)));
    assert_eq!(assert_broken(deaf, result), ProtocolError::Flood);
}

#[test]
fn offers_of_bad_names_are_refused_and_end_as_a_flood_if_no_answer_is_read() {
    let offer = |id: u64| Frame::Offer { id: TransferId(2 * id), size: None, name: Untrusted::from("../x") };
    let mut lone = lone();
    lone.hear(&offer(1)).unwrap();
    assert!(matches!(lone.frames()[..], [Frame::Refuse { .. }]));
    let result = (2..=100_000).try_for_each(|id| lone.hear(&offer(id)));
    assert_eq!(assert_broken(lone, result), ProtocolError::Flood);
}

#[test]
fn fault_42_a_flood_of_pings_is_answered_once_and_takes_no_memory() {
    let mut lone = lone();
    for token in 0..100_000 {
        lone.hear(&Frame::Ping { token }).unwrap();
    }
    assert_eq!(lone.frames(), [Frame::Pong { token: 99_999 }]);
}

#[test]
fn a_flood_of_cancels_whose_answers_are_not_read_ends_it() {
    let mut lone = Lone::new(with_policy(true, Policy::Never));
    lone.hear_offer(2, Some(1)).unwrap();
    let cancel = Frame::Cancel { id: ID, reason: None, words: Untrusted::from("") };
    let result = (0..100_000).try_for_each(|_| lone.hear(&cancel));
    assert_eq!(assert_broken(lone, result), ProtocolError::Flood);
}

#[test]
fn a_chunk_that_does_not_lie_where_the_next_one_has_to_ends_it() {
    for (offset, size) in [(1, None), (7, Some(10)), (5, None), (u64::MAX - 3, Some(10)), (1 << 63, None)] {
        let mut lone = receiving(size);
        lone.hear_chunk(ID, 0, &[1; 6]).unwrap();
        let result = lone.hear_chunk(ID, offset, &[1; 3]);
        let error = ProtocolError::Offset { transfer: ID, expected: 6, got: offset };
        assert_eq!(assert_broken(lone, result), error);
    }
}

#[test]
fn fault_43_a_chunk_that_ends_behind_every_file_ends_it_also_where_its_bytes_are_thrown_away() {
    for (cancelled, offset) in [(false, u64::MAX), (false, u64::MAX - 2), (true, u64::MAX), (true, u64::MAX - 2)] {
        let mut lone = receiving(None);
        if cancelled {
            lone.side.session.cancel(lone.now, Some(ID)).unwrap();
        }
        let result = lone.hear_chunk(ID, offset, &[1; 3]);
        assert!(matches!(assert_broken(lone, result), ProtocolError::Malformed { .. }));
    }
}

#[test]
fn digests_out_of_turn_or_of_bytes_that_never_came_end_it() {
    for (first, count) in [(1, 1), (0, 2), (u64::MAX, 1)] {
        let mut lone = receiving(Some(4 * BLOCK));
        lone.hear_chunk(ID, 0, &[1; 6]).unwrap();
        let result = lone.hear(&Frame::Digests { id: ID, first, values: vec![[0; 32]; count] });
        let error = assert_broken(lone, result);
        assert!(matches!(error, ProtocolError::Sequence { .. } | ProtocolError::Window { .. }), "{error}");
    }
}

#[test]
fn a_text_out_of_turn_or_beyond_the_window_ends_it() {
    for seq in [0, 2, u64::MAX] {
        let mut lone = lone();
        let result = lone.hear(&text(seq));
        assert_eq!(assert_broken(lone, result), ProtocolError::Sequence { expected: 1, got: seq });
    }
    let mut lone = lone();
    let result = (1..=WINDOW_TEXTS as u64 + 1).try_for_each(|seq| lone.hear(&text(seq)));
    assert_eq!(assert_broken(lone, result), ProtocolError::Window { what: "texts" });
}

#[test]
fn an_acknowledgement_of_a_text_that_was_never_said_ends_it() {
    for seq in [1, u64::MAX] {
        let mut lone = lone();
        let result = lone.hear(&Frame::TextAck { seq });
        assert!(matches!(assert_broken(lone, result), ProtocolError::Sequence { .. }));
    }
}

#[test]
fn progress_that_was_never_made_ends_it() {
    for (stored, verified) in [(101, 0), (50, 51), (u64::MAX, u64::MAX)] {
        let mut lone = sending(100);
        let result = lone.hear(&Frame::Progress { id: TransferId(1), stored, verified });
        assert_eq!(assert_broken(lone, result), ProtocolError::Window { what: "progress" });
    }
}

#[test]
fn an_acceptance_from_behind_the_end_or_of_a_stream_from_its_middle_ends_it() {
    for (size, from) in [(Some(10), 11), (None, 1), (Some(0), u64::MAX)] {
        let mut lone = lone();
        let id = lone.side.session.offer(lone.now, "a", size).unwrap();
        lone.frames();
        let result = lone.hear(&Frame::Accept { id, from });
        assert!(matches!(assert_broken(lone, result), ProtocolError::Malformed { frame: "ACCEPT", .. }));
    }
}

#[test]
fn committed_before_the_end_was_said_ends_it() {
    let mut lone = sending(100 << 20);
    let result = lone.hear(&Frame::Committed { id: TransferId(1) });
    assert!(matches!(assert_broken(lone, result), ProtocolError::Unexpected { frame: "COMMITTED", .. }));
}

#[test]
fn whatever_is_new_behind_a_goodbye_ends_it() {
    let bye = Frame::Bye { reason: LeaveReason::Done };
    let offer = Frame::Offer { id: ID, size: None, name: Untrusted::from("x") };
    for frame in [text(1), offer] {
        let mut lone = lone();
        lone.hear(&bye).unwrap();
        let result = lone.hear(&frame);
        assert!(matches!(assert_broken(lone, result), ProtocolError::Unexpected { state: "it had said BYE", .. }));
    }
}

#[test]
fn a_frame_of_the_gate_in_a_conversation_ends_it() {
    let welcome = Frame::Welcome(Welcome { assigned: Assigned::Nothing, port: 0, name: Untrusted::from("again") });
    for frame in [welcome, Frame::Wait, Frame::Refused { reason: None, words: Untrusted::from("") }] {
        let mut lone = lone();
        let result = lone.hear(&frame);
        assert!(matches!(assert_broken(lone, result), ProtocolError::Unexpected { .. }));
    }
}

#[test]
fn fault_41_a_text_that_is_not_utf8_arrives_as_it_is() {
    let mut lone = lone();
    let text = Untrusted::new(vec![0xff, b'a', 0xc3]);
    lone.hear(&Frame::Text { seq: 1, text: text.clone() }).unwrap();
    assert_eq!(lone.side.session.poll_event(), Some(Event::Message { seq: 1, text }));
}

#[test]
fn a_number_that_json_could_not_hold_exactly_ends_it() {
    for id in [(1 << 52) + 2, u64::MAX - 1] {
        let mut lone = lone();
        let result = lone.hear_offer(id, Some(1));
        assert_eq!(assert_broken(lone, result), ProtocolError::UnknownTransfer(TransferId(id)));
    }
}

#[test]
fn offers_and_cancels_in_a_burst_do_not_pile_up_jobs() {
    let mut lone = lone();
    let mut bytes = Vec::new();
    for id in 1..=5_000 {
        let id = TransferId(2 * id);
        Frame::Offer { id, size: Some(1), name: Untrusted::from("x.bin") }.encode(&mut bytes);
        Frame::Cancel { id, reason: Some(CancelReason::User), words: Untrusted::from("") }.encode(&mut bytes);
    }
    let taken = lone.side.session.handle_bytes(LINK, lone.now, &bytes);
    let jobs = std::iter::from_fn(|| lone.side.session.poll_job()).count();
    assert!(taken.is_err() || jobs <= MAX_JOBS + 2, "{jobs} jobs at once");
}

//! Peers that break the rules: each is told apart from an honest one, and nothing of theirs is published.

use tete::proto::TransferId;
use tete::proto::claim::FIRST_EPOCH;
use tete::proto::decoder::Decoded;
use tete::proto::digest::BLOCK;
use tete::proto::disk::DiskJob;
use tete::proto::error::ProtocolError;
use tete::proto::event::{Direction, Event, LeaveReason};
use tete::proto::frame::{Assigned, CancelReason, Frame, Kind, MAX_OPTIONAL, Welcome, encode_chunk_header};
use tete::proto::outgoing::{WINDOW_STORED, WINDOW_VERIFIED};
use tete::proto::session::Ended;
use tete::proto::talk::WINDOW_TEXTS;
use tete::proto::text::Untrusted;
use tete::proto::transfers::{MAX_JOBS, MAX_OFFERS, Policy};

use crate::support::disk::Source;
use crate::support::lone::Lone;
use crate::support::pair::LINK;
use crate::support::{returning, setup, with_policy};

pub(super) const ID: TransferId = TransferId(2);

fn header(length: u32, kind: u8) -> [u8; 5] {
    let [a, b, c, d] = length.to_be_bytes();
    [a, b, c, d, kind]
}

pub(super) fn lone() -> Lone {
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
pub(super) fn assert_broken(mut lone: Lone, result: Result<(), ProtocolError>) -> ProtocolError {
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
    encode_chunk_header(&mut bytes, ID, 0, 3);
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
        lone.side.session.handle_eof(LINK, lone.now);
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
fn bytes_of_a_chunk_are_not_taken_as_frames() {
    let mut lone = receiving(Some(10));
    let mut bytes = Vec::new();
    encode_chunk_header(&mut bytes, ID, 0, 10);
    let head = bytes.len();
    bytes.extend([0; 10]);
    assert_eq!(lone.side.session.handle_bytes(LINK, lone.now, &bytes), Ok(head));
    assert_eq!(lone.side.session.handle_bytes(LINK, lone.now, &bytes[head..]), Ok(0));
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
fn who_has_heard_a_goodbye_that_was_not_said_yet_ends_it() {
    for heard in [false, true] {
        let mut lone = Lone::new(returning(true));
        lone.side.session.link_lost(LINK, lone.now, "reset");
        lone.side.session.leave(lone.now, LeaveReason::Done, None);
        lone.come_back(FIRST_EPOCH + 1);
        let result = lone.hear(&Frame::Back { texts: 0, orders: 0, bye: heard });
        if heard {
            let error = ProtocolError::Unexpected { frame: "BACK", state: "no goodbye was said" };
            assert_eq!(assert_broken(lone, result), error);
        } else {
            assert_eq!(result, Ok(()));
            assert_eq!(lone.frames().last(), Some(&Frame::Bye { reason: LeaveReason::Done }));
        }
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
    assert_eq!(lone().hear_offer(1 << 52, Some(1)), Ok(()));
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

#[test]
fn who_says_of_a_file_what_only_the_other_side_can_say_ends_it() {
    let (ours, theirs) = (TransferId(1), ID);
    let frames = [
        (ours, Frame::Digests { id: ours, first: 0, values: vec![[0; 32]] }),
        (ours, Frame::End { id: ours, size: 0, root: [0; 32] }),
        (ours, Frame::Move { id: ours, epoch: 2 }),
        (theirs, Frame::Accept { id: theirs, from: 0 }),
        (theirs, Frame::Refuse { id: theirs, words: Untrusted::from("no") }),
        (theirs, Frame::Progress { id: theirs, stored: 0, verified: 0 }),
        (theirs, Frame::Resume { id: theirs, epoch: 2, stored: 0, told: 0 }),
        (theirs, Frame::Lacks { id: theirs, from: 0, blocks: Vec::new() }),
        (theirs, Frame::Committed { id: theirs }),
    ];
    for (id, frame) in frames {
        let mut lone = sending(100);
        lone.hear_offer(theirs.0, Some(100)).unwrap();
        lone.serve();
        let result = lone.hear(&frame);
        assert_eq!(assert_broken(lone, result), ProtocolError::UnknownTransfer(id), "{frame:?}");
    }
}

#[test]
fn of_an_offer_with_a_bad_name_our_user_is_told_unless_much_is_unread() {
    let name = Untrusted::from("../x");
    let offer = |id| Frame::Offer { id: TransferId(id), size: Some(5), name: Untrusted::from("../x") };
    let mut lone = lone();
    lone.hear(&offer(2)).unwrap();
    lone.serve();
    let Some(Frame::Refuse { id: ID, words: reason }) = lone.frames().pop() else { panic!("it was not refused") };
    let (direction, resumable, wanted, by_peer) = (Direction::Receive, false, true, false);
    let offered = Event::Offer { id: ID, name: name.clone(), size: Some(5), ask: false };
    let failed = Event::Failed { id: ID, direction, name, reason, resumable, wanted, by_peer };
    assert_eq!(lone.side.events, [offered, failed]);
    for id in 2..1000 {
        lone.hear(&offer(2 * id)).unwrap();
        assert!(lone.frames().iter().any(|frame| frame.kind() == Kind::Refuse), "{id} is refused all the same");
    }
    assert_eq!(lone.side.session.untold(), 1026);
}

#[test]
fn values_of_more_blocks_than_can_be_under_way_end_it() {
    let most = (WINDOW_VERIFIED + WINDOW_STORED) / BLOCK + 2;
    let mut lone = receiving(Some(2 * most * BLOCK));
    lone.side.does = |job| !matches!(job, DiskJob::HashPart(..));
    let body = vec![0; BLOCK as usize];
    (0..=most).for_each(|block| lone.hear_chunk(ID, block * BLOCK, &body).unwrap());
    let half = vec![[0; 32]; most as usize / 2];
    lone.hear(&Frame::Digests { id: ID, first: 0, values: half.clone() }).unwrap();
    lone.hear(&Frame::Digests { id: ID, first: most / 2, values: half }).unwrap();
    let result = lone.hear(&Frame::Digests { id: ID, first: most, values: vec![[0; 32]] });
    assert_eq!(assert_broken(lone, result), ProtocolError::Window { what: "digests" });
}

#[test]
fn progress_that_goes_back_ends_it() {
    let progress = |stored, verified| Frame::Progress { id: TransferId(1), stored, verified };
    for (stored, verified) in [(49, 30), (50, 29)] {
        let mut lone = sending(100);
        lone.hear(&progress(50, 30)).unwrap();
        lone.hear(&progress(50, 30)).unwrap();
        let result = lone.hear(&progress(stored, verified));
        assert_eq!(assert_broken(lone, result), ProtocolError::Window { what: "progress" });
    }
}

/// A session that sends a file of four blocks of which the peer says to have two; whether it can hash them.
fn going_on(hashes: bool) -> Lone {
    let mut lone = lone();
    let id = lone.side.session.offer(lone.now, "a", Some(4 * BLOCK)).unwrap();
    lone.side.disk.sources.insert(id, Source { key: 1, size: 4 * BLOCK });
    lone.frames();
    lone.side.does = if hashes { |_| true } else { |job| !matches!(job, DiskJob::HashSource(..)) };
    lone.hear(&Frame::Accept { id, from: 2 * BLOCK }).unwrap();
    while lone.side.serve(lone.now) || !lone.frames().is_empty() {}
    lone
}

#[test]
fn who_lacks_what_cannot_be_or_says_so_before_it_was_told_the_values_ends_it() {
    let lacks = |from, blocks: &[u64]| Frame::Lacks { id: TransferId(1), from, blocks: blocks.to_vec() };
    for (hashes, from, blocks) in [(false, 2 * BLOCK, &[][..]), (true, 3 * BLOCK, &[]), (true, 2 * BLOCK, &[2])] {
        let mut lone = going_on(hashes);
        let result = lone.hear(&lacks(from, blocks));
        assert!(matches!(assert_broken(lone, result), ProtocolError::Malformed { frame: "LACKS", .. }));
    }
    for (blocks, goes_on_at) in [(&[][..], 2 * BLOCK), (&[1], BLOCK)] {
        let mut lone = going_on(true);
        lone.hear(&lacks(2 * BLOCK, blocks)).unwrap();
        let chunk = |found| if let Decoded::Chunk(span) = found { Some(span.offset) } else { None };
        assert_eq!(lone.spoken().into_iter().find_map(chunk), Some(goes_on_at));
    }
}

/// What can be said of any file at any time, if there ever was one.
fn cancels(id: u64) -> [Frame; 2] {
    let id = TransferId(id);
    [Frame::Cancel { id, reason: None, words: Untrusted::from("") }, Frame::Cancelled { id }]
}

/// A session of which one file each way is over.
fn over() -> Lone {
    let mut lone = Lone::new(with_policy(true, Policy::Never));
    lone.side.session.offer(lone.now, "a", Some(5)).unwrap();
    lone.frames();
    lone.hear(&Frame::Refuse { id: TransferId(1), words: Untrusted::from("no") }).unwrap();
    lone.hear_offer(2, Some(5)).unwrap();
    lone.frames();
    lone
}

#[test]
fn a_cancel_of_a_file_that_is_over_is_acknowledged_and_an_acknowledgement_is_not() {
    for (id, later) in [(1, 0), (2, 0), (1, MAX_OFFERS + 1)] {
        let [cancel, cancelled] = cancels(id);
        let mut lone = over();
        for _ in 0..later {
            lone.side.session.offer(lone.now, "a", Some(5)).unwrap();
        }
        lone.frames();
        lone.hear(&cancelled).unwrap();
        assert_eq!(lone.frames(), []);
        lone.hear(&cancel).unwrap();
        assert_eq!(lone.frames(), [cancelled]);
    }
}

#[test]
fn a_cancel_of_a_file_that_was_never_offered_ends_it() {
    for (id, frame) in [3, 4].into_iter().flat_map(|id| cancels(id).map(|frame| (id, frame))) {
        let mut lone = over();
        let result = lone.hear(&frame);
        assert_eq!(assert_broken(lone, result), ProtocolError::UnknownTransfer(TransferId(id)), "{frame:?}");
    }
    let queued = 2 * MAX_OFFERS as u64 + 1;
    for frame in cancels(queued) {
        let mut lone = lone();
        for _ in 0..=MAX_OFFERS {
            lone.side.session.offer(lone.now, "a", Some(5)).unwrap();
        }
        lone.frames();
        let result = lone.hear(&frame);
        let unknown = ProtocolError::UnknownTransfer(TransferId(queued));
        assert_eq!(assert_broken(lone, result), unknown, "{frame:?} of what waits for its turn");
    }
}

#[test]
fn a_chunk_of_a_file_that_is_over_ends_it_on_the_talk_link() {
    let mut lone = Lone::new(with_policy(true, Policy::Never));
    lone.hear_offer(2, Some(10)).unwrap();
    let result = lone.hear_chunk(ID, 0, b"x");
    assert_eq!(assert_broken(lone, result), ProtocolError::UnknownTransfer(ID));
}

//! Parts of an earlier run in which blocks were damaged since.

use std::collections::BTreeMap;
use std::time::Duration;

use tete::proto::TransferId;
use tete::proto::digest::BLOCK;
use tete::proto::error::ProtocolError;
use tete::proto::event::LeaveReason;
use tete::proto::frame::Frame;

use crate::support::disk::{Fault, Part};
use crate::support::lone::Lone;
use crate::support::pair::Pair;
use crate::support::setup;

const SIZE: u64 = 3 * BLOCK + BLOCK / 2;
const KEY: u64 = 5;
/// Blocks that are written down before the disk is full.
const THERE: u64 = 2;

/// What a run has left whose disk was full behind the third block, with a byte changed in each of these.
fn left(damaged: &[u64]) -> BTreeMap<String, Part> {
    let mut pair = Pair::new();
    let id = pair.offer(KEY, SIZE);
    pair.b.disk.faults.insert(id, Fault::Write(3 * BLOCK));
    pair.pass(Duration::from_secs(1));
    pair.a.session.leave(pair.now, LeaveReason::Done, None);
    pair.b.session.leave(pair.now, LeaveReason::Done, None);
    pair.run();
    let mut left = std::mem::take(&mut pair.b.disk.left);
    let part = left.values_mut().next().unwrap();
    assert_eq!(part.journal.len() as u64, THERE);
    damaged.iter().for_each(|block| part.bytes[(block * BLOCK + 77) as usize] ^= 1);
    left
}

#[test]
fn fault_64_only_the_blocks_that_were_damaged_come_again_and_are_looked_at_again() {
    for damaged in [&[][..], &[0], &[1], &[0, 1]] {
        let mut pair = Pair::new();
        pair.b.disk.left = left(damaged);
        let id = pair.offer(KEY, SIZE);
        pair.pass(Duration::from_secs(1));
        pair.assert_arrived(id);
        let told = Some((THERE * BLOCK, damaged.len() as u64));
        assert_eq!((pair.a.resumed(id), pair.b.resumed(id)), (told, told), "{damaged:?}");
    }
}

#[test]
fn a_chunk_that_reaches_beyond_the_block_that_is_mended_ends_it() {
    let id = TransferId(2);
    let mut lone = Lone::new(setup(true));
    let (_, part) = left(&[1]).pop_first().unwrap();
    let values = part.journal.clone();
    lone.side.disk.left.insert("fetched_x.bin".to_owned(), part);
    lone.hear_offer(id.0, Some(SIZE)).unwrap();
    lone.serve();
    lone.hear(&Frame::Digests { id, first: 0, values }).unwrap();
    lone.serve();
    assert!(lone.frames().contains(&Frame::Lacks { id, from: THERE * BLOCK, blocks: vec![1] }));
    lone.hear_chunk(id, BLOCK, &[0; 1000]).unwrap();
    let result = lone.hear_chunk(id, BLOCK + 1000, &vec![0; BLOCK as usize]);
    let (expected, got) = (BLOCK + 1000, 2 * BLOCK + 1000);
    assert_eq!(result, Err(ProtocolError::Offset { transfer: id, expected, got }));
}

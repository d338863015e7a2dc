//! Bytes that go from a wire into their file without passing through the program, and what becomes of those that the
//! file does not take.

use std::time::Duration;

use tete::proto::TransferId;
use tete::proto::claim::FIRST_EPOCH;
use tete::proto::digest::BLOCK;

use crate::support::disk::Fault;
use crate::support::pair::Pair;

const BULK: u32 = FIRST_EPOCH + 1;
const SIZE: u64 = 6 * BLOCK + 12_345;

/// A file under way over a bulk link to a disk that was made ready.
fn sent(ready: impl FnOnce(&mut Pair)) -> (Pair, TransferId) {
    let mut pair = Pair::new();
    pair.bulk_up(BULK);
    pair.run();
    ready(&mut pair);
    let id = pair.offer(1, SIZE);
    pair.pass(Duration::from_secs(1));
    (pair, id)
}

#[test]
fn a_file_arrives_whole_whoever_stores_it() {
    for writes in [false, true] {
        let (pair, id) = sent(|pair| pair.b.disk.writes = writes);
        pair.assert_arrived(id);
        let written = SIZE - pair.b.disk.drained;
        // Of what goes by, only the first bytes are received along with a header: 64 KiB at once, here.
        assert!(if writes { written == SIZE } else { written <= 64 * 1024 }, "{written} bytes, writes: {writes}");
    }
}

#[test]
fn what_a_file_no_longer_takes_by_itself_is_written_and_nothing_comes_twice() {
    for most in [1, 1000, BLOCK, BLOCK + 1, 4 * BLOCK] {
        let (pair, id) = sent(|pair| pair.b.disk.drains_at_most = Some(most));
        pair.assert_arrived(id);
        assert_eq!((pair.b.disk.drained, &pair.b.disk.written[..]), (most, &[id][..]));
    }
}

#[test]
fn a_disk_that_becomes_full_fails_the_file_and_the_next_one_arrives() {
    for at in [BLOCK / 2, 3 * BLOCK, 3 * BLOCK + 7] {
        let mut pair = Pair::new();
        pair.bulk_up(BULK);
        pair.run();
        let id = pair.offer(1, SIZE);
        pair.b.disk.faults.insert(id, Fault::Write(at));
        pair.pass(Duration::from_secs(1));
        assert!(pair.a.failed(id) && pair.b.failed(id), "full at {at}");
        assert!(pair.b.disk.published.is_empty(), "full at {at}");
        let next = pair.offer(2, SIZE);
        pair.pass(Duration::from_secs(1));
        pair.assert_arrived(next);
    }
}

//! What is to be true of journals, which lie on a disk between two runs and may be anything by then.
//!
//! ```text
//!  0 | bytes                                              a file as it lies there
//!  1 | header without its check                           a header that somebody made up, with the right check
//!  2 | blocks | order | (place 2 | change)*               a journal that was written, and changed since
//! ```

use tete::proto::digest::{BLOCK, block_count};
use tete::proto::journal::{ENTRY, HEADER, Journal, MAX_BLOCKS};

/// Nothing of a journal is believed that was not written so; what is believed fits into the file that it is of.
pub(crate) fn journal(data: &[u8]) {
    match data {
        [0, bytes @ ..] => drop(read(bytes)),
        [1, header @ ..] => made_up(header),
        [2, blocks, order, changes @ ..] => changed(u64::from(blocks % 12), *order, changes),
        _ => {}
    }
}

fn read(bytes: &[u8]) -> Option<(Journal, Vec<[u8; 32]>)> {
    let journal = Journal::decode(bytes)?;
    let again = journal.encode().expect("a name that was read can be written");
    assert_eq!(Journal::decode(&again).as_ref(), Some(&journal));
    let values = journal.values(&bytes[HEADER..]);
    let count = values.len() as u64;
    assert!(count <= block_count(journal.size).min(MAX_BLOCKS));
    assert!(HEADER as u64 + count * ENTRY as u64 <= journal.longest());
    assert!(journal.reach(count) <= journal.size);
    assert_eq!(journal.entries(0, &values).1, bytes[HEADER..HEADER + values.len() * ENTRY]);
    Some((journal, values))
}

fn made_up(header: &[u8]) {
    let mut bytes = [0; HEADER];
    let length = header.len().min(HEADER - 32);
    bytes[..length].copy_from_slice(&header[..length]);
    bytes[..8].copy_from_slice(b"tetejrn1");
    let check = blake3::hash(&bytes[..HEADER - 32]);
    bytes[HEADER - 32..].copy_from_slice(check.as_bytes());
    read(&bytes);
}

fn changed(blocks: u64, order: u8, changes: &[u8]) {
    let ours =
        Journal { id: [order; 16], peer: Some([3; 32]), size: 9 * BLOCK + 5, since: 1, name: "ä.bin".to_owned() };
    let values: Vec<[u8; 32]> = (0..blocks).map(|n| [n as u8; 32]).collect();
    let mut bytes = vec![0; HEADER + values.len() * ENTRY];
    bytes[..HEADER].copy_from_slice(&ours.encode().expect("a short name"));
    // In two parts, and the second one first where the order says so.
    let (first, second) = values.split_at(values.len().min(usize::from(order >> 1)));
    let mut parts = [(0, first), (first.len() as u64, second)];
    if order & 1 == 1 {
        parts.reverse();
    }
    for (at, part) in parts {
        let (place, out) = ours.entries(at, part);
        bytes[place as usize..][..out.len()].copy_from_slice(&out);
    }
    let before = bytes.clone();
    for change in changes.as_chunks::<3>().0 {
        match (usize::from(u16::from_be_bytes([change[0], change[1]])), change[2]) {
            (place, change) if place < bytes.len() => bytes[place] ^= change,
            (place, 0) => bytes.truncate(bytes.len().saturating_sub(place % 97)),
            (_, byte) => bytes.push(byte),
        }
    }
    let is_same = |range: std::ops::Range<usize>| bytes.get(range.clone()) == before.get(range);
    let most = values.len().min(block_count(ours.size) as usize);
    let good = (0..most).take_while(|n| is_same(HEADER + n * ENTRY..HEADER + (n + 1) * ENTRY)).count();
    match read(&bytes) {
        None => assert!(!is_same(0..HEADER)),
        Some((journal, believed)) => {
            assert_eq!(journal, ours);
            assert_eq!(believed, values[..good]);
        }
    }
}

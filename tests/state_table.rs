//! Every frame in every state, as a table: `tests/vectors/state_table.txt`. `UPDATE=1` writes it anew.
//!
//! A cell is the state afterwards. `.` is "nothing changes"; `error` ends the conversation. A row that is named by a
//! state of a file shows what a frame about that file does; one that is named by the session's, any other.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::fmt::Write as _;
use std::path::PathBuf;

use support::disk::Source;
use support::lone::Lone;
use support::{setup, with_policy};
use tete::proto::TransferId;
use tete::proto::disk::DiskJob;
use tete::proto::event::LeaveReason;
use tete::proto::frame::{Assigned, Frame, Kind, Welcome};
use tete::proto::stages::Half;
use tete::proto::text::Untrusted;
use tete::proto::transfers::{MAX_OFFERS, Policy};

/// A session, and the file that it is about, if it is about one.
type Scene = (Lone, Option<TransferId>);

const SESSION: [&str; 5] = ["Talking", "Leaving", "Leaving, BYE heard", "Cut", "Finished"];
const SENDER: [&str; 9] =
    ["Queued", "Offered", "Accepted", "Opening", "Sending", "Checking", "Ended", "Cancelled", "Cancelled after Ended"];
const RECEIVER: [&str; 7] =
    ["Undecided", "Waiting", "Creating", "Receiving", "Receiving, END heard", "Committing", "Cancelled"];
const SIZE: u64 = 10;

fn session(state: &str) -> Scene {
    let mut lone = Lone::new(setup(true));
    lone.frames();
    let done = LeaveReason::Done;
    match state {
        "Leaving" => lone.side.session.leave(lone.now, done, None),
        "Leaving, BYE heard" => {
            lone.side.session.say(lone.now, "unread").unwrap();
            lone.side.session.leave(lone.now, done, None);
            lone.hear(&Frame::Bye { reason: done }).unwrap();
        }
        "Cut" => lone.side.session.cut(lone.now, done),
        "Finished" => lone.side.session.handle_eof(support::pair::LINK, lone.now),
        _ => {}
    }
    if state.starts_with("Leaving") {
        lone.frames();
    }
    (lone, None)
}

/// Exchanges what there is until nothing moves.
fn settle(lone: &mut Lone) {
    while lone.side.serve(lone.now) || !lone.spoken().is_empty() {}
}

fn sender(state: &str) -> Scene {
    let mut lone = Lone::new(setup(true));
    lone.side.does = match state {
        "Accepted" | "Opening" => |job| !matches!(job, DiskJob::OpenSource(_)),
        "Sending" | "Cancelled" => |job| !matches!(job, DiskJob::HashSource(..)),
        "Checking" => |job| !matches!(job, DiskJob::CheckSource(_)),
        _ => |_| true,
    };
    let others = match state {
        "Queued" => MAX_OFFERS,
        "Accepted" => 8,
        _ => 0,
    };
    let mut id = TransferId(0);
    for _ in 0..=others {
        id = lone.side.session.offer(lone.now, "a", Some(SIZE)).unwrap();
        lone.side.disk.sources.insert(id, Source { key: 1, size: SIZE });
        if !matches!(state, "Queued" | "Offered") {
            settle(&mut lone);
            lone.hear(&Frame::Accept { id, from: 0 }).unwrap();
        }
    }
    settle(&mut lone);
    if state.starts_with("Cancelled") {
        lone.side.session.cancel(lone.now, Some(id)).unwrap();
        lone.frames();
    }
    (lone, Some(id))
}

fn receiver(state: &str) -> Scene {
    let policy = if state == "Undecided" { Policy::Ask } else { Policy::Auto };
    let mut lone = Lone::new(with_policy(true, policy));
    lone.side.does = match state {
        "Waiting" | "Creating" => |job| !matches!(job, DiskJob::CreatePart { .. }),
        "Receiving, END heard" => |job| !matches!(job, DiskJob::HashPart(..)),
        "Committing" => |job| !matches!(job, DiskJob::SyncPart(_)),
        _ => |_| true,
    };
    let others = if state == "Waiting" { 8 } else { 0 };
    let mut id = TransferId(0);
    for _ in 0..=others {
        id = TransferId(id.0 + 2);
        lone.hear_offer(id.0, Some(if state == "Committing" { 0 } else { SIZE })).unwrap();
    }
    settle(&mut lone);
    let root = *blake3::hash(b"").as_bytes();
    match state {
        "Receiving, END heard" => {
            lone.hear_chunk(id, 0, &[1; SIZE as usize]).unwrap();
            lone.hear(&Frame::Digests { id, first: 0, values: vec![[0; 32]] }).unwrap();
            lone.hear(&Frame::End { id, size: SIZE, root }).unwrap();
        }
        "Committing" => lone.hear(&Frame::End { id, size: 0, root }).unwrap(),
        "Cancelled" => drop(lone.side.session.cancel(lone.now, Some(id)).unwrap()),
        _ => {}
    }
    settle(&mut lone);
    (lone, Some(id))
}

/// A frame of that kind as an honest peer could say it about the file; `None` is a chunk.
fn frame(kind: Kind, id: TransferId) -> Option<Frame> {
    let words = Untrusted::from("x");
    Some(match kind {
        Kind::Welcome => Frame::Welcome(Welcome { assigned: Assigned::Nothing, port: 0, name: words }),
        Kind::Refused => Frame::Refused { reason: None, words },
        Kind::Wait => Frame::Wait,
        Kind::Pair => Frame::Pair { message: vec![1] },
        Kind::Text => Frame::Text { seq: 1, text: words },
        Kind::TextAck => Frame::TextAck { seq: 0 },
        Kind::Offer => Frame::Offer { id, size: Some(SIZE), name: words },
        Kind::Accept => Frame::Accept { id, from: 0 },
        Kind::Refuse => Frame::Refuse { id, words },
        Kind::Chunk => return None,
        Kind::Digests => Frame::Digests { id, first: 0, values: vec![[0; 32]] },
        Kind::End => Frame::End { id, size: 0, root: *blake3::hash(b"").as_bytes() },
        Kind::Progress => Frame::Progress { id, stored: 0, verified: 0 },
        Kind::Committed => Frame::Committed { id },
        Kind::Cancel => Frame::Cancel { id, reason: None, words },
        Kind::Cancelled => Frame::Cancelled { id },
        Kind::Move => Frame::Move { id, epoch: 2 },
        Kind::Resume => Frame::Resume { id, epoch: 2, stored: 0, told: 0 },
        Kind::Lacks => Frame::Lacks { id, from: 0, blocks: Vec::new() },
        Kind::LinkDown => Frame::LinkDown { epoch: 2 },
        Kind::Back => Frame::Back { texts: 0, orders: 0, bye: false },
        Kind::Heard => Frame::Heard { orders: 0 },
        Kind::Ping => Frame::Ping { token: 1 },
        Kind::Pong => Frame::Pong { token: 1 },
        Kind::Spent => Frame::Spent { id, half: Half::default() },
        Kind::Bye => Frame::Bye { reason: LeaveReason::Done },
    })
}

fn name(lone: &Lone, id: Option<TransferId>) -> String {
    match (id, lone.side.session.state_name(id)) {
        (_, Some(name)) => name.to_owned(),
        (Some(id), None) if lone.side.session.progress().iter().any(|file| file.id == id) => "Queued".to_owned(),
        _ => "over".to_owned(),
    }
}

fn cell((mut lone, id): Scene, kind: Kind) -> String {
    let about = id.unwrap_or(TransferId(2));
    let before = name(&lone, id);
    let result = match frame(kind, about) {
        Some(frame) => lone.hear(&frame),
        // A whole frame, so that its body does not wait for a state that cannot come.
        None if before == "Finished" => Ok(()),
        None => lone.hear_chunk(about, 0, b"x"),
    };
    let after = name(&lone, id);
    match result {
        Err(_) => "error".to_owned(),
        Ok(()) if after == before => ".".to_owned(),
        Ok(()) => after,
    }
}

type Begin = fn(&str) -> Scene;

fn table() -> String {
    let mut rows = Vec::new();
    let parts: [(&str, &[&str], Begin); 3] =
        [("session", &SESSION, session), ("sending", &SENDER, sender), ("receiving", &RECEIVER, receiver)];
    for (part, states, begin) in parts {
        for state in states {
            let (lone, id) = begin(state);
            assert_eq!(name(&lone, id), state.split([',', ' ']).next().unwrap(), "{part}: {state} was not reached");
            let cells = Kind::ALL.into_iter().map(|kind| cell(begin(state), kind));
            rows.push([vec![part.to_owned(), (*state).to_owned()], cells.collect()].concat());
        }
    }
    // Lines are frames, columns are states: there are more frames than fit side by side.
    let mut out = String::new();
    for (part, _, _) in parts {
        let columns: Vec<_> = rows.iter().filter(|row| row[0] == part).collect();
        let _ = write!(out, "{part:<10}");
        let width = |row: &Vec<String>| row[1..].iter().map(String::len).max().unwrap_or(0) + 2;
        for row in &columns {
            let _ = write!(out, "{:<1$}", row[1], width(row));
        }
        for (at, kind) in Kind::ALL.into_iter().enumerate() {
            let _ = write!(out, "\n{:<10}", kind.name());
            for row in &columns {
                let _ = write!(out, "{:<1$}", row[at + 2], width(row));
            }
        }
        out.push_str("\n\n");
    }
    let lines: Vec<_> = out.trim_end().lines().map(str::trim_end).collect();
    lines.join("\n") + "\n"
}

#[test]
fn every_frame_in_every_state_does_what_the_table_says() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/state_table.txt");
    let found = table();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &found).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(expected, found, "UPDATE=1 writes the table anew:\n{found}");
}

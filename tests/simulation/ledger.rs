//! What happened so far, and what therefore must not happen.
//!
//! Owns: every promise of a conversation, stated as a check. Must not know: how a session keeps them.

use std::collections::BTreeMap;

use tete::proto::TransferId;
use tete::proto::event::{Direction, Event};
use tete::proto::session::{Ended, Session};
use tete::proto::talk::WINDOW_TEXTS;

use crate::support::disk::{Fault, Part, whole};

/// A file that somebody offered.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) from: usize,
    pub(crate) key: u64,
    pub(crate) size: u64,
    pub(crate) fault: Option<Fault>,
    /// Somebody did not want it any more.
    pub(crate) unwanted: bool,
    root: Option<[u8; 32]>,
    offered: bool,
    sent: bool,
    received: bool,
    failed: [bool; 2],
}

/// How much happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) texts: usize,
    pub(crate) sent: usize,
    pub(crate) bytes: u64,
    pub(crate) failed: usize,
}

/// Everything that both users did and saw.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) said: [Vec<String>; 2],
    shown: [usize; 2],
    delivered: [u64; 2],
    pub(crate) files: BTreeMap<TransferId, File>,
    /// Somebody leaves, or the link died: transfers may fail.
    pub(crate) ending: bool,
    pub(crate) link_died: bool,
}

fn check(holds: bool, words: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(words()) }
}

impl Ledger {
    /// A user offers a file.
    pub(crate) fn offered(&mut self, id: TransferId, from: usize, key: u64, size: u64, fault: Option<Fault>) {
        let (unwanted, root, failed) = (false, None, [false; 2]);
        let file =
            File { from, key, size, fault, unwanted, root, offered: false, sent: false, received: false, failed };
        self.files.insert(id, file);
    }

    /// A disk gave a file its name.
    pub(crate) fn published(&mut self, id: TransferId, by: usize, part: &Part, synced: bool) -> Result<(), String> {
        let file = self.files.get_mut(&id).ok_or("a file was published that nobody offered")?;
        check(file.from != by, || format!("{id} was published by its sender"))?;
        check(file.root.is_none(), || format!("{id} was published twice"))?;
        let expected = whole(file.key, file.size);
        check(part.bytes == expected, || format!("{id} was published and is not whole"))?;
        check(part.synced || !synced, || format!("{id} was published before it was on the disk"))?;
        // Whoever leaves at once does not wait for a name that is just being given.
        check(!file.failed[by] || self.ending, || format!("{id} was published after it had failed"))?;
        file.root = Some(*blake3::hash(&expected).as_bytes());
        Ok(())
    }

    /// A user is told something.
    pub(crate) fn told(&mut self, side: usize, event: &Event) -> Result<(), String> {
        let other = 1 - side;
        match event {
            Event::Message { seq, text } => {
                self.shown[side] += 1;
                check(*seq == self.shown[side] as u64, || format!("text {seq} was shown as {}", self.shown[side]))?;
                let said = self.said[other].get(self.shown[side] - 1);
                check(said.is_some_and(|said| *said == text.lossy()), || format!("text {seq} is not what was said"))
            }
            Event::Delivered { seq } => {
                check(*seq > self.delivered[side], || format!("text {seq} was delivered again"))?;
                check(*seq <= self.shown[other] as u64, || format!("text {seq} was delivered before it was shown"))?;
                self.delivered[side] = *seq;
                Ok(())
            }
            Event::Offer { id, size, .. } => {
                let file = self.files.get_mut(id).ok_or("an offer of nothing")?;
                check(file.from == other && !file.offered, || format!("{id} was offered again"))?;
                check(size.is_none_or(|size| size == file.size), || format!("{id} has another size"))?;
                file.offered = true;
                Ok(())
            }
            Event::Received { id, bytes, root, .. } => {
                let file = self.files.get_mut(id).ok_or("nothing was received")?;
                check(file.from == other && !file.received, || format!("{id} was received again"))?;
                check(!file.failed[side], || format!("{id} was received after it had failed"))?;
                check(file.root == Some(*root) && file.size == *bytes, || {
                    format!("{id} was received and is not there")
                })?;
                check(file.fault != Some(Fault::Folder), || format!("{id} was received without its folder's sync"))?;
                file.received = true;
                Ok(())
            }
            Event::Sent { id, bytes, root, .. } => {
                let file = self.files.get_mut(id).ok_or("nothing was sent")?;
                check(file.from == side && !file.sent, || format!("{id} was sent again"))?;
                check(!file.failed[side], || format!("{id} was sent after it had failed"))?;
                check(file.root == Some(*root) && file.size == *bytes, || format!("{id} was sent and is not there"))?;
                check(file.fault != Some(Fault::Folder), || format!("{id} was sent without its folder's sync"))?;
                file.sent = true;
                Ok(())
            }
            Event::Failed { id, direction, reason, .. } => {
                let ending = self.ending;
                let file = self.files.get_mut(id).ok_or("nothing failed")?;
                check((file.from == side) == (*direction == Direction::Send), || format!("{id} failed the wrong way"))?;
                check(!file.failed[side], || format!("{id} failed again"))?;
                let through = if file.from == side { file.sent } else { file.received };
                check(!through, || format!("{id} failed after it was through"))?;
                let excused = ending || file.unwanted || file.fault.is_some();
                check(excused, || format!("{id} failed without a cause: {}", reason.lossy()))?;
                file.failed[side] = true;
                Ok(())
            }
            Event::PeerLeaving { .. } | Event::Resumed { .. } | Event::Silent { .. } | Event::Answering => Ok(()),
            Event::LinkLost { .. } | Event::Back => Ok(()),
        }
    }

    /// How much happened so far.
    pub(crate) fn tally(&self) -> Tally {
        let sent = || self.files.values().filter(|file| file.sent);
        let failed = self.files.values().filter(|file| file.failed[file.from]).count();
        Tally {
            texts: self.shown[0] + self.shown[1],
            sent: sent().count(),
            bytes: sent().map(|file| file.size).sum(),
            failed,
        }
    }

    /// What must hold at every moment.
    pub(crate) fn bounds(&self, session: &Session) -> Result<(), String> {
        check(session.unread() <= WINDOW_TEXTS, || format!("{} texts are kept", session.unread()))?;
        check(!matches!(session.ended(), Some(Ended::Broken(_))), || format!("an honest peer: {:?}", session.ended()))?;
        for file in session.progress() {
            let lag = file.bytes - file.verified;
            check(lag <= tete::proto::outgoing::WINDOW_VERIFIED, || format!("hashing lags by {lag} bytes"))?;
        }
        Ok(())
    }

    /// What must hold when nothing can happen any more.
    pub(crate) fn at_rest(&self, ended: [Option<&Ended>; 2]) -> Result<(), String> {
        let complete = match ended {
            [Some(Ended::Left), Some(Ended::Left)] => true,
            [None, None] => {
                check(!self.ending, || "somebody left, and nobody has ended".to_owned())?;
                true
            }
            [Some(a), Some(b)] => {
                let lost = matches!(a, Ended::Lost(_)) || matches!(b, Ended::Lost(_));
                let cut = matches!(a, Ended::Cut) || matches!(b, Ended::Cut);
                check(!lost || cut || self.link_died, || format!("a link was lost for nothing: {ended:?}"))?;
                check(cut || self.link_died, || format!("it ended strangely: {ended:?}"))?;
                false
            }
            _ => return Err(format!("only one side has ended: {ended:?}")),
        };
        for side in [0, 1] {
            if complete {
                let (said, shown) = (self.said[side].len(), self.shown[1 - side]);
                check(said == shown, || format!("{said} texts were said, {shown} shown"))?;
                check(self.delivered[side] == said as u64, || {
                    format!("{} of {said} were delivered", self.delivered[side])
                })?;
            }
        }
        for (id, file) in &self.files {
            let (from, to) = (file.failed[file.from], file.failed[1 - file.from]);
            check(file.sent != from, || format!("{id} has no end at its sender, or two: {file:?}"))?;
            check(!file.offered || file.received != to, || {
                format!("{id} has no end at its receiver, or two: {file:?}")
            })?;
            check(!file.sent || file.received, || format!("{id} was sent and not received"))?;
            check(!complete || file.sent == file.received, || format!("{id} was received and not sent: {file:?}"))?;
            let hindered = file.fault.is_some() || file.unwanted || self.ending;
            check(file.sent || hindered, || format!("{id} did not arrive"))?;
        }
        Ok(())
    }
}

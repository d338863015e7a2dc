//! What happened so far in one conversation, and what therefore must not happen.
//!
//! Owns: every promise of a conversation, stated as a check. Must not know: how a session keeps them.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use tete::proto::TransferId;
use tete::proto::event::{Direction, Event};
use tete::proto::session::{Ended, Session};
use tete::proto::talk::WINDOW_TEXTS;

use crate::promise::{Kept, Promise, Violation, broken, check};
use crate::support::disk::{Fault, whole};

/// Bytes of a whole session, written out for a person: about three times what it holds, or a little less.
const CEILING: usize = 48 << 20;

/// A file that somebody offered.
#[derive(Clone, Debug)]
pub(crate) struct File {
    pub(crate) from: usize,
    /// Which of the sender's.
    pub(crate) number: u64,
    pub(crate) key: u64,
    pub(crate) size: u64,
    pub(crate) fault: Option<Fault>,
    /// A call for it failed, its source was edited, or somebody did not want it any more.
    pub(crate) hindered: bool,
    /// Bytes that its receiver need not get again.
    pub(crate) expects: u64,
    resumed: Option<u64>,
    root: Option<[u8; 32]>,
    /// The name it got.
    pub(crate) saved: Option<String>,
    offered: bool,
    pub(crate) sent: bool,
    pub(crate) received: bool,
    pub(crate) failed: [bool; 2],
}

impl File {
    pub(crate) fn new(from: usize, number: u64, key: u64, size: u64, fault: Option<Fault>) -> Self {
        Self {
            from,
            number,
            key,
            size,
            fault,
            hindered: false,
            expects: 0,
            resumed: None,
            root: None,
            saved: None,
            offered: false,
            sent: false,
            received: false,
            failed: [false; 2],
        }
    }

    pub(crate) fn name(&self) -> String {
        format!("file {}", self.number)
    }

    /// Whether nothing happens to it any more.
    pub(crate) fn is_over(&self) -> bool {
        (self.sent || self.failed[self.from]) && (!self.offered || self.received || self.failed[1 - self.from])
    }

    fn is_excused(&self) -> bool {
        self.hindered || self.fault.is_some()
    }
}

/// Everything that both users did and saw.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) said: [Vec<String>; 2],
    pub(crate) shown: [usize; 2],
    delivered: [u64; 2],
    pub(crate) files: BTreeMap<TransferId, File>,
    /// Somebody leaves.
    pub(crate) left: bool,
    /// Somebody leaves, or the link died: transfers may fail.
    pub(crate) ending: bool,
    pub(crate) link_died: bool,
    /// A link or a machine did nothing for a while: leaving may have taken too long.
    pub(crate) stalled: bool,
    /// Somebody did not want to wait until everything was through.
    pub(crate) impatient: bool,
}

/// Counts what is written.
struct Length(usize);

impl fmt::Write for Length {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        self.0 += s.len();
        Ok(())
    }
}

/// How long something is when it is written out: grows with what it holds.
pub(crate) fn extent(of: &impl fmt::Debug) -> usize {
    let mut length = Length(0);
    let _ = write!(length, "{of:?}");
    length.0
}

/// A session holds no more than this, whatever its peer does.
pub(crate) fn ceiling(session: &Session) -> Kept {
    let extent = extent(session);
    check(extent <= CEILING, Promise::Bounds, || format!("a session takes {extent} bytes to write out"))
}

impl Ledger {
    fn file(&mut self, id: TransferId, what: &str) -> Result<&mut File, Violation> {
        self.files.get_mut(&id).ok_or_else(|| broken(Promise::Files, format!("{id} {what}, and nobody offered it")))
    }

    /// A disk gave a file its name.
    pub(crate) fn published(&mut self, id: TransferId, by: usize, saved: String, bytes: &[u8], durable: bool) -> Kept {
        let ending = self.ending;
        let file = self.file(id, "was published")?;
        check(file.from != by, Promise::Names, || format!("{id} was published by its sender"))?;
        check(file.root.is_none(), Promise::Names, || format!("{id} was published twice"))?;
        let expected = whole(file.key, file.size);
        check(bytes == expected, Promise::Names, || format!("{id} was published and is not whole"))?;
        check(durable, Promise::Durable, || format!("{id} was published before it was on the disk"))?;
        // Whoever leaves at once is told so before the disk is, which may be giving the name.
        check(!file.failed[by] || ending, Promise::Files, || format!("{id} was published after it had failed"))?;
        file.saved = Some(saved);
        file.root = Some(*blake3::hash(&expected).as_bytes());
        Ok(())
    }

    /// Something comes of the other side: `holds` says that both were let in by then.
    pub(crate) fn is_behind_gate(&self, holds: bool, what: &str) -> Kept {
        check(holds, Promise::Gate, || format!("{what} before the other side was let in"))
    }

    /// A user is told something.
    pub(crate) fn told(&mut self, side: usize, event: &Event) -> Kept {
        let other = 1 - side;
        match event {
            Event::Message { seq, text } => {
                self.shown[side] += 1;
                let shown = self.shown[side];
                check(*seq == shown as u64, Promise::Texts, || format!("text {seq} was shown as {shown}"))?;
                let said = self.said[other].get(shown - 1);
                let is = said.is_some_and(|said| *said == text.lossy());
                check(is, Promise::Texts, || format!("text {seq} is not what was said"))
            }
            Event::Delivered { seq } => {
                let (before, shown) = (self.delivered[side], self.shown[other]);
                check(*seq > before, Promise::Texts, || format!("text {seq} was delivered again"))?;
                check(*seq <= shown as u64, Promise::Texts, || {
                    format!("text {seq} was delivered before it was shown")
                })?;
                self.delivered[side] = *seq;
                Ok(())
            }
            Event::Offer { id, size, .. } => {
                let file = self.file(*id, "was announced")?;
                check(file.from == other && !file.offered, Promise::Files, || format!("{id} was offered again"))?;
                let same = size.is_none_or(|size| size == file.size);
                check(same, Promise::Files, || format!("{id} has another size"))?;
                file.offered = true;
                Ok(())
            }
            Event::Resumed { id, direction, bytes, .. } if *direction == Direction::Receive => {
                let file = self.file(*id, "goes on")?;
                check(file.resumed.is_none(), Promise::Resume, || format!("{id} goes on again"))?;
                let least = if file.is_excused() { 0 } else { file.expects };
                check(*bytes >= least, Promise::Resume, || {
                    format!("{id} goes on from {bytes}, and {least} were there")
                })?;
                file.resumed = Some(*bytes);
                Ok(())
            }
            Event::Received { id, bytes, root, .. } => {
                let file = self.file(*id, "was received")?;
                check(file.from == other && !file.received, Promise::Files, || format!("{id} was received again"))?;
                check(!file.failed[side], Promise::Files, || format!("{id} was received after it had failed"))?;
                let there = file.root == Some(*root) && file.size == *bytes;
                check(there, Promise::Files, || format!("{id} was received and is not there"))?;
                let synced = file.fault != Some(Fault::Folder);
                check(synced, Promise::Durable, || format!("{id} was received without its folder's sync"))?;
                let went_on = file.expects == 0 || file.resumed.is_some();
                check(went_on, Promise::Resume, || format!("{id} began anew, and {} were there", file.expects))?;
                file.received = true;
                Ok(())
            }
            Event::Sent { id, bytes, root, .. } => {
                let file = self.file(*id, "was sent")?;
                check(file.from == side && !file.sent, Promise::Files, || format!("{id} was sent again"))?;
                check(!file.failed[side], Promise::Files, || format!("{id} was sent after it had failed"))?;
                let there = file.root == Some(*root) && file.size == *bytes;
                check(there, Promise::Files, || format!("{id} was sent and is not there"))?;
                let synced = file.fault != Some(Fault::Folder);
                check(synced, Promise::Durable, || format!("{id} was sent without its folder's sync"))?;
                file.sent = true;
                Ok(())
            }
            Event::Failed { id, direction, reason, .. } => {
                let ending = self.ending;
                let file = self.file(*id, "failed")?;
                let ours = file.from == side;
                let right = ours == (*direction == Direction::Send);
                check(right, Promise::Files, || format!("{id} failed the wrong way"))?;
                check(!file.failed[side], Promise::Files, || format!("{id} failed again"))?;
                let through = if ours { file.sent } else { file.received };
                check(!through, Promise::Files, || format!("{id} failed after it was through"))?;
                let excused = ending || file.is_excused();
                check(excused, Promise::Files, || format!("{id} failed without a cause: {}", reason.lossy()))?;
                file.failed[side] = true;
                Ok(())
            }
            Event::PeerLeaving { .. } | Event::Resumed { .. } | Event::Silent { .. } | Event::Answering => Ok(()),
            Event::LinkLost { .. } | Event::Back => Ok(()),
        }
    }

    /// What must hold at every moment.
    pub(crate) fn bounds(&self, session: &Session) -> Kept {
        check(session.unread() <= WINDOW_TEXTS, Promise::Bounds, || format!("{} texts are kept", session.unread()))?;
        let ended = session.ended();
        check(!matches!(ended, Some(Ended::Broken(_))), Promise::Peer, || format!("an honest peer: {ended:?}"))?;
        for file in session.progress() {
            let lag = file.bytes - file.verified;
            let most = tete::proto::outgoing::WINDOW_VERIFIED;
            check(lag <= most, Promise::Bounds, || format!("hashing lags by {lag} bytes"))?;
        }
        Ok(())
    }

    /// What must hold of a side when nothing can happen to it any more. `undelivered`: texts of which it reports so.
    /// Gives how many are lost without a word: none.
    pub(crate) fn settled(&self, side: usize, undelivered: usize) -> Result<u64, Violation> {
        let (said, told) = (self.said[side].len() as u64, self.delivered[side] + undelivered as u64);
        check(said == told, Promise::Texts, || {
            format!("{said} texts were said, {} delivered, {undelivered} reported", self.delivered[side])
        })?;
        for (id, file) in &self.files {
            let failed = file.failed[side];
            let (ends, concerns) = if file.from == side { (file.sent, true) } else { (file.received, file.offered) };
            let one = !concerns || ends != failed;
            check(one, Promise::Files, || format!("{id} has no end at {side}, or two: {file:?}"))?;
        }
        Ok(said - told)
    }

    /// What must hold when nothing can happen any more, and neither has crashed.
    pub(crate) fn at_rest(&self, ended: [Option<&Ended>; 2]) -> Kept {
        let complete = match ended {
            [Some(Ended::Left), Some(Ended::Left)] => true,
            [None, None] => {
                check(!self.left, Promise::Progress, || "somebody left, and nobody has ended".to_owned())?;
                true
            }
            [Some(a), Some(b)] => {
                let lost = matches!(a, Ended::Lost(_)) || matches!(b, Ended::Lost(_));
                let cut = [a, b].iter().any(|ended| matches!(ended, Ended::Cut | Ended::Unanswered));
                let excused = !lost || cut || self.link_died;
                check(excused, Promise::Peer, || format!("a link was lost for nothing: {ended:?}"))?;
                check(cut || self.link_died, Promise::Peer, || format!("it ended strangely: {ended:?}"))?;
                let waited = self.stalled || self.impatient || self.link_died;
                check(waited, Promise::Progress, || format!("leaving took too long for no reason: {ended:?}"))?;
                false
            }
            _ => return Err(broken(Promise::Progress, format!("only one side has ended: {ended:?}"))),
        };
        for side in [0, 1] {
            let (said, shown, delivered) = (self.said[side].len(), self.shown[1 - side], self.delivered[side]);
            let all = said == shown && delivered == said as u64;
            check(all || !complete, Promise::Texts, || {
                format!("{said} texts were said, {shown} shown, {delivered} delivered")
            })?;
        }
        for (id, file) in &self.files {
            check(!file.sent || file.received, Promise::Files, || format!("{id} was sent and not received"))?;
            // A cancel may cross the end of a file, and the word of that may be lost with a link.
            let agree = !complete || file.sent == file.received || (file.hindered && self.link_died);
            check(agree, Promise::Files, || format!("{id} was received and not sent: {file:?}"))?;
            let arrived = file.sent || file.is_excused() || self.ending;
            check(arrived, Promise::Files, || format!("{id} did not arrive"))?;
        }
        Ok(())
    }
}

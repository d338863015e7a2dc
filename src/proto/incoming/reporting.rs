//! When the sender is told how far a file has come.
//!
//! Owns: how much news and how much time that takes. Must not know: what the sender does with it.

use std::time::{Duration, Instant};

use super::{Frame, Incoming, Out, State};
use crate::proto::digest::BLOCK;

/// Bytes after which progress is reported at once: half of the sender's window. Each report wakes the sender: with 1 MiB
/// it took a sixth more processor time, hashing left out, and files went 1 to 3% more slowly.
pub(super) const REPORT_BYTES: u64 = 4 << 20;
/// Time after which it is reported when there is a block of news. A way that takes longer than this for half a window is
/// narrow enough for more reports, and may be so long that the window would run dry for want of them.
pub(super) const REPORT_SOON: Duration = Duration::from_millis(5);
/// Time after which progress is reported, however little there was.
pub(super) const REPORT_AFTER: Duration = Duration::from_millis(100);

impl Incoming {
    /// When progress has to be reported even if little happens; `None` when there is no news.
    pub fn report_due(&self) -> Option<Instant> {
        let State::Receiving(receiving) = &self.state else { return None };
        if receiving.earlier.is_some() {
            return None;
        }
        let (stored, verified, when) = receiving.reported;
        // The sender waits for either.
        match (receiving.stored - stored).max(self.verified(receiving).saturating_sub(verified)) {
            0 => None,
            1..BLOCK => Some(when + REPORT_AFTER),
            BLOCK..REPORT_BYTES => Some(when + REPORT_SOON),
            REPORT_BYTES.. => Some(when),
        }
    }

    /// Reports progress if it is due.
    pub fn report(&mut self, now: Instant, out: &mut Out) {
        if self.report_due().is_none_or(|due| due > now) {
            return;
        }
        let State::Receiving(receiving) = &self.state else { return };
        let verified = self.verified(receiving);
        if let State::Receiving(receiving) = &mut self.state {
            let stored = receiving.stored;
            receiving.reported = (stored, verified, now);
            out.frames.push_back(Frame::Progress { id: self.id, stored, verified });
            out.jobs.extend(receiving.begin_flush(self.id, self.terms.sync, Some(now)));
        }
    }
}

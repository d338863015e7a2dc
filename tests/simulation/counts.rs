//! How much happened, in one world or in many.

use std::collections::BTreeMap;
use std::fmt;

/// See the head of this page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) worlds: u64,
    pub(crate) conversations: u64,
    pub(crate) rounds: u64,
    pub(crate) texts_said: u64,
    pub(crate) texts_shown: u64,
    pub(crate) texts_undelivered: u64,
    /// Said by who was killed, and so reported by nobody.
    pub(crate) texts_of_the_killed: u64,
    pub(crate) texts_lost: u64,
    pub(crate) texts_doubled: u64,
    pub(crate) files_sent: u64,
    pub(crate) files_failed: u64,
    pub(crate) file_bytes: u64,
    pub(crate) bulk_bytes: u64,
    /// Files that went on from an earlier try, and from which byte.
    pub(crate) files_resumed: u64,
    pub(crate) resumed_bytes: u64,
    pub(crate) mended_blocks: u64,
    pub(crate) bulk_links: u64,
    pub(crate) returns: u64,
    /// How often each fault was met.
    pub(crate) met: BTreeMap<&'static str, u64>,
}

impl Counts {
    pub(crate) fn add(&mut self, other: &Self) {
        self.worlds += other.worlds;
        self.conversations += other.conversations;
        self.rounds += other.rounds;
        self.texts_said += other.texts_said;
        self.texts_shown += other.texts_shown;
        self.texts_undelivered += other.texts_undelivered;
        self.texts_of_the_killed += other.texts_of_the_killed;
        self.texts_lost += other.texts_lost;
        self.texts_doubled += other.texts_doubled;
        self.files_sent += other.files_sent;
        self.files_failed += other.files_failed;
        self.file_bytes += other.file_bytes;
        self.bulk_bytes += other.bulk_bytes;
        self.files_resumed += other.files_resumed;
        self.resumed_bytes += other.resumed_bytes;
        self.mended_blocks += other.mended_blocks;
        self.bulk_links += other.bulk_links;
        self.returns += other.returns;
        for (what, times) in &other.met {
            *self.met.entry(what).or_default() += times;
        }
    }
}

/// A table for people.
impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = [
            ("seeds", self.worlds),
            ("conversations", self.conversations),
            ("turns", self.rounds),
            ("texts said", self.texts_said),
            ("  shown on the other side", self.texts_shown),
            ("  reported as undelivered", self.texts_undelivered),
            ("  of who was killed, not acknowledged", self.texts_of_the_killed),
            ("  lost without a word", self.texts_lost),
            ("  shown twice", self.texts_doubled),
            ("files delivered", self.files_sent),
            ("  their bytes", self.file_bytes),
            ("files that went on from an earlier try", self.files_resumed),
            ("  bytes that need not be sent again", self.resumed_bytes),
            ("  damaged blocks that came again", self.mended_blocks),
            ("files failed with a cause", self.files_failed),
            ("links for files", self.bulk_links),
            ("  bytes by them", self.bulk_bytes),
            ("talk links after the first", self.returns),
        ];
        for (what, number) in rows {
            writeln!(f, "{what:<48} {number:>14}")?;
        }
        writeln!(f, "\nfaults that were met")?;
        for (what, times) in &self.met {
            writeln!(f, "  {what:<46} {times:>14}")?;
        }
        Ok(())
    }
}

//! Why a transfer was as slow as it was.
//!
//! Owns: the stages of a transfer, the sums of what each side waited for, and what both together say. Must not know: clocks,
//! how a loop waits, how anything is shown.
//!
//! ```text
//!   source -> hashing -> encryption -> send queue -> network -> receive queue -> decryption -> destination
//!             (and the rate limit)                                                  hashing -'
//! ```
//!
//! Each side counts its own half. What its loop waited after a turn goes to the one thing that a transfer then waited for
//! ([`Wait`]). Two things a loop cannot see from there. What it spent in its turns is partly its processor's, partly calls
//! that waited for a disk; the system's own count of the loop's thread ([`Turn::processor`]), asked for a few times a
//! transfer, tells them apart. And helpers read and hash in one job; they say which took how long.
//!
//! The halves travel in SPENT frames, now and then, and before END and COMMITTED. What the peer says is a claim: it is cut
//! to the time that we have seen pass, used for the sentence below, and for nothing else. Without it the verdict is of one
//! half, and says what it does not know.

mod meter;

use std::cmp::Reverse;
use std::fmt;
use std::time::Duration;

use super::event::Direction;
pub(super) use meter::Meter;
pub use meter::{Held, Spent, TELL_EVERY, Turn, Wait};

/// From here on one limit is named alone.
const DOMINANT: f64 = 0.5;
/// What is named when none is dominant, at most.
const NAMED: usize = 3;

/// Where the bytes of a file can be held up, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The sender's source does not give them: its disk, or whoever fills the pipe.
    SourceRead,
    /// The sender has not hashed them.
    SourceHashing,
    /// The sender is at work on them: it encrypts, and on few processors hashes.
    Encryption,
    /// The same of a plain link, or the sender does not run.
    SendQueue,
    /// The sender's `--limit`.
    Limit,
    /// They are under way.
    Network,
    /// They are gone; the receiver has not said what it waits for.
    NetworkOrReceiver,
    /// They have not come; the sender has not said what it waits for.
    NetworkOrSender,
    /// They have come, and the receiver does not get round to them.
    ReceiveQueue,
    /// The receiver is at work on them: it decrypts.
    Decryption,
    /// The receiver has not hashed them.
    DestinationHashing,
    /// The receiver's disk has not taken them.
    DestinationWrite,
}

impl Stage {
    /// All, in the order of the bytes.
    pub const ALL: [Self; 12] = [
        Self::SourceRead,
        Self::SourceHashing,
        Self::Encryption,
        Self::SendQueue,
        Self::Limit,
        Self::Network,
        Self::NetworkOrReceiver,
        Self::NetworkOrSender,
        Self::ReceiveQueue,
        Self::Decryption,
        Self::DestinationHashing,
        Self::DestinationWrite,
    ];

    /// Its name in NDJSON.
    pub fn key(self) -> &'static str {
        match self {
            Self::SourceRead => "source_read",
            Self::SourceHashing => "source_hashing",
            Self::Encryption => "encryption",
            Self::SendQueue => "send_queue",
            Self::Limit => "limit",
            Self::Network => "network",
            Self::NetworkOrReceiver => "network_or_receiver",
            Self::NetworkOrSender => "network_or_sender",
            Self::ReceiveQueue => "receive_queue",
            Self::Decryption => "decryption",
            Self::DestinationHashing => "destination_hashing",
            Self::DestinationWrite => "destination_write",
        }
    }

    /// What somebody who wants it faster would have to improve.
    pub fn resource(self) -> Resource {
        match self {
            Self::SourceRead => Resource::Source,
            Self::SourceHashing | Self::Encryption | Self::SendQueue => Resource::SenderProcessor,
            Self::Limit => Resource::Limit,
            Self::Network => Resource::Network,
            Self::NetworkOrReceiver => Resource::NetworkOrReceiver,
            Self::NetworkOrSender => Resource::NetworkOrSender,
            Self::ReceiveQueue | Self::Decryption | Self::DestinationHashing => Resource::ReceiverProcessor,
            Self::DestinationWrite => Resource::ReceiverDisk,
        }
    }

    /// What a processor does there; empty where none is at work.
    fn doing(self) -> &'static str {
        match self {
            Self::SourceHashing | Self::DestinationHashing => " (hashing)",
            Self::Encryption => " (encrypting)",
            Self::Decryption => " (decrypting)",
            Self::SendQueue => " (sending)",
            Self::ReceiveQueue => " (receiving)",
            _ => "",
        }
    }
}

/// What can be a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// The sender's disk, or what fills its pipe.
    Source,
    /// The sender's processor.
    SenderProcessor,
    /// The sender's `--limit`.
    Limit,
    /// What lies between.
    Network,
    /// The one or the other, seen from the sender alone.
    NetworkOrReceiver,
    /// The one or the other, seen from the receiver alone.
    NetworkOrSender,
    /// The receiver's processor.
    ReceiverProcessor,
    /// The receiver's disk.
    ReceiverDisk,
}

impl Resource {
    /// Its name in NDJSON.
    pub fn key(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::SenderProcessor => "sender_processor",
            Self::Limit => "limit",
            Self::Network => "network",
            Self::NetworkOrReceiver => "network_or_receiver",
            Self::NetworkOrSender => "network_or_sender",
            Self::ReceiverProcessor => "receiver_processor",
            Self::ReceiverDisk => "receiver_disk",
        }
    }

    /// Its name in a sentence.
    pub fn words(self) -> &'static str {
        match self {
            Self::Source => "the sender's source",
            Self::SenderProcessor => "the sender's processor",
            Self::Limit => "the sender's --limit",
            Self::Network => "the network",
            Self::NetworkOrReceiver => "the network or the receiver",
            Self::NetworkOrSender => "the network or the sender",
            Self::ReceiverProcessor => "the receiver's processor",
            Self::ReceiverDisk => "the receiver's disk",
        }
    }
}

/// How much of a transfer's time each stage held it up. The sum is the time that was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stages {
    of: [Duration; Stage::ALL.len()],
}

impl Stages {
    /// The time that went to one stage.
    pub fn get(&self, stage: Stage) -> Duration {
        self.of[stage as usize]
    }

    /// The time that was counted. Zero: nobody has, and there is nothing to say.
    pub fn total(&self) -> Duration {
        self.of.iter().sum()
    }

    /// What was the limit; `None` when nothing was counted.
    pub fn verdict(&self) -> Option<Verdict> {
        let total = self.total();
        if total.is_zero() {
            return None;
        }
        let mut times: Vec<(Resource, Stage, Duration)> = Vec::new();
        for stage in Stage::ALL {
            let time = self.get(stage);
            match times.iter_mut().find(|(resource, ..)| *resource == stage.resource()) {
                Some((_, most, all)) => {
                    if time > self.get(*most) {
                        *most = stage;
                    }
                    *all += time;
                }
                None => times.push((stage.resource(), stage, time)),
            }
        }
        times.sort_unstable_by_key(|(.., time)| Reverse(*time));
        // Divided last, so that rounding makes no part greater than the whole.
        let share = |time: Duration| time.as_secs_f64() / total.as_secs_f64();
        let causes = times.into_iter().map(|(resource, stage, time)| Cause { resource, stage, share: share(time) });
        let mut causes: Vec<_> = causes.collect();
        let many = if causes[0].share >= DOMINANT { 1 } else { NAMED };
        causes.truncate(many);
        Some(Verdict { causes })
    }

    /// Both halves of a transfer that goes this way, as one. `secure`: its link is encrypted.
    ///
    /// While one side works and the other waits for it, that side is the limit; while both wait, what lies between
    /// is; while both work, whoever waits less often is.
    pub fn join(direction: Direction, secure: bool, ours: &Half, theirs: Option<&Half>) -> Self {
        let total = ours.total();
        let theirs = theirs.map(|theirs| theirs.cut_to(total));
        let (sender, receiver) = match direction {
            Direction::Send => (Some(*ours), theirs),
            Direction::Receive => (theirs, Some(*ours)),
        };
        let mut stages = Self::default();
        let (Some(sender), Some(receiver)) = (sender, receiver) else {
            let beyond = match direction {
                Direction::Send => Stage::NetworkOrReceiver,
                Direction::Receive => Stage::NetworkOrSender,
            };
            sender.into_iter().for_each(|half| stages.add_sender(&half, secure, 1.0));
            receiver.into_iter().for_each(|half| stages.add_receiver(&half, secure, 1.0));
            stages.of[beyond as usize] = ours.beyond;
            return stages;
        };
        let (s, r, all) = (sender.own().as_secs_f64(), receiver.own().as_secs_f64(), total.as_secs_f64());
        let both = (s + r - all).max(0.0);
        let (s_alone, r_alone) = (s - both, r - both);
        let alone = s_alone + r_alone;
        let weight = if alone > 0.0 { s_alone / alone } else { 0.5 };
        let kept = |own: f64, alone: f64, weight: f64| if own > 0.0 { (alone + both * weight) / own } else { 0.0 };
        stages.add_sender(&sender, secure, kept(s, s_alone, weight));
        stages.add_receiver(&receiver, secure, kept(r, r_alone, 1.0 - weight));
        stages.of[Stage::Network as usize] = total.saturating_sub(stages.total());
        stages
    }

    fn add(&mut self, stage: Stage, time: Duration, factor: f64) {
        self.of[stage as usize] += time.mul_f64(factor.clamp(0.0, 1.0));
    }

    fn add_sender(&mut self, half: &Half, secure: bool, factor: f64) {
        self.add(Stage::SourceRead, half.disk, factor);
        self.add(Stage::SourceHashing, half.hashing, factor);
        self.add(if secure { Stage::Encryption } else { Stage::SendQueue }, half.processor, factor);
        self.add(Stage::SendQueue, half.stopped, factor);
        self.add(Stage::Limit, half.limit, factor);
    }

    fn add_receiver(&mut self, half: &Half, secure: bool, factor: f64) {
        self.add(Stage::DestinationWrite, half.disk, factor);
        self.add(Stage::DestinationHashing, half.hashing, factor);
        self.add(if secure { Stage::Decryption } else { Stage::ReceiveQueue }, half.processor, factor);
        self.add(Stage::ReceiveQueue, half.stopped + half.limit, factor);
    }
}

/// One thing that held a transfer up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cause {
    /// What it was.
    pub resource: Resource,
    /// The stage of it that took most.
    pub stage: Stage,
    /// The part of the time that was its, 0 to 1.
    pub share: f64,
}

/// What a transfer's time says. As a sentence: [`Display`](fmt::Display).
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The greatest first: one if it was the limit, else up to three.
    causes: Vec<Cause>,
}

impl Verdict {
    /// The limit; `None` when no one thing was it for half of the time.
    pub fn limit(&self) -> Option<Cause> {
        self.causes.first().copied().filter(|cause| cause.share >= DOMINANT)
    }

    /// What took most of the time, whether or not that was most of it.
    pub fn first(&self) -> Cause {
        self.causes[0]
    }
}

fn percent(share: f64) -> f64 {
    (share * 100.0).round()
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Cause { resource, stage, share }) = self.limit() {
            return write!(f, "{} was the limit{}, {}% of the time", resource.words(), stage.doing(), percent(share));
        }
        f.write_str("no one limit")?;
        let named = self.causes.iter().filter(|cause| percent(cause.share) > 0.0);
        for (n, Cause { resource, share, .. }) in named.enumerate() {
            let sign = if n == 0 { ":" } else { "," };
            write!(f, "{sign} {} {}%", resource.words(), percent(*share))?;
        }
        Ok(())
    }
}

/// Of times that were told elsewhere; those of one stage are added up.
impl FromIterator<(Stage, Duration)> for Stages {
    fn from_iter<T: IntoIterator<Item = (Stage, Duration)>>(times: T) -> Self {
        let mut stages = Self::default();
        for (stage, time) in times {
            stages.of[stage as usize] += time;
        }
        stages
    }
}

/// What one side of a transfer spent its time on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Half {
    /// Its source or destination did not give or take.
    pub disk: Duration,
    /// Blocks were not hashed.
    pub hashing: Duration,
    /// Its loop worked, or waited for a core to work on.
    pub processor: Duration,
    /// It was stopped.
    pub stopped: Duration,
    /// Its rate limit.
    pub limit: Duration,
    /// The other side, or the link to it.
    pub beyond: Duration,
}

/// Numbers of a half on the wire.
pub const HALF: usize = 6;

impl Half {
    /// In microseconds, as on the wire.
    pub fn to_micros(&self) -> [u64; HALF] {
        let Self { disk, hashing, processor, stopped, limit, beyond } = *self;
        [disk, hashing, processor, stopped, limit, beyond]
            .map(|time| u64::try_from(time.as_micros()).unwrap_or(u64::MAX))
    }

    /// From the wire; whatever it says is a claim. Six such numbers have a sum: a duration holds a million times more.
    pub fn from_micros(micros: [u64; HALF]) -> Self {
        let [disk, hashing, processor, stopped, limit, beyond] = micros.map(Duration::from_micros);
        Self { disk, hashing, processor, stopped, limit, beyond }
    }

    /// The time in which it was itself at work, or kept from it.
    fn own(&self) -> Duration {
        self.disk + self.hashing + self.processor + self.stopped + self.limit
    }

    /// All time that was counted.
    pub fn total(&self) -> Duration {
        self.own() + self.beyond
    }

    /// The same in proportion, of no more time than this.
    fn cut_to(&self, most: Duration) -> Self {
        let total = self.total();
        if total <= most {
            return *self;
        }
        let factor = most.as_secs_f64() / total.as_secs_f64();
        let cut = |time: Duration| time.mul_f64(factor);
        Self {
            disk: cut(self.disk),
            hashing: cut(self.hashing),
            processor: cut(self.processor),
            stopped: cut(self.stopped),
            limit: cut(self.limit),
            beyond: cut(self.beyond),
        }
    }
}

#[cfg(test)]
#[path = "stages_tests.rs"]
mod tests;

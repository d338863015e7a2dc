//! Talk links that die and are followed by others.
//!
//! Owns: when the next one comes up at each side. Must not know: what is said over it.

use std::time::Duration;

use tete::net::channel::Channel;
use tete::proto::LinkId;

use crate::network::Stream;
use crate::world::World;

/// The first talk link.
pub(crate) const LINK: LinkId = LinkId(1);

/// The talk link, seen from both sides.
pub(crate) struct Talk {
    /// Whether a lost one is followed by another.
    returns: bool,
    link: LinkId,
    epoch: u32,
    /// When it comes up at each side, if it is not there yet.
    up_at: [Option<Duration>; 2],
    /// How many came in place of another.
    pub(crate) came: u32,
}

impl Talk {
    pub(crate) fn new(returns: bool) -> Self {
        Self { returns, link: LINK, epoch: 1, up_at: [None; 2], came: 0 }
    }

    /// The one that carries something.
    pub(crate) fn link(&self) -> LinkId {
        self.link
    }

    /// When anything can happen to it by itself.
    pub(crate) fn due(&self) -> impl Iterator<Item = (usize, Duration)> {
        self.up_at.into_iter().enumerate().filter_map(|(side, at)| Some((side, at?)))
    }
}

impl World {
    /// One side has noticed that the talk link is dead.
    pub(crate) fn talk_lost(&mut self) {
        let over = |side: usize| {
            let session = &self.ends[side].session;
            session.ended().is_some() || session.is_leaving() || session.peer_is_leaving()
        };
        if !self.talk.returns || over(0) || over(1) {
            // Who has left does not come back.
            (self.ledger.link_died, self.ledger.ending) = (true, true);
        }
    }

    /// What becomes of the talk link; whether anything did.
    pub(crate) fn tend_talk(&mut self) -> bool {
        let ended = self.ends.iter().any(|end| end.session.ended().is_some());
        let away = self.ends.iter().any(|end| end.session.is_away());
        let pending = self.talk.due().next().is_some();
        let mut happened = false;
        if self.lives.is_broken() || self.is_at_gate(0) || self.is_at_gate(1) {
            return false;
        }
        // One that seems to be silent is replaced although it is not dead.
        if self.talk.returns && !ended && !pending && (away || !self.is_quiet() && self.random.chance(2)) {
            self.talk_lost();
            self.meet("a talk link is replaced");
            self.epoch += 1;
            (self.talk.epoch, self.talk.link) = (self.epoch, LinkId(1000 + u64::from(self.epoch)));
            self.talk.up_at = [0, 1].map(|_| Some(self.now + Duration::from_micros(self.random.skewed(3_000_000))));
            self.talk.came += 1;
            let quiet = self.is_quiet();
            self.streams = [0, 1].map(|_| {
                let mut stream = Stream::default();
                stream.capacity = self.random.pick(&[1 << 10, 1 << 14, 1 << 17, 1 << 20]);
                stream.delay = Duration::from_micros(self.random.skewed(200_000));
                stream.dies_at = (!quiet && self.random.chance(500)).then(|| self.random.skewed(1 << 20));
                stream.tamper = self.tamper();
                stream
            });
            self.note(0, "calls again", u64::from(self.epoch), 0);
            happened = true;
        }
        for side in [0, 1] {
            if self.is_asleep(side) || self.talk.up_at[side].take_if(|at| *at <= self.now).is_none() {
                continue;
            }
            happened = true;
            if self.ends[side].session.ended().is_some() {
                // Nobody answers there any more.
                self.streams[side].closed = true;
                self.streams[1 - side].capacity = usize::MAX;
                continue;
            }
            let (link, epoch, now) = (self.talk.link, self.talk.epoch, self.instant());
            let end = &mut self.ends[side];
            (end.talk, end.channel) = (link, Channel::default());
            end.session.link_up(link, epoch, now);
            self.forget_bulk_at(side);
            self.note(side, "is back", u64::from(epoch), 0);
        }
        happened
    }
}

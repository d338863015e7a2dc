//! Links for files that come and go.
//!
//! Owns: when one comes up at each side, and how it dies: at a byte for both, or for one side that alone notices.

use std::time::Duration;

use tete::net::channel::Channel;
use tete::net::pump::{Left, LinkError, Pump};
use tete::proto::LinkId;

use crate::end::End;
use crate::network::{SimWire, Stream};
use crate::support::bulk_channel;
use crate::world::World;

/// A link for files, seen from both sides.
pub(crate) struct Bulk {
    epoch: u32,
    /// Bytes from end 0, and from end 1.
    pub(crate) streams: [Stream; 2],
    /// When it comes up at each side.
    pub(crate) up_at: [Duration; 2],
    channels: [Option<Channel>; 2],
    /// Which side notices, and when, that it is dead although no byte says so.
    pub(crate) dies: Option<(usize, Duration)>,
}

impl Bulk {
    fn link(&self) -> LinkId {
        LinkId(10 + u64::from(self.epoch))
    }

    /// When anything can happen to it or on it by itself. What has arrived and is not taken waits for the talk link.
    pub(crate) fn due(&self, now: Duration) -> impl Iterator<Item = (usize, Duration)> {
        let up = (0..2).filter(|side| self.channels[*side].is_none()).map(|side| (side, self.up_at[side]));
        let stalls = self.streams.iter().enumerate().map(|(side, stream)| (side, stream.stalled_until));
        let stalls = stalls.filter(move |(_, stall)| *stall > now);
        let readers = (0..2).filter(|side| self.channels[*side].is_some());
        let bytes = readers.filter_map(|side| Some((side, self.streams[1 - side].due()?)));
        let bytes = bytes.filter(move |(_, due)| *due > now);
        up.chain(stalls).chain(bytes).chain(self.dies)
    }
}

impl World {
    /// A talk link of a greater number is there: one for files that has not come by now is refused.
    pub(crate) fn forget_bulk_at(&mut self, side: usize) {
        if let Some(bulk) = &mut self.bulk {
            bulk.channels[side].get_or_insert_with(bulk_channel);
        }
    }

    /// What becomes of the bulk link; whether anything did.
    pub(crate) fn tend_bulk(&mut self) -> bool {
        let often = if self.theme { 2 } else { 40 };
        if self.bulk.is_none()
            && !self.lives.is_broken()
            && !self.is_quiet()
            && self.gate.is_open(0)
            && self.gate.is_open(1)
            && self.talk.due().next().is_none()
            && self.random.chance(often)
        {
            self.epoch += 1;
            let streams = [0, 1].map(|side| {
                let mut stream = Stream::default();
                stream.capacity = self.random.pick(&[1 << 12, 1 << 17, if self.theme { 1 << 17 } else { 1 << 22 }]);
                stream.delay = self.streams[side].delay;
                stream.dies_at = self.random.chance(400).then(|| self.random.skewed(6 << 20));
                stream.tamper = self.tamper();
                stream
            });
            let up_at = [0, 1].map(|_| self.now + Duration::from_micros(self.random.skewed(50_000)));
            let dies = self.random.chance(400).then(|| {
                let after = Duration::from_micros(self.random.skewed(2_000_000));
                (self.random.below(2) as usize, up_at[0].max(up_at[1]) + after)
            });
            self.bulk = Some(Bulk { epoch: self.epoch, streams, up_at, channels: [None, None], dies });
        }
        let (now, instant) = (self.now, self.instant());
        let awake = [0, 1].map(|side| !self.is_asleep(side) && !self.lives.crashed[side]);
        let crashed = self.lives.crashed;
        let Some(bulk) = &mut self.bulk else { return false };
        let mut happened = None;
        for side in [0, 1] {
            if awake[side] && bulk.channels[side].is_none() && bulk.up_at[side] <= now {
                bulk.channels[side] = Some(bulk_channel());
                self.ends[side].session.bulk_up(bulk.link(), bulk.epoch, instant);
                happened = Some((side, "takes the bulk link", bulk.epoch));
            }
        }
        if let Some((side, _)) = bulk.dies.filter(|(side, at)| awake[*side] && *at <= now) {
            bulk.dies = None;
            self.ends[side].session.link_lost(bulk.link(), instant, "it fell silent");
            happened = Some((side, "notices that the bulk link is dead", bulk.epoch));
        }
        let there = |side: usize| !crashed[side] && self.ends[side].session.has_link(bulk.link());
        if bulk.channels.iter().all(Option::is_some) && !there(0) && !there(1) {
            happened = Some((0, "is rid of the bulk link", bulk.epoch));
            self.bulk = None;
        }
        if let Some((side, what, epoch)) = happened {
            if what.starts_with("notices") {
                self.meet("a bulk link falls silent");
            }
            self.note(side, what, u64::from(epoch), 0);
        }
        happened.is_some()
    }

    /// Moves bytes on the bulk link; whether any did.
    pub(crate) fn pump_bulk(&mut self, side: usize) -> bool {
        let now = self.stale_instant();
        let moody = if self.is_quiet() { 0 } else { self.moody };
        let budgets = [self.random.between(1, 1 << 20), self.random.between(1, 1 << 20)].map(|n| n as usize);
        let Some(bulk) = &mut self.bulk else { return false };
        let (link, epoch) = (bulk.link(), bulk.epoch);
        let [from_a, from_b] = &mut bulk.streams;
        let (out, input) = if side == 0 { (from_a, from_b) } else { (from_b, from_a) };
        let Some(channel) = &mut bulk.channels[side] else { return false };
        let End { session, disk, .. } = &mut self.ends[side];
        if session.ended().is_some() || !session.has_link(link) {
            // A link that one side has let go of is closed, and the other one reads its end sooner or later.
            out.closed = true;
            input.capacity = usize::MAX;
            return false;
        }
        let mut wire = SimWire { out, input, random: &mut self.random, now: self.now, moody, acted: false, storms: 0 };
        let before = wire.out.passed;
        let mut pump = Pump { session, link, channel, wire: &mut wire, disk, now };
        let received = pump.receive(budgets[0], 1 << 20);
        let sent = if received.is_ok() { pump.send(budgets[1]) } else { Ok(Left::Idle) };
        let (mut moved, passed) = (wire.acted, wire.out.passed - before);
        let storms = wire.storms;
        let mut reset = false;
        match (sent, received) {
            (Err(error), _) | (_, Err(LinkError::Io(error))) => {
                session.link_lost(link, now, &error.to_string());
                (moved, reset) = (true, true);
            }
            (_, Err(LinkError::Channel(error))) => panic!("nothing is encrypted here: {error}"),
            (_, Ok(Left::End)) => {
                session.handle_eof(link, now);
                moved = true;
            }
            (_, Err(LinkError::Protocol(error))) => {
                if self.verbose {
                    println!("{error}");
                }
                moved = true;
            }
            (Ok(left), Ok(other)) => moved |= left == Left::More || other == Left::More,
        }
        self.bulk_passed += passed;
        self.meet_times("a wire is not ready for no reason", storms);
        if reset {
            self.meet("a bulk link is reset");
        }
        if passed > 0 {
            self.note(side, "sends by the bulk link", passed, u64::from(epoch));
        }
        moved
    }
}

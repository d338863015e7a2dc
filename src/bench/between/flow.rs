//! One measurement, on either side, once both have agreed on it.
//!
//! Owns: what is offered and taken, when the clock says that it is enough, when all is through. Must not know: who asked
//! for it, how it is shown.
//!
//! ```text
//!   agreed --> offers its files (-t: open-ended) --> first byte --> omitted --> counted --> enough: no file grows more
//!          `-> takes as many as were agreed on                                                   |
//!                                          all of both ways verified -- costs told, both ways <--'
//! ```

use std::io;
use std::time::{Duration, Instant};

use crate::net::NetEvent;
use crate::net::source::Prepared;
use crate::proto::TransferId;
use crate::proto::digest::BLOCK;
use crate::proto::event::{Direction, Event};
use crate::proto::stages::{Stage, Stages};
use crate::sys;

use super::count::{Count, Interval, Way};
use super::far::{Far, Offered, Over};
use super::wish::{Cost, Enough, LONGEST, MOST_BYTES, Said, Side, Wish};

/// Beyond the time that was asked for, how long the rest may take: what waits in buffers, being verified, a slow link.
const GRACE: Duration = Duration::from_secs(60);
/// How old what is known of it may be when it is cut short.
const FRESH: Duration = Duration::from_millis(50);
/// The name under which zeros are offered.
const NAME: &str = "zeros";

/// What one way gave.
#[derive(Clone, Debug)]
pub struct Flow {
    /// All that counts.
    pub total: Interval,
    /// What it waited for, of all transfers together, from the first byte on.
    pub stages: Stages,
}

/// What a measurement gave.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Of each way that was measured.
    pub flows: Vec<Flow>,
    /// What was told meanwhile.
    pub intervals: Vec<Interval>,
    /// What it cost us, from the agreement on.
    pub ours: Cost,
    /// What it cost the other side, as it says.
    pub theirs: Cost,
}

/// A measurement that was cut short, and what it gave until then.
#[derive(Debug)]
pub struct CutShort {
    /// By what.
    pub over: Over,
    /// What had arrived, of each way that was measured.
    pub totals: Vec<Interval>,
    /// What was told meanwhile.
    pub intervals: Vec<Interval>,
}

/// One measurement under way.
#[derive(Debug)]
pub struct Run {
    ways: Vec<Way>,
    enough: Enough,
    omit: Duration,
    count: Count,
    /// Files of ours that end by the clock and have not been ended yet.
    open: Vec<TransferId>,
    /// Transfers that are not over yet: ours, theirs.
    left: [usize; 2],
    /// The sizes of the offers that will be taken, `None`: of one that ends by the clock.
    awaited: Vec<Option<u64>>,
    /// Of transfers that are through.
    done: [u64; 2],
    stages: [Vec<(Stage, Duration)>; 2],
    began: Instant,
    cpu: Duration,
    latest: Instant,
    looked: Instant,
    /// What had arrived when more of it was last known to have.
    known: (Instant, [u64; 2]),
    theirs: Option<Cost>,
    intervals: Vec<Interval>,
}

impl Run {
    /// Begins to send what this side sends, from the `source`, a file of [`MOST_BYTES`].
    ///
    /// # Errors
    /// There is no conversation any more.
    pub fn begin(
        far: &mut Far,
        wish: &Wish,
        side: Side,
        source: &Prepared,
        every: Option<Duration>,
    ) -> Result<Self, Over> {
        let (sizes, now) = (wish.sizes(), far.now());
        let (sends, receives) = (wish.sends(side), wish.receives(side));
        let mut open = Vec::new();
        for size in sizes.iter().filter(|_| sends) {
            let file = Prepared { name: NAME.to_owned(), size: size.unwrap_or(MOST_BYTES), ..source.clone() };
            let reactor = far.reactor();
            let offered = match size {
                Some(_) => reactor.offer(file),
                None => reactor.offer_open_ended(file),
            };
            let id = offered.map_err(|error| Over::Lost(error.to_string()))?;
            if size.is_none() {
                far.session()?.stream_grew(now, id, MOST_BYTES, false);
                open.push(id);
            }
        }
        let asked = match wish.enough {
            Enough::Millis(millis) => Duration::from_millis(millis + wish.omit),
            Enough::Bytes(_) => LONGEST,
        };
        let omit = Duration::from_millis(wish.omit);
        let many = |taking: bool| if taking { sizes.len() } else { 0 };
        let mut run = Self {
            ways: Way::BOTH
                .into_iter()
                .zip([sends, receives])
                .filter(|(_, there)| *there)
                .map(|(way, _)| way)
                .collect(),
            enough: wish.enough,
            omit,
            count: Count::new(omit, every),
            open,
            left: [many(sends), many(receives)],
            awaited: if receives { sizes } else { Vec::new() },
            done: [0; 2],
            stages: [Vec::new(), Vec::new()],
            began: now,
            cpu: sys::cpu_time(),
            latest: now + asked + GRACE,
            looked: now,
            known: (now, [0; 2]),
            theirs: None,
            intervals: Vec::new(),
        };
        far.take_offered().into_iter().try_for_each(|offered| run.decide(far, offered))?;
        Ok(run)
    }

    /// Takes the files that were agreed on, and no other ones.
    fn decide(&mut self, far: &mut Far, (id, size): Offered) -> Result<(), Over> {
        match self.awaited.iter().position(|awaited| *awaited == size) {
            Some(at) => {
                self.awaited.swap_remove(at);
                far.accept(id)
            }
            None => far.refuse(id),
        }
    }

    /// Runs it to its end; `told` is given each interval when it is over.
    ///
    /// # Errors
    /// It was not measured to its end.
    pub fn finish(
        mut self,
        far: &mut Far,
        mut told: impl FnMut(&Interval) -> io::Result<()>,
    ) -> Result<Measured, Box<CutShort>> {
        self.run(far, &mut told).map_err(|over| {
            let (at, known) = self.known;
            let (at, bytes) = match self.arrived(far) {
                Ok(bytes) if bytes != known => (far.now(), bytes),
                _ => (at, known),
            };
            let (rest, totals) = self.count.end(at, bytes, &self.ways);
            self.intervals.extend(rest);
            Box::new(CutShort { over, totals, intervals: std::mem::take(&mut self.intervals) })
        })
    }

    fn run(&mut self, far: &mut Far, told: &mut impl FnMut(&Interval) -> io::Result<()>) -> Result<Measured, Over> {
        let mut ours = None;
        loop {
            // Once all is through here, only the other side's word is waited for.
            let due = self.due().filter(|_| ours.is_none()).into_iter().chain([self.latest]).min();
            let event = far.turn(due)?;
            match event {
                Some(NetEvent::Session(event)) => self.handle(far, event)?,
                None if ours.is_none() => {
                    let over = self.look(far)?;
                    over.iter().try_for_each(&mut *told)?;
                    self.intervals.extend(over);
                }
                _ => {}
            }
            if ours.is_none() && self.left == [0; 2] {
                ours = Some(self.end(far, told)?);
            }
            if let (Some((flows, ours)), Some(theirs)) = (&ours, self.theirs) {
                let intervals = std::mem::take(&mut self.intervals);
                return Ok(Measured { flows: flows.clone(), intervals, ours: *ours, theirs });
            }
            if far.now() >= self.latest {
                return Err(Over::Lost("it took longer than was agreed on".to_owned()));
            }
        }
    }

    /// The moment at which it is enough, once it has begun.
    fn enough(&self) -> Option<Instant> {
        match self.enough {
            Enough::Millis(millis) => Some(self.count.began()? + self.omit + Duration::from_millis(millis)),
            Enough::Bytes(_) => None,
        }
    }

    fn due(&self) -> Option<Instant> {
        let enough = self.enough().filter(|_| !self.open.is_empty());
        self.count.due().into_iter().chain(enough).min()
    }

    fn handle(&mut self, far: &mut Far, event: Event) -> Result<(), Over> {
        match event {
            Event::Offer { id, size, .. } => self.decide(far, (id, size)),
            Event::Sent { bytes, stages, .. } => self.through(Way::Sent, far.now(), bytes, &stages),
            Event::Received { bytes, stages, .. } => self.through(Way::Received, far.now(), bytes, &stages),
            Event::Message { text, .. } => match Said::read(text.as_bytes()) {
                Some(Said::Cost(cost)) if self.theirs.is_none() => {
                    self.theirs = Some(cost);
                    Ok(())
                }
                _ => Err(Over::Failed("the other side says what has no place here".to_owned())),
            },
            Event::PeerLeaving { .. } if self.theirs.is_none() => {
                Err(Over::Undelivered("the other side left before it was measured".to_owned()))
            }
            _ => Ok(()),
        }
    }

    fn through(&mut self, way: Way, now: Instant, bytes: u64, stages: &Stages) -> Result<(), Over> {
        let which = way as usize;
        let Some(left) = self.left[which].checked_sub(1) else {
            return Err(Over::Failed("more came than was agreed on".to_owned()));
        };
        self.left[which] = left;
        self.done[which] += bytes;
        // What is small may be through before anybody looked.
        self.count.begin(self.looked);
        if left == 0 {
            self.count.through(way, now);
        }
        self.stages[which].extend(Stage::ALL.map(|stage| (stage, stages.get(stage))));
        Ok(())
    }

    /// What has arrived, each way. A file that is over, or was given up, is gone before that is told: what was known to
    /// have arrived has arrived.
    fn arrived(&self, far: &mut Far) -> Result<[u64; 2], Over> {
        let mut bytes = self.done;
        for file in far.session()?.progress() {
            bytes[if file.direction == Direction::Send { Way::Sent } else { Way::Received } as usize] += file.bytes;
        }
        Ok([0, 1].map(|way| bytes[way].max(self.known.1[way])))
    }

    /// Looks how far it is, where that is due, and says when it is enough.
    fn look(&mut self, far: &mut Far) -> Result<Vec<Interval>, Over> {
        let (before, now) = (self.looked, far.now());
        self.looked = now;
        let is_known = now < self.known.0 + FRESH;
        if self.count.began().is_some() && is_known && self.due().is_none_or(|due| now < due) {
            return Ok(Vec::new());
        }
        let bytes = self.arrived(far)?;
        // Who sends has sent the first byte a while before it hears that it has arrived.
        if bytes != [0; 2] || far.session()?.progress().iter().any(|file| file.sent > 0) {
            self.count.begin(before);
        }
        if bytes != self.known.1 {
            self.known = (now, bytes);
        }
        let over = self.count.look(now, bytes, &self.ways);
        if self.enough().is_some_and(|enough| now >= enough) {
            self.close(far, now)?;
        }
        Ok(over)
    }

    /// Lets each file of ours end with the block that is being sent.
    fn close(&mut self, far: &mut Far, now: Instant) -> Result<(), Over> {
        let session = far.session()?;
        let under_way = session.progress();
        for id in self.open.drain(..) {
            let sent = under_way.iter().find(|file| file.id == id).map_or(0, |file| file.sent);
            session.stream_grew(now, id, ((sent / BLOCK + 1) * BLOCK).min(MOST_BYTES), true);
        }
        Ok(())
    }

    /// All is through: what there is to tell, to the other side too.
    fn end(
        &mut self,
        far: &mut Far,
        told: &mut impl FnMut(&Interval) -> io::Result<()>,
    ) -> Result<(Vec<Flow>, Cost), Over> {
        let over = self.count.look(far.now(), self.done, &self.ways);
        let (rest, totals) = self.count.end(far.now(), self.done, &self.ways);
        for interval in over.into_iter().chain(rest) {
            told(&interval)?;
            self.intervals.push(interval);
        }
        let seconds = far.now().saturating_duration_since(self.count.began().unwrap_or(self.began)).as_secs_f64();
        let cpu = sys::cpu_time().saturating_sub(self.cpu).as_secs_f64();
        let [sent, received] = self.done;
        let cost = Cost { sent, received, seconds, cpu };
        far.say(Said::Cost(cost))?;
        let stages = |way: Way| self.stages[way as usize].iter().copied().collect();
        Ok((totals.into_iter().map(|total| Flow { stages: stages(total.way), total }).collect(), cost))
    }
}

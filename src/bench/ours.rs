//! tete itself as a sender and a receiver of files, by the library's loop.
//!
//! Owns: both ends of such a run. Must not know: who starts them, what the figures are compared with.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::net::NetEvent;
use crate::proto::event::Event;
use crate::proto::stages::{Stage, Stages};

use super::figures::{Clock, Figures};
use super::process::tell_ready;
use super::role::{Given, Role};
use super::side::{How, Side};

/// Between two looks at what has been sent, at first; and how many of them are kept.
const STEP: Duration = Duration::from_millis(5);
const MOST_POINTS: usize = 200;
/// A turn of the loop in which nothing happens.
const PAUSE: Duration = Duration::from_secs(1);

/// The two roles for files that go into a folder.
pub fn roles(files: &[PathBuf], into: &Path, how: How) -> (Role, Role) {
    let receive = how.of(Role::new("tete-receive").option("into", into));
    (receive, files.iter().fold(how.of(Role::new("tete-send")), Role::word))
}

/// Takes what is offered until the other side leaves.
///
/// # Errors
/// Something was not received.
pub fn receive(mut given: Given) -> io::Result<()> {
    let into = given.value("into")?;
    let mut side = Side::new("receiver", Some(Path::new(&into)), How::from(&mut given))?;
    let mut ready = Figures::default();
    ready.add("port", side.listen()?.into());
    tell_ready(ready)?;
    side.wait_for_partner()?;

    let clock = Clock::start();
    let mut received = 0;
    loop {
        match side.next_event()? {
            NetEvent::Session(Event::Received { .. }) => received += 1,
            NetEvent::Session(Event::PeerLeaving { .. }) => break,
            _ => {}
        }
    }
    let mut figures = Figures::default();
    figures.add_clock(&clock)?;
    figures.add("files", f64::from(received));
    side.leave()?;
    figures.print()
}

/// Offers all files at once, and leaves when the other side has them all. The measured part is from the first offer to
/// the last "verified and committed" of the other side.
///
/// # Errors
/// Something was not sent.
pub fn send(mut given: Given) -> io::Result<()> {
    let (port, how) = (given.read("port")?, How::from(&mut given));
    let files: Vec<PathBuf> = given.rest().into_iter().map(PathBuf::from).collect();
    let mut side = Side::new("sender", None, how)?;
    side.dial(port);
    side.wait_for_partner()?;
    let files = side.prepare(&files)?;

    let clock = Clock::start();
    let (mut under_way, size) = (files.len(), files.iter().map(|file| file.size).sum());
    for file in files {
        side.offer(file)?;
    }
    let mut waited: Vec<(Stage, Duration)> = Vec::new();
    let mut timeline = Timeline::new(side.reactor.now());
    while under_way > 0 {
        let until = side.reactor.now() + PAUSE;
        if let Some(NetEvent::Session(Event::Sent { stages, .. })) = side.turn(until)? {
            under_way -= 1;
            waited.extend(Stage::ALL.map(|stage| (stage, stages.get(stage))));
        }
        timeline.look(&mut side);
    }
    let mut figures = Figures::default();
    figures.add_clock(&clock)?;
    timeline.add(side.reactor.now().saturating_duration_since(timeline.began), size);
    for (at, sent) in timeline.points {
        figures.add("at", at.as_secs_f64());
        figures.add("sent", sent as f64);
    }
    let waited: Stages = waited.into_iter().collect();
    Stage::ALL.iter().for_each(|stage| figures.add(stage.key(), waited.get(*stage).as_secs_f64()));
    side.leave()?;
    figures.print()
}

/// What had been sent when.
struct Timeline {
    began: Instant,
    /// Between two looks.
    step: Duration,
    points: Vec<(Duration, u64)>,
}

impl Timeline {
    fn new(began: Instant) -> Self {
        Self { began, step: STEP, points: vec![(Duration::ZERO, 0)] }
    }

    /// Looks at what is under way, unless it has just been looked at.
    fn look(&mut self, side: &mut Side) {
        let at = side.reactor.now().saturating_duration_since(self.began);
        if !self.is_due(at) {
            return;
        }
        let under_way = side.reactor.session().map(|session| session.progress()).unwrap_or_default();
        if !under_way.is_empty() {
            self.add(at, under_way.iter().map(|file| file.bytes).sum());
        }
    }

    fn is_due(&self, at: Duration) -> bool {
        self.points.last().is_none_or(|(last, _)| at >= *last + self.step)
    }

    fn add(&mut self, at: Duration, sent: u64) {
        self.points.push((at, sent));
        if self.points.len() > MOST_POINTS {
            // Every other one goes, and the next ones come half as often.
            let mut keeps = false;
            self.points.retain(|_| {
                keeps = !keeps;
                keeps
            });
            self.step *= 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeline_stays_small_however_long_it_takes() {
        let mut timeline = Timeline::new(Instant::now());
        for n in 1..10_000_u32 {
            if timeline.is_due(STEP * n) {
                timeline.add(STEP * n, n.into());
            }
        }
        assert!(timeline.points.len() <= MOST_POINTS);
        assert_eq!(timeline.points[0], (Duration::ZERO, 0));
        assert!(timeline.points.is_sorted());
        assert!(timeline.step > STEP);
    }
}

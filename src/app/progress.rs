//! Of transfers under way, as our user is told: bars on a terminal, events in NDJSON, and whatever `/status` says.
//!
//! Owns: how often that is, and the rate, which is what went in about the last second.
//! Must not know: how a bar or an object is written.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::net::conversation::BulkState;
use crate::proto::TransferId;
use crate::proto::event::{Direction, Progress as Transfer};
use crate::term::json::Object;
use crate::term::plain;
use crate::term::view::Bar;

use super::App;
use super::report::file;
use super::why;

/// Progress is told so often at most, whatever is being transferred.
const EVERY: Duration = Duration::from_millis(100);
/// Time over which a rate is told: reports come in steps, and over shorter spans it would jump.
const RATE_SPAN: Duration = Duration::from_secs(1);

/// What is faster than this was there at once.
const WORTH_A_PACE: Duration = Duration::from_secs(1);

/// What was told of the transfers under way.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// When it is told again; `None`: nothing moves.
    pub(super) next: Option<Instant>,
    /// Of which transfer the last event was.
    last: Option<TransferId>,
    /// When, and at how many bytes, the span of its rate began.
    began: HashMap<TransferId, (Instant, u64)>,
    /// The same of those that go on from an earlier try, when they did.
    there: HashMap<TransferId, (Instant, u64)>,
}

impl Progress {
    /// A file goes on from so many bytes, which do not come now.
    pub(super) fn goes_on(&mut self, id: TransferId, now: Instant, bytes: u64) {
        self.began.insert(id, (now, bytes));
        self.there.insert(id, (now, bytes));
    }

    /// It is over; the bytes of it that were there before.
    pub(super) fn forget(&mut self, id: TransferId) -> u64 {
        self.began.remove(&id);
        self.there.remove(&id).map_or(0, |(_, bytes)| bytes)
    }

    /// Bytes a second, since about a second ago.
    fn rate(&mut self, transfer: &Transfer, now: Instant) -> f64 {
        if transfer.state == "resuming" {
            // What is there already did not come now.
            self.began.insert(transfer.id, (now, transfer.bytes));
        }
        let accepted = now.checked_sub(transfer.elapsed).unwrap_or(now);
        let (since, before) = *self.began.entry(transfer.id).or_insert((accepted, 0));
        let span = now.saturating_duration_since(since);
        if span >= RATE_SPAN {
            self.began.insert(transfer.id, (now, transfer.bytes));
        }
        transfer.bytes.saturating_sub(before) as f64 / span.as_secs_f64().max(1e-3)
    }

    fn bar(&mut self, transfer: &Transfer, now: Instant) -> Bar {
        let rate = self.rate(transfer, now);
        let rest = transfer.size.map(|size| size.saturating_sub(transfer.bytes));
        let left = rest.and_then(|rest| Duration::try_from_secs_f64(rest as f64 / rate).ok());
        Bar {
            outgoing: transfer.direction == Direction::Send,
            name: file(&transfer.name),
            size: transfer.size,
            sent: transfer.sent,
            received: transfer.bytes,
            verified: transfer.verified,
            rate,
            left,
            state: if matches!(transfer.state, "sending" | "receiving") { "" } else { transfer.state },
            id: transfer.id.0,
        }
    }
}

impl App {
    /// Tells of the running transfers: on a terminal of all, as events of one, each in its turn.
    pub(super) fn show_progress(&mut self) {
        if self.is_stopping || (!self.screen.is_json() && !self.screen.is_full()) {
            return;
        }
        let now = self.reactor.now();
        let Some(session) = self.reactor.session().filter(|session| session.is_moving()) else {
            // The pace stays: files that come one after another are not told of more often than one.
            let next = self.progress.next.filter(|next| now < *next);
            self.progress = Progress { next, there: std::mem::take(&mut self.progress.there), ..Progress::default() };
            if let Some(full) = self.screen.full() {
                full.set_bars(Vec::new());
            }
            return;
        };
        if self.progress.next.is_some_and(|next| now < next) {
            return;
        }
        let running: Vec<_> =
            session.progress().into_iter().filter(|transfer| transfer.elapsed > Duration::ZERO).collect();
        self.progress.next = Some(now + EVERY);
        let progress = &mut self.progress;
        progress.began.retain(|id, _| running.iter().any(|transfer| transfer.id == *id));
        if let Some(full) = self.screen.full() {
            return full.set_bars(running.iter().map(|transfer| progress.bar(transfer, now)).collect());
        }
        let later = running.iter().find(|transfer| Some(transfer.id) > progress.last);
        let Some(transfer) = later.or(running.first()).filter(|_| self.screen.has_room()) else { return };
        progress.last = Some(transfer.id);
        let rate = progress.rate(transfer, now);
        let fields = |object: Object| {
            let object = object.field("id", &transfer.id.0).field("direction", transfer.direction.word());
            let object = object.untrusted("name", &transfer.name).field("bytes", &transfer.bytes);
            object.field("size", &transfer.size).field("rate", &rate.round())
        };
        self.screen.event("progress", now, fields);
    }

    /// How fast a file went, for the person who saw it go.
    pub(super) fn pace(&mut self, id: TransferId, bytes: u64, elapsed: Duration) -> String {
        let bytes = bytes.saturating_sub(self.progress.forget(id));
        let seconds = elapsed.as_secs_f64();
        match self.screen.is_full() && elapsed >= WORTH_A_PACE {
            true => format!(" ({seconds:.1} s, {})", plain::rate(bytes as f64 / seconds)),
            false => String::new(),
        }
    }

    /// `/status`.
    pub(super) fn show_status(&mut self) {
        let who = self.partner_name();
        let carried_by = match self.reactor.bulk_state() {
            Some(BulkState::Own) => "files have a link of their own",
            Some(BulkState::Called) => "files share the talk link; one of their own is being called for",
            Some(BulkState::Failed) => "files share the talk link; one of their own could not be had",
            Some(BulkState::NotNeeded) | None => "files would share the talk link until one is large",
        };
        let Some(session) = self.reactor.session() else {
            let what = if self.reactor.is_dialling() { "calling" } else { "waiting for a call" };
            self.screen.answer(&format!("not connected; {what}"));
            return;
        };
        let trip = session
            .round_trip()
            .map_or_else(String::new, |trip| format!(", round trip {:.1} ms", trip.as_secs_f64() * 1e3));
        let state = if session.is_away() {
            format!("no connection to {who}; what is said and sent meanwhile waits")
        } else {
            format!("talking to {who}{trip}")
        };
        let mut lines = vec![format!("{state}; {} of our messages unread", session.unread())];
        lines.extend((!session.is_away()).then(|| carried_by.to_owned()));
        for progress in session.progress() {
            let way = match progress.direction {
                Direction::Send => "to",
                Direction::Receive => "from",
            };
            let of = progress.size.map_or_else(|| "?".to_owned(), |size| size.to_string());
            let there = self.progress.there.get(&progress.id).map_or(0, |(_, bytes)| *bytes);
            let rate = progress.bytes.saturating_sub(there) as f64 / progress.elapsed.as_secs_f64().max(1e-3);
            lines.push(format!(
                "{}: {} {way} {who}, {}, {} of {of} bytes, {} verified, {}, over {}{}",
                progress.id,
                file(&progress.name),
                progress.state,
                progress.bytes,
                progress.verified,
                plain::rate(rate),
                progress.ride.words(),
                why::so_far(session.stages(progress.id)),
            ));
        }
        self.screen.answer(&lines.join("\n"));
    }

    /// `/peers`.
    pub(super) fn show_peers(&mut self) {
        let line = match &self.partner {
            Some(partner) => format!("{} at {} ({})", plain::shown_name(&partner.name), partner.address, partner.proof),
            None => "nobody is connected".to_owned(),
        };
        self.screen.answer(&line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::ride::Ride;
    use crate::proto::text::Untrusted;

    #[test]
    fn what_an_earlier_try_has_left_did_not_come_at_once() {
        let (now, ms) = (Instant::now(), Duration::from_millis);
        let transfer = Transfer {
            id: TransferId(1),
            direction: Direction::Receive,
            name: Untrusted::from("a"),
            sent: 201_000_000,
            bytes: 201_000_000,
            verified: 0,
            size: None,
            state: "receiving",
            elapsed: ms(150),
            ride: Ride::Talk,
        };
        let mut progress = Progress::default();
        progress.goes_on(transfer.id, now, 200_000_000);
        assert_eq!(progress.rate(&transfer, now + ms(100)), 1e7);
    }
}

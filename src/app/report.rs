//! What happened, as its user is told it.
//!
//! Owns: the words and fields for every event, and what an event makes the program do.
//! Must not know: how a line or an object is written.
//!
//! Events are taken only while there is room to show them: a text that was taken counts as read.

use std::net::SocketAddr;
use std::time::Duration;

use crate::net::NetEvent;
use crate::net::event::{Peer, Refuser};
use crate::net::source::{Sources, Words};
use crate::proto::TransferId;
use crate::proto::event::{Direction, Event, LeaveReason};
use crate::proto::frame::Refusal;
use crate::proto::text::Untrusted;
use crate::secure::code::Over;
use crate::secure::key::PublicKey;
use crate::secure::saved_name;
use crate::term::json::Object;
use crate::term::plain;

use super::exit::Exit;
use super::questions::{Gone, Question};
use super::refused::Given;
use super::start::Start;
use super::{App, Leaving, Partner, StartError, failing, refused, why};

/// Questions about files are numbered from here on, those about callers below.
pub(super) const FILE_QUESTIONS: u64 = 1 << 32;
/// Longest file name shown, in bytes.
const MAX_FILE_SHOWN: usize = 200;
/// Longest explanation shown, in bytes.
const MAX_REASON_SHOWN: usize = 512;

/// The name of a file, as it may stand in a line.
pub(super) fn file(name: &Untrusted) -> String {
    name.shown_within(MAX_FILE_SHOWN).to_string()
}

fn hex(root: &[u8; 32]) -> String {
    root.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl App {
    /// Shows what happened, as far as there is room.
    pub(super) fn show_events(&mut self) {
        // Before a stop everything that is composed is written, and nothing more.
        while self.exit.is_none() && !self.is_stopping && self.screen.has_room() && !self.screen.is_broken() {
            let Some(event) = self.reactor.poll_event() else { return };
            self.handle_event(event);
        }
    }

    /// Offers what was found, whether or not anything can be shown.
    pub(super) fn take_prepared(&mut self) {
        while let Some(event) = self.reactor.poll_prepared() {
            self.handle_event(event);
        }
    }

    /// A text is acknowledged when it was written, not when it is about to be: the disk may be full, the reader gone.
    pub(super) fn acknowledge(&mut self) {
        let written = self.screen.written_text();
        if let Some(session) = self.reactor.session() {
            session.texts_shown(written);
        }
    }

    /// Obeys the system, whether or not anything can be shown.
    pub(super) fn take_signals(&mut self) {
        while let Some(signal) = self.reactor.poll_signal() {
            self.handle_signal(signal);
        }
    }

    /// Takes what nobody will read, so that the conversation can end.
    pub(super) fn drop_events(&mut self) {
        while self.exit.is_none()
            && let Some(event) = self.reactor.poll_event()
        {
            if let NetEvent::Session(Event::Message { .. }) = event {
                self.tally.unshown += 1;
                continue;
            }
            self.handle_event(event);
        }
    }

    pub(super) fn handle_event(&mut self, event: NetEvent) {
        let now = self.reactor.now();
        match event {
            NetEvent::Dialling { to, attempt } => {
                self.screen.event("dialling", now, |object| object.field("to", &to).field("attempt", &attempt));
                if attempt == 1 {
                    self.screen.notice(&format!("calling {to}"));
                } else if let Some(full) = self.screen.full() {
                    full.set_status(Some(format!("calling {to}, attempt {attempt}")));
                }
            }
            NetEvent::Unanswered { to, words } => {
                if !std::mem::replace(&mut self.told_unanswered, true) {
                    self.screen.notice(&format!("nobody answers at {to} yet ({words}); trying again"));
                }
            }
            NetEvent::AskedAbout => self.screen.notice("the other side is being asked about you"),
            NetEvent::DialFailed { words, hint } => self.handle_dial_failed(&words, hint),
            NetEvent::NotLetIn { by, reason, words } => self.handle_not_let_in(by, reason, &words),
            NetEvent::CallerRefused { address, reason } => {
                let fields = |object: Object| object.field("address", &address.to_string()).field("reason", &reason);
                self.screen.event("refused", now, fields);
                self.screen.notice(&format!("a caller from {address} was not let in: {reason}"));
            }
            NetEvent::Question { id, address, key, dialled } => self.ask_about_peer(id, address, key, dialled),
            NetEvent::OtherKey { address, name, expected, got } => {
                self.handle_other_key(address, name.as_deref(), &expected, &got);
            }
            NetEvent::CodeOver(over) => self.tell_code_over(over),
            NetEvent::Trouble { words, hint } => self.screen.error(now, &words, hint),
            NetEvent::Saved { name } => self.screen.notice(&format!("saved as {name}: known from now on")),
            NetEvent::QuestionOver { id } => self.end_question(id),
            NetEvent::Connected(peer) => self.handle_connected(peer),
            NetEvent::Session(event) => self.handle_session_event(event),
            NetEvent::Ended { ended, unread, anew } => self.handle_ended(&ended, unread, anew),
            NetEvent::Prepared { request, .. } if request < self.first_request => {}
            NetEvent::Prepared { found, .. } => self.handle_prepared(found),
            NetEvent::Listed { request, found } => self.complete_path(request, found),
            NetEvent::KnownPeers { request, names } => self.complete_peer(request, names),
        }
    }

    /// That the usual port could not be had.
    pub(super) fn tell_taken(&mut self) {
        let words = format!("port {} is taken; a free one is used instead", super::address::DEFAULT_PORT);
        match self.screen.is_json() && !self.config.quiet {
            true => self.screen.answer(&words),
            false => self.screen.notice(&words),
        }
    }

    /// Where others can reach us.
    pub(super) fn tell_listening(&mut self, addresses: &[SocketAddr]) {
        let reachable: Vec<String> = addresses.iter().flat_map(|address| super::address::reachable(*address)).collect();
        let port = addresses.first().map_or(0, SocketAddr::port);
        let key = self.reactor.public().map(|key| key.to_string());
        let fields = |object: Object| {
            let object = object.field("port", &port).field("addresses", &reachable);
            match &key {
                Some(key) => object.field("key", key),
                None => object,
            }
        };
        self.screen.event("listening", self.reactor.now(), fields);
        self.screen.notice(&format!("listening on {}", reachable.join(", ")));
    }

    fn handle_dial_failed(&mut self, words: &str, hint: &str) {
        self.screen.full().into_iter().for_each(|full| full.set_status(None));
        self.screen.error(self.reactor.now(), words, hint);
        if self.terminal && self.config.target.is_none() {
            self.start = Start::Target;
            self.prompt();
        } else {
            self.exit = Some(Exit::NotConnected);
        }
    }

    fn handle_not_let_in(&mut self, by: Refuser, reason: Option<Refusal>, words: &Untrusted) {
        self.screen.full().into_iter().for_each(|full| full.set_status(None));
        let given = Given { code: self.config.code.is_some(), plain: self.config.plain };
        let StartError { message, hint } = refused::not_let_in(by, reason, words, given);
        self.screen.error(self.reactor.now(), &message, &hint);
        if self.terminal && self.config.target.is_none() && reason == Some(Refusal::Yourself) {
            self.start = Start::Target;
            self.prompt();
        } else {
            self.exit = Some(Exit::NotLetIn);
        }
    }

    fn handle_other_key(&mut self, address: SocketAddr, name: Option<&str>, expected: &PublicKey, got: &PublicKey) {
        let StartError { message, hint } = refused::other_key(address, name, expected, got);
        self.screen.error(self.reactor.now(), &message, &hint);
        self.exit = Some(Exit::NotLetIn);
    }

    fn tell_code_over(&mut self, over: Over) {
        match over {
            Over::Used => self.screen.notice("the code was right; it is used up now"),
            Over::Burnt => {
                let hint = "somebody may be guessing; a new one is made with --new-code";
                self.screen.error(self.reactor.now(), "the code was tried wrongly three times and is burnt", hint);
            }
            Over::Expired => {
                let hint = "a new one is made with --new-code";
                self.screen.error(self.reactor.now(), "the code has expired", hint);
            }
        }
    }

    fn ask_about_peer(&mut self, id: u64, address: SocketAddr, key: Option<PublicKey>, dialled: bool) {
        // Neither what is poured in, nor a file, answers questions.
        if self.input_over
            || self.lines.is_ended()
            || !(self.terminal || self.config.commands)
            || self.config.sends_input()
        {
            return self.reactor.leave_unanswered(id);
        }
        let peer = Object::empty().field("address", &address.to_string());
        let peer = peer.field("key", &key.map(|key| key.to_string()));
        let fields = |object: Object| object.field("id", &id).field("about", "trust").nested("peer", peer);
        self.screen.event("question", self.reactor.now(), fields);
        let does = if dialled { "answers" } else { "calls" };
        let (about, prompt) = match key {
            None => (format!("{address} {does}, and nothing proves who it is"), "Let it in? [yes/N] "),
            Some(key) => {
                let about = format!("{address} {does} with a key that was never seen here:\n{}", key.grouped());
                (about, "Is that whom you want to talk to? [yes/N] ")
            }
        };
        self.questions.ask(Question { id, about, prompt: prompt.to_owned(), who: address.to_string() });
        self.show_question();
    }

    /// Puts the next question on the screen, if none stands there.
    pub(super) fn show_question(&mut self) {
        if let Some(question) = self.questions.next_to_show() {
            self.screen.loud_notice(&question.about);
            self.show_prompt_of_question();
            // What was written before is no answer to it; an object says itself which question it answers.
            if !self.terminal && !self.screen.is_json() {
                let early = std::iter::from_fn(|| self.lines.next_line());
                self.held.extend(early);
                self.early = self.held.len();
            }
        }
    }

    /// The prompt of the question that stands on the screen.
    pub(super) fn show_prompt_of_question(&mut self) {
        let prompt = self.questions.prompt().unwrap_or_default();
        // In a pipe nothing stands among what people say.
        match self.terminal {
            true => self.screen.ask(prompt),
            false => self.screen.loud_notice(prompt.trim()),
        }
    }

    /// Nobody waits for an answer any more.
    fn end_question(&mut self, id: u64) {
        if let Gone::Shown(question) = self.questions.over(id) {
            self.screen.loud_notice(&format!("{} has gone: that question is over", question.who));
            self.show_question();
            // A person may have begun an answer; a program may have written one only if the next question stood there.
            if self.terminal || self.questions.shown().is_some() {
                self.questions.doubt();
            }
            if self.questions.shown().is_none() {
                self.prompt();
            }
        }
    }

    fn handle_connected(&mut self, peer: Peer) {
        let now = self.reactor.now();
        self.questions.clear();
        self.screen.forget_texts();
        self.acknowledge();
        if let Some(full) = self.screen.full() {
            full.set_status(None);
        }
        if self.start.is_asking() {
            self.start = match peer.dialled {
                false if peer.port > 0 => Start::CalledFirst { port: peer.port },
                _ => Start::Over,
            };
        }
        let fields = Object::empty()
            .untrusted("name", &peer.name)
            .field("address", &peer.address.to_string())
            .field("key", &peer.key.map(|key| key.to_string()))
            .field("saved_as", &peer.saved);
        let trust = peer.standing.name();
        let connected = |object: Object| {
            object.nested("peer", fields).field("encrypted", &peer.key.is_some()).field("trust", trust)
        };
        self.screen.event("connected", now, connected);
        let name = plain::shown_name(&peer.name);
        let channel = if peer.key.is_some() { "encrypted" } else { "plain" };
        let proof = format!("{channel}, {trust}");
        self.screen.notice(&format!("connected to {name} at {} ({proof})", peer.address));
        // What it calls itself proves nothing; the name that we have given its key does.
        if let Some(saved) = peer.saved.filter(|saved| *saved != saved_name::clean(&peer.name.lossy())) {
            self.screen.loud_notice(&format!("its key is saved as {saved}"));
        }
        self.early = 0;
        self.partner = Some(Partner { name: peer.name, address: peer.address, proof });
        if self.is_sending() {
            self.begin_sending();
            self.find_again();
            // Nobody has asked for that: the first `exit` does not cut it short.
            self.leaving.get_or_insert(Leaving {
                reason: LeaveReason::Done,
                by_us: true,
                asked: false,
                persists: !self.terminal,
            });
        } else if self.input_over && !self.receive_only {
            self.leave(LeaveReason::Done, true);
        }
    }

    pub(super) fn partner_name(&self) -> String {
        self.partner.as_ref().map_or_else(|| "the other side".to_owned(), |partner| plain::shown_name(&partner.name))
    }

    fn partner_raw(&self) -> Untrusted {
        self.partner.as_ref().map_or_else(|| Untrusted::from(""), |partner| partner.name.clone())
    }

    fn handle_session_event(&mut self, event: Event) {
        let now = self.reactor.now();
        let who = self.partner_name();
        let from = self.partner_raw();
        match event {
            Event::Message { seq, text } => {
                let fields =
                    |object: Object| object.untrusted("from", &from).field("seq", &seq).untrusted("text", &text);
                self.screen.event("message", now, fields);
                self.screen.said(&from, seq, &text);
            }
            Event::Delivered { seq } => {
                self.screen.event("delivered", now, |object| object.field("seq", &seq));
                if let Some(full) = self.screen.full() {
                    full.delivered(seq);
                }
            }
            Event::Offer { id, name, size, ask } => {
                let fields = |object: Object| {
                    object.field("id", &id.0).untrusted("from", &from).untrusted("name", &name).field("size", &size)
                };
                self.screen.event("offer", now, fields);
                let size_words = size.map_or_else(|| "size unknown".to_owned(), plain::size);
                self.screen.notice(&format!("{who} sends {}: {size_words}", file(&name)));
                match ask {
                    // No answer will ever be given here, so the other side need not wait for one.
                    true if !self.answers_offers() => self.order(|session| session.refuse(now, Some(id))),
                    true => self.ask_about_file(id, &name, size),
                    false => {}
                }
            }
            Event::Received { id, name, saved, bytes, elapsed, root, stages } => {
                why::log(id, &stages);
                let path = self.reactor.folder().join(&saved);
                let fields = |object: Object| {
                    let object = object.field("id", &id.0).untrusted("name", &name);
                    let object = object.field("path", &path.to_string_lossy()).field("bytes", &bytes);
                    why::fields(object.field("seconds", &seconds(elapsed)).field("blake3", &hex(&root)), &stages)
                };
                self.screen.event("received", now, fields);
                let saved = file(&Untrusted::from(saved));
                let pace = self.pace(id, bytes, elapsed);
                self.screen.notice(&format!("received {saved} from {who}: {}, verified{pace}", plain::size(bytes)));
            }
            Event::Sent { id, name, bytes, elapsed, root, stages } => {
                why::log(id, &stages);
                let fields = |object: Object| {
                    let object = object.field("id", &id.0).untrusted("name", &name).field("bytes", &bytes);
                    why::fields(object.field("seconds", &seconds(elapsed)).field("blake3", &hex(&root)), &stages)
                };
                self.screen.event("sent", now, fields);
                let pace = self.pace(id, bytes, elapsed);
                self.screen.notice(&format!("sent {} to {who}: {}, verified{pace}", file(&name), plain::size(bytes)));
            }
            Event::Failed { id, direction, name, reason, resumable, wanted, by_peer } => {
                self.progress.forget(id);
                self.tally.failed += usize::from(!wanted);
                if self.stream == Some(id) {
                    // Nobody takes what is still to come from the input.
                    self.stream = None;
                    self.input_over = true;
                }
                let reason = failing::reason(&reason, &name, by_peer.then_some(&*who));
                let fields = |object: Object| {
                    let object = object.field("id", &id.0).field("direction", direction.word());
                    object.untrusted("name", &name).untrusted("reason", &reason).field("resumable", &resumable)
                };
                self.screen.event("transfer_failed", now, fields);
                let reason = reason.shown_within(MAX_REASON_SHOWN).to_string();
                let what = match direction {
                    Direction::Send => "was not sent",
                    Direction::Receive => "was not received",
                };
                let again = match direction {
                    Direction::Send if resumable => "; offered again, it goes on from there",
                    Direction::Send | Direction::Receive => "",
                };
                self.screen.loud_notice(&format!("{} {what}: {reason}{again}", file(&name)));
            }
            Event::Resumed { id, direction, name, bytes, again } => {
                self.progress.goes_on(id, now, bytes);
                let fields = |object: Object| {
                    let object = object.field("id", &id.0).field("direction", direction.word());
                    object.untrusted("name", &name).field("bytes", &bytes).field("again", &again)
                };
                self.screen.event("resumed", now, fields);
                let name = file(&name);
                self.screen.notice(&match (bytes, again) {
                    (0, _) => format!("{name} is another file than before: it begins again"),
                    (bytes, 0) => format!("{name} goes on from {}", plain::size(bytes)),
                    (bytes, n) => {
                        format!("{name} goes on from {}; {n} MiB before that are damaged", plain::size(bytes))
                    }
                });
            }
            // Told when it has left: what is under way still arrives.
            Event::PeerLeaving { reason } => {
                self.peer_reason = Some(reason);
                let running = self.reactor.session().is_some_and(|session| !session.progress().is_empty());
                if running && self.terminal && self.leaving.is_none() {
                    self.screen.notice(&format!("{who} leaves when what is under way is through"));
                }
            }
            Event::Silent { quiet } => {
                let words = format!("no answer from {who} for {} s; still there, still trying", quiet.as_secs());
                self.screen.loud_notice(&words);
                if let Some(full) = self.screen.full() {
                    full.set_status(Some(format!("no answer from {who}")));
                }
            }
            Event::LinkLost { words } => self.tell_link_lost(&words),
            Event::Back => {
                let (reason, never) = (self.lost.take(), None::<f64>);
                let fields = |object: Object| object.field("reason", &reason).field("retry_in", &never);
                self.screen.event("reconnected", now, fields);
                self.screen.loud_notice(&format!("{who} is back"));
                self.screen.full().into_iter().for_each(|full| full.set_status(None));
            }
            Event::Answering => {
                self.screen.loud_notice(&format!("{who} answers again"));
                if let Some(full) = self.screen.full() {
                    full.set_status(None);
                }
            }
        }
    }

    /// The conversation waits for another link.
    fn tell_link_lost(&mut self, words: &str) {
        let retry_in = self.reactor.returns_in();
        self.lost = Some(words.to_owned());
        let fields = |object: Object| object.field("reason", words).field("retry_in", &retry_in.map(seconds));
        self.screen.event("link_lost", self.reactor.now(), fields);
        let who = self.partner_name();
        let next = match retry_in {
            Some(_) => "calling again".to_owned(),
            None => format!("waiting for {who} to call again"),
        };
        self.screen.loud_notice(&format!("lost the connection to {who}: {words}; {next}"));
        if let Some(full) = self.screen.full() {
            full.set_status(Some(format!("no connection to {who}: {next}")));
        }
    }

    fn ask_about_file(&mut self, id: TransferId, name: &Untrusted, size: Option<u64>) {
        let peer = Object::empty().untrusted("name", &self.partner_raw());
        let fields = |object: Object| {
            let object = object.field("id", &(FILE_QUESTIONS + id.0)).field("about", "file").nested("peer", peer);
            object.field("transfer", &id.0).untrusted("name", name).field("size", &size)
        };
        self.screen.event("question", self.reactor.now(), fields);
        let size = size.map_or_else(|| "size unknown".to_owned(), plain::size);
        self.screen.loud_notice(&format!("{}, {size}: /accept {id} takes it, /refuse {id} does not", file(name)));
    }

    fn handle_prepared(&mut self, found: Result<Sources, String>) {
        self.preparing -= 1;
        self.find_next();
        let now = self.reactor.now();
        match found {
            Ok(sources) => {
                for refused in sources.refused {
                    self.tally.refused += 1;
                    self.screen.error(now, &refused.what, &refused.hint);
                }
                self.ready.extend(sources.ready);
            }
            Err(words) => {
                self.tally.refused += 1;
                self.screen.error(now, &words, "");
            }
        }
        self.offer_ready();
        let streams = self.config.sends_input();
        if self.is_sending() && !self.is_finding() && self.partner.is_none() {
            match self.config.target.clone() {
                // Nothing of what was to be sent can be: nobody is bothered.
                _ if self.ready.is_empty() && !streams => drop(self.exit.get_or_insert(Exit::Failed)),
                Some(target) => self.call(target),
                None => {}
            }
        }
    }

    /// Looks once more at what was found before anybody was there: it may have changed meanwhile.
    fn find_again(&mut self) {
        for source in std::mem::take(&mut self.ready) {
            self.find(Words::Path(source.path.into_os_string()));
        }
    }

    /// Offers what was found, once somebody is there.
    fn offer_ready(&mut self) {
        if self.partner.is_none() {
            return;
        }
        for source in std::mem::take(&mut self.ready) {
            let name = source.name.clone();
            if let Err(error) = self.reactor.offer(source) {
                self.tally.refused += 1;
                let message = format!("{name} is not sent: {error}");
                self.screen.error(self.reactor.now(), &message, error.hint());
            }
        }
    }
}

pub(super) fn seconds(elapsed: Duration) -> f64 {
    elapsed.as_micros() as f64 / 1e6
}

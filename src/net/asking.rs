//! What the loop asks its helpers for, on its own behalf and for our user.
//!
//! Owns: who asked what, by tickets. Must not know: what comes of an answer.

use std::sync::Arc;

use super::event::NetEvent;
use super::listing::Look;
use super::pool::{Job, Ticket, Work};
use super::reactor::Reactor;
use super::source::{Prepared, Request};
use super::standing::{Callee, Standing, Them};
use crate::proto::TransferId;
use crate::proto::error::CommandError;
use crate::proto::text::Untrusted;
use crate::proto::trace::{Trace, emit};
use crate::secure::folder::Folder;

/// Tickets from here on are the reactor's own; those below are of files.
const OWN_TICKETS: u64 = 1 << 63;
/// What the reactor asks helpers for, in the last bits of such a ticket.
const PREPARE: u64 = 0;
pub(super) const RESOLVE: u64 = 1;
pub(super) const RECOGNISE: u64 = 2;
const REMEMBER: u64 = 3;
const LIST: u64 = 4;
const ASKED_FOR: u64 = 5;

/// A ticket for the reactor's `number`th request of this kind.
pub(super) fn own_ticket(kind: u64, number: u64) -> u64 {
    OWN_TICKETS + ASKED_FOR * number + kind
}

/// The number of the request that has such a ticket.
pub(super) fn number_of(ticket: Ticket) -> u64 {
    (ticket.0 - OWN_TICKETS) / ASKED_FOR
}

impl Reactor {
    fn request(&mut self, kind: u64, work: Work) -> u64 {
        self.requests += 1;
        self.pool.submit(Job { ticket: Ticket(own_ticket(kind, self.requests)), work });
        self.requests
    }

    /// The number that the next request will have.
    pub fn next_request(&self) -> u64 {
        self.requests + 1
    }

    /// Looks for files to send, away from the loop; [`NetEvent::Prepared`] follows, with
    /// this number.
    pub fn prepare(&mut self, request: Request) -> u64 {
        self.request(PREPARE, Work::Prepare { request })
    }

    /// Offers the beginning of a file, of which nobody says yet how long it is:
    /// [`Session::stream_grew`](crate::proto::session::Session::stream_grew) tells that, within the file. A measurement
    /// that ends by the clock is such a file.
    ///
    /// # Errors
    /// [`CommandError`] of the session; [`CommandError::Leaving`] when there is none.
    pub fn offer_open_ended(&mut self, source: Prepared) -> Result<TransferId, CommandError> {
        let now = self.now;
        let session = self.session().ok_or(CommandError::Leaving)?;
        let id = session.offer(now, &source.name, None)?;
        self.files.add_source(id, source);
        Ok(id)
    }

    /// Looks what is in a folder, away from the loop; [`NetEvent::Listed`] follows, with this
    /// number. `None`: an earlier look is not over yet (a stuck network folder), and whoever waits for it asks for no
    /// second one.
    pub fn list(&mut self, look: Look) -> Option<u64> {
        if std::mem::replace(&mut self.listing, true) {
            return None;
        }
        Some(self.request(LIST, Work::List { look }))
    }

    /// Looks who is known, away from the loop; [`NetEvent::KnownPeers`] follows, with this
    /// number. `None`: nobody can be, or an earlier look is not over yet.
    pub fn list_peers(&mut self) -> Option<u64> {
        let folder = self.peers_folder()?;
        if std::mem::replace(&mut self.listing, true) {
            return None;
        }
        Some(self.request(LIST, Work::Peers { folder }))
    }

    fn peers_folder(&self) -> Option<Arc<Folder>> {
        self.settings.secure.as_ref().and_then(|secure| secure.folder.clone())
    }

    /// Looks somebody up; only the answer to the last look-up counts.
    pub(super) fn resolve(&mut self, callee: Callee) {
        self.lookup += 1;
        let work = Work::Resolve { callee, family: self.settings.family, folder: self.peers_folder() };
        self.pool.submit(Job { ticket: Ticket(own_ticket(RESOLVE, self.lookup)), work });
    }

    /// Saves whom we talk to, unless it is ourselves or was only named for this time.
    pub(super) fn remember(&mut self, them: &Them, name: &Untrusted, called: Option<String>) {
        let saves = matches!(them.standing, Standing::Known | Standing::Code | Standing::New);
        if let (Some(folder), Some(key), true) = (self.peers_folder(), them.key, saves) {
            let asked = self.request(REMEMBER, Work::Remember { folder, key, name: name.clone(), called });
            self.conversation.iter_mut().for_each(|conversation| conversation.remembered = asked);
        }
    }

    /// A helper has saved somebody; under which name, if that is news. Who comes back to this conversation with the same
    /// key is known from now on.
    pub(super) fn handle_remembered(&mut self, number: u64, result: Result<Option<String>, String>) {
        emit(Trace::Answer { what: "remembered", transfer: None });
        match result {
            Ok(None) => {}
            Ok(Some(name)) => {
                let asked = self.conversation.as_mut().filter(|conversation| conversation.remembered == number);
                asked.into_iter().for_each(|conversation| conversation.them.saved_as(&name));
                self.events.push_back(NetEvent::Saved { name });
            }
            Err(words) => {
                let hint = "you will be asked again next time; is there space, and may you write there?";
                self.events.push_back(NetEvent::Trouble { words, hint });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Settings;
    use crate::net::gate::Trust;
    use crate::net::listing::Listed;
    use crate::net::pool::Family;
    use crate::proto::setup::Setup;
    use crate::proto::transfers::Policy;
    use std::time::Duration;

    fn reactor() -> Reactor {
        let linger = Duration::from_secs(5);
        let settings = Settings {
            name: "anna".to_owned(),
            secure: None,
            trust: Trust::Known,
            policy_for_new: Policy::Never,
            family: Family::Any,
            into: std::env::temp_dir(),
            prefix: String::new(),
            calls: crate::sys::Calls::Native,
            discard: false,
            setup: Setup {
                lead: false,
                policy: Policy::Never,
                sync: true,
                verify: true,
                limit: None,
                returns: false,
                linger,
            },
            heeds: crate::net::event::Heeds::Nothing,
        };
        Reactor::new(settings).unwrap()
    }

    fn event(reactor: &mut Reactor) -> NetEvent {
        let deadline = reactor.now() + Duration::from_secs(30);
        loop {
            if let Some(event) = reactor.poll_event() {
                return event;
            }
            assert!(reactor.turn(Some(deadline)).unwrap() < deadline, "no answer in time");
        }
    }

    #[test]
    fn a_folder_is_listed_and_only_one_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a"), "").unwrap();
        let look = Look { folder: String::new(), prefix: String::new(), here: dir.path().to_owned(), home: None };
        let mut reactor = reactor();
        let asked = reactor.list(look.clone()).unwrap();
        assert_eq!(reactor.list(look.clone()), None);
        let NetEvent::Listed { request, found } = event(&mut reactor) else { panic!("no list") };
        assert_eq!((request, found), (asked, Ok(vec![Listed { name: "a".into(), is_folder: false }])));
        assert_eq!(reactor.list(look), Some(asked + 1));
    }

    #[test]
    fn without_a_folder_of_known_peers_nobody_is_listed() {
        assert_eq!(reactor().list_peers(), None);
    }
}

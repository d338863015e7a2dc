//! One more link of the conversation that goes on: how it is called for, let in and taken.
//!
//! Owns: the reactor's part in that. Must not know: which bytes go over it; that is the session's.
//!
//! ```text
//!   a file is under way,     ---> call the address that we called before ---> the gate ---> its link for files, or
//!   or the talk link is lost            |                                |                  its talk link
//!   (we called at first)                `--- no answer, refused ---------'
//!                                            again later; files go over the talk link meanwhile
//!
//!   the talk link is lost    ---> a little later, call where they have said that they listen ---> the same
//!   (they called at first; encrypted: a claim of a plain link is good for whoever answers there)
//!
//!   both calls arrive        ---> the link of the greater epoch stays; the other is refused, or replaced
//!
//!   both had called each other: the second connection is at the gate already, and becomes the link for files
//! ```

use mio::net::TcpStream;

use crate::proto::LinkId;
use crate::proto::hello::Nonce;
use crate::proto::opening::Step;
use crate::sys;

use super::connection::{Connection, Intent, Need, Origin, Stage};
use super::conversation::{Call, Carrier, Conversation};
use super::dialler::CONNECT_PATIENCE;
use super::doorkeeper::Parting;
use super::event::NetEvent;
use super::gate::Talking;
use super::openings::{GateError, OPENING_PATIENCE};
use super::reactor::Reactor;

impl Conversation {
    /// What the gate has to know of it.
    pub(super) fn talking(&self) -> Talking {
        let (peer, key, ticket, epoch) = (self.peer, self.them.key, self.ticket, self.epoch);
        let (has_bulk, is_away, is_silent) = (self.bulk.is_some(), self.session.is_away(), self.session.is_silent());
        Talking { peer, key, ticket, epoch, has_bulk, ip: self.address.ip(), is_away, is_silent }
    }
}

impl Reactor {
    /// Calls for a link that the conversation lacks, if a call is due.
    pub(super) fn call_again(&mut self) {
        let now = self.now;
        let Some(conversation) = &mut self.conversation else { return };
        let Some((need, address, due)) = conversation.call_due(now).filter(|(.., due)| *due <= now) else { return };
        log::debug!("calling {address} for {need:?}, {:?} late", now.saturating_duration_since(due));
        let epoch = conversation.next_epoch();
        // A partner who merely says nothing has not been lost: that is told first, if it comes to it.
        if need == Need::Talk && conversation.session.is_away() {
            let (to, attempt) = (address.to_string(), conversation.failures.max(1));
            self.tell_calling(NetEvent::Dialling { to, attempt });
        }
        let called = sys::connect(address).map(TcpStream::from_std);
        let added =
            called.and_then(|stream| self.add_connection(stream, address, Origin::DialledAgain, CONNECT_PATIENCE));
        let Some(conversation) = &mut self.conversation else { return };
        match added {
            Ok(key) => {
                let Some(connection) = self.connections.get_mut(key) else { return };
                connection.stage = Stage::Connecting(Intent::Again(need, epoch));
                conversation.call = Call::UnderWay(connection.generation);
            }
            Err(error) => {
                conversation.call = Call::UnderWay(0); // no connection has this generation
                conversation.call_failed(0, &sys::words(&error), now);
            }
        }
    }

    /// Our call for one more link came to nothing.
    pub(super) fn call_again_failed(&mut self, generation: u64, words: &str) {
        if let Some(conversation) = &mut self.conversation {
            conversation.call_failed(generation, words, self.now);
        }
    }

    /// Makes our claim on a link to our partner.
    pub(super) fn join(&mut self, key: usize, epoch: u32) {
        let (Some(connection), Some(conversation)) = (self.connections.get_mut(key), &mut self.conversation) else {
            return;
        };
        let Stage::Opening(opening) = &mut connection.stage else { return };
        conversation.epoch = conversation.epoch.max(epoch);
        connection.deadline = Some(self.now + OPENING_PATIENCE);
        match opening.join(&conversation.ticket, epoch) {
            Ok(Step::Joined { epoch }) => self.take_later(key, epoch),
            Ok(_) => connection.more = true, // what it has to say goes out in the next turn, if not in this
            Err(error) => self.fail_opening(key, GateError::Protocol(error)),
        }
    }

    /// Lets the side that leads go on, and tells it nothing yet.
    pub(super) fn nod(&mut self, key: usize) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        if let Stage::Opening(opening) = &mut connection.stage {
            opening.nod();
        }
    }

    /// A conversation has begun: other links to the same partner may become its link for files.
    pub(super) fn reconsider(&mut self, peer: Nonce) {
        let keys: Vec<usize> = self.connections.iter().map(|(key, _)| key).collect();
        for key in keys {
            let Some(connection) = self.connections.get(key) else { continue };
            if let Stage::Opening(opening) = &connection.stage
                && opening.may_join()
                && let Some(hello) = opening.hello().filter(|hello| hello.nonce == peer)
            {
                self.judge(key, hello);
            }
        }
    }

    /// A link is through the gate as one of the conversation that goes on; unless that is another one by now, which is
    /// nothing to whom the old one was with.
    pub(super) fn take_later(&mut self, key: usize, epoch: u32) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let ticket = self.conversation.as_ref().map(|conversation| conversation.ticket);
        match &connection.stage {
            Stage::Opening(opening) if opening.claimed() != ticket => connection.stage = Stage::Dead,
            Stage::Opening(opening) if opening.is_return() => self.take_talk(key, epoch),
            _ => self.take_bulk(key, epoch),
        }
    }

    /// The conversation is over: what would have become a link of it is of no use.
    pub(super) fn let_go_of_later(&mut self) {
        for (_, connection) in &mut self.connections {
            if connection.is_later() {
                connection.stage = Stage::Dead;
            }
        }
    }

    /// It is the talk link from now on.
    fn take_talk(&mut self, key: usize, epoch: u32) {
        let Self { connections, conversation, files, pool, now, .. } = self;
        let Some(conversation) = conversation else { return };
        // Two calls have crossed, and the later one is here already.
        if epoch < conversation.talk_epoch {
            connections.get_mut(key).into_iter().for_each(|connection| connection.stage = Stage::Dead);
            return;
        }
        // What the old one has brought counts, and nothing is sent twice that is here already.
        conversation.drain_talk(connections, files, pool, *now);
        let Some(connection) = connections.get_mut(key) else { return };
        let Stage::Opening(opening) = &mut connection.stage else { return };
        let rest = opening.transmit().to_vec();
        connection.channel.accept(&rest);
        let link = LinkId(connection.generation);
        connection.stage = Stage::Talking(link);
        connection.deadline = None;
        connection.more = true;
        sys::prepare_talk(&connection.stream);
        log::info!("{}: the conversation goes on over link {epoch}", connection.address);
        self.door.left(*now, connection.generation, Parting::LetIn);
        conversation.address = connection.address;
        let old = [Some(conversation.talk), conversation.bulk];
        let ours = conversation.call;
        conversation.take_talk(Carrier { key, link }, epoch, *now);
        for carrier in old.into_iter().flatten() {
            if let Some(old) = connections.get_mut(carrier.key)
                && matches!(old.stage, Stage::Talking(link) if link == carrier.link)
            {
                old.stage = Stage::Dead;
            }
        }
        // A call of ours that has claimed nothing yet is needed no more.
        for (_, connection) in connections.iter_mut() {
            if ours == Call::UnderWay(connection.generation)
                && matches!(connection.stage, Stage::Connecting(_) | Stage::Securing(_))
            {
                connection.stage = Stage::Dead;
            }
        }
    }

    /// It is the link for files from now on.
    fn take_bulk(&mut self, key: usize, epoch: u32) {
        let (Some(connection), Some(conversation)) = (self.connections.get_mut(key), &mut self.conversation) else {
            return;
        };
        // It was called for before the talk link was lost, to which it belonged.
        if epoch < conversation.talk_epoch {
            connection.stage = Stage::Dead;
            return;
        }
        let Stage::Opening(opening) = &mut connection.stage else { return };
        let rest = opening.transmit().to_vec();
        connection.channel.accept(&rest);
        connection.channel.carry_files();
        self.door.left(self.now, connection.generation, Parting::LetIn);
        let link = LinkId(connection.generation);
        connection.stage = Stage::Talking(link);
        connection.deadline = None;
        connection.more = true;
        log::info!("{}: files have a link of their own, number {epoch}", connection.address);
        let old = conversation.bulk;
        conversation.take_bulk(Carrier { key, link }, epoch, self.now);
        if let Some(old) = old.and_then(|old| self.connections.get_mut(old.key)) {
            old.stage = Stage::Dead;
        }
    }
}

impl Connection {
    /// Whether it is on its way to become a link of a conversation that goes on.
    fn is_later(&self) -> bool {
        let claimed = matches!(&self.stage, Stage::Opening(opening) if opening.claimed().is_some());
        let comes = matches!(self.stage, Stage::Connecting(_)) || self.is_opening();
        claimed || (comes && self.origin == Origin::DialledAgain)
    }
}

#[cfg(test)]
#[path = "again_tests.rs"]
mod tests;

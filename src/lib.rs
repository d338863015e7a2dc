//! tete is a conversation between two people in two terminals: they talk, they hand each other files, and nobody else
//! is let in. One thread runs a hand-written poll loop; what is said is decided by state machines that never see a
//! socket. This page is the guided tour; `README.md` tells how to use the program.
//!
//! # The layers
//!
//! An import only ever points down (a test reads the source and sees to it).
//!
//! ```text
//! main.rs      parse, run, exit code
//! cli          the command line -> app::config::Config
//! app          the conversation as its user has it: commands, questions, what is shown
//! bench        the benchmark: two processes of this program beside raw probes
//! net   term   net: the loop, its sockets, its files, its helpers      term: lines in, lines out, NDJSON
//! secure       keys, the encrypted channel, first meetings: bytes in, bytes out
//! proto        pure: frames, decoder, session, texts, transfers, deadlines, safe text, safe names
//! sys          system calls, one a function, and the portable ones beside them
//! ```
//!
//! `proto` is pure: bytes, moments and random numbers are its arguments; frames, jobs for the disk and events come out.
//! So the same session serves a socket, a test that cuts its bytes anywhere, and a simulation of a bad network.
//!
//! # The reading order, in three hops
//!
//! 1. [`net::reactor`]: [`Reactor::turn`](net::Reactor::turn) is the whole program in ten lines. It waits, latches what
//!    is ready, moves a bounded number of bytes, fires deadlines and removes what is over. [`net::pump`] is the loop
//!    between a socket, the files and a session.
//! 2. [`proto::session`]: one conversation. Its methods are getters, what the world tells (`handle_*`), what the user
//!    asks for, and what it wants next (`poll_*`). [`proto::frame`] draws what stands on the wire; [`proto::talk`],
//!    [`proto::outgoing`] and [`proto::incoming`] are texts and files, [`proto::ride`] which link a file uses.
//! 3. [`app`]: turns the reactor, takes its events, shows them. [`app::commands`] is what may be typed.
//!
//! # The loop
//!
//! Two sides in one thread, taking turns. A program has one side, and waits in its turn as long as nothing happens.
//!
//! ```
//! use std::io;
//! use std::net::{IpAddr, Ipv4Addr};
//! use std::time::Duration;
//!
//! use tete::net::standing::Callee;
//! use tete::net::{NetEvent, Reactor};
//! use tete::proto::event::{Event, LeaveReason};
//! # use tete::net::{Settings, gate::Trust, pool::Family};
//! # use tete::proto::{setup::Setup, transfers::Policy};
//! # fn side(name: &str) -> io::Result<Reactor> {
//! #     let linger = Duration::from_secs(5);
//! #     Reactor::new(Settings {
//! #         name: name.to_owned(),
//! #         secure: None,
//! #         trust: Trust::New,
//! #         policy_for_new: Policy::Never,
//! #         family: Family::Any,
//! #         into: std::env::temp_dir(),
//! #         prefix: "fetched_".to_owned(),
//! #         calls: tete::sys::Calls::Native,
//! #         discard: false,
//! #         setup: Setup { lead: false, policy: Policy::Never, sync: true, verify: true, limit: None, returns: false, linger },
//! #         heeds: tete::net::event::Heeds::Nothing,
//! #     })
//! # }
//!
//! # fn main() -> io::Result<()> {
//! let loopback = IpAddr::from(Ipv4Addr::LOCALHOST);
//! let (mut anna, mut bob) = (side("anna")?, side("bob")?);
//! let port = anna.listen(Some(loopback), 0)?[0].port();
//! bob.dial(Callee::at(loopback.to_string(), port), Some(Duration::from_secs(5)));
//!
//! let (mut heard, mut over) = (Vec::new(), 0);
//! while over < 2 {
//!     for side in [&mut anna, &mut bob] {
//!         side.turn(Some(side.now() + Duration::from_millis(1)))?;
//!         while let Some(event) = side.poll_event() {
//!             let now = side.now();
//!             match event {
//!                 NetEvent::Connected(peer) if peer.dialled => {
//!                     let session = side.session().expect("a conversation has begun");
//!                     session.say(now, "Hello Anna!").expect("the first text has room");
//!                     session.leave(now, LeaveReason::Done, None); // when all has been read
//!                 }
//!                 NetEvent::Session(Event::Message { text, .. }) => heard.push(text.shown().to_string()),
//!                 NetEvent::Session(Event::PeerLeaving { .. }) => {
//!                     if let Some(session) = side.session() {
//!                         session.leave(now, LeaveReason::Done, None);
//!                     }
//!                 }
//!                 NetEvent::Ended { .. } => over += 1,
//!                 _ => {}
//!             }
//!         }
//!     }
//! }
//! assert_eq!(heard, ["Hello Anna!"]);
//! # Ok(())
//! # }
//! ```
//!
//! # The core without the loop
//!
//! The same conversation with nothing but two sessions and a moment: no socket, no clock.
//!
//! ```
//! use std::time::Instant;
//!
//! use tete::proto::LinkId;
//! use tete::proto::error::ProtocolError;
//! use tete::proto::event::Event;
//! use tete::proto::outbox::Transmit;
//! use tete::proto::session::Session;
//! # use tete::proto::{setup::Setup, transfers::Policy};
//!
//! const LINK: LinkId = LinkId(1);
//!
//! /// Everything that one side wants to send, into the other.
//! fn carry(from: &mut Session, to: &mut Session, now: Instant) -> Result<(), ProtocolError> {
//!     while let Some(Transmit::Bytes(bytes)) = from.poll_transmit(LINK) {
//!         let bytes = bytes.to_vec();
//!         from.sent(LINK, now, bytes.len() as u64);
//!         let taken = to.handle_bytes(LINK, now, &bytes)?;
//!         assert_eq!(taken, bytes.len(), "frames are taken whole; only bytes of files stop it");
//!     }
//!     Ok(())
//! }
//!
//! # let linger = std::time::Duration::from_secs(600);
//! # let setup = |lead| Setup { lead, policy: Policy::Never, sync: true, verify: true, limit: None, returns: false, linger };
//! let now = Instant::now();
//! let mut anna = Session::new(setup(true), LINK, now);
//! let mut bob = Session::new(setup(false), LINK, now);
//!
//! anna.say(now, "Hello Bob!").expect("the first text has room");
//! carry(&mut anna, &mut bob, now)?;
//! let Some(Event::Message { seq: 1, text }) = bob.poll_event() else { panic!("bob heard nothing") };
//! assert_eq!(text.shown().to_string(), "Hello Bob!"); // with control characters escaped
//! carry(&mut bob, &mut anna, now)?; // bob has taken it, and that is acknowledged
//! assert_eq!(anna.poll_event(), Some(Event::Delivered { seq: 1 }));
//! # Ok::<(), ProtocolError>(())
//! ```

pub mod app;
pub mod bench;
pub mod cli;
pub mod net;
pub mod proto;
pub mod secure;
pub mod sys;
pub mod term;

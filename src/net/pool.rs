//! The helper pool: what can only block or only burn, away from the loop.
//!
//! Owns: the threads, their lanes, and the way back of answers. Must not know: sessions, sockets, what an answer is
//! for.
//!
//! Each lane is a bounded queue that is served in order, so that nothing stuck in one (a name server that does not
//! answer) stops another. A thread is made when its lane is first used, and is never waited for: one that is stuck in
//! the system ends with the process. After an answer the loop is woken.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender, SyncSender, TrySendError};
use std::thread;

use super::listing::{self, Listed, Look};
use super::lookup::{find, names, recognise, remember};
use super::source::{Request, Sources, prepare};
use super::standing::{Callee, Resolved};
use super::work::{DiskWork, Scratch};
use crate::proto::disk::DiskAnswer;
use crate::proto::stages::Spent;
use crate::proto::text::Untrusted;
use crate::secure::folder::Folder;
use crate::secure::key::PublicKey;
use crate::sys::{self, Buffer};

/// Jobs that may wait for one thread; more of them wait in the pool.
const MAX_WAITING: usize = 1_024;
/// Most threads that hash what comes, and as many what goes. One hashes some 5 GB/s, and the loop on another processor
/// needs one of its own: with two of them on two processors, files went 4 to 7% more slowly (eleven and nine rounds in
/// turn, plain and encrypted).
const MAX_HASHING: usize = 2;

/// Most threads that look up hosts, in turn. A name server that does not answer keeps one for half a minute, and whoever
/// was mistyped first must not keep the next one from being called.
const MAX_NAMING: usize = 3;

/// Who asked, and when: an answer carries what its job carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket(pub u64);

/// Which kind of address is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Either.
    Any,
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// What a helper does.
#[derive(Debug)]
pub enum Work {
    /// Something for a file under way.
    Disk(DiskWork),
    /// Look up the addresses of somebody.
    Resolve {
        /// Whom.
        callee: Callee,
        /// Which of them are wanted.
        family: Family,
        /// Where the known peers are kept.
        folder: Option<Arc<Folder>>,
    },
    /// Is this key known?
    Recognise {
        /// Where the known peers are kept.
        folder: Arc<Folder>,
        /// Whose.
        key: PublicKey,
    },
    /// Save somebody.
    Remember {
        /// Where.
        folder: Arc<Folder>,
        /// Whose key.
        key: PublicKey,
        /// How it wants to be seen.
        name: Untrusted,
        /// Where we called it, if we did.
        called: Option<String>,
    },
    /// Find and check the files that our user wants to send.
    Prepare {
        /// What was written.
        request: Request,
    },
    /// Look what is in a folder.
    List {
        /// In which, and for what.
        look: Look,
    },
    /// Under which names are peers known?
    Peers {
        /// Where they are kept.
        folder: Arc<Folder>,
    },
    /// Breaks, as code of ours might.
    #[cfg(test)]
    Panic,
}

/// Work and who wants it.
#[derive(Debug)]
pub struct Job {
    /// Who.
    pub ticket: Ticket,
    /// What.
    pub work: Work,
}

/// What came of [`Work`].
#[derive(Debug, PartialEq, Eq)]
pub enum Done {
    /// Of [`Work::Disk`].
    Disk(DiskAnswer),
    /// Of [`Work::Resolve`], or what to tell our user.
    Resolved(Result<Resolved, String>),
    /// Of [`Work::Recognise`]: the name under which the key is saved, if it is; or what to tell our user.
    Recognised(Result<Option<String>, String>),
    /// Of [`Work::Remember`]: the name of somebody who was not known before, or what to tell our user.
    Remembered(Result<Option<String>, String>),
    /// Of [`Work::Prepare`].
    Prepared(Result<Sources, String>),
    /// Of [`Work::List`], or what to tell our user.
    Listed(Result<Vec<Listed>, String>),
    /// Of [`Work::Peers`], or what to tell our user.
    Peers(Result<Vec<String>, String>),
}

/// What came of a [`Job`].
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// Who asked.
    pub ticket: Ticket,
    /// What came of it.
    pub done: Done,
    /// How long it was read and hashed for that.
    pub spent: Spent,
    /// The buffer that went with the work, with what was read into it.
    pub read: Option<Buffer>,
}

/// A queue and the threads that serve it; jobs go to the threads in turn.
#[derive(Debug)]
struct Lane {
    name: &'static str,
    threads: Vec<Option<SyncSender<Job>>>,
    next: usize,
    /// Its threads must not keep the loop from a core.
    steps_back: bool,
}

/// Those who hash.
#[derive(Debug)]
struct Hashers {
    at_once: Lane,
    /// While somebody talks: threads that step back.
    gently: Lane,
}

/// The helpers.
#[derive(Debug)]
pub struct Pool {
    wake: Arc<mio::Waker>,
    /// Looking up hosts.
    names: Lane,
    /// Looking for files: apart from the hosts, because a name server that is stuck must not keep a file here, and
    /// apart from the disk, because a stuck network folder must not keep one that is arriving.
    paths: Lane,
    /// Who is known: apart from the disk's, because nobody comes in while it waits.
    peers: Lane,
    /// Files of ours: apart from those that arrive, which a folder that does not answer is no reason to keep.
    sources: Lane,
    hash_sources: Hashers,
    disk: Lane,
    /// Bringing to the disk what has gathered: apart from the disk's, because no other file has to wait for that.
    flush: Lane,
    hash_parts: Hashers,
    gentle: bool,
    /// One message a job, `None` from those that have no answer.
    answers: Receiver<Option<Answer>>,
    back: Sender<Option<Answer>>,
    /// Jobs for which their lane has no place yet, in order: none is ever lost.
    spilled: VecDeque<Job>,
    under_way: usize,
}

impl Pool {
    /// A pool without threads yet, which wakes the loop by `wake`.
    pub fn new(wake: Arc<mio::Waker>) -> Self {
        let (back, answers) = mpsc::channel();
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let hashing = cores.div_ceil(2).min(MAX_HASHING);
        Self {
            wake,
            names: Lane::new("names", MAX_NAMING),
            paths: Lane::new("paths", 1),
            peers: Lane::new("peers", 1),
            sources: Lane::new("sources", 1),
            hash_sources: Hashers::new(["hash-out", "hash-out-low"], hashing),
            disk: Lane::new("disk", 1),
            flush: Lane::new("flush", 1),
            hash_parts: Hashers::new(["hash-in", "hash-in-low"], hashing),
            gentle: false,
            answers,
            back,
            spilled: VecDeque::new(),
            under_way: 0,
        }
    }

    /// Whether what only burns makes way for what somebody says: two loops and four threads that hash, on two cores,
    /// let a text wait for three times as long as without (measured).
    pub fn set_gentle(&mut self, gentle: bool) {
        self.gentle = gentle;
    }

    /// Whether it does.
    pub fn is_gentle(&self) -> bool {
        self.gentle
    }

    /// Gives a job to its lane. Never blocks: what finds no place there waits here.
    pub fn submit(&mut self, job: Job) {
        self.under_way += 1;
        self.spilled.push_back(job);
        self.hand_out();
    }

    /// Gives the lanes what they have places for.
    fn hand_out(&mut self) {
        while let Some(job) = self.spilled.pop_front() {
            if let Some(job) = self.place(job) {
                self.spilled.push_front(job);
                return;
            }
        }
    }

    /// Puts a job into its lane; gives it back when there is no place.
    fn place(&mut self, job: Job) -> Option<Job> {
        let lane = match &job.work {
            Work::Disk(DiskWork::HashSource(..) | DiskWork::HashStream(..)) => self.hash_sources.lane(self.gentle),
            Work::Disk(DiskWork::HashPart(..)) => self.hash_parts.lane(self.gentle),
            Work::Disk(DiskWork::OpenSource(..) | DiskWork::CheckSource(..) | DiskWork::CloseSource(..)) => {
                &mut self.sources
            }
            // The last one goes before what is done with the part afterwards.
            Work::Disk(
                DiskWork::FlushPart(..) | DiskWork::RecordPart(_, _, _, false, _) | DiskWork::RestartPart(..),
            ) => &mut self.flush,
            Work::Disk(_) => &mut self.disk,
            Work::Resolve { .. } => &mut self.names,
            Work::Recognise { .. } | Work::Remember { .. } | Work::Peers { .. } => &mut self.peers,
            Work::Prepare { .. } | Work::List { .. } => &mut self.paths,
            #[cfg(test)]
            Work::Panic => &mut self.names,
        };
        let (job, why) = match lane.queue(&self.back, &self.wake) {
            Err(error) => (job, format!("no helper thread: {}", sys::words(&error))),
            Ok(queue) => match queue.try_send(job) {
                Ok(()) => return None,
                Err(TrySendError::Full(job)) => return Some(job),
                Err(TrySendError::Disconnected(job)) => (job, "the helper thread is gone".to_owned()),
            },
        };
        log::error!("helpers of {}: {why}", lane.name);
        send_back(&self.back, &self.wake, job.failure(&why));
        None
    }

    /// The next answer, if there is one.
    pub fn poll_answer(&mut self) -> Option<Answer> {
        self.hand_out();
        while let Ok(answer) = self.answers.try_recv() {
            self.under_way -= 1;
            if answer.is_some() {
                return answer;
            }
        }
        None
    }

    /// Jobs that are not done, those without an answer included; counted down by [`poll_answer`](Self::poll_answer).
    /// At zero nothing is left to wait for before the process ends.
    pub fn under_way(&self) -> usize {
        self.under_way
    }
}

impl Hashers {
    fn new([at_once, gently]: [&'static str; 2], threads: usize) -> Self {
        let gently = Lane { steps_back: true, ..Lane::new(gently, threads) };
        Self { at_once: Lane::new(at_once, threads), gently }
    }

    fn lane(&mut self, gentle: bool) -> &mut Lane {
        if gentle { &mut self.gently } else { &mut self.at_once }
    }
}

impl Lane {
    fn new(name: &'static str, threads: usize) -> Self {
        Self { name, threads: (0..threads).map(|_| None).collect(), next: 0, steps_back: false }
    }

    /// The queue whose turn it is, with its thread.
    fn queue(&mut self, back: &Sender<Option<Answer>>, wake: &Arc<mio::Waker>) -> io::Result<&SyncSender<Job>> {
        let turn = self.next;
        self.next = (turn + 1) % self.threads.len();
        match &mut self.threads[turn] {
            Some(queue) => Ok(queue),
            empty => Ok(empty.insert(start(self.name, self.steps_back, back.clone(), Arc::clone(wake))?)),
        }
    }
}

/// Starts a thread that serves a queue until its other end is dropped.
fn start(
    lane: &str,
    steps_back: bool,
    back: Sender<Option<Answer>>,
    wake: Arc<mio::Waker>,
) -> io::Result<SyncSender<Job>> {
    let (queue, jobs) = mpsc::sync_channel::<Job>(MAX_WAITING);
    let work = move || {
        if steps_back {
            sys::step_back();
        }
        let mut scratch = Scratch::default();
        for job in jobs {
            // Made before, for a panic leaves nothing of the job.
            let failure = job.failure("the helper failed: a bug of tete");
            // What a panic may leave half done is a buffer that every job overwrites, and names that may be too many.
            let answer = catch_unwind(AssertUnwindSafe(|| job.run(&mut scratch))).unwrap_or(failure);
            send_back(&back, &wake, answer);
        }
    };
    sys::start_thread(lane, Box::new(work))?;
    Ok(queue)
}

fn send_back(back: &Sender<Option<Answer>>, wake: &mio::Waker, answer: Option<Answer>) {
    // Without a receiver the pool is gone, and with it whoever asked.
    if back.send(answer).is_ok()
        && let Err(error) = wake.wake()
    {
        log::error!("the loop could not be woken: {error}");
    }
}

impl Job {
    /// The answer if it cannot be done.
    fn failure(&self, why: &str) -> Option<Answer> {
        let done = match &self.work {
            Work::Disk(work) => Done::Disk(work.failure(why)?),
            Work::Resolve { callee, .. } => Done::Resolved(Err(format!("{callee}: {why}"))),
            Work::Recognise { .. } => Done::Recognised(Err(why.to_owned())),
            Work::Remember { .. } => Done::Remembered(Err(why.to_owned())),
            Work::Prepare { .. } => Done::Prepared(Err(why.to_owned())),
            Work::List { .. } => Done::Listed(Err(why.to_owned())),
            Work::Peers { .. } => Done::Peers(Err(why.to_owned())),
            #[cfg(test)]
            Work::Panic => Done::Prepared(Err(why.to_owned())),
        };
        Some(Answer { ticket: self.ticket, done, spent: Spent::default(), read: None })
    }

    fn run(self, scratch: &mut Scratch) -> Option<Answer> {
        let done = match self.work {
            Work::Disk(work) => Done::Disk(work.run(scratch)?),
            Work::Resolve { callee, family, folder } => Done::Resolved(find(&callee, family, folder.as_deref())),
            Work::Recognise { folder, key } => Done::Recognised(recognise(&folder, &key)),
            Work::Remember { folder, key, name, called } => Done::Remembered(remember(&folder, key, &name, called)),
            Work::Prepare { request } => Done::Prepared(Ok(prepare(&request))),
            Work::List { look } => Done::Listed(listing::look(&look)),
            Work::Peers { folder } => Done::Peers(names(&folder)),
            #[cfg(test)]
            Work::Panic => panic!("as the test wants"),
        };
        Some(Answer { ticket: self.ticket, done, spent: scratch.take_spent(), read: scratch.take_read() })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::net::source::Words;
    use crate::proto::TransferId;
    use std::time::{Duration, Instant};

    /// A pool and the poll that it wakes.
    pub(crate) struct Fixture {
        pub(crate) pool: Pool,
        poll: mio::Poll,
    }

    impl Fixture {
        pub(crate) fn new() -> Self {
            let poll = mio::Poll::new().unwrap();
            let wake = mio::Waker::new(poll.registry(), mio::Token(0)).unwrap();
            Self { pool: Pool::new(Arc::new(wake)), poll }
        }

        /// Sleeps in the poll, as the loop does, until there is an answer.
        pub(crate) fn answer(&mut self) -> Answer {
            self.wait(Pool::poll_answer)
        }

        /// Until nothing is under way.
        pub(crate) fn idle(&mut self) {
            self.wait(|pool| {
                assert_eq!(pool.poll_answer(), None);
                (pool.under_way() == 0).then_some(())
            });
        }

        fn wait<T>(&mut self, mut ask: impl FnMut(&mut Pool) -> Option<T>) -> T {
            let deadline = Instant::now() + Duration::from_secs(30);
            let mut events = mio::Events::with_capacity(8);
            loop {
                if let Some(found) = ask(&mut self.pool) {
                    return found;
                }
                let left = deadline.checked_duration_since(Instant::now()).expect("no answer in time");
                self.poll.poll(&mut events, Some(left)).unwrap();
            }
        }

        fn submit(&mut self, ticket: u64, work: Work) {
            self.pool.submit(Job { ticket: Ticket(ticket), work });
        }
    }

    fn local(family: Family) -> Work {
        Work::Resolve { callee: Callee::at("127.0.0.1".into(), 7), family, folder: None }
    }

    #[test]
    fn a_lane_answers_in_the_order_of_its_jobs() {
        let mut fixture = Fixture::new();
        for i in 0..100 {
            let answer = DiskAnswer::SourceOpened(TransferId(i), Ok(()));
            fixture.submit(i, Work::Disk(DiskWork::Say(answer)));
        }
        let tickets: Vec<_> = (0..100).map(|_| fixture.answer().ticket.0).collect();
        assert_eq!(tickets, (0..100).collect::<Vec<_>>());
        assert_eq!(fixture.pool.under_way(), 0);
    }

    #[test]
    fn a_panic_is_an_answer_and_the_thread_lives_on() {
        let mut fixture = Fixture::new();
        fixture.pool.names = Lane::new("names", 1);
        fixture.submit(1, Work::Panic);
        fixture.submit(2, local(Family::V4));
        let failed = Done::Prepared(Err("the helper failed: a bug of tete".into()));
        assert_eq!(fixture.answer(), Answer { ticket: Ticket(1), done: failed, spent: Spent::default(), read: None });
        let addresses = vec![([127, 0, 0, 1], 7).into()];
        let found = Resolved { addresses, called: "127.0.0.1:7".into(), expected: None };
        let found = Done::Resolved(Ok(found));
        assert_eq!(fixture.answer(), Answer { ticket: Ticket(2), done: found, spent: Spent::default(), read: None });
    }

    #[test]
    fn a_host_without_the_wanted_family_is_an_error() {
        let mut fixture = Fixture::new();
        fixture.submit(1, local(Family::V6));
        assert_eq!(fixture.answer().done, Done::Resolved(Err("127.0.0.1 has no IPv6 address".into())));
    }

    #[test]
    fn a_name_that_cannot_exist_is_named() {
        let mut fixture = Fixture::new();
        fixture.submit(1, Work::Resolve { callee: Callee::at("a\0b".into(), 7), family: Family::Any, folder: None });
        let Done::Resolved(Err(words)) = fixture.answer().done else { panic!("resolved") };
        assert!(words.starts_with("a\0b was not found: "), "{words}");
    }

    #[test]
    fn fault_3_files_are_looked_for_while_hosts_are_looked_up() {
        let mut fixture = Fixture::new();
        let words = Words::Path("/dev/null".into());
        let request = Request { words, folder: "/".into(), home: None };
        fixture.submit(1, Work::Prepare { request });
        let Done::Prepared(Ok(sources)) = fixture.answer().done else { panic!("failed") };
        assert_eq!(sources.refused.len(), 1);
    }

    #[test]
    fn what_a_full_lane_cannot_take_waits_and_is_not_lost() {
        let (queue, lane) = mpsc::sync_channel(1);
        let mut fixture = Fixture::new();
        fixture.pool.names = Lane { threads: vec![Some(queue)], ..Lane::new("names", 1) };
        for ticket in 1..=3 {
            fixture.submit(ticket, local(Family::Any));
        }
        for ticket in 1..=3 {
            assert_eq!(lane.try_recv().map(|job| job.ticket), Ok(Ticket(ticket)));
            assert_eq!(fixture.pool.poll_answer(), None, "nobody has worked, but the next job has moved up");
        }
        assert_eq!(fixture.pool.under_way(), 3);
    }

    #[test]
    fn a_look_up_that_is_stuck_does_not_keep_the_next_one() {
        let mut fixture = Fixture::new();
        // A thread that never takes its job stands for one that is stuck in the system.
        let (queue, stuck) = mpsc::sync_channel(4);
        fixture.pool.names.threads[0] = Some(queue);
        fixture.submit(1, local(Family::Any));
        fixture.submit(2, local(Family::Any));
        assert_eq!(fixture.answer().ticket, Ticket(2));
        assert_eq!(stuck.try_recv().map(|job| job.ticket), Ok(Ticket(1)));
    }

    #[test]
    fn a_source_that_is_stuck_does_not_keep_what_arrives() {
        use crate::net::part::{Part, Place};
        use crate::net::work::Source;
        use crate::proto::disk::{Block, DiskError};
        use crate::proto::name::SafeName;
        let mut fixture = Fixture::new();
        // Threads that never take their jobs stand for ones that are stuck in the system.
        let stuck = || {
            let (queue, jobs) = mpsc::sync_channel(4);
            (vec![Some(queue)], jobs)
        };
        let (opening, hashing) = (stuck(), stuck());
        fixture.pool.sources.threads = opening.0;
        fixture.pool.hash_sources.at_once = Lane { threads: hashing.0, ..Lane::new("hash-out", 1) };
        let (id, block) = (TransferId(1), Block { index: 0, len: 1 });
        let request = Request { words: Words::Path("Cargo.toml".into()), folder: ".".into(), home: None };
        let source = Arc::new(Source::new(prepare(&request).ready.pop().unwrap()));
        fixture.submit(1, Work::Disk(DiskWork::OpenSource(id, Arc::clone(&source))));
        fixture.submit(2, Work::Disk(DiskWork::HashSource(id, block, source, None)));
        let place =
            Place { folder: ".".into(), prefix: String::new(), calls: sys::Calls::Native, sync: true, peer: None };
        let part = Arc::new(Part::new(place, SafeName::check(b"a").unwrap()));
        fixture.submit(3, Work::Disk(DiskWork::HashPart(id, block, Arc::clone(&part))));
        let unmade = DiskError { words: "a is not open".into(), resumable: false };
        let hashed = Done::Disk(DiskAnswer::PartHashed(id, block, Err(unmade)));
        assert_eq!(fixture.answer().done, hashed);
        fixture.submit(4, Work::Disk(DiskWork::Publish(id, part)));
        assert!(matches!(fixture.answer().done, Done::Disk(DiskAnswer::Published(..))));
        assert_eq!(fixture.pool.under_way(), 2);
        drop((opening.1, hashing.1));
    }

    #[test]
    fn dropping_the_pool_waits_for_nobody() {
        let mut fixture = Fixture::new();
        // A thread that never takes its job stands for one that is stuck in the system.
        let (queue, jobs) = mpsc::sync_channel(4);
        fixture.pool.names.threads[0] = Some(queue);
        fixture.submit(1, local(Family::Any));
        drop(fixture);
        assert_eq!(jobs.iter().count(), 1, "the queue ends with the pool");
    }
}

//! The conversation that is disturbed: both say two texts and send a file, and leave.
//!
//! Owns: how it is driven whatever happens, and what must hold when it is over. Must not know: what disturbs it.

use std::fs;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::common::{Run, Tete, tete, tete_by};
use crate::tracer::signal;

/// How long what was asked for may take, and each way to end it.
const STEP: Duration = Duration::from_secs(8);
/// Bytes of each file: some blocks of reads and writes, over a link of its own.
const SIZE: usize = 300_000;
/// The documented exit codes.
const CODES: [i32; 8] = [0, 1, 2, 3, 4, 5, 130, 143];

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Listener,
    Caller,
}

impl Side {
    pub(crate) const BOTH: [Self; 2] = [Self::Listener, Self::Caller];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Listener => "anna",
            Self::Caller => "bob",
        }
    }

    pub(crate) fn other(self) -> Self {
        match self {
            Self::Listener => Self::Caller,
            Self::Caller => Self::Listener,
        }
    }

    pub(crate) fn file(self) -> String {
        format!("{}.bin", self.name())
    }

    /// Bytes that nothing compresses, and others for each.
    pub(crate) fn content(self) -> Vec<u8> {
        let mut bytes = vec![0; SIZE];
        blake3::Hasher::new().update(self.name().as_bytes()).finalize_xof().fill(&mut bytes);
        bytes
    }

    fn texts(self) -> [String; 2] {
        [format!("{} says hello", self.name()), format!("{} says more", self.name())]
    }
}

fn arguments(side: Side, place: &str) -> Vec<&str> {
    let mut args = vec!["--json", "-n", side.name(), "--trust", "new", "--linger", "3", "-w", "6"];
    match side {
        Side::Listener => args.extend(["-l", place]),
        Side::Caller => args.push(place),
    }
    args
}

/// Removes what was received.
pub(crate) fn forget_received(tete: &Tete) {
    for name in names(tete).into_iter().filter(|name| name.starts_with("fetched_")) {
        fs::remove_file(tete.file(&name)).unwrap();
    }
}

/// How one side is started, by nothing or by another program.
pub(crate) fn run(side: Side, port: u16, plain: bool, starter: &[String]) -> Run {
    let place = format!("127.0.0.1:{port}");
    let mut args = arguments(side, &place);
    args.extend(plain.then_some("--plain"));
    let run = match starter {
        [] => tete(&args),
        words => tete_by(&words.iter().map(AsRef::as_ref).collect::<Vec<_>>(), &args),
    };
    run.file(&side.file(), side.content())
}

/// How it went.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Whether both have ended with 0 and everything has arrived.
    pub(crate) well: bool,
    /// Whether everything has arrived, whatever else.
    pub(crate) arrived: bool,
    /// Whether unfinished files are left.
    pub(crate) leftovers: bool,
    /// How both have ended, if they have by themselves.
    pub(crate) statuses: [Option<ExitStatus>; 2],
    /// What must not be.
    pub(crate) wrong: Vec<String>,
    /// What both have said, to be shown.
    pub(crate) said: String,
}

/// Waits for `look` on both; whether it was in time.
fn both<T>(two: &mut [&mut Tete; 2], look: impl Fn(&Tete) -> Option<T>) -> bool {
    let latest = Instant::now() + STEP;
    two.iter_mut().all(|side| side.until_or(latest, &look).is_some())
}

/// What one side was asked to do is done, well or not, and so is what it waits for.
fn is_through(side: &Tete) -> bool {
    let over = |done: &str, direction: &str| {
        side.all(done).next().is_some() || side.all("transfer_failed").any(|event| event["direction"] == direction)
    };
    let delivered = side.all("delivered").any(|event| event["seq"] == 2);
    over("sent", "send") && over("received", "receive") && delivered && side.all("message").count() == 2
}

/// Drives the two to the end. `disturbed` is asked to leave last: the other one has to get along whatever it does.
pub(crate) fn drive(anna: &mut Tete, bob: &mut Tete, disturbed: Side) -> Outcome {
    let mut wrong = Vec::new();
    let statuses = {
        let two = &mut [&mut *anna, &mut *bob];
        let connected = both(two, |side| side.all("connected").next().map(drop));
        if connected {
            for (side, who) in two.iter_mut().zip(Side::BOTH) {
                let [first, second] = who.texts();
                side.try_send(&format!("{first}\n{second}\ntransfer {}", who.file()));
            }
            both(two, |side| is_through(side).then_some(()));
        }
        end(two, disturbed, &mut wrong)
    };
    judge(anna, bob, statuses, wrong)
}

/// How both are made to end.
type Way<'a> = &'a dyn Fn(&mut [&mut Tete; 2]);

/// Makes both end, first as people do it.
fn end(two: &mut [&mut Tete; 2], disturbed: Side, wrong: &mut Vec<String>) -> [Option<ExitStatus>; 2] {
    let (last, first) = match disturbed {
        Side::Listener => (0, 1),
        Side::Caller => (1, 0),
    };
    let ways: [Way<'_>; 3] = [
        &|two| two[first].try_send("exit"),
        &|two| {
            two[last].try_send("exit");
            two.iter_mut().for_each(|side| side.end_input());
        },
        &|two| two.iter().for_each(|side| signal(side.pid(), Signal::TERM)),
    ];
    for (n, way) in ways.into_iter().enumerate() {
        way(two);
        let latest = Instant::now() + STEP + Duration::from_secs(2);
        let statuses = [0, 1].map(|at| two[at].status_by(latest));
        if statuses.iter().all(Option::is_some) {
            return statuses;
        }
        if n > 0 {
            let who: Vec<_> =
                [0, 1].into_iter().filter(|at| statuses[*at].is_none()).map(|at| Side::BOTH[at]).collect();
            let asked = ["to leave", "by SIGTERM"][n - 1];
            wrong.push(format!("{who:?} did not end when it was asked {asked}"));
        }
    }
    [0, 1].map(|at| {
        two[at].kill();
        None
    })
}

/// Whether a side has said that something is wrong.
fn tells_of_trouble(side: &Tete) -> bool {
    ["error", "transfer_failed"].iter().any(|name| side.all(name).next().is_some()) || side.err().contains("error: ")
}

/// Whether a side has said this text, in an event that was printed.
fn has_shown(side: &Tete, text: &str) -> bool {
    side.all("message").any(|event| event["text"] == text)
}

fn judge(anna: &Tete, bob: &Tete, statuses: [Option<ExitStatus>; 2], mut wrong: Vec<String>) -> Outcome {
    let mut all_arrived = true;
    let (mut asked, mut told) = (false, false);
    for ((side, who), (other, status)) in
        [anna, bob].into_iter().zip(Side::BOTH).zip([bob, anna].into_iter().zip(statuses))
    {
        let name = who.name();
        let mut complain = |what: String| wrong.push(format!("{name} {what}"));
        let code = status.and_then(|status| status.code());
        if let Some(status) = status
            && !code.is_some_and(|code| CODES.contains(&code))
        {
            complain(format!("ended with {status}"));
        }
        if side.err().contains("panicked") {
            complain("panicked".into());
        }
        let tells = tells_of_trouble(side);
        told |= code != Some(0) || tells;
        let texts_shown = who.texts().iter().all(|text| has_shown(other, text));
        let there = arrived(other, who);
        if let Err(what) = &there {
            complain(format!("sent a file of which the other has {what}"));
        }
        let whole = there == Ok(true);
        for event in side.all("sent") {
            if !whole || event["blake3"] != hash(who) {
                complain("says `sent` of a file that is not there whole".into());
            }
        }
        for event in other.all("received") {
            if !whole || event["blake3"] != hash(who) {
                complain("sent a file that the other says it has received, and has not".into());
            }
        }
        let up_to = side.all("delivered").filter_map(|event| event["seq"].as_u64()).max().unwrap_or(0) as usize;
        for text in who.texts().iter().take(up_to).filter(|text| !has_shown(other, text)) {
            complain(format!("says that {text:?} is delivered, which was not shown"));
        }
        let was_asked = side.all("queued").next().is_some();
        asked |= was_asked;
        if code == Some(0) && was_asked && !(texts_shown && whole) && !tells {
            complain("ended with 0 and told nothing though not everything of it has arrived".into());
        }
        let strange = strange_names(side, who);
        if !strange.is_empty() {
            complain(format!("has {strange:?} in its folder"));
        }
        all_arrived &= texts_shown && whole;
    }
    // Where nobody came to say anything, nothing is missing.
    if !all_arrived && !told && asked {
        wrong.push("something is missing, and nobody told".into());
    }
    let leftovers = [anna, bob].into_iter().any(|side| names(side).iter().any(|name| name.starts_with(".tete-")));
    let well = all_arrived && !told && wrong.is_empty();
    Outcome { well, arrived: all_arrived, leftovers, statuses, wrong, said: said(anna, bob, statuses) }
}

pub(crate) fn hash(of: Side) -> Value {
    blake3::hash(&of.content()).to_string().into()
}

/// Whether the file of `from` stands whole under a final name, or what stands there instead.
pub(crate) fn arrived(at: &Tete, from: Side) -> Result<bool, String> {
    let mut names: Vec<_> = names(at).into_iter().filter(|name| is_of(name, from)).collect();
    let Some(name) = names.pop() else { return Ok(false) };
    let bytes = fs::read(at.file(&name)).map_err(|error| format!("nothing that can be read: {error}"))?;
    match bytes == from.content() && names.is_empty() {
        true => Ok(true),
        false => Err(format!("{} other bytes, or more than one: {name} {names:?}", bytes.len())),
    }
}

/// Whether that is a final name of a file of `from`: also the one that it gets beside another.
fn is_of(name: &str, from: Side) -> bool {
    name.starts_with(&format!("fetched_{}", from.name()))
}

fn names(side: &Tete) -> Vec<String> {
    let Ok(entries) = fs::read_dir(side.folder()) else { return Vec::new() };
    entries.map(|entry| PathBuf::from(entry.unwrap().file_name()).display().to_string()).collect()
}

/// What stands openly in its folder and is neither its own nor what it should get.
fn strange_names(side: &Tete, who: Side) -> Vec<String> {
    let is_expected = |name: &str| name.starts_with(".tete-") || name == who.file() || is_of(name, who.other());
    names(side).into_iter().filter(|name| !is_expected(name)).collect()
}

fn said(anna: &Tete, bob: &Tete, statuses: [Option<ExitStatus>; 2]) -> String {
    let mut out = String::new();
    for ((side, who), status) in [anna, bob].into_iter().zip(Side::BOTH).zip(statuses) {
        out += &format!("--- {}: {status:?}\n{}{}", who.name(), side.out(), side.err());
    }
    out
}

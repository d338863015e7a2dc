//! `tete bench -s` and `tete bench -c HOST`: what files cost between two machines.
//!
//! Owns: the order of it on both sides, and what a server does for whom. Must not know: how anything is shown, the command
//! line, how somebody is let in.
//!
//! What flows is files of a conversation: offered, taken, moved over its links, verified and committed as all are. Only
//! their ends are other ones: the source is zeros that stand nowhere, and what arrives is thrown away once it has been
//! hashed. So the figures are of what tete costs and of what lies between, and of no disk.
//!
//! ```text
//!   client                                                   server
//!     |--- a call, let in by the rules of every conversation --->|   a stranger gets no further
//!     |--- Ask: which way, how long, how many at once ---------->|   within its bounds?
//!     |<-- Agreed (or Refused: words) ---------------------------|
//!     |<== files, one way or both, over the conversation =======>|   flow: both sides count
//!     |--- Cost ------------------------------------------------>|
//!     |<-- Cost -------------------------------------------------|   both tell all of it
//!     |--- goodbye <-------------------------------------------->|   the next one may come
//! ```
//!
//! **The client asks, the server agrees.** What may be asked has bounds ([`wish`]): time, bytes, transfers. The server
//! takes no more offers than were agreed on, and lets go of whoever asks for nothing within its [patience](far::PATIENCE), is not
//! through a minute after its time, or says what has no place. It serves one after the other; who calls meanwhile
//! is told that it is busy, as by every tete that talks.
//!
//! **`-P N`** is N transfers at once, over the conversation's one connection for files: other than in iperf3 there are no
//! more connections, because tete never has more.
//!
//! **`-t`** ends by the clock: the file under way is one of which nobody says how long it is, and ends with the block that
//! is being sent. What is in flight then still arrives and is verified, and counts, as does the time it takes.
//! The clock begins with the first byte, and ends for each way when all of it is verified. Who is interrupted, or loses the
//! other side, tells what had arrived until then. **`-O`** leaves out what came before it was over; of what the transfers waited
//! for and of the processors' time nothing can be left out.

pub mod count;
pub mod far;
pub mod flow;
pub mod told;
pub mod wish;

use std::net::IpAddr;
use std::time::Duration;

use crate::net::Settings;
use crate::net::event::Peer;
use crate::net::source::{Prepared, Request, Words, prepare};
use crate::net::standing::Callee;
use crate::proto::text::Untrusted;
use crate::proto::transfers::Policy;
use crate::secure::code::OneTime;
use crate::sys::Shape;

use super::folders;
use super::plan::Plan;
use super::scratch::Scratch;
use far::{Far, Over, PATIENCE};
use flow::{Measured, Run};
use told::{Notices, Teller};
use wish::{MOST_BYTES, Said, Side, Wish};

/// Said to whoever is let in and does not measure.
const ONLY_MEASURES: &str = "this is tete bench -s: it only measures, and is called by tete bench -c";

/// What a measurement stands on: who we are, and where the other side is.
#[derive(Debug)]
pub struct Ground {
    /// Of a conversation that our user could have: its key, and who is let in. What happens to files is decided here.
    pub settings: Settings,
    /// Proves a first meeting.
    pub code: Option<OneTime>,
    /// Where the two meet.
    pub place: Place,
}

/// Where the two meet.
#[derive(Clone, Debug)]
pub enum Place {
    /// We listen.
    Here {
        /// On this address; `None`: on all, or on loopback if links are plain.
        ip: Option<IpAddr>,
        /// 0: the system picks one.
        port: u16,
    },
    /// We call.
    There {
        /// Whom.
        callee: Callee,
        /// For so long at most.
        patience: Option<Duration>,
    },
}

/// What our user wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Orders {
    /// What to ask for; `None`: we are asked.
    pub wish: Option<Wish>,
    /// Whether a server serves one alone.
    pub once: bool,
    /// Between two lines about how far it is; `None`: there are none.
    pub every: Option<Duration>,
    /// One document for each measurement instead of lines.
    pub json: bool,
}

/// Measures as client, or as server until a signal comes. Figures go to standard output, what happens to standard error.
///
/// # Errors
/// [`Over`]: it was not measured. A server that serves more than one goes on after all but a signal and its own failures.
pub fn run(ground: Ground, orders: &Orders) -> Result<(), Over> {
    let Ground { mut settings, code, place } = ground;
    settings.discard = true;
    settings.policy_for_new = Policy::Ask;
    settings.setup.policy = Policy::Ask;
    settings.setup.verify = true;
    // What is lost is not measured to its end.
    settings.setup.returns = false;
    settings.setup.linger = PATIENCE;
    // It takes no room, so that any folder will do.
    let (_, scratch) = folders::in_memory(&Plan::default())?;
    let source = source(&scratch)?;
    let secret = settings.secure.is_some();
    let mut far = Far::new(settings, code)?;
    let mut notices = Notices::default();
    if !secret {
        notices.say("plain: anyone on the path can read and change what is said");
    }
    let result = match (place, &orders.wish) {
        (Place::There { callee, patience }, Some(wish)) => {
            let met = wish.shape().check().map_err(Over::from).and_then(|()| {
                far.reactor().shape(wish.shape());
                far.call(callee, patience, &mut notices)
            });
            let agreed = met.and_then(|peer| agree(&mut far, wish).map(|()| peer));
            match agreed {
                Ok(peer) => client(&mut far, &peer, wish, &source, orders),
                Err(over) => told::not_begun(orders.json, &over).map_err(Over::from).and(Err(over)),
            }
        }
        (Place::Here { ip, port }, None) => {
            let addresses = far.listen(ip, port)?;
            let words: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            notices.say(&format!("listening on {}", words.join(", ")));
            server(&mut far, &source, orders, &mut notices)
        }
        _ => Err(Over::Failed("who asks calls, and who is asked listens".to_owned())),
    };
    result.inspect_err(|over| far.part(over))?;
    Ok(scratch.remove()?)
}

/// Zeros that stand nowhere, to be sent as often as it takes.
fn source(scratch: &Scratch) -> Result<Prepared, Over> {
    let path = scratch.sparse("zeros", MOST_BYTES)?;
    let words = Words::Path(path.into());
    let mut found = prepare(&Request { words, folder: "/".into(), home: None });
    let refused = found.refused.pop().map(|refused| refused.what).unwrap_or_default();
    found.ready.pop().ok_or(Over::Failed(refused))
}

/// Whether the server measures that.
fn agree(far: &mut Far, wish: &Wish) -> Result<(), Over> {
    far.say(Said::Ask(wish.clone()))?;
    match far.hear()? {
        Some(Said::Agreed) => Ok(()),
        Some(Said::Refused(words)) => {
            Err(Over::Failed(format!("the server refuses: {}", far::shown(&Untrusted::from(words)))))
        }
        _ => Err(Over::Failed("the other side does not measure: is it tete bench -s?".to_owned())),
    }
}

fn client(far: &mut Far, peer: &Peer, wish: &Wish, source: &Prepared, orders: &Orders) -> Result<(), Over> {
    let teller = Teller::new(peer, Side::Client, wish, orders);
    let measured = measure(far, wish, Side::Client, source, &teller)?;
    // What was measured is told whether or not the goodbye is heard.
    let told = teller.end(&measured);
    far.leave()?;
    Ok(told?)
}

fn server(far: &mut Far, source: &Prepared, orders: &Orders, notices: &mut Notices) -> Result<(), Over> {
    loop {
        far.reactor().shape(Shape::default());
        let peer = far.meet(notices)?;
        let served = serve(far, &peer, source, orders);
        match served {
            Err(over @ Over::Ending(_)) => return Err(over),
            served if orders.once => return served,
            Err(over) => {
                far.part(&over);
                notices.say(&format!("it was not measured to its end: {over}"));
            }
            Ok(()) => {}
        }
    }
}

fn serve(far: &mut Far, peer: &Peer, source: &Prepared, orders: &Orders) -> Result<(), Over> {
    let Some(Said::Ask(wish)) = far.hear()? else {
        far.explain(ONLY_MEASURES)?;
        return Err(Over::Failed("who called asks for nothing".to_owned()));
    };
    let possible = wish.check().and_then(|()| wish.shape().check().map_err(|error| error.to_string()));
    if let Err(words) = possible {
        far.say(Said::Refused(words.clone()))?;
        far.await_goodbye()?;
        return Err(Over::Failed(format!("refused what was asked for: {words}")));
    }
    // The connection for files is made from now on.
    far.reactor().shape(wish.shape());
    let teller = Teller::new(peer, Side::Server, &wish, orders);
    far.say(Said::Agreed)?;
    let measured = measure(far, &wish, Side::Server, source, &teller)?;
    let told = teller.end(&measured);
    far.await_goodbye()?;
    Ok(told?)
}

fn measure(far: &mut Far, wish: &Wish, side: Side, source: &Prepared, teller: &Teller) -> Result<Measured, Over> {
    teller.begin()?;
    let run = Run::begin(far, wish, side, source, teller.every())?;
    run.finish(far, |interval| teller.tell(interval)).map_err(|cut| {
        // Where nobody reads that, nobody reads this.
        let _ = teller.cut_short(&cut);
        cut.over
    })
}

//! What one side of a measurement between two machines asks the other one for, and what they tell each other.
//!
//! Owns: the texts that go there and back, and the bounds of what may be asked. Must not know: sockets, files, the clock.
//!
//! Everything is said in texts of the conversation, one JSON object each, so that it goes the way of all texts: numbered,
//! encrypted, in order with the offers behind it. A side that hears something else talks to somebody who does not
//! measure, or to another version, and says so.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::proto::transfers::MAX_ACTIVE;
use crate::sys::Shape;

/// The number of this exchange. Another one is not understood.
const VERSION: u32 = 1;
/// Longest measurement, with the time left out before it: a server is nobody's for longer.
pub const LONGEST: Duration = Duration::from_secs(3_600);
/// Most bytes each way: what the source, a file of zeros that stand nowhere, may be long on usual file systems.
pub const MOST_BYTES: u64 = 8 << 40;
/// Most transfers at once: as many as a conversation moves at a time.
pub const MOST_STREAMS: u32 = MAX_ACTIVE as u32;

/// Longest name of a congestion control, in bytes: `TCP_CA_NAME_MAX` of Linux, without its end.
const MAX_CONGESTION: usize = 15;
/// Smallest and largest window, in bytes: with less nothing flows well enough to mean anything, and more than the second
/// could not be told to the system.
const WINDOWS: [u32; 2] = [4 << 10, 1 << 30];

/// Which way files go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ways {
    /// The client sends.
    #[default]
    ToServer,
    /// The server sends (`-R`).
    ToClient,
    /// Both do, at once.
    Both,
}

/// When it is enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Enough {
    /// After so many milliseconds; what is under way then still arrives.
    Millis(u64),
    /// After so many bytes each way, all transfers together.
    Bytes(u64),
}

/// What is to be measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    /// Which way.
    pub ways: Ways,
    /// How much.
    pub enough: Enough,
    /// What is left out of the figures at the beginning, in milliseconds.
    pub omit: u64,
    /// Transfers at once, each way.
    pub streams: u32,
    /// How fast the connection for files sends, on both sides, by the name that their systems have for it.
    pub congestion: Option<String>,
    /// Bytes that may wait in it on either side.
    pub window: Option<u32>,
}

/// Which side one is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// It asks.
    Client,
    /// It is asked.
    Server,
}

impl Wish {
    /// Whether it stays within bounds.
    ///
    /// # Errors
    /// What is too much or too little, in words for whoever asked.
    pub fn check(&self) -> Result<(), String> {
        let longest = LONGEST.as_millis() as u64;
        match self.enough {
            Enough::Millis(0) | Enough::Bytes(0) => return Err("nothing is to be measured".to_owned()),
            Enough::Millis(millis) if millis.saturating_add(self.omit) > longest => {
                return Err(format!("at most {} s are measured, with what is left out", LONGEST.as_secs()));
            }
            Enough::Bytes(bytes) if bytes > MOST_BYTES => return Err(format!("at most {MOST_BYTES} bytes are sent")),
            Enough::Bytes(_) if self.omit > 0 => return Err("with a number of bytes nothing is left out".to_owned()),
            Enough::Millis(_) | Enough::Bytes(_) => {}
        }
        if self.congestion.as_ref().is_some_and(|name| name.is_empty() || name.len() > MAX_CONGESTION) {
            return Err(format!("a congestion control has a name of at most {MAX_CONGESTION} bytes"));
        }
        let [least, most] = WINDOWS;
        if self.window.is_some_and(|window| !(least..=most).contains(&window)) {
            return Err(format!("a window has {least} to {most} bytes"));
        }
        if !(1..=MOST_STREAMS).contains(&self.streams) {
            return Err(format!("1 to {MOST_STREAMS} transfers go at once"));
        }
        Ok(())
    }

    /// How its connections are set up.
    pub fn shape(&self) -> Shape {
        Shape { congestion: self.congestion.clone(), window: self.window.map(|window| window as usize) }
    }

    /// Whether this side sends.
    pub fn sends(&self, side: Side) -> bool {
        matches!((self.ways, side), (Ways::Both, _) | (Ways::ToServer, Side::Client) | (Ways::ToClient, Side::Server))
    }

    /// Whether this side receives.
    pub fn receives(&self, side: Side) -> bool {
        matches!((self.ways, side), (Ways::Both, _) | (Ways::ToClient, Side::Client) | (Ways::ToServer, Side::Server))
    }

    /// The bytes of each transfer of one way; `None`: it ends by the clock. Both sides compute the same. Of a wish that was
    /// [checked](Self::check): nothing overflows, and there are at least one and at most [`MOST_STREAMS`].
    pub fn sizes(&self) -> Vec<Option<u64>> {
        let streams = u64::from(self.streams);
        match self.enough {
            Enough::Millis(_) => vec![None; self.streams as usize],
            Enough::Bytes(bytes) => {
                let cut = |n: u64| bytes * n / streams;
                (0..streams).map(|n| cut(n + 1) - cut(n)).filter(|size| *size > 0).map(Some).collect()
            }
        }
    }
}

/// What a side has to tell when all is through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Bytes that it has sent and the other one has verified.
    pub sent: u64,
    /// Bytes that it has received and verified.
    pub received: u64,
    /// How long that took, in seconds.
    pub seconds: f64,
    /// Seconds of its processors.
    pub cpu: f64,
}

impl Cost {
    /// Bytes, both ways together.
    pub fn moved(&self) -> u64 {
        self.sent.saturating_add(self.received)
    }
}

/// A text of a measurement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// The client: measure this.
    Ask(Wish),
    /// The server: yes. Whoever sends begins.
    Agreed,
    /// The server: no, and why.
    Refused(String),
    /// Both, when all is through.
    Cost(Cost),
}

#[derive(Serialize, Deserialize)]
struct Envelope {
    tete_bench: u32,
    #[serde(flatten)]
    said: Said,
}

impl Said {
    /// As a text.
    pub fn text(self) -> String {
        // Numbers and short words: it cannot fail; an empty text would be told as one that is not understood.
        serde_json::to_string(&Envelope { tete_bench: VERSION, said: self }).unwrap_or_default()
    }

    /// From a text. `None`: it is another one, or of another version.
    pub fn read(text: &[u8]) -> Option<Self> {
        let envelope: Envelope = serde_json::from_slice(text).ok()?;
        (envelope.tete_bench == VERSION).then_some(envelope.said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(enough: Enough, streams: u32) -> Wish {
        Wish { ways: Ways::ToServer, enough, omit: 0, streams, congestion: None, window: None }
    }

    #[test]
    fn what_is_said_is_understood() {
        let cost = Cost { sent: 1, received: 2, seconds: 0.5, cpu: 0.25 };
        for said in
            [Said::Ask(wish(Enough::Millis(10_000), 2)), Said::Agreed, Said::Refused("no".into()), Said::Cost(cost)]
        {
            assert_eq!(Said::read(said.clone().text().as_bytes()), Some(said));
        }
    }

    #[test]
    fn other_texts_and_other_versions_are_not_understood() {
        let ask = Said::Ask(wish(Enough::Bytes(1), 1)).text();
        for text in [
            "hello".to_owned(),
            "{}".to_owned(),
            String::new(),
            ask.replace(":1,\"ask\"", ":2,\"ask\""),
            ask.replace("\"streams\"", "\"more\":1,\"streams\""),
            ask.replace("\"bytes\":1", "\"bytes\":-1"),
        ] {
            assert_eq!(Said::read(text.as_bytes()), None, "{text}");
        }
        assert!(Said::read(ask.as_bytes()).is_some());
    }

    #[test]
    fn whatever_is_beyond_its_bound_is_refused() {
        let longest = LONGEST.as_millis() as u64;
        assert_eq!(wish(Enough::Millis(longest), MOST_STREAMS).check(), Ok(()));
        assert_eq!(wish(Enough::Bytes(MOST_BYTES), 1).check(), Ok(()));
        for bad in [
            wish(Enough::Millis(longest + 1), 1),
            wish(Enough::Millis(0), 1),
            wish(Enough::Bytes(0), 1),
            wish(Enough::Bytes(MOST_BYTES + 1), 1),
            wish(Enough::Millis(1), 0),
            wish(Enough::Millis(1), MOST_STREAMS + 1),
            Wish { omit: longest + 1, ..wish(Enough::Millis(1), 1) },
            Wish { omit: 1, ..wish(Enough::Bytes(1), 1) },
            Wish { congestion: Some(String::new()), ..wish(Enough::Bytes(1), 1) },
            Wish { congestion: Some("x".repeat(MAX_CONGESTION + 1)), ..wish(Enough::Bytes(1), 1) },
            Wish { window: Some(WINDOWS[0] - 1), ..wish(Enough::Bytes(1), 1) },
            Wish { window: Some(WINDOWS[1] + 1), ..wish(Enough::Bytes(1), 1) },
        ] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_transfers_of_a_way_are_as_many_bytes_as_were_asked_for() {
        for bytes in [1, 2, 7, 8, 1 << 20, (8 << 20) + 5, MOST_BYTES] {
            for streams in 1..=MOST_STREAMS {
                let sizes = wish(Enough::Bytes(bytes), streams).sizes();
                assert_eq!(sizes.iter().flatten().sum::<u64>(), bytes, "{bytes} {streams} {sizes:?}");
                assert!(sizes.len() <= streams as usize && !sizes.contains(&Some(0)), "{sizes:?}");
            }
        }
        assert_eq!(wish(Enough::Millis(5), 3).sizes(), [None; 3]);
    }
}

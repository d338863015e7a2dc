//! What may stand behind `tete bench -s` and `tete bench -c HOST`.
//!
//! Owns: its flags, with iperf3's letters where they mean the same. Must not know: how it is measured; who is let in.

use std::ffi::OsString;
use std::net::IpAddr;
use std::time::Duration;

use bytesize::ByteSize;
use clap::Args;

use crate::app::address::{DEFAULT_PORT, Listen, Target};
use crate::app::code::CodeFrom;
use crate::app::config::{CodeSource, Config, Family, Trust, Wait};
use crate::app::exit::UsageError;
use crate::bench::between::Orders;
use crate::bench::between::wish::{Enough, LONGEST, Ways, Wish};

use super::values::{self, choice};

/// Between two lines, unless something else is asked for; and how often and how seldom it can be, in seconds.
const USUAL_INTERVAL: f64 = 1.0;
const INTERVALS: [f64; 2] = [0.1, 3_600.0];
/// How long is measured unless something else is asked for, in seconds: as iperf3 has it.
const USUAL_TIME: f64 = 10.0;

#[derive(Args, Clone, Default, PartialEq)]
#[group(id = "between", multiple = true)]
// What a side requires is waived by clap where that side cannot be, so that each flag also says with what it cannot be.
pub(super) struct Between {
    /// Be asked, by one client after the other
    #[arg(short, long, group = "side", conflicts_with = "client")]
    server: bool,
    /// Ask this one: HOST, HOST:PORT, KEY@HOST:PORT, a known name
    #[arg(short, long, group = "side", value_name = "HOST", value_hint = clap::ValueHint::Hostname)]
    client: Option<OsString>,
    /// Where the server listens (8383)
    #[arg(short, long, requires = "side", value_name = "PORT")]
    port: Option<u16>,
    /// The server: on this address alone
    #[arg(short = 'B', long, requires = "server", value_name = "ADDR", conflicts_with = "client")]
    bind: Option<IpAddr>,
    /// The server: one client, then end
    #[arg(short = '1', long, requires = "server", conflicts_with = "client")]
    one_off: bool,
    /// Seconds that are measured (10)
    #[arg(short, long, requires = "client", value_name = "SECONDS", conflicts_with_all = ["server", "bytes"])]
    time: Option<String>,
    /// Bytes that are sent, instead of a time: 1G
    #[arg(short = 'n', long, requires = "client", value_name = "BYTES", conflicts_with = "server")]
    bytes: Option<String>,
    /// Transfers at once, over the one connection for files (1)
    #[arg(short = 'P', long, requires = "client", value_name = "N", conflicts_with = "server")]
    parallel: Option<u32>,
    /// The server sends
    #[arg(short = 'R', long, requires = "client", conflicts_with_all = ["server", "bidir"])]
    reverse: bool,
    /// Both send, at once
    #[arg(long, requires = "client", conflicts_with = "server")]
    bidir: bool,
    /// Seconds between two lines (1; 0: none)
    #[arg(short, long, requires = "side", value_name = "SECONDS")]
    interval: Option<String>,
    /// Leave the first seconds out
    #[arg(short = 'O', long, requires = "client", value_name = "SECONDS", conflicts_with_all = ["server", "bytes"])]
    omit: Option<String>,
    /// How fast it is sent, as both systems call it: reno, cubic, bbr
    #[arg(short = 'C', long, requires = "client", value_name = "ALGO", conflicts_with = "server")]
    congestion: Option<String>,
    /// Bytes that may wait in the connection for files, on either side
    #[arg(short, long, requires = "client", value_name = "BYTES", conflicts_with = "server")]
    window: Option<String>,
    /// As --json
    #[arg(short = 'J', requires = "side")]
    document: bool,
    /// How the other side sees us
    #[arg(long, requires = "side", value_name = "NAME")]
    name: Option<String>,
    /// Keys talked to: known, new
    #[arg(long, requires = "side", value_name = "WHICH", value_parser = choice(&TRUST), hide_possible_values = true)]
    trust: Option<Trust>,
    /// First meeting: CODE, -, @FILE (env TETE_CODE)
    #[arg(long, requires = "side", value_name = "CODE", conflicts_with = "new_code")]
    code: Option<OsString>,
    /// Make a one-time code and show it
    #[arg(long, requires = "side")]
    new_code: bool,
    /// No encryption; both sides must ask for it
    #[arg(long, requires = "side", conflicts_with_all = ["code", "new_code"])]
    plain: bool,
    /// Stop calling after (30)
    #[arg(long, requires = "client", value_name = "SECS", conflicts_with = "server")]
    wait: Option<String>,
    /// IPv4 only
    #[arg(short = '4', requires = "side", conflicts_with = "v6")]
    v4: bool,
    /// IPv6 only
    #[arg(short = '6', requires = "side")]
    v6: bool,
}

/// Nobody is asked in a measurement.
const TRUST: [(&str, Trust); 2] = [("known", Trust::Known), ("new", Trust::New)];

impl Between {
    /// Whether this is a measurement between two machines.
    pub(super) fn is_wanted(&self) -> bool {
        self.server || self.client.is_some()
    }

    /// What a conversation of the two would be told, with a code that is yet to be read, and what is measured.
    pub(super) fn into_orders(
        self,
        json: bool,
        environment: impl Fn(&str) -> Option<OsString>,
    ) -> Result<(Config, Option<CodeFrom>, Orders), UsageError> {
        let every = self.interval.as_deref().map(interval).transpose()?.unwrap_or(USUAL_INTERVAL);
        let wish = self.client.is_some().then(|| self.wish()).transpose()?;
        let orders = Orders {
            wish,
            once: self.one_off,
            every: (every > 0.0).then(|| Duration::from_secs_f64(every)),
            json: json || self.document,
        };
        let from = self.code.map(CodeFrom::parse).transpose()?;
        let mut target = self.client.map(|word| values::target(&[word])).transpose()?.flatten();
        if let (Some(target), Some(port)) = (&mut target, self.port) {
            *target = at_port(target, port)?;
        }
        let config = Config {
            name: values::name(self.name, &environment)?,
            listen: self.server.then_some(Listen { ip: self.bind, port: self.port.unwrap_or(DEFAULT_PORT) }),
            target,
            trust: self.trust,
            code: self.new_code.then_some(CodeSource::Make),
            wait: self
                .wait
                .as_deref()
                .map(|text| values::seconds("--wait", text))
                .transpose()?
                .map_or(Wait::Usual, Wait::AtMost),
            plain: self.plain,
            family: match (self.v4, self.v6) {
                (true, _) => Family::V4,
                (_, true) => Family::V6,
                _ => Family::Any,
            },
            ..Config::default()
        };
        Ok((config, from, orders))
    }

    fn wish(&self) -> Result<Wish, UsageError> {
        let millis = |flag, text: &str| values::seconds_within(flag, text, LONGEST).map(|time| time.as_millis() as u64);
        let usual = USUAL_TIME.to_string();
        let wish = Wish {
            ways: match (self.reverse, self.bidir) {
                (_, true) => Ways::Both,
                (true, _) => Ways::ToClient,
                _ => Ways::ToServer,
            },
            enough: match &self.bytes {
                Some(text) => Enough::Bytes(bytes("-n", text)?),
                None => Enough::Millis(millis("-t", self.time.as_ref().unwrap_or(&usual))?),
            },
            omit: self.omit.as_deref().map_or(Ok(0), |text| millis("-O", text))?,
            streams: self.parallel.unwrap_or(1),
            congestion: self.congestion.clone(),
            window: match &self.window {
                // What does not even fit is beyond the bound.
                Some(text) => Some(u32::try_from(bytes("-w", text)?).unwrap_or(u32::MAX)),
                None => None,
            },
        };
        wish.check().map_err(|words| UsageError::new(words, "tete bench --help lists what there is"))?;
        Ok(wish)
    }
}

/// The same target at this port, which it must not name otherwise.
fn at_port(target: &Target, port: u16) -> Result<Target, UsageError> {
    if target.port_given && target.port != port {
        return Err(UsageError::new(format!("-c names port {}, -p {port}", target.port), "leave one of them out"));
    }
    if port == 0 {
        return Err(UsageError::new("nobody can be called at port 0", "a port is a number from 1 to 65535"));
    }
    Ok(Target { port, port_given: true, ..target.clone() })
}

fn bytes(flag: &str, text: &str) -> Result<u64, UsageError> {
    let found = text.parse::<ByteSize>().map(|size| size.as_u64());
    found.map_err(|_| {
        UsageError::new(
            format!("{flag} {text:?} is not a number of bytes"),
            "for instance 512M, or 1G (10^9), 1Gi (2^30)",
        )
    })
}

fn interval(text: &str) -> Result<f64, UsageError> {
    let [least, most] = INTERVALS;
    let found = text.parse::<f64>().ok().filter(|seconds| *seconds == 0.0 || (least..=most).contains(seconds));
    found.ok_or_else(|| {
        UsageError::new(
            format!("-i {text:?} is not a time between two lines"),
            format!("{least} to {most} seconds, or 0"),
        )
    })
}

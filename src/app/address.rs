//! What a user types to say where: whom to call, and where to listen.
//!
//! Owns: the syntax of PEER and of `--listen`, the default port.
//! Must not know: the command line's other parts, names being looked up, who is known, sockets.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::secure::key::PublicKey;
use crate::secure::saved_name;
use crate::sys;

use super::exit::UsageError;

/// The port that is called, and listened on, when none is named.
pub const DEFAULT_PORT: u16 = 8383;

/// The host of a PEER that is only a port.
const THIS_MACHINE: &str = "localhost";

/// Longest host name in bytes (RFC 1035, section 2.3.4, without the root's dot).
const MAX_HOST: usize = 253;

/// What a peer may be written as; every refusal ends with it.
const HOW_TO_CALL: &str = "call HOST, HOST:PORT, [V6]:PORT, PORT alone for this machine, or a known peer's name";

/// How a key is pinned; every refusal of one ends with it.
const HOW_TO_PIN: &str = "pin a key as KEY@HOST:PORT; tete id prints it on the other side";

/// Whom to call. The host is not looked up yet: it may be a name that nobody has.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// A name, an IPv4 address, or an IPv6 address (without brackets, perhaps with a zone: `fe80::1%eth0`).
    pub host: String,
    /// Never 0.
    pub port: u16,
    /// Whether the port was typed; else it is [`DEFAULT_PORT`].
    pub port_given: bool,
    /// The one key that may answer there.
    pub pin: Option<PublicKey>,
}

impl Target {
    /// Reads a PEER: `HOST`, `HOST:PORT`, `HOST PORT`, `V6`, `[V6]:PORT`, or `PORT` alone, which is this machine; with a
    /// pinned key `KEY@HOST:PORT` or `HOST:PORT#KEY`. A single word may also be the name of a known peer: see
    /// [`saved_name`](Self::saved_name).
    /// The command line and the question at the start use the same words, so they share this.
    ///
    /// # Errors
    /// What was typed names no peer that can be called; the hint says how one is written.
    pub fn parse(text: &str) -> Result<Self, UsageError> {
        let (place, key) = match (text.split_once('@'), text.rsplit_once('#')) {
            (None, None) => (text, None),
            (Some((key, place)), None) | (None, Some((place, key))) => (place, Some(key)),
            (Some(_), Some(_)) => {
                return Err(UsageError::new(format!("{text:?} has something before @ and behind #"), HOW_TO_PIN));
            }
        };
        let pin = key.map(parse_key).transpose()?;
        Ok(Self { pin, ..Self::parse_place(place)? })
    }

    fn parse_place(text: &str) -> Result<Self, UsageError> {
        let words: Vec<&str> = text.split_whitespace().collect();
        match words[..] {
            [] => Err(UsageError::new("no peer is named", HOW_TO_CALL)),
            [word] => Self::parse_word(word),
            [host, port] => {
                let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
                Ok(Self::at(parse_host(host)?, Some(parse_target_port(port)?)))
            }
            _ => Err(UsageError::new(format!("{text:?} is more than a host and a port"), HOW_TO_CALL)),
        }
    }

    /// A target without a pin. Without a port it is the usual one.
    pub fn at(host: String, port: Option<u16>) -> Self {
        Self { host, port: port.unwrap_or(DEFAULT_PORT), port_given: port.is_some(), pin: None }
    }

    fn parse_word(word: &str) -> Result<Self, UsageError> {
        if is_digits(word) {
            return Ok(Self::at(THIS_MACHINE.to_owned(), Some(parse_target_port(word)?)));
        }
        if is_v6(word) {
            return Ok(Self::at(word.to_owned(), None));
        }
        if let Some(rest) = word.strip_prefix('[') {
            let Some((host, after)) = rest.split_once(']').filter(|(host, _)| is_v6(host)) else {
                return Err(UsageError::new(format!("{word:?} has no IPv6 address in its brackets"), HOW_TO_CALL));
            };
            let port = match after.strip_prefix(':') {
                Some(port) => Some(parse_target_port(port)?),
                None if after.is_empty() => None,
                None => return Err(UsageError::new(format!("{word:?} is not [V6]:PORT"), HOW_TO_CALL)),
            };
            return Ok(Self::at(host.to_owned(), port));
        }
        match word.split_once(':') {
            // What no host can be called, a person may be.
            None if saved_name::clean(word) == word => Ok(Self::at(word.to_owned(), None)),
            None => Ok(Self::at(parse_host(word)?, None)),
            Some((_, port)) if port.contains(':') => Err(UsageError::new(
                format!("{word:?} is neither an IPv6 address nor HOST:PORT"),
                "an IPv6 address with a port stands in brackets: [::1]:8383",
            )),
            Some((host, port)) => Ok(Self::at(parse_host(host)?, Some(parse_target_port(port)?))),
        }
    }

    /// The word that may be the name of a known peer, who then is called where he was last reached. An address, a
    /// port or a pinned key says already who or where.
    pub fn saved_name(&self) -> Option<&str> {
        let is_address = self.host.parse::<Ipv4Addr>().is_ok() || is_v6(&self.host);
        (!self.port_given && self.pin.is_none() && !is_address).then_some(&*self.host)
    }
}

/// Without the pin: where, and not who.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, .. } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

/// Where to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Listen {
    /// The address that was named, if one was. None: only a port was, and the channel decides between all addresses
    /// and loopback.
    pub ip: Option<IpAddr>,
    /// 0: the system picks.
    pub port: u16,
}

impl Listen {
    /// Reads `[ADDR:]PORT`: `5000`, `0`, `127.0.0.1:5000`, `[::1]:5000`.
    ///
    /// # Errors
    /// What was typed is no port and no address with a port. Names are not looked up: one may mean several addresses.
    pub fn parse(text: &str) -> Result<Self, UsageError> {
        let text = text.trim();
        if is_digits(text) {
            return match text.parse() {
                Ok(port) => Ok(Self { ip: None, port }),
                Err(_) => Err(UsageError::new(
                    format!("{text} is not a port to listen on"),
                    "a port is a number from 1 to 65535; with 0 the system picks one",
                )),
            };
        }
        // The standard parser takes a signed port ("+5000") and a zone that would then be lost.
        let plain = !text.contains(['+', '%']);
        match text.parse::<SocketAddr>() {
            Ok(address) if plain => Ok(Self { ip: Some(address.ip()), port: address.port() }),
            _ => Err(UsageError::new(
                format!("{text:?} is not a place to listen on"),
                "give PORT, ADDR:PORT or [V6]:PORT, where ADDR is an address of this machine: 127.0.0.1:5000",
            )),
        }
    }
}

/// Digits and nothing else: what can only be meant as a port. The standard parser would also take a plus sign.
fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// An IPv6 address, perhaps with a zone.
fn is_v6(text: &str) -> bool {
    let (address, zone) = text.split_once('%').unwrap_or((text, "0"));
    let zone_is_a_name = !zone.is_empty() && zone.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c));
    address.parse::<Ipv6Addr>().is_ok() && zone_is_a_name
}

fn parse_host(text: &str) -> Result<String, UsageError> {
    // Digits alone are a port that stands in the wrong place; the system's look-up would make 0.0.19.136 of 5000.
    let is_name = !text.is_empty()
        && text.len() <= MAX_HOST
        && !is_digits(text)
        && !text.starts_with(['-', '.'])
        && text.chars().all(|c| c.is_alphanumeric() || "-._".contains(c));
    // Four numbers and dots are an address or a slip of the finger; asking name servers about it helps nobody.
    let looks_like_v4 = text.bytes().all(|b| b.is_ascii_digit() || b == b'.') && text.matches('.').count() == 3;
    let is_host = is_name && (!looks_like_v4 || text.parse::<Ipv4Addr>().is_ok());
    if is_host || is_v6(text) {
        Ok(text.to_owned())
    } else {
        Err(UsageError::new(format!("{text:?} is not the name or address of a host"), HOW_TO_CALL))
    }
}

fn parse_key(text: &str) -> Result<PublicKey, UsageError> {
    // What is too long for a key is not worth repeating; a name, as others put it before the @, is.
    let shown: String = text.chars().take(70).collect();
    PublicKey::parse(text.trim())
        .map_err(|error| UsageError::new(format!("{shown:?} is not a key: {error}"), HOW_TO_PIN))
}

fn parse_target_port(text: &str) -> Result<u16, UsageError> {
    match text.parse() {
        Ok(port) if port != 0 && is_digits(text) => Ok(port),
        _ => Err(UsageError::new(format!("{text:?} is not a port to call"), "a port is a number from 1 to 65535")),
    }
}

/// The addresses at which a listening socket can be reached.
pub fn reachable(address: SocketAddr) -> Vec<String> {
    match address.ip().is_unspecified() {
        false => vec![address.to_string()],
        true => {
            let here = if address.is_ipv6() { IpAddr::from(Ipv6Addr::LOCALHOST) } else { Ipv4Addr::LOCALHOST.into() };
            let all = sys::outward_address(address.is_ipv6()).into_iter().chain([here]);
            all.map(|ip| SocketAddr::new(ip, address.port()).to_string()).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The target in its displayed form, which is what a user sees of it.
    fn target(text: &str) -> String {
        Target::parse(text).map_or_else(|e| format!("{e:?}"), |t| t.to_string())
    }

    #[test]
    fn a_host_with_and_without_a_port_is_a_target() {
        assert_eq!(target("bob.example"), "bob.example:8383");
        assert_eq!(target("bob.example:5000"), "bob.example:5000");
        assert_eq!(target("bob.example 5000"), "bob.example:5000");
        assert_eq!(target("  127.0.0.1   5000\n"), "127.0.0.1:5000");
        assert_eq!(target("demo:8383"), "demo:8383");
        assert_eq!(target("büro_pc"), "büro_pc:8383");
    }

    #[test]
    fn a_port_alone_is_on_this_machine() {
        assert_eq!(target("5000"), "localhost:5000");
        assert_eq!(target("65535"), "localhost:65535");
    }

    #[test]
    fn an_ipv6_address_is_displayed_in_brackets() {
        assert_eq!(target("::1"), "[::1]:8383");
        assert_eq!(target("[::1]"), "[::1]:8383");
        assert_eq!(target("[::1]:5000"), "[::1]:5000");
        assert_eq!(target("::1 5000"), "[::1]:5000");
        assert_eq!(target("[::1] 5000"), "[::1]:5000");
        assert_eq!(target("[fe80::1%eth0]:5000"), "[fe80::1%eth0]:5000");
        assert_eq!(Target::parse("[::1]:5000").unwrap().host, "::1");
    }

    #[test]
    fn fault_1_a_bad_or_zero_target_port_is_a_usage_error() {
        for bad in
            ["0", "65536", "99999999999999999999", "bob:0", "bob:65536", "bob:", "bob:+80", "bob:x", "bob 0", "bob -1"]
        {
            let error = Target::parse(bad).unwrap_err();
            assert!(error.message.contains("is not a port to call"), "{bad}: {error}");
            assert!(error.hint.contains("65535"), "{bad}: {error}");
        }
    }

    #[test]
    fn what_names_no_host_is_refused() {
        let long = "a".repeat(MAX_HOST + 1);
        for bad in [
            "",
            "  ",
            ":5000",
            "a b c",
            "http://bob",
            "bob:1:2",
            "[::1",
            "[bob]:1",
            "[::1]x",
            "[]:1",
            "5000 5001",
            "bob:1 2",
            "-x",
            "bob\x1b",
            "300.1.1.1",
            "1:2:3:4:5:6:7:8:9",
            "::1%",
            &long,
        ] {
            assert!(Target::parse(bad).is_err(), "{bad}");
        }
        assert!(!Target::parse("\x1b]0;x").unwrap_err().to_string().contains('\x1b'), "quoted input is escaped");
    }

    #[test]
    fn a_key_is_pinned_before_or_behind_the_place() {
        let key = PublicKey::new([7; 32]);
        let groups = key.grouped();
        for (text, place, port_given) in [
            (format!("{key}@bob:5000"), "bob:5000", true),
            (format!("{groups}@bob"), "bob:8383", false),
            (format!("{key}@[::1]:5000"), "[::1]:5000", true),
            (format!("{key}@5000"), "localhost:5000", true),
            (format!("{key}@bob 5000"), "bob:5000", true),
            (format!("bob:5000#{key}"), "bob:5000", true),
            (format!("::1#{}", groups.to_uppercase()), "[::1]:8383", false),
        ] {
            let target = Target::parse(&text).unwrap();
            assert_eq!((target.to_string().as_str(), target.port_given), (place, port_given), "{text}");
            assert_eq!((target.pin, target.saved_name()), (Some(key), None), "{text}");
        }
        assert_eq!(Target::parse("bob:5000").unwrap().pin, None);
    }

    #[test]
    fn what_is_not_exactly_a_key_is_no_pin() {
        let key = PublicKey::new([7; 32]).to_string();
        for bad in [
            "anna@bob:5000",
            "@bob",
            "bob#",
            "bob:5000#abcd",
            &format!("{}@bob", &key[1..]),
            &format!("{key}@bob#{key}"),
            &format!("{key}@anna@bob"),
            &format!("{key}@"),
            &format!("{key}@bob:0"),
            "\x1b[2J@bob",
        ] {
            let error = Target::parse(bad).unwrap_err();
            assert!(!error.to_string().replace('\n', "").contains(char::is_control), "{error:?}");
        }
        assert!(Target::parse("anna@bob").unwrap_err().message.contains("\"anna\" is not a key"));
        assert!(Target::parse("anna@bob").unwrap_err().hint.contains("KEY@HOST:PORT"));
    }

    #[test]
    fn a_bare_word_may_be_a_name_that_no_host_has() {
        for name in ["bob", "Zoë", "🦊", "bob-2"] {
            let target = Target::parse(name).unwrap();
            assert_eq!((target.host.as_str(), target.saved_name()), (name, Some(name)));
        }
        for other in ["bob:8383", "bob 8383", "5000", "127.0.0.1", "::1", "[::1]"] {
            assert_eq!(Target::parse(other).unwrap().saved_name(), None, "{other}");
        }
        for bad in ["🦊:5000", "a/b", "a\u{202e}b", "x\u{200d}y"] {
            assert!(Target::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_place_to_listen_is_a_port_with_or_without_an_address() {
        let listen = |text| Listen::parse(text).map(|l| (l.ip.map(|ip| ip.to_string()), l.port)).unwrap();
        assert_eq!(listen("5000"), (None, 5000));
        assert_eq!(listen(" 0 "), (None, 0));
        assert_eq!(listen("127.0.0.1:5000"), (Some("127.0.0.1".to_owned()), 5000));
        assert_eq!(listen("[::1]:0"), (Some("::1".to_owned()), 0));
    }

    #[test]
    fn what_is_no_place_to_listen_is_refused() {
        for bad in ["", "65536", "-1", "+5", "bob:5000", "127.0.0.1", "127.0.0.1:", "127.0.0.1:+5", "::1:5000x", "::1"]
        {
            assert!(Listen::parse(bad).is_err(), "{bad}");
        }
    }
}

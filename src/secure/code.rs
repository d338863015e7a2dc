//! One-time codes: three words that two people tell each other once, so that their programs can tell them apart from
//! anybody else.
//!
//! Owns: the form of a code, and its life: how long, how many wrong tries, once. Must not know: clocks (time is an
//! argument), randomness (so are the bytes), how a code is proved (that is [`pairing`](super::pairing)).
//!
//! No RFC has this form. What a short secret needs, few guesses and each one seen, is in RFC 9382 (SPAKE2), Security
//! Considerations.
//!
//! ```
//! use std::time::Instant;
//! use tete::secure::code::{Code, OneTime, Over};
//!
//! let now = Instant::now();
//! let mut ours = OneTime::new(Code::new([0, 128, 255]), now);
//! assert_eq!(ours.usable(now).map(Code::to_string).as_deref(), Some("acid-lucky-zero"));
//! ours.used();
//! assert_eq!((ours.usable(now), ours.over(now)), (None, Some(Over::Used)));
//! ```
//!
//! **Threat model.** Whoever does not know the code and reaches our user in its life has [`WRONG_TRIES`] guesses at 2²⁴
//! codes: one chance in 5.6 million, and our user sees the wrong tries. Whoever hears the code said (over the phone, in
//! a chat that others read) and calls first is taken for the friend; so is whoever reads it on the command line of
//! another user's process. The code is not wiped from memory: it is worth nothing a few minutes later.

use std::fmt;
use std::time::{Duration, Instant};

use crate::proto::near;

use super::words::WORDS;

/// How long a code is good. Long enough to find the other person on another channel and for them to install the
/// program; short enough that what was written down somewhere is worthless by the time that it is found. The clock of
/// [`Instant`] may stand still while the machine sleeps; nobody can guess meanwhile.
pub const LIFE: Duration = Duration::from_secs(10 * 60);

/// Wrong tries before a code is burnt. With one, any passer-by could burn it, and any slip of the fingers; each more gives
/// a guesser another chance in 2²⁴.
pub const WRONG_TRIES: u32 = 3;

/// Longest text that is read as a code, in bytes: three words of five letters with many signs between them.
const MAX_TEXT: usize = 64;

/// Why some text is no code. It quotes what our own user typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CodeError {
    /// Another number of words than three.
    Words(usize),
    /// More text than any code has.
    TooLong,
    /// A word that no code has.
    Unknown {
        /// As it was typed.
        word: String,
        /// The word that was probably meant.
        nearest: Option<&'static str>,
    },
}

impl fmt::Display for CodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Words(1) => f.write_str("a code has three words, this is one"),
            Self::Words(n) => write!(f, "a code has three words, these are {n}"),
            Self::TooLong => f.write_str("a code has three short words, this is longer"),
            Self::Unknown { word, nearest: None } => write!(f, "no code has the word {word:?}"),
            Self::Unknown { word, nearest: Some(near) } => {
                write!(f, "no code has the word {word:?}; perhaps it is {near}")
            }
        }
    }
}

impl std::error::Error for CodeError {}

/// A code: three words of 256, 24 bits. `Display` is how it is told (`acid-moon-tree`); `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Code([u8; 3]);

impl Code {
    /// The code of three random bytes. They have to be unpredictable.
    pub fn new(random: [u8; 3]) -> Self {
        Self(random)
    }

    /// Reads a code as people write it: any case; spaces, dashes and dots between the words and around them.
    ///
    /// # Errors
    /// [`CodeError`]: our user's slip, with the nearest word.
    pub fn parse(text: &str) -> Result<Self, CodeError> {
        if text.len() > MAX_TEXT {
            return Err(CodeError::TooLong);
        }
        let between = |c: char| c.is_whitespace() || matches!(c, '-' | '.');
        let words: Vec<String> =
            text.split(between).filter(|word| !word.is_empty()).map(str::to_ascii_lowercase).collect();
        let found: Vec<u8> = words.iter().map(|word| place(word)).collect::<Result<_, _>>()?;
        found.try_into().map(Self).map_err(|_| CodeError::Words(words.len()))
    }
}

/// Where a word stands in the list.
fn place(word: &str) -> Result<u8, CodeError> {
    let at = WORDS.binary_search(&word).ok().and_then(|at| u8::try_from(at).ok());
    at.ok_or_else(|| CodeError::Unknown { word: word.to_owned(), nearest: near::nearest(word, WORDS) })
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c] = self.0.map(|place| WORDS[usize::from(place)]);
        write!(f, "{a}-{b}-{c}")
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(…)")
    }
}

/// Why a code is good no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// Somebody has proved it.
    Used,
    /// [`WRONG_TRIES`] wrong tries.
    Burnt,
    /// [`LIFE`] has passed.
    Expired,
}

impl fmt::Display for Over {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Used => "the code has been used",
            Self::Burnt => "the code is burnt: three wrong tries",
            Self::Expired => "the code has expired",
        })
    }
}

#[derive(Clone, Copy, Debug)]
enum State {
    Open { left: u32 },
    Used,
    Burnt,
}

/// A code of ours and its life.
///
/// Several callers may try at once. Whoever runs their [pairings](super::pairing::Pairing) begins no more of them than
/// [`OneTime::left`]: a hundred runs that started while the code was good would else be a hundred guesses.
#[derive(Debug)]
pub struct OneTime {
    code: Code,
    until: Instant,
    state: State,
}

impl OneTime {
    /// A code that begins to live.
    pub fn new(code: Code, now: Instant) -> Self {
        Self { code, until: now + LIFE, state: State::Open { left: WRONG_TRIES } }
    }

    /// The code, as long as it is good.
    pub fn usable(&self, now: Instant) -> Option<&Code> {
        self.over(now).is_none().then_some(&self.code)
    }

    /// Wrong tries that are left.
    pub fn left(&self) -> u32 {
        if let State::Open { left } = self.state { left } else { 0 }
    }

    /// A wrong try. How many are left; with the last one the code is burnt.
    pub fn wrong(&mut self) -> u32 {
        let left = self.left().saturating_sub(1);
        if let State::Open { .. } = self.state {
            self.state = if left == 0 { State::Burnt } else { State::Open { left } };
        }
        left
    }

    /// Somebody has proved it.
    pub fn used(&mut self) {
        if let State::Open { .. } = self.state {
            self.state = State::Used;
        }
    }

    /// Why it is good no more; `None` while it is.
    pub fn over(&self, now: Instant) -> Option<Over> {
        match self.state {
            State::Used => Some(Over::Used),
            State::Burnt => Some(Over::Burnt),
            State::Open { .. } if now >= self.until => Some(Over::Expired),
            State::Open { .. } => None,
        }
    }

    /// When it expires; `None` if it was used or burnt before.
    pub fn deadline(&self) -> Option<Instant> {
        matches!(self.state, State::Open { .. }).then_some(self.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_words_are_256_in_order_short_and_plain() {
        assert!(WORDS.is_sorted_by(|a, b| a < b));
        assert!(WORDS.iter().all(|word| (3..=5).contains(&word.len()) && word.bytes().all(|c| c.is_ascii_lowercase())));
    }

    #[test]
    fn no_two_words_are_one_slip_apart() {
        for (i, a) in WORDS.iter().enumerate() {
            for b in &WORDS[..i] {
                assert!(near::distance(a, b) >= Some(2), "{a} {b}");
                let twins = (1..a.len()).any(|at| {
                    let mut exchanged = a.as_bytes().to_vec();
                    exchanged.swap(at - 1, at);
                    exchanged == b.as_bytes()
                });
                assert!(!twins, "{a} {b}");
            }
        }
    }

    #[test]
    fn whoever_comes_too_late_is_told_why() {
        let told = [Over::Used, Over::Burnt, Over::Expired].map(|over| over.to_string());
        assert!(["used", "burnt", "expired"].iter().zip(&told).all(|(word, told)| told.contains(word)), "{told:?}");
    }

    #[test]
    fn a_code_is_read_however_it_is_written() {
        let code = Code::new([0, 7, 255]);
        let [a, b, c] = [WORDS[0], WORDS[7], WORDS[255]];
        assert_eq!(code.to_string(), format!("{a}-{b}-{c}"));
        for text in [format!("{a}-{b}-{c}"), format!(" {a}  {b}\t{c}\n"), format!("{a}.{b}. {c}.").to_uppercase()] {
            assert_eq!(Code::parse(&text), Ok(code.clone()), "{text}");
        }
    }

    #[test]
    fn a_slip_is_named_with_the_word_that_was_meant() {
        let unknown = |word: &str, nearest| Err(CodeError::Unknown { word: word.to_owned(), nearest });
        assert_eq!(Code::parse("acid-zebre-acid"), unknown("zebre", Some("zebra")));
        assert_eq!(Code::parse("acid-xqxqx-acid"), unknown("xqxqx", None));
        assert_eq!(Code::parse("acid-äöü-acid"), unknown("äöü", None));
        assert_eq!(Code::parse("acid-zebra"), Err(CodeError::Words(2)));
        assert_eq!(Code::parse(""), Err(CodeError::Words(0)));
        assert_eq!(Code::parse("acid-acid-acid-acid"), Err(CodeError::Words(4)));
        assert_eq!(Code::parse(&"acid ".repeat(20)), Err(CodeError::TooLong));
        assert_eq!(Code::parse(&format!("{:MAX_TEXT$}", "acid acid acid")), Ok(Code::new([0; 3])));
        let error = Code::parse("acid zebre acid").unwrap_err().to_string();
        assert_eq!(error, "no code has the word \"zebre\"; perhaps it is zebra");
    }

    #[test]
    fn a_log_does_not_have_the_words() {
        let ours = OneTime::new(Code::new([1, 2, 3]), Instant::now());
        let shown = format!("{ours:?}");
        assert!(!shown.contains(WORDS[1]) && !shown.contains(WORDS[2]) && shown.contains("Code(…)"), "{shown}");
    }

    #[test]
    fn a_code_is_good_once() {
        let now = Instant::now();
        let mut ours = OneTime::new(Code::new([1, 2, 3]), now);
        assert_eq!((ours.usable(now), ours.over(now)), (Some(&Code::new([1, 2, 3])), None));
        ours.used();
        assert_eq!((ours.usable(now), ours.over(now), ours.deadline()), (None, Some(Over::Used), None));
        assert_eq!(ours.wrong(), 0);
        assert_eq!(ours.over(now), Some(Over::Used), "what comes later changes nothing");
    }

    #[test]
    fn the_third_wrong_try_burns_a_code() {
        let now = Instant::now();
        let mut ours = OneTime::new(Code::new([1, 2, 3]), now);
        assert_eq!((ours.wrong(), ours.wrong()), (2, 1));
        assert!(ours.usable(now).is_some());
        assert_eq!(ours.wrong(), 0);
        assert_eq!((ours.usable(now), ours.over(now), ours.deadline()), (None, Some(Over::Burnt), None));
        ours.used();
        assert_eq!(ours.over(now + LIFE), Some(Over::Burnt));
    }

    #[test]
    fn a_code_expires() {
        let now = Instant::now();
        let ours = OneTime::new(Code::new([1, 2, 3]), now);
        assert_eq!(ours.deadline(), Some(now + LIFE));
        assert!(ours.usable(now + LIFE - Duration::from_nanos(1)).is_some());
        assert_eq!((ours.usable(now + LIFE), ours.over(now + LIFE)), (None, Some(Over::Expired)));
    }

    proptest! {
        #[test]
        fn every_code_is_read_back(random: [u8; 3]) {
            prop_assert_eq!(Code::parse(&Code::new(random).to_string()), Ok(Code::new(random)));
        }

        #[test]
        fn no_text_is_too_much(text in ".{0,80}") {
            let _ = Code::parse(&text);
        }
    }
}

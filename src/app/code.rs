//! Where a one-time code comes from, when it is not made here.
//!
//! Owns: what `--code` may be given, and reading it. Must not know: which words codes are made of.
//!
//! Whoever may list the processes of this machine reads their command lines too: so a code given there is warned of,
//! and there are other ways.

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;

use crate::secure::code::{Code, CodeError};
use crate::sys;

use super::StartError;
use super::exit::UsageError;

/// Longest code in bytes. Three words and a number take about 25; people put spaces between.
pub const MAX_CODE: usize = 128;

/// Said when a code was given on the command line.
pub const SEEN_BY_PS: &str = "ps shows a code on the command line; TETE_CODE, --code - and --code @FILE do not";

/// What to do about something that is no code.
pub(super) const HOW_IT_LOOKS: &str = "it is three words, as the other side's --new-code shows them";

const HOW_TO_GIVE: &str = "--code CODE, --code - (asks, or reads a line), --code @FILE, or TETE_CODE=CODE";

/// A code that was announced on the command line.
#[derive(Clone, PartialEq, Eq)]
pub enum CodeFrom {
    /// Given there itself.
    Argument(String),
    /// The first line of the input, or what a person answers.
    Line,
    /// The first line of this file.
    File(PathBuf),
}

/// Without the code: it is a secret for as long as it lasts.
impl fmt::Debug for CodeFrom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Argument(_) => f.write_str("Argument(..)"),
            Self::Line => f.write_str("Line"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

impl CodeFrom {
    /// What stands behind `--code`: `-`, `@FILE`, or the code.
    ///
    /// # Errors
    /// It is empty, not UTF-8, or no code.
    pub fn parse(argument: OsString) -> Result<Self, UsageError> {
        if argument == "-" {
            return Ok(Self::Line);
        }
        if let Some(path) = argument.as_encoded_bytes().strip_prefix(b"@") {
            return match path {
                [] => Err(UsageError::new("--code @ names no file", HOW_TO_GIVE)),
                path => Ok(Self::File(PathBuf::from(sys::os_string(path.to_vec())))),
            };
        }
        let code = argument.to_str().ok_or_else(|| UsageError::new("the code is not UTF-8", HOW_TO_GIVE))?;
        given(code).map(Self::Argument)
    }

    /// The code. `ask` is called before a line of `input` is waited for; the rest of the input stays in it.
    ///
    /// # Errors
    /// There is no line, no file, or no code in them.
    pub fn read(self, input: &mut dyn BufRead, ask: impl FnOnce()) -> Result<String, StartError> {
        match self {
            Self::Argument(code) => Ok(code),
            Self::Line => {
                ask();
                first_line(input, "the input")
            }
            Self::File(path) => {
                let what = format!("{path:?}");
                let file = File::open(&path).map_err(|error| unreadable(&what, &error))?;
                first_line(&mut BufReader::new(file), &what)
            }
        }
    }
}

/// A code as it may be given, without the white space around it.
///
/// # Errors
/// It is empty, or longer than [`MAX_CODE`] bytes.
pub fn check(code: &str) -> Result<String, UsageError> {
    match code.trim() {
        "" => Err(UsageError::new("the code is empty", HOW_TO_GIVE)),
        code if code.len() > MAX_CODE => Err(UsageError::new("the code is longer than a code", HOW_TO_GIVE)),
        code => Ok(code.to_owned()),
    }
}

/// A code that stands on the command line or in the environment, without the white space around it.
///
/// # Errors
/// It is none.
pub fn given(code: &str) -> Result<String, UsageError> {
    let code = check(code)?;
    match Code::parse(&code) {
        Ok(_) => Ok(code),
        Err(error) => Err(UsageError::new(no_code(&error), HOW_IT_LOOKS)),
    }
}

/// That something is no code.
pub(super) fn no_code(error: &CodeError) -> String {
    format!("that is no one-time code: {error}")
}

fn first_line(input: &mut dyn BufRead, what: &str) -> Result<String, StartError> {
    let mut line = Vec::new();
    // One byte more than a code, its line end and a space or two may have: what is longer is none.
    let bound = MAX_CODE as u64 + 8;
    input.take(bound).read_until(b'\n', &mut line).map_err(|error| unreadable(what, &error))?;
    let code = std::str::from_utf8(&line).ok().and_then(|line| check(line).ok());
    code.ok_or_else(|| StartError {
        message: format!("{what} does not begin with a code"),
        hint: HOW_TO_GIVE.to_owned(),
    })
}

fn unreadable(what: &str, error: &io::Error) -> StartError {
    StartError {
        message: format!("the code could not be read from {what}: {}", sys::words(error)),
        hint: HOW_TO_GIVE.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(from: &str, mut input: &[u8]) -> Result<String, String> {
        let code = CodeFrom::parse(from.into()).map_err(|error| error.message)?;
        code.read(&mut input, || ()).map_err(|error| error.message)
    }

    #[test]
    fn a_code_is_given_as_it_stands_or_read_from_a_line() {
        assert_eq!(read(" Acid-lucky-zero ", b""), Ok("Acid-lucky-zero".to_owned()));
        assert_eq!(read("-", b"7-a-b\r\nmore"), Ok("7-a-b".to_owned()));
        assert_eq!(read("-", b"7-a-b"), Ok("7-a-b".to_owned()));
    }

    #[test]
    fn what_is_no_code_on_the_command_line_or_in_the_environment_is_a_slip_in_it() {
        for slip in ["acid-lucky-zerro", "acid lucky", "7-a-b", "acid-acid-acid-acid"] {
            let error = given(slip).unwrap_err();
            assert!(error.message.starts_with("that is no one-time code: "), "{error}");
            assert!(CodeFrom::parse(slip.into()).is_err(), "{slip}");
        }
        assert!(given("acid-lucky-zerro").unwrap_err().message.contains("zero"));
    }

    #[test]
    fn the_rest_of_the_input_stays() {
        let mut input: &[u8] = b"7-a-b\nmore";
        CodeFrom::Line.read(&mut input, || ()).unwrap();
        assert_eq!(input, b"more");
    }

    #[test]
    fn only_a_line_that_is_waited_for_is_asked_for() {
        let mut asked = false;
        CodeFrom::Argument("x".into()).read(&mut &b""[..], || asked = true).unwrap();
        assert!(!asked);
        CodeFrom::Line.read(&mut &b"x"[..], || asked = true).unwrap();
        assert!(asked);
    }

    #[test]
    fn a_file_gives_its_first_line() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "7-a-b\nsecond").unwrap();
        assert_eq!(read(&format!("@{}", file.path().display()), b""), Ok("7-a-b".to_owned()));
        let missing = read("@/no/such/file", b"").unwrap_err();
        assert!(missing.contains("/no/such/file") && missing.contains("No such file"), "{missing}");
    }

    #[test]
    fn what_has_no_code_in_it_is_an_error_that_does_not_repeat_it() {
        let long = "x".repeat(MAX_CODE + 1);
        for (from, input) in [("", ""), (" ", ""), ("@", ""), ("-", ""), ("-", "\ncode"), (&*long, ""), ("-", &*long)] {
            let error = read(from, input.as_bytes()).unwrap_err();
            assert!(!error.contains("xxx"), "{error}");
        }
        assert!(read("-", b"\xff\n").is_err());
    }
}

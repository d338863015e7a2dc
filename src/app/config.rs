//! Everything a run needs to be told, as plain data.
//!
//! Owns: the settings, their defaults, the bounds of what a user may choose.
//! Must not know: how the settings were given (flags, environment, questions), or who reads them.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::proto::name;

use super::address::{Listen, Target};
use super::exit::UsageError;

/// The name of somebody whose login has none that can be used.
pub const ANONYMOUS: &str = "anonymous";

/// What stands before a received file's name unless the user says otherwise.
pub const DEFAULT_PREFIX: &str = "fetched_";

/// How long a conversation waits for a lost peer unless the user says otherwise.
pub const DEFAULT_LINGER: Duration = Duration::from_secs(600);

/// Longest name in bytes. It stands before every line that the peer reads.
pub const MAX_NAME: usize = 64;

/// The file to send that stands for standard input.
pub const STDIN: &str = "-";

/// What one run was asked to do. [`Default`] is a run that nobody told anything, over the encrypted channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// How the peer sees us: [`check_name`] accepts it.
    pub name: String,
    /// The name was given for this run; without that it is a default, and a terminal is asked.
    pub name_given: bool,
    /// Where to listen. None: nothing was said, and the presence of a target and the channel decide.
    pub listen: Option<Listen>,
    /// Whom to call. None: a terminal is asked, a pipe waits for a call.
    pub target: Option<Target>,
    /// Where received files go. Not looked at yet: it may not be a directory.
    pub into: PathBuf,
    /// What stands before a received file's name; may be empty. [`check_prefix`] accepts it.
    pub prefix: String,
    /// Which keys are talked to. None: what fits whether a person can be asked.
    pub trust: Option<Trust>,
    /// The one-time code that proves a first meeting, if there is to be one. Not with `plain`.
    pub code: Option<CodeSource>,
    /// What happens to offered files. None: what fits whether a person can be asked, and about whom.
    pub accept: Option<Accept>,
    /// Send these, say goodbye, leave. Empty: a conversation. [`STDIN`] stands for standard input, at most once.
    pub send: Vec<OsString>,
    /// The name under which standard input is sent; only with [`STDIN`] in `send`.
    pub send_as: Option<String>,
    /// When to give up dialling.
    pub wait: Wait,
    /// No encryption, no identities.
    pub plain: bool,
    /// Events as NDJSON on standard output, and no prompts.
    pub json: bool,
    /// How a terminal is used.
    pub ui: Ui,
    /// A terminal rings its bell when a message arrives.
    pub bell: bool,
    /// When the peer leaves, wait for the next one. A target then has a `listen` beside it.
    pub stay: bool,
    /// How long a conversation waits for a lost peer.
    pub linger: Duration,
    /// Bytes a second for files, at least 1. None: as fast as it goes.
    pub limit: Option<u64>,
    /// A file counts as delivered only when the disk has it.
    pub sync: bool,
    /// Lines may be commands; without it every line is a message.
    pub commands: bool,
    /// Which kind of addresses is used. Agrees with `listen` and `target` where these are addresses.
    pub family: Family,
    /// Say less.
    pub quiet: bool,
    /// Whether lines are coloured.
    pub color: ColorChoice,
    /// How often more logging was asked for.
    pub verbose: u8,
    /// Where the log goes instead of standard error.
    pub log: Option<PathBuf>,
    /// Where identity, known peers and history live. None: where the system keeps such things.
    pub config_dir: Option<PathBuf>,
}

impl Config {
    /// Whether standard input is a file to be sent, and no line of it is read.
    pub fn sends_input(&self) -> bool {
        self.send.iter().any(|path| path == STDIN)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            name: ANONYMOUS.to_owned(),
            name_given: false,
            listen: None,
            target: None,
            into: PathBuf::from("."),
            prefix: DEFAULT_PREFIX.to_owned(),
            trust: None,
            code: None,
            accept: None,
            send: Vec::new(),
            send_as: None,
            wait: Wait::Usual,
            plain: false,
            json: false,
            ui: Ui::Auto,
            bell: false,
            stay: false,
            linger: DEFAULT_LINGER,
            limit: None,
            sync: true,
            commands: true,
            family: Family::Any,
            quiet: false,
            color: ColorChoice::Auto,
            verbose: 0,
            log: None,
            config_dir: None,
        }
    }
}

/// Which keys are talked to. A changed key never is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Saved ones, pinned ones and our own.
    Known,
    /// Others too, if the user says yes.
    Ask,
    /// Others too.
    New,
}

/// Which one-time code is used.
#[derive(Clone, PartialEq, Eq)]
pub enum CodeSource {
    /// The other side's, as our user has it. At most [`MAX_CODE`](super::code::MAX_CODE) bytes, not empty, and not yet
    /// known to be a code.
    Given(String),
    /// One of ours, made and shown.
    Make,
}

/// A secret for as long as it lasts: it stays out of logs and failed assertions.
impl fmt::Debug for CodeSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Given(_) => "Given(..)",
            Self::Make => "Make",
        })
    }
}

/// What happens to offered files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accept {
    /// They are taken.
    Auto,
    /// The user is asked.
    Ask,
    /// They are refused.
    Never,
}

/// When to give up dialling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Nothing was said: never on a terminal, where somebody can stop it, and after 30 s elsewhere.
    Usual,
    /// After this long. Zero: every address is tried once.
    AtMost(Duration),
    /// Never.
    Forever,
}

/// How a terminal is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ui {
    /// As well as it can be.
    Auto,
    /// Lines in, lines out, as in a pipe.
    Plain,
}

/// Which kind of addresses is used, for calling and for listening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Both.
    Any,
    /// IPv4 alone.
    V4,
    /// IPv6 alone.
    V6,
}

/// Whether lines are coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColorChoice {
    /// On a terminal that can, unless the environment forbids it.
    Auto,
    /// Yes.
    Always,
    /// No.
    Never,
}

/// The name as the peer will see it: white space around it is dropped. The command line and the question at the start
/// share this.
///
/// # Errors
/// It is empty, longer than [`MAX_NAME`] bytes, or has control characters in it.
pub fn check_name(name: &str) -> Result<String, UsageError> {
    let name = name.trim();
    let hint = format!("a name has 1 to {MAX_NAME} bytes and no control characters");
    if name.is_empty() {
        return Err(UsageError::new("the name is empty", hint));
    }
    if name.len() > MAX_NAME {
        return Err(UsageError::new(format!("the name has {} bytes", name.len()), hint));
    }
    if name.chars().any(char::is_control) {
        return Err(UsageError::new(format!("the name {name:?} has a control character in it"), hint));
    }
    Ok(name.to_owned())
}

/// A prefix that leaves a file name one name: it may be empty.
///
/// # Errors
/// It cannot begin a file name on every system, or leaves the file's own name no room.
pub fn check_prefix(prefix: &str) -> Result<String, UsageError> {
    match name::check_prefix(prefix) {
        Ok(()) => Ok(prefix.to_owned()),
        Err(error) => Err(UsageError::new(
            format!("the prefix {prefix:?} cannot be the beginning of a file name: {error}"),
            "leave out slashes and control characters; --into chooses the folder",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_trimmed_and_may_be_any_script() {
        assert_eq!(check_name(" Zoë 王 \n").unwrap(), "Zoë 王");
        assert_eq!(check_name(&"x".repeat(MAX_NAME)).unwrap().len(), MAX_NAME);
    }

    #[test]
    fn a_name_without_bounds_is_refused() {
        for bad in ["", "  ", "a\nb", "\x1b[2Jx", "a\u{85}b", &"x".repeat(MAX_NAME + 1)] {
            let error = check_name(bad).unwrap_err();
            assert!(!error.to_string().replace('\n', "").contains(char::is_control), "{error:?}");
        }
    }

    #[test]
    fn a_prefix_may_be_empty_and_never_names_a_folder() {
        assert_eq!(check_prefix("").unwrap(), "");
        assert_eq!(check_prefix("von bob ").unwrap(), "von bob ");
        for bad in ["a/", "..\\", "a\0", "a\n", &"x".repeat(name::MAX_PREFIX + 1)] {
            assert!(check_prefix(bad).is_err(), "{bad:?}");
        }
    }
}

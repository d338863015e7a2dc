//! What stands behind a flag, or in the environment in its place.
//!
//! Owns: the syntax and bounds of single values, and where their defaults come from.
//! Must not know: which flag excludes which.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::app::address::Target;
use crate::app::code;
use crate::app::config::{self, ANONYMOUS, Accept, ColorChoice, DEFAULT_PREFIX, Trust, Ui};
use crate::app::exit::UsageError;

/// Longest time that can be asked for: a year. Far beyond it, moments can no longer be computed with.
const MAX_SECONDS: Duration = Duration::from_secs(366 * 86_400);

/// Longest name for what standard input sends, in bytes: that of a file name on the usual systems.
const MAX_SEND_AS: usize = 255;

pub(super) const TRUST: [(&str, Trust); 3] = [("known", Trust::Known), ("ask", Trust::Ask), ("new", Trust::New)];
pub(super) const ACCEPT: [(&str, Accept); 3] = [("auto", Accept::Auto), ("ask", Accept::Ask), ("never", Accept::Never)];
pub(super) const UI: [(&str, Ui); 2] = [("auto", Ui::Auto), ("plain", Ui::Plain)];
pub(super) const COLOR: [(&str, ColorChoice); 3] =
    [("auto", ColorChoice::Auto), ("always", ColorChoice::Always), ("never", ColorChoice::Never)];

/// One of these words; an error lists them.
pub(super) fn choice<T: Copy + Send + Sync + 'static>(
    all: &'static [(&'static str, T)],
) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(all.iter().map(|(word, _)| *word)).try_map(move |word| {
        let found = all.iter().find(|(known, _)| *known == word);
        found.map(|(_, value)| *value).ok_or_else(|| UsageError::new(format!("{word:?} is not a choice"), "--help"))
    })
}

/// An environment variable that is set to nothing is as good as unset.
pub(super) fn set(variable: Option<OsString>) -> Option<OsString> {
    variable.filter(|value| !value.is_empty())
}

fn utf8(what: &str, value: &OsStr) -> Result<String, UsageError> {
    let text = value.to_str().ok_or_else(|| UsageError::new(format!("{what} {value:?} is not UTF-8"), "type it anew"));
    text.map(str::to_owned)
}

/// The name that was typed, else the environment's, else the login's. The login's is nobody's fault: if it cannot be
/// used it is passed over.
pub(super) fn name(
    typed: Option<String>,
    environment: impl Fn(&str) -> Option<OsString>,
) -> Result<String, UsageError> {
    if let Some(name) = typed {
        return config::check_name(&name);
    }
    if let Some(name) = set(environment("TETE_NAME")) {
        return config::check_name(&utf8("TETE_NAME", &name)?);
    }
    let login = ["USER", "LOGNAME"].into_iter().filter_map(environment).find_map(|login| {
        let login = login.into_string().ok()?;
        config::check_name(&login).ok()
    });
    Ok(login.unwrap_or_else(|| ANONYMOUS.to_owned()))
}

/// Here nothing is a value: an empty `TETE_PREFIX` saves files under their own names.
pub(super) fn prefix(
    typed: Option<String>,
    environment: impl Fn(&str) -> Option<OsString>,
) -> Result<String, UsageError> {
    match (typed, environment("TETE_PREFIX")) {
        (Some(prefix), _) => config::check_prefix(&prefix),
        (None, Some(prefix)) => config::check_prefix(&utf8("TETE_PREFIX", &prefix)?),
        (None, None) => Ok(DEFAULT_PREFIX.to_owned()),
    }
}

/// The code of the environment. Of one on the command line nothing is left to ask here.
pub(super) fn code(environment: impl Fn(&str) -> Option<OsString>) -> Result<Option<String>, UsageError> {
    set(environment("TETE_CODE")).map(|code| code::given(&utf8("TETE_CODE", &code)?)).transpose()
}

pub(super) fn config_dir(typed: Option<PathBuf>, environment: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    typed.or_else(|| set(environment("TETE_HOME")).map(PathBuf::from))
}

pub(super) fn target(words: &[OsString]) -> Result<Option<Target>, UsageError> {
    if words.is_empty() {
        return Ok(None);
    }
    let words = words.iter().map(|word| utf8("PEER", word)).collect::<Result<Vec<_>, _>>()?;
    Target::parse(&words.join(" ")).map(Some)
}

pub(super) fn send_as(name: String) -> Result<String, UsageError> {
    let is_a_name = !name.is_empty()
        && name != "."
        && name != ".."
        && name.len() <= MAX_SEND_AS
        && !name.chars().any(|c| c.is_control() || c == '/' || c == '\\');
    if is_a_name {
        return Ok(name);
    }
    let hint = format!("--as takes 1 to {MAX_SEND_AS} bytes without slashes and control characters");
    Err(UsageError::new(format!("{name:?} is not the name of a file"), hint))
}

pub(super) fn seconds(flag: &str, text: &str) -> Result<Duration, UsageError> {
    seconds_within(flag, text, MAX_SECONDS)
}

pub(super) fn seconds_within(flag: &str, text: &str, most: Duration) -> Result<Duration, UsageError> {
    let most = most.as_secs_f64();
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=most).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => {
            let hint = format!("{flag} takes seconds, at most {most}: {flag} 30");
            Err(UsageError::new(format!("{text:?} is not a number of seconds"), hint))
        }
    }
}

pub(super) fn rate(text: &str) -> Result<u64, UsageError> {
    match text.strip_suffix("/s").unwrap_or(text).parse::<ByteSize>() {
        Ok(ByteSize(bytes)) if bytes > 0 => Ok(bytes),
        _ => Err(UsageError::new(
            format!("{text:?} is not a number of bytes a second"),
            "--limit takes at least 1: 500000, 10M (10,000,000) or 10Mi (10,485,760); without it there is no limit",
        )),
    }
}

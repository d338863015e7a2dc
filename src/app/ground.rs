//! What a conversation stands on: from what our user has chosen to what the network side takes.
//!
//! Owns: that translation, and the defaults that depend on whether a person can be asked. Must not know: sockets, what is
//! said. A conversation and a measurement between two machines stand on the same.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use crate::net::Settings;
use crate::net::event::Heeds;
use crate::net::standing::{Callee, Secure};
use crate::proto::session::Setup;
use crate::proto::transfers::Policy;
use crate::secure::code::Code;
use crate::sys;

use super::StartError;
use super::address::{DEFAULT_PORT, Target};
use super::code;
use super::config::{Accept, CodeSource, Config, Family, Trust, Wait};

/// How long dialling goes on where nobody watches.
const USUAL_WAIT: Duration = Duration::from_secs(30);

/// What the loop needs to be told. `secure`: our key, `None` on plain links; `can_be_asked`: whether a person is there to
/// answer questions.
///
/// # Errors
/// [`StartError`]: there is no such folder for received files.
pub fn settings(
    config: &Config,
    secure: Option<Secure>,
    can_be_asked: bool,
    heeds: Heeds,
) -> Result<Settings, StartError> {
    let into = std::path::absolute(&config.into).map_err(broken("the folder for received files"))?;
    if !into.is_dir() {
        let message = format!("{} is not a folder", config.into.display());
        let hint = "-d names an existing folder for received files".to_owned();
        return Err(StartError { message, hint });
    }
    let trust = match (config.trust, can_be_asked) {
        (Some(Trust::New), _) => crate::net::gate::Trust::New,
        (Some(Trust::Ask), _) | (None, true) => crate::net::gate::Trust::Ask,
        (Some(Trust::Known), _) => crate::net::gate::Trust::Known,
        (None, false) => crate::net::gate::Trust::Mutual,
    };
    Ok(Settings {
        name: config.name.clone(),
        secure,
        trust,
        family: match config.family {
            Family::Any => crate::net::pool::Family::Any,
            Family::V4 => crate::net::pool::Family::V4,
            Family::V6 => crate::net::pool::Family::V6,
        },
        into,
        prefix: config.prefix.clone(),
        calls: sys::Calls::Native,
        discard: false,
        policy_for_new: match config.accept {
            None if can_be_asked => Policy::Ask,
            accept => policy(accept),
        },
        setup: Setup {
            lead: false,
            policy: policy(config.accept),
            sync: config.sync,
            verify: true,
            limit: config.limit,
            returns: !config.linger.is_zero(),
            linger: config.linger,
        },
        heeds,
    })
}

/// What happens to files that are offered; they are taken unless our user has said otherwise.
fn policy(accept: Option<Accept>) -> Policy {
    match accept {
        None | Some(Accept::Auto) => Policy::Auto,
        Some(Accept::Ask) => Policy::Ask,
        Some(Accept::Never) => Policy::Never,
    }
}

/// The one-time code that was given, or a fresh one, which our user passes on: see [`code_words`].
///
/// # Errors
/// [`StartError`]: what was given is no code, or the system has no randomness.
pub fn code(config: &Config) -> Result<Option<Code>, StartError> {
    Ok(match &config.code {
        None => None,
        Some(CodeSource::Given(words)) => Some(
            Code::parse(words)
                .map_err(|error| StartError { message: code::no_code(&error), hint: code::HOW_IT_LOOKS.to_owned() })?,
        ),
        Some(CodeSource::Make) => {
            let mut random = [0; 3];
            sys::random(&mut random).map_err(broken("no code could be made"))?;
            Some(Code::new(random))
        }
    })
}

/// How a fresh code is told.
pub fn code_words(code: &Code) -> String {
    format!("one-time code: {code} (for one meeting, within ten minutes)")
}

/// Whom the network side calls.
pub fn callee(target: &Target) -> Callee {
    let port = Some(target.port).filter(|_| target.port_given);
    Callee { host: target.host.clone(), port, default_port: target.port, pin: target.pin }
}

/// For how long; `None`: until somebody stops it. `terminal`: whether somebody watches.
pub fn patience(config: &Config, terminal: bool) -> Option<Duration> {
    match config.wait {
        Wait::AtMost(patience) => Some(patience),
        Wait::Forever => None,
        Wait::Usual => Some(USUAL_WAIT).filter(|_| !terminal),
    }
}

/// That we cannot listen where it was wanted.
pub fn port_error(config: &Config, error: &io::Error) -> StartError {
    let wanted = config.listen.map_or(DEFAULT_PORT, |listen| listen.port);
    let place = match config.listen.and_then(|listen| listen.ip) {
        Some(ip) => SocketAddr::new(ip, wanted).to_string(),
        None => format!("port {wanted} of this machine"),
    };
    let message = format!("cannot listen on {place}: {}", sys::words(error));
    StartError { message, hint: "choose another port with -l; -l 0 lets the system pick one".to_owned() }
}

/// That the system did not give something that no program can do without.
pub fn broken(what: &str) -> impl FnOnce(io::Error) -> StartError {
    let what = what.to_owned();
    move |error| StartError {
        message: format!("{what}: {}", sys::words(&error)),
        hint: "this machine is short of something that every program needs".to_owned(),
    }
}

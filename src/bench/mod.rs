//! `tete bench`: what moving a file costs, beside the least that this machine could do.
//!
//! Owns: which process plays which role, which part is measured when, what is said meanwhile. Must not know: how anything
//! is measured, the command line.
//!
//! Everything is measured between two processes, this program started again ([`process`]): tete by the library's own
//! loop ([`ours`], [`side`]), and probes without frames and sessions ([`raw`], [`tls`]) that hash the same way
//! ([`helpers`]). In turn, after a round that does not count ([`turns`]); what is told are medians ([`stats`]), as a
//! [`table`], a document ([`json`]) or a page ([`html`]). [`matrix`] is about files, [`talk`] and [`per_text`] about texts,
//! [`idle`] about what it costs when nothing happens; [`plan`] is what can be chosen, [`folders`] where the files go. [`between`] measures between two
//! machines. [`tried`] tells how the limit was approached.

pub mod between;
pub mod calls;
pub mod ends;
pub mod figures;
pub mod folders;
pub mod helpers;
pub mod html;
pub mod idle;
pub mod json;
pub mod machine;
pub mod matrix;
pub mod ours;
pub mod per_text;
pub mod plan;
pub mod process;
pub mod raw;
pub mod role;
pub mod scratch;
pub mod side;
pub mod stats;
pub mod table;
pub mod talk;
pub mod tls;
pub mod tried;
pub mod turns;
pub mod ways;

use std::ffi::OsStr;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::time::Instant;

use crate::sys;

use idle::Idle;
use machine::Machine;
use matrix::Files;
use per_text::PerText;
use plan::{Effort, Part, Plan};
use role::Given;
use talk::Situation;

/// Everything that was measured.
#[derive(Clone, Debug)]
pub struct Report {
    /// Where.
    pub machine: Machine,
    /// How fast files go.
    pub files: Option<Files>,
    /// How long texts take.
    pub texts: Option<Vec<Situation>>,
    /// System calls that they cost, or why that is not known; `None`: nobody asked.
    pub text_calls: Option<Result<Vec<PerText>, String>>,
    /// What it costs while nothing happens, and to begin.
    pub idle: Option<Idle>,
    /// How long all of it took.
    pub seconds: f64,
    /// Why something that was wanted is not there.
    pub error: Option<String>,
}

impl Report {
    /// Whether anything was measured.
    fn has_figures(&self) -> bool {
        self.files.is_some() || self.texts.is_some() || self.idle.is_some()
    }
}

/// Says on a terminal what is being measured, in one line that is gone at the end.
#[derive(Debug)]
pub struct Told {
    shown: bool,
}

impl Told {
    /// Somebody may look at standard error.
    fn new() -> Self {
        Self { shown: io::stderr().is_terminal() }
    }

    /// What is being measured now.
    pub fn say(&mut self, what: &str) {
        if self.shown {
            // Whoever does not see it misses nothing. The line is cut where narrow terminals end, so that it stays one.
            let _ = write!(io::stderr(), "\r\x1b[K-- {what:.76}");
        }
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        if self.shown {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

/// Measures, and tells it on standard output.
///
/// # Errors
/// What could not be measured at all; slow figures are none. Nobody who reads standard output, no file for the page. What
/// was measured before is told all the same.
pub fn run(plan: &Plan) -> io::Result<()> {
    plan.html.as_deref().map_or(Ok(()), html::check)?;
    let machine = Machine::this();
    let mut report =
        Report { machine, files: None, texts: None, text_calls: None, idle: None, seconds: 0.0, error: None };
    let measured = measure(plan, &mut report);
    if measured.is_err() && !report.has_figures() {
        return measured;
    }
    let page = plan.html.as_deref().map_or(Ok(()), |path| html::write(&json::document(&report), path));
    let mut out = io::stdout().lock();
    match plan.json {
        true => writeln!(out, "{:#}", json::document(&report))?,
        false => write!(out, "{}", table::text(&report))?,
    }
    out.flush()?;
    measured.and(page)
}

/// One part after the other; what one of them lacks, another one may have.
///
/// # Errors
/// The first one, which is in the report too.
fn measure(plan: &Plan, report: &mut Report) -> io::Result<()> {
    let (began, mut told) = (Instant::now(), Told::new());
    let mut result = Ok(());
    if plan.wants(Part::Files) {
        report.files = kept(matrix::measure(plan, &mut told), &mut result);
    }
    if plan.wants(Part::Texts) {
        report.texts = kept(talk::measure(plan, &mut told), &mut result);
    }
    if plan.wants(Part::Texts) && plan.effort == Effort::Full {
        report.text_calls = kept(per_text::measure(plan, &mut told), &mut result);
    }
    if plan.wants(Part::Idle) {
        report.idle = kept(idle::measure(plan, &mut told), &mut result);
    }
    report.seconds = began.elapsed().as_secs_f64();
    report.error = result.as_ref().err().map(sys::words);
    result
}

/// What was measured, if it was; the first failure goes into `result`.
fn kept<T>(measured: io::Result<T>, result: &mut io::Result<()>) -> Option<T> {
    let failed = |error| {
        match result {
            Ok(()) => *result = Err(error),
            Err(_) => log::warn!("{error}"),
        };
    };
    measured.map_err(failed).ok()
}

/// In a process that this program has started of itself: plays its role to the end. `None`: there is no such role.
pub fn play(name: &OsStr, given: Given) -> Option<io::Result<()>> {
    if name == "caretaker" {
        let folders: Vec<PathBuf> = given.rest().into_iter().map(PathBuf::from).collect();
        return Some(scratch::take_care(&folders));
    }
    let play = match name.to_str()? {
        "raw-receive" => raw::receive,
        "raw-send" => raw::send,
        "tls-receive" => tls::receive,
        "tls-send" => tls::send,
        "tete-receive" => ours::receive,
        "tete-send" => ours::send,
        "talk-ask" => talk::ask_texts,
        "talk-answer" => talk::answer,
        "texts-ask" => per_text::ask,
        "texts-answer" => per_text::answer,
        "bare-ask" => per_text::ask_bare,
        "bare-answer" => per_text::answer_bare,
        _ => return None,
    };
    Some(process::end_with_parent().and_then(|()| play(given)))
}

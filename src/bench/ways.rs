//! The ways to move a file that are compared: tete's, and probes that do no more than they have to.
//!
//! Owns: their names and their processes. Must not know: in which order they run, what their figures mean.

use std::io;
use std::path::{Path, PathBuf};

use super::helpers::Care;
use super::ours;
use super::process::run;
use super::raw::{self, By};
use super::role::Role;
use super::scratch::Scratch;
use super::side::How;
use super::tls;
use super::turns::Run;

/// A way to move a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Over a bare connection.
    Raw {
        /// How it is received.
        by: By,
        /// What is done besides.
        care: Care,
    },
    /// Over a connection of the library for TLS.
    Tls(Care),
    /// As tete does it.
    Tete(How),
}

impl Way {
    /// As a table calls it.
    pub fn words(self) -> String {
        let hashed = |care: Care| if care.hash { ", hashed" } else { "" };
        match self {
            Self::Raw { by, care } => format!("sendfile -> {}{}", by.words(), hashed(care)),
            Self::Tls(care) => format!("rustls, blocking{}", hashed(care)),
            Self::Tete(how) => how.words(),
        }
    }

    /// A receiver and a sender of a file of `size` bytes that goes into a folder.
    pub fn roles(self, file: &Path, size: u64, into: &Path) -> (Role, Role) {
        match self {
            Self::Raw { by, care } => raw::roles(file, size, into, by, care),
            Self::Tls(care) => tls::roles(file, size, into, care),
            Self::Tete(how) => ours::roles(&[PathBuf::from(file)], into, how),
        }
    }

    /// Moves the file once.
    ///
    /// # Errors
    /// A process failed.
    pub fn run(self, file: &Path, size: u64, scratch: &mut Scratch) -> io::Result<Run> {
        let into = scratch.destination()?;
        let (receiver, sender) = self.roles(file, size, &into);
        let outcome = run(&receiver, sender)?;
        scratch.clear(&into)?;
        Run::of(&outcome)
    }
}

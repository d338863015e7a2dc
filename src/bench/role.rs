//! What a process is told that this program starts of itself: a role, and what the role needs.
//!
//! Owns: how both sides write and read that. Must not know: which roles there are.
//!
//! ```text
//! tete bench as raw-send --port 4711 --file /dev/shm/x --hash
//! ```
//!
//! Paths stay the bytes that they are. Whoever types this at a shell gets what a measuring process does, and no more
//! rights than he has.

use std::ffi::{OsStr, OsString};
use std::io;
use std::str::FromStr;

/// The first arguments of a process that plays a role.
pub const AS: [&str; 2] = ["bench", "as"];

/// The arguments of a role.
#[derive(Clone, Debug)]
pub struct Role(Vec<OsString>);

impl Role {
    /// A role without arguments yet.
    pub fn new(name: &str) -> Self {
        Self(AS.into_iter().chain([name]).map(OsString::from).collect())
    }

    /// Adds an option with a value.
    pub fn option(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.0.push(format!("--{name}").into());
        self.0.push(value.into());
        self
    }

    /// Adds a switch, if it is on.
    pub fn switch(mut self, name: &str, on: bool) -> Self {
        self.0.extend(on.then(|| format!("--{name}").into()));
        self
    }

    /// Adds a word.
    pub fn word(mut self, word: impl Into<OsString>) -> Self {
        self.0.push(word.into());
        self
    }

    /// What the process is started with.
    pub fn words(&self) -> &[OsString] {
        &self.0
    }
}

/// What a role was given, from which each part is taken once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given(Vec<OsString>);

impl Given {
    /// Of a command line, the program's name first; the name of the role and what it was given. `None`: the line is
    /// about something else.
    pub fn of(line: &[OsString]) -> Option<(&OsStr, Self)> {
        let (first, rest) = line.get(1..)?.split_at_checked(AS.len())?;
        let (name, rest) = rest.split_first()?;
        (first == AS).then(|| (name.as_os_str(), Self(rest.to_vec())))
    }

    /// An option's value, unread.
    ///
    /// # Errors
    /// It is not there.
    pub fn value(&mut self, name: &str) -> io::Result<OsString> {
        let missing = || io::Error::new(io::ErrorKind::InvalidInput, format!("--{name} is missing"));
        let at = self.find(name).filter(|at| at + 1 < self.0.len()).ok_or_else(missing)?;
        self.0.remove(at);
        Ok(self.0.remove(at))
    }

    /// An option's value.
    ///
    /// # Errors
    /// It is not there, or cannot be read as what it should be.
    pub fn read<T: FromStr>(&mut self, name: &str) -> io::Result<T> {
        let value = self.value(name)?;
        let strange = || io::Error::new(io::ErrorKind::InvalidInput, format!("--{name} {value:?} cannot be meant"));
        value.to_str().and_then(|text| text.parse().ok()).ok_or_else(strange)
    }

    /// Whether a switch is on.
    pub fn has(&mut self, name: &str) -> bool {
        let found = self.find(name);
        if let Some(at) = found {
            self.0.remove(at);
        }
        found.is_some()
    }

    /// What was not taken: words, and options that nobody knows.
    pub fn rest(self) -> Vec<OsString> {
        self.0
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|word| word.to_str().and_then(|word| word.strip_prefix("--")) == Some(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(role: &Role) -> (OsString, Given) {
        let line: Vec<OsString> = [OsString::from("tete")].into_iter().chain(role.words().iter().cloned()).collect();
        let (name, given) = Given::of(&line).unwrap();
        (name.to_owned(), given)
    }

    #[test]
    fn what_a_role_is_given_arrives() {
        let role = Role::new("raw-send").option("port", "4711").switch("hash", true).switch("cold", false).word("a b");
        let (name, mut given) = given(&role);
        assert_eq!(name, "raw-send");
        assert!(given.has("hash") && !given.has("cold") && !given.has("hash"));
        assert_eq!(given.read::<u16>("port").unwrap(), 4711);
        assert_eq!(given.rest(), ["a b"]);
    }

    #[test]
    fn what_is_missing_or_cannot_be_meant_is_an_error() {
        let (_, mut given) = given(&Role::new("raw-send").option("port", "high").word("--file"));
        assert_eq!(given.read::<u16>("port").unwrap_err().to_string(), "--port \"high\" cannot be meant");
        assert_eq!(given.value("file").unwrap_err().to_string(), "--file is missing");
        assert_eq!(given.value("into").unwrap_err().to_string(), "--into is missing");
    }

    #[test]
    fn other_command_lines_are_about_something_else() {
        for line in ["tete", "tete bench", "tete bench as", "tete bench --json", "tete as bench x"] {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            assert_eq!(Given::of(&words), None, "{line}");
        }
    }
}

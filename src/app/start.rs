//! The questions at the start, for who gave no PEER on a terminal: a name, a port, a target.
//!
//! Owns: their order and wording, and what an answer means. Must not know: how a port is opened or somebody called.
//!
//! ```text
//!   Name --ok--> Port --ok, listening--> Target --PEER--> Over
//!    |            |                        |  `-- a call is let in --> CalledFirst --its port typed--> Over
//!    `-- bad: said, asked again            `-- Enter: wait for a call --> Over
//! ```

use super::address::{DEFAULT_PORT, Listen, Target};
use super::config::{self, Config};
use super::exit::UsageError;

/// Which question is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// How the peer shall see us.
    Name,
    /// Where to listen.
    Port,
    /// Whom to call.
    Target,
    /// A call came first. A target that is typed now all the same, and is merely where the caller listens, is not a
    /// message.
    CalledFirst {
        /// Where the caller listens.
        port: u16,
    },
    /// None.
    Over,
}

/// What an answer asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Be called this.
    Name(String),
    /// Listen here; `None` is the default, any port if it is taken.
    Listen(Option<Listen>),
    /// Call this one.
    Call(Target),
    /// Wait for a call.
    Wait,
    /// The line was the caller's own port: nothing to do.
    Swallowed,
    /// The line is no answer but input.
    Input,
    /// It makes no sense; ask again.
    Again(UsageError),
}

impl Start {
    /// The first question that the command line has not answered.
    pub fn first(config: &Config) -> Self {
        if config.name_given { Self::after_name(config) } else { Self::Name }
    }

    /// The question after the name.
    pub fn after_name(config: &Config) -> Self {
        if config.listen.is_some() { Self::Target } else { Self::Port }
    }

    /// Whether a question is open.
    pub fn is_asking(&self) -> bool {
        matches!(self, Self::Name | Self::Port | Self::Target)
    }

    /// The question, to be typed behind.
    pub fn prompt(&self, config: &Config) -> Option<String> {
        match self {
            Self::Name => Some(format!("Your name [{}]: ", config.name)),
            Self::Port => Some(format!("Port to listen on [{DEFAULT_PORT}]: ")),
            Self::Target => Some("Whom to call, as PORT or HOST:PORT [wait for a call]: ".to_owned()),
            Self::CalledFirst { .. } | Self::Over => None,
        }
    }

    /// What a line means here.
    pub fn answer(&self, line: &str) -> Answer {
        let line = line.trim();
        match self {
            Self::Name if line.is_empty() => Answer::Name(String::new()),
            Self::Name => config::check_name(line).map_or_else(Answer::Again, Answer::Name),
            Self::Port if line.is_empty() => Answer::Listen(None),
            Self::Port => Listen::parse(line).map_or_else(Answer::Again, |listen| Answer::Listen(Some(listen))),
            Self::Target if line.is_empty() => Answer::Wait,
            Self::Target => Target::parse(line).map_or_else(Answer::Again, Answer::Call),
            // The port has to stand there: any word is a host at the default port.
            Self::CalledFirst { port } => match Target::parse(line) {
                Ok(target) if target.port == *port && line.ends_with(&port.to_string()) => Answer::Swallowed,
                _ => Answer::Input,
            },
            Self::Over => Answer::Input,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_command_line_said_is_not_asked() {
        let named = Config { name_given: true, ..Config::default() };
        assert_eq!(Start::first(&named), Start::Port);
        let listening = Config { listen: Listen::parse("5000").ok(), ..named };
        assert_eq!(Start::first(&listening), Start::Target);
        assert_eq!(Start::first(&Config::default()), Start::Name);
    }

    #[test]
    fn enter_takes_the_default() {
        assert_eq!(Start::Name.answer("\n"), Answer::Name(String::new()));
        assert_eq!(Start::Port.answer(""), Answer::Listen(None));
        assert_eq!(Start::Target.answer(""), Answer::Wait);
    }

    #[test]
    fn a_bad_port_is_asked_again() {
        assert!(matches!(Start::Port.answer("seventy"), Answer::Again(_)));
        assert!(matches!(Start::Target.answer("host:99999"), Answer::Again(_)));
    }

    #[test]
    fn the_callers_own_port_is_swallowed_and_anything_else_said() {
        let called = Start::CalledFirst { port: 5000 };
        assert_eq!(called.answer("5000"), Answer::Swallowed);
        assert_eq!(called.answer("localhost:5000"), Answer::Swallowed);
        assert_eq!(called.answer("5001"), Answer::Input);
        assert_eq!(called.answer("hello"), Answer::Input);
        let at_the_default = Start::CalledFirst { port: DEFAULT_PORT };
        assert_eq!(at_the_default.answer("8383"), Answer::Swallowed);
        assert_eq!(at_the_default.answer("hello"), Answer::Input);
    }
}

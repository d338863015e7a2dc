//! Who sits at the terminals of these tests, and whom they talk to.
//!
//! Owns: how a conversation is begun, what of a screen is conversation. Must not know: what any test is about.

use serde_json::Value;

use crate::common::{Run, Tete, bob, tete};
use crate::console::{Console, Desk};

/// Ann at a terminal, and bob, who called her and reads and writes NDJSON, over plain links.
pub(crate) struct Talk {
    pub(crate) ann: Console,
    pub(crate) bob: Tete,
}

impl Talk {
    pub(crate) fn new() -> Self {
        Self::at(&Desk::new())
    }

    pub(crate) fn at(desk: &Desk) -> Self {
        Self::with(desk, &[], |bob| bob)
    }

    /// With more arguments for ann, and with bob as it is wanted.
    pub(crate) fn with(desk: &Desk, more: &[&str], bob: impl FnOnce(Run) -> Run) -> Self {
        let mut ann = desk.start(&[&["--plain", "-n", "ann", "-l", "0"], more].concat());
        let port = port(&mut ann);
        let bob = Self::called(&mut ann, port, bob);
        Self { ann, bob }
    }

    /// Bob calls ann, who waits for it at a prompt.
    pub(crate) fn called(ann: &mut Console, port: u16, as_wanted: impl FnOnce(Run) -> Run) -> Tete {
        let mut bob = as_wanted(tete(&bob(port, &["--json"]))).start();
        ann.shows("connected to bob");
        ann.prompts("ann>");
        bob.event("connected");
        bob
    }

    /// Bob says this, in one message whatever is in it.
    pub(crate) fn bob_says(&mut self, text: &str) {
        self.bob.send(&serde_json::json!({ "say": text }).to_string());
    }

    /// Waits until bob was told this.
    pub(crate) fn bob_reads(&mut self, text: &str) -> Value {
        self.bob.find(&format!("the message {text:?}"), |event| event["event"] == "message" && event["text"] == text)
    }

    /// Bob leaves; both end well, and ann's terminal is as it was.
    pub(crate) fn part(mut self) {
        self.bob.send("exit");
        self.ann.shows("bob left");
        self.ann.ends(0);
        assert_eq!(self.bob.exit_code(), 0);
    }
}

/// The port at which a terminal says that its program listens.
pub(crate) fn port(console: &mut Console) -> u16 {
    console.until("where it listens", |console| {
        let everything = console.everything();
        let (_, behind) = everything.split_once("listening on ")?;
        let (_, behind) = behind.split_once("127.0.0.1:").or_else(|| behind.split_once("[::1]:"))?;
        let digits: String = behind.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    })
}

/// What was said: the lines that begin with a time, without it.
pub(crate) fn said(console: &mut Console) -> Vec<String> {
    console.everything().lines().filter_map(|line| behind_time(line).map(str::to_owned)).collect()
}

fn behind_time(line: &str) -> Option<&str> {
    let (time, rest) = line.split_at_checked(5)?;
    let is_time = time.bytes().enumerate().all(|(at, byte)| if at == 2 { byte == b':' } else { byte.is_ascii_digit() });
    rest.strip_prefix(' ').filter(|_| is_time)
}

/// Waits until this line of the conversation is shown, with a time before it.
pub(crate) fn hears(console: &mut Console, line: &str) {
    console.waits_for(&format!("the line {line:?}"), |console| said(console).iter().any(|said| said == line));
}

/// Waits for a question in the row with the cursor, and answers it.
pub(crate) fn answers(console: &mut Console, question: &str, answer: &str) {
    console.prompts(question);
    console.says(answer);
}

#[test]
fn a_line_of_the_conversation_begins_with_a_time() {
    assert_eq!(behind_time("12:03 bob: hi"), Some("bob: hi"));
    for other in ["-- bob left", "12:03", "12.03 bob: hi", "ann> 12:03 x", ""] {
        assert_eq!(behind_time(other), None, "{other}");
    }
}

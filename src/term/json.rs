//! NDJSON: one object a line, out and in.
//!
//! Owns: the escapes that make a terminal showing the JSON safe, the order of fields, the objects that input may be.
//! Must not know: what the events mean.

use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use serde_json::ser::{Formatter, Serializer};

use crate::proto::text::{Untrusted, is_dangerous};

/// Longest quotation of the user's own input in an error, in bytes.
const MAX_QUOTED: usize = 40;

/// Any value as one line with its newline, in the order in which it serialises.
///
/// Dangerous characters are written `\u` and four digits: a terminal shows them, a parser gets the text as it was.
///
/// # Panics
/// If the value cannot be JSON (a map whose keys are not text), which is a mistake in our own types.
pub fn line(value: &impl Serialize) -> String {
    let mut line = encode(value);
    line.push('\n');
    line
}

/// An object under construction. Fields stand in the order in which they were added.
///
/// ```
/// # use std::time::Duration;
/// # use tete::term::json::Object;
/// let line = Object::event("delivered", Duration::from_millis(1500)).field("seq", &7).line();
/// assert_eq!(line, "{\"event\":\"delivered\",\"t\":1.5,\"seq\":7}\n");
/// ```
#[derive(Clone, Debug)]
pub struct Object {
    /// All but the closing brace.
    json: String,
}

impl Object {
    /// An event and the time since the start, to the microsecond.
    pub fn event(event: &str, t: Duration) -> Self {
        // In whole microseconds first: the difference of two clock readings would print as 0.30000000000000004.
        let seconds = t.as_micros() as f64 / 1e6;
        Self::empty().field("event", event).field("t", &seconds)
    }

    /// An object with no fields, to be nested.
    pub fn empty() -> Self {
        Self { json: "{".to_owned() }
    }

    /// Adds a field. `None` and numbers that are not finite become `null`.
    pub fn field(self, key: &str, value: &(impl Serialize + ?Sized)) -> Self {
        let value = encode(value);
        self.with(key, &value)
    }

    /// Adds a text of the peer's: as it was sent, with U+FFFD for what is not UTF-8.
    pub fn untrusted(self, key: &str, text: &Untrusted) -> Self {
        self.field(key, &*text.lossy())
    }

    /// Adds an object.
    pub fn nested(self, key: &str, inner: Self) -> Self {
        let inner = inner.finished();
        self.with(key, &inner)
    }

    /// The whole object as one line with its newline.
    pub fn line(self) -> String {
        self.finished() + "\n"
    }

    fn with(mut self, key: &str, json: &str) -> Self {
        if self.json.len() > 1 {
            self.json.push(',');
        }
        self.json.push_str(&encode(key));
        self.json.push(':');
        self.json.push_str(json);
        self
    }

    fn finished(mut self) -> String {
        self.json.push('}');
        self.json
    }
}

fn encode(value: &(impl Serialize + ?Sized)) -> String {
    let mut json = Vec::new();
    value
        .serialize(&mut Serializer::with_formatter(&mut json, Defused))
        .expect("memory takes every byte, and our own types are JSON");
    String::from_utf8(json).expect("JSON is UTF-8")
}

/// Compact JSON in which nothing can act on a terminal.
struct Defused;

impl Formatter for Defused {
    /// Gets what the serializer does not escape by itself, which is all but quotes, backslashes and C0.
    fn write_string_fragment<W: ?Sized + Write>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((at, c)) = rest.char_indices().find(|(_, c)| is_dangerous(*c)) {
            out.write_all(&rest.as_bytes()[..at])?;
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}")?;
            }
            rest = &rest[at + c.len_utf8()..];
        }
        out.write_all(rest.as_bytes())
    }
}

/// What an object on standard input asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// `{"say": "two\nlines"}`: a message, whatever it looks like.
    Say(String),
    /// `{"transfer": "path"}`: a file, its path verbatim.
    Transfer(String),
    /// `{"command": "exit"}`: a line as it would be typed, with its slash or without.
    Command(String),
    /// `{"answer": 1, "yes": true}`: the answer to the event `question`.
    Answer {
        /// The question's number.
        id: u64,
        /// Whether it is a yes.
        yes: bool,
    },
}

/// Why an object on standard input was not understood. `Display` is one line, harmless to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputError {
    /// What is wrong.
    pub message: String,
}

impl InputError {
    /// What would have been right.
    pub fn hint(&self) -> &'static str {
        r#"one of {"say": TEXT}, {"transfer": PATH}, {"command": LINE}, {"answer": ID, "yes": true}"#
    }
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for InputError {}

/// Reads a line of input that begins with `{`. It must be exactly one of the objects that [`Input`] lists: a
/// misspelt key is an error, never half obeyed.
pub fn parse_input(line: &str) -> Result<Input, InputError> {
    let wrong = |message: String| InputError { message };
    let value: Value = serde_json::from_str(line).map_err(|error| wrong(format!("the line is not JSON: {error}")))?;
    let Value::Object(fields) = value else { return Err(wrong("the line is not a JSON object".to_owned())) };
    let is_text = |key: &str| wrong(format!("the value of \"{key}\" must be a text"));
    let mut fields: Vec<(String, Value)> = fields.into_iter().collect(); // in the order of their keys, as the map has them
    match fields.as_mut_slice() {
        [] => Err(wrong("the object is empty".to_owned())),
        [(key, value)] if matches!(key.as_str(), "say" | "transfer" | "command") => {
            let Value::String(text) = value.take() else { return Err(is_text(key)) };
            Ok(match key.as_str() {
                "say" => Input::Say(text),
                "transfer" => Input::Transfer(text),
                _ => Input::Command(text),
            })
        }
        [(answer, id), (yes, choice)] if answer == "answer" && yes == "yes" => {
            let id = id.as_u64().ok_or_else(|| wrong("the value of \"answer\" must be a question's id".to_owned()))?;
            let yes = choice.as_bool().ok_or_else(|| wrong("the value of \"yes\" must be true or false".to_owned()))?;
            Ok(Input::Answer { id, yes })
        }
        [(key, _)] if key == "answer" => Err(wrong("an answer needs \"yes\": true or false".to_owned())),
        [(key, _)] if key == "yes" => Err(wrong("a yes needs \"answer\": the question's id".to_owned())),
        fields => {
            let is_known = |key: &str| matches!(key, "say" | "transfer" | "command" | "answer" | "yes");
            Err(wrong(match fields.iter().find(|(key, _)| !is_known(key)) {
                Some((key, _)) => {
                    format!("the key \"{}\" is not known", Untrusted::from(key.as_str()).shown_within(MAX_QUOTED))
                }
                None => "the object asks for more than one thing".to_owned(),
            }))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_peers_escape_sequence_comes_as_u_escapes_and_parses_to_what_was_sent() {
        let sent = "\x1b]52;c;AAAA\x07 \u{9b}2J \u{202e}cod \u{2028} \u{7f} \u{feff} \u{e0041} \" \\ \n ä 👍";
        let line = Object::event("message", Duration::ZERO).untrusted("text", &Untrusted::from(sent)).line();
        assert!(line.ends_with("\"}\n"));
        assert!(!line.trim_end_matches('\n').contains(is_dangerous), "{line:?}");
        assert!(line.contains("\\u001b]52;c;AAAA\\u0007 \\u009b2J \\u202ecod \\u2028 \\u007f \\ufeff \\udb40\\udc41"));
        assert!(line.contains("ä 👍"));
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["text"], sent);
    }

    #[test]
    fn fields_stand_in_the_order_in_which_they_were_added() {
        let peer = Object::empty().field("name", "bob").field("address", "[::1]:1").field("key", &None::<String>);
        let line = Object::event("connected", Duration::from_nanos(1_234_567_891))
            .nested("peer", peer)
            .field("encrypted", &true)
            .field("a", &[1, 2])
            .line();
        let expected = r#"{"event":"connected","t":1.234567,"peer":{"name":"bob","address":"[::1]:1","key":null},"#;
        assert_eq!(line, format!("{expected}\"encrypted\":true,\"a\":[1,2]}}\n"));
    }

    #[test]
    fn numbers_that_json_cannot_hold_become_null() {
        assert_eq!(Object::empty().field("rate", &f64::NAN).line(), "{\"rate\":null}\n");
        assert_eq!(Object::empty().line(), "{}\n");
    }

    #[test]
    fn keys_are_as_harmless_as_values() {
        assert_eq!(line(&json!({ "\u{202e}": "\u{85}" })), "{\"\\u202e\":\"\\u0085\"}\n");
    }

    #[test]
    fn every_object_of_the_interface_is_understood() {
        assert_eq!(parse_input(r#"{"say": "two\nlines"}"#), Ok(Input::Say("two\nlines".to_owned())));
        assert_eq!(parse_input(r#"{"transfer": " a b"}"#), Ok(Input::Transfer(" a b".to_owned())));
        assert_eq!(parse_input(r#"{"command": "exit"} "#), Ok(Input::Command("exit".to_owned())));
        assert_eq!(parse_input(r#"{"yes": false, "answer": 3}"#), Ok(Input::Answer { id: 3, yes: false }));
    }

    #[test]
    fn what_is_not_one_of_them_is_an_error_that_says_why() {
        for (line, message) in [
            ("{", "the line is not JSON: EOF while parsing an object at line 1 column 1"),
            ("{\"say\": \"a\"} x", "the line is not JSON: trailing characters at line 1 column 14"),
            ("[]", "the line is not a JSON object"),
            ("{}", "the object is empty"),
            ("{\"say\": 1}", "the value of \"say\" must be a text"),
            ("{\"sya\": \"a\"}", "the key \"sya\" is not known"),
            ("{\"say\": \"a\", \"\\u001b[2J\": 1}", "the key \"\\u{1b}[2J\" is not known"),
            ("{\"say\": \"a\", \"transfer\": \"b\"}", "the object asks for more than one thing"),
            ("{\"answer\": 1}", "an answer needs \"yes\": true or false"),
            ("{\"yes\": true}", "a yes needs \"answer\": the question's id"),
            ("{\"answer\": -1, \"yes\": true}", "the value of \"answer\" must be a question's id"),
            ("{\"answer\": 1, \"yes\": \"yes\"}", "the value of \"yes\" must be true or false"),
        ] {
            let error = parse_input(line).unwrap_err();
            assert_eq!(error.to_string(), message);
            assert!(error.hint().contains("transfer"));
        }
    }

    proptest! {
        #[test]
        fn every_text_parses_back_to_itself_and_is_harmless_on_the_way(text in text()) {
            let line = line(&json!({ "text": text }));
            prop_assert!(!line.trim_end_matches('\n').contains(is_dangerous));
            prop_assert_eq!(&serde_json::from_str::<Value>(&line).unwrap()["text"], &Value::from(text));
        }
    }

    /// Text in which dangerous characters are frequent.
    fn text() -> impl Strategy<Value = String> {
        let nasty = "\x1b\n\0\u{85}\u{200d}\u{202e}\u{e0041}\u{10ffff}\"\\".chars().collect::<Vec<_>>();
        let c = prop_oneof![proptest::sample::select(nasty), any::<char>()];
        proptest::collection::vec(c, 0..50).prop_map(String::from_iter)
    }
}

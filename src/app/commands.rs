//! What one typed line means.
//!
//! Owns: the commands' words, their syntax, the text of `/help`.
//! Must not know: whether the command can be carried out: files, transfers and peers are looked up by others.

use crate::proto::near::distance;

/// What `/help` prints: a command a line.
pub const HELP: &str = "\
transfer PATH...    send files (also /send PATH...); quotes, ~ and * work
exit                finish transfers and leave (also terminate123, /quit)
/cancel [ID]        stop a transfer
/accept [ID]        take an offered file
/refuse [ID]        turn an offered file down
/status             what is being transferred
/peers              who is connected
/say TEXT           say something that looks like a command; //x says /x
/help               this list
anything else       is said to the other side";

/// What Tab completes at the start of a line, as it is to be written: with a space where something may follow. The words
/// that mean the same as another one are left out, so that fewer letters are enough.
pub const COMPLETED: [&str; 11] =
    ["transfer ", "exit", "/send ", "/quit", "/cancel ", "/accept ", "/refuse ", "/status", "/peers", "/say ", "/help"];

/// The commands that begin with a slash, for the nearest one to a word that is none.
const SLASH_COMMANDS: [&str; 9] =
    ["/send", "/quit", "/cancel", "/accept", "/refuse", "/status", "/peers", "/say", "/help"];

/// What people used to other programs type, and what it is called here.
const CALLED_ELSEWHERE: [(&str, &str); 14] = [
    ("/transfer", "/send"),
    ("/file", "/send"),
    ("/exit", "/quit"),
    ("/bye", "/quit"),
    ("/leave", "/quit"),
    ("/q", "/quit"),
    ("/terminate123", "/quit"),
    ("/stop", "/cancel"),
    ("/abort", "/cancel"),
    ("/reject", "/refuse"),
    ("/decline", "/refuse"),
    ("/who", "/peers"),
    ("/msg", "/say"),
    ("/?", "/help"),
];

/// How many letters may be wrong in a command that is still recognised.
const MAX_SLIPS: usize = 2;

/// What a line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// The line is empty: nothing is said.
    Nothing,
    /// Say this. Empty only where no line is a command.
    Say(String),
    /// Send files: what stands behind the command and its one space, verbatim, and not blank. Whether it is one path
    /// or several words is decided by what exists.
    Transfer(String),
    /// Finish, say goodbye, leave.
    Leave,
    /// Stop this transfer, or the one there is.
    Cancel(Option<u64>),
    /// Take this offered file, or the one there is.
    Accept(Option<u64>),
    /// Turn down this offered file, or the one there is.
    Refuse(Option<u64>),
    /// Tell what is being transferred.
    Status,
    /// Tell who is connected.
    Peers,
    /// Print [`HELP`].
    Help,
    /// No command is called that. Nothing is said either: it may be a slip, and what is said cannot be taken back.
    Unknown {
        /// The word, with its slash.
        word: String,
        /// The nearest command, and how to say the line as it stands.
        hint: String,
    },
    /// A command that lacks something or has too much.
    Usage {
        /// What is wrong.
        message: String,
        /// How it is written.
        hint: String,
    },
}

/// What a line means where lines may be commands. A line break at its end is dropped.
///
/// A command begins its line: white space before it makes it a message, except for the words that leave.
pub fn parse(line: &str) -> Parsed {
    let line = without_line_break(line);
    match line.trim() {
        "" => return Parsed::Nothing,
        "exit" | "terminate123" | "/quit" => return Parsed::Leave,
        _ => {}
    }
    if line.starts_with("//") {
        return Parsed::Say(line[1..].to_owned());
    }
    let (word, rest) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    match word {
        "transfer" | "/send" if rest.trim().is_empty() => {
            usage(format!("{word} needs a file"), format!("{word} PATH..., or /say {word} to say the word"))
        }
        "transfer" | "/send" => Parsed::Transfer(rest.to_owned()),
        "/say" if rest.trim().is_empty() => usage("/say needs a text", "/say TEXT"),
        "/say" => Parsed::Say(rest.to_owned()),
        "/cancel" => with_id(word, rest, Parsed::Cancel),
        "/accept" => with_id(word, rest, Parsed::Accept),
        "/refuse" => with_id(word, rest, Parsed::Refuse),
        "/status" => alone(word, rest, Parsed::Status),
        "/peers" => alone(word, rest, Parsed::Peers),
        "/help" => alone(word, rest, Parsed::Help),
        "/quit" => alone(word, rest, Parsed::Leave),
        _ if word.starts_with('/') => unknown(word),
        _ => Parsed::Say(line.to_owned()),
    }
}

/// Whether a line is an order, and no message.
pub fn is_order(line: &str) -> bool {
    !matches!(parse(line), Parsed::Nothing | Parsed::Say(_))
}

/// What a line means where no line is a command: a message, also if it is empty.
pub fn parse_as_message(line: &str) -> Parsed {
    Parsed::Say(without_line_break(line).to_owned())
}

/// Files from other systems end their lines with CR LF; the CR is not part of what is said.
fn without_line_break(line: &str) -> &str {
    let line = line.strip_suffix('\n').unwrap_or(line);
    line.strip_suffix('\r').unwrap_or(line)
}

fn with_id(word: &str, rest: &str, command: fn(Option<u64>) -> Parsed) -> Parsed {
    match rest.trim() {
        "" => command(None),
        id => match id.strip_prefix('#').unwrap_or(id).parse() {
            Ok(id) => command(Some(id)),
            Err(_) => usage(
                format!("{word} takes the number of a transfer, not {id:?}"),
                format!("{word} [ID]; /status lists the numbers"),
            ),
        },
    }
}

fn alone(word: &str, rest: &str, command: Parsed) -> Parsed {
    if rest.trim().is_empty() {
        return command;
    }
    usage(format!("{word} takes nothing behind it"), format!("{word} alone, or begin the line with //: /{word}"))
}

fn usage(message: impl Into<String>, hint: impl Into<String>) -> Parsed {
    Parsed::Usage { message: message.into(), hint: hint.into() }
}

fn unknown(word: &str) -> Parsed {
    let how_to_say = format!("to say it, begin the line with /say or //: /{word}");
    let hint = match nearest(word) {
        Some(command) => format!("did you mean {command}? {how_to_say}"),
        None => format!("/help lists the commands; {how_to_say}"),
    };
    Parsed::Unknown { word: word.to_owned(), hint }
}

/// The command that was probably meant.
fn nearest(word: &str) -> Option<&'static str> {
    if let Some((_, command)) = CALLED_ELSEWHERE.iter().find(|(elsewhere, _)| *elsewhere == word) {
        return Some(command);
    }
    let (slips, command) =
        SLASH_COMMANDS.iter().filter_map(|command| Some((distance(word, command)?, *command))).min()?;
    // Two wrong letters of three are another word.
    (slips <= MAX_SLIPS && slips + 2 < command.len()).then_some(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say(text: &str) -> Parsed {
        Parsed::Say(text.to_owned())
    }

    fn transfer(rest: &str) -> Parsed {
        Parsed::Transfer(rest.to_owned())
    }

    #[test]
    fn a_line_is_a_message_as_it_stands() {
        for line in ["hi", "  indented ", "exit now", "Exit", "exited", "terminate1234", "transferred 3 euro", "Ünï 😀"]
        {
            assert_eq!(parse(line), say(line));
        }
        assert_eq!(parse("hi\r\n"), say("hi"));
        assert_eq!(parse("  /usr/bin/env"), say("  /usr/bin/env"));
    }

    #[test]
    fn an_empty_line_says_nothing() {
        for line in ["", "   ", "\t", "\r\n"] {
            assert_eq!(parse(line), Parsed::Nothing);
        }
    }

    #[test]
    fn the_words_that_leave_stand_alone_and_ignore_white_space() {
        for line in ["exit", "terminate123", "/quit", "  exit\t", "exit\r\n", " /quit "] {
            assert_eq!(parse(line), Parsed::Leave, "{line:?}");
        }
    }

    #[test]
    fn transfer_takes_the_rest_of_the_line_verbatim() {
        assert_eq!(parse("transfer a.bin"), transfer("a.bin"));
        assert_eq!(parse("/send 'my file' *.txt"), transfer("'my file' *.txt"));
        assert_eq!(parse("transfer  two spaces "), transfer(" two spaces "));
        assert_eq!(parse("transfer\ta.bin\r\n"), transfer("a.bin"));
    }

    #[test]
    fn fault_6_a_file_with_a_leading_dash_is_transferred_like_any_other() {
        assert_eq!(parse("transfer -x"), transfer("-x"));
        assert_eq!(parse("transfer -- -x"), transfer("-- -x"));
    }

    #[test]
    fn a_transfer_of_nothing_is_a_mistake_and_not_said() {
        for line in ["transfer", "transfer  ", "/send", "/send\t"] {
            assert!(matches!(parse(line), Parsed::Usage { .. }), "{line:?}");
        }
    }

    #[test]
    fn a_command_about_a_transfer_takes_one_number_or_none() {
        assert_eq!(parse("/cancel"), Parsed::Cancel(None));
        assert_eq!(parse("/cancel 7"), Parsed::Cancel(Some(7)));
        assert_eq!(parse("/accept  12 "), Parsed::Accept(Some(12)));
        assert_eq!(parse("/refuse 0"), Parsed::Refuse(Some(0)));
        for line in ["/cancel x", "/cancel 1 2", "/accept -1", "/refuse 99999999999999999999"] {
            assert!(matches!(parse(line), Parsed::Usage { .. }), "{line:?}");
        }
    }

    #[test]
    fn a_question_stands_alone() {
        assert_eq!(parse("/status"), Parsed::Status);
        assert_eq!(parse("/peers "), Parsed::Peers);
        assert_eq!(parse("/help"), Parsed::Help);
        for line in ["/status now", "/peers bob", "/help me", "/quit now"] {
            assert!(matches!(parse(line), Parsed::Usage { .. }), "{line:?}");
        }
    }

    #[test]
    fn what_looks_like_a_command_can_be_said() {
        assert_eq!(parse("/say exit"), say("exit"));
        assert_eq!(parse("/say  two spaces"), say(" two spaces"));
        assert_eq!(parse("//x"), say("/x"));
        assert_eq!(parse("//quit"), say("/quit"));
        assert_eq!(parse("///"), say("//"));
        assert!(matches!(parse("/say "), Parsed::Usage { .. }));
    }

    #[test]
    fn an_unknown_command_is_not_said_and_names_the_nearest() {
        let hint = |line: &str| match parse(line) {
            Parsed::Unknown { hint, .. } => hint,
            other => panic!("{line}: {other:?}"),
        };
        assert_eq!(hint("/cancle 1"), "did you mean /cancel? to say it, begin the line with /say or //: //cancle");
        assert!(hint("/exit").starts_with("did you mean /quit?"));
        assert!(hint("/transfer a").starts_with("did you mean /send?"));
        assert!(hint("/?").starts_with("did you mean /help?"));
        for far in ["/usr/bin/env is here", "/", "/xy", "/\u{1F600}"] {
            assert!(hint(far).starts_with("/help lists the commands"), "{far}");
        }
    }

    #[test]
    fn without_commands_every_line_is_a_message() {
        for line in ["exit", "transfer ~/.ssh/id_ed25519", "/quit", "//x", " ", "/nonsense"] {
            assert_eq!(parse_as_message(line), say(line));
        }
        assert_eq!(parse_as_message("\r\n"), say(""));
    }

    #[test]
    fn what_is_completed_is_a_command() {
        for command in COMPLETED {
            let line = if command.ends_with(' ') { format!("{command}7") } else { command.to_owned() };
            let parsed = parse(&line);
            assert!(!matches!(parsed, Parsed::Unknown { .. } | Parsed::Usage { .. }), "{line}: {parsed:?}");
            assert!(parsed != say(&line), "{line} is a message");
        }
        let all = COMPLETED.map(str::trim_end);
        assert!(SLASH_COMMANDS.iter().all(|command| all.contains(command)));
    }

    #[test]
    fn help_has_a_line_for_every_command() {
        for command in SLASH_COMMANDS {
            assert!(HELP.contains(command), "{command}");
        }
        assert!(HELP.lines().all(|line| line.len() <= 80));
        assert!(HELP.contains("transfer") && HELP.contains("terminate123"));
    }
}

//! Tab, line by line: `|` stands for the cursor.

use proptest::prelude::*;

use super::*;

const COMMANDS: [&str; 6] = ["transfer ", "exit", "/send ", "/status", "/say ", "/quit"];

/// What is wanted in a line with a cursor in it.
fn wanted_in(marked: &str) -> Wanted {
    let (before, behind) = marked.split_once('|').unwrap();
    wanted(&format!("{before}{behind}"), before.len(), &COMMANDS, false)
}

fn files(names: &[&str]) -> Vec<Candidate> {
    let file = |name: &&str| Candidate { name: name.trim_end_matches('/').to_owned(), is_folder: name.ends_with('/') };
    names.iter().map(file).collect()
}

/// The line after Tab, with its cursor; or what is shown.
fn tab(marked: &str, found: &[&str]) -> String {
    let line = marked.replace('|', "");
    let completion = match wanted_in(marked) {
        Wanted::Command { replace, prefix } => complete_word(replace, &prefix, COMMANDS),
        Wanted::Path(path) => complete_path(&path, &files(found)),
        Wanted::Peer { .. } | Wanted::Nothing => Completion::None,
    };
    match completion {
        Completion::Insert { replace, with } => format!("{}{with}|{}", &line[..replace.start], &line[replace.end..]),
        Completion::Choices { names, more } => format!("? {}", in_words(&names, more)),
        Completion::None => marked.to_owned(),
    }
}

#[test]
fn a_command_is_completed_at_the_start_of_the_line() {
    assert_eq!(tab("tr|", &[]), "transfer |");
    assert_eq!(tab("transfer|", &[]), "transfer |");
    assert_eq!(tab("/st|", &[]), "/status|");
    assert_eq!(tab("/s|", &[]), "? /say  /send  /status");
    assert_eq!(tab("/se| a", &[]), "/send | a");
    assert_eq!(tab("|", &[]), "? /quit  /say  /send  /status  exit  transfer");
}

#[test]
fn a_message_completes_nothing() {
    for line in ["hello|", "tr|ee", "the tr|", " tr|", "transferred a|", "//st|", "|hello", "/say a|", "exit now|"] {
        assert_eq!(tab(line, &["a", "now"]), line);
    }
    assert_eq!(wanted("transfer a\nb", 12, &COMMANDS, false), Wanted::Nothing);
    assert_eq!(wanted("é", 1, &COMMANDS, false), Wanted::Nothing);
    assert_eq!(wanted("a", 2, &COMMANDS, false), Wanted::Nothing);
}

#[test]
fn a_file_gets_a_blank_and_a_folder_a_slash() {
    assert_eq!(tab("transfer no|", &["notes.txt", "a"]), "transfer notes.txt |");
    assert_eq!(tab("/send a b/no|", &["notes/"]), "/send a b/notes/|");
    assert_eq!(tab("transfer no| b", &["notes.txt"]), "transfer notes.txt | b");
    assert_eq!(tab("transfer notes.txt|", &["notes.txt"]), "transfer notes.txt |");
    assert_eq!(tab("transfer x|", &["notes.txt"]), "transfer x|");
    assert_eq!(tab("transfer |", &["notes.txt"]), "transfer notes.txt |");
}

#[test]
fn what_several_have_in_common_comes_first_and_then_they_are_shown() {
    let found = ["notes.txt", "notes old/", "nothing"];
    assert_eq!(tab("transfer n|", &found), "transfer not|");
    assert_eq!(tab("transfer not|", &found), "? notes old/  notes.txt  nothing");
    assert_eq!(tab("transfer note|", &found), "transfer notes|");
    assert_eq!(tab("transfer |", &["ä1", "ä2", "å"]), "? ä1  ä2  å");
    assert_eq!(tab("transfer |", &["ä1", "ä2"]), "transfer ä|");
}

#[test]
fn a_name_is_quoted_as_it_was_begun() {
    let found = ["my file", "it's", "a\"b", "a\\b", "$x", "#1"];
    assert_eq!(tab("transfer my|", &found), "transfer my\\ file |");
    assert_eq!(tab("transfer 'my|", &found), "transfer 'my file' |");
    assert_eq!(tab("transfer \"my|", &found), "transfer \"my file\" |");
    assert_eq!(tab("transfer my\\ f|", &found), "transfer my\\ file |");
    assert_eq!(tab("transfer my\\|", &found), "transfer my\\ file |");
    assert_eq!(tab("transfer it|", &found), "transfer it\\'s |");
    assert_eq!(tab("transfer 'it|", &found), "transfer 'it'\\''s' |");
    assert_eq!(tab("transfer \"it|", &found), "transfer \"it's\" |");
    assert_eq!(tab("transfer \"a\\\"|", &found), "transfer \"a\\\"b\" |");
    assert_eq!(tab("transfer \"a\\\\|", &found), "transfer \"a\\\\b\" |");
    assert_eq!(tab("transfer \"$|", &found), "transfer \"\\$x\" |");
    assert_eq!(tab("transfer \\#|", &found), "transfer \\#1 |");
    assert_eq!(tab("transfer #|", &found), "transfer #|");
    assert_eq!(tab("transfer 'my|", &["my dir/"]), "transfer 'my dir/|");
}

#[test]
fn the_part_before_the_last_slash_stays_as_it_was_typed() {
    assert_eq!(tab("transfer my\\ dir/no|", &["no 1"]), "transfer my\\ dir/no\\ 1 |");
    assert_eq!(tab("transfer \"my dir\"/no|", &["no 1"]), "transfer \"my dir\"/no\\ 1 |");
    assert_eq!(tab("transfer \"my dir/\"no|", &["no 1"]), "transfer \"my dir/\"no\\ 1 |");
    assert_eq!(tab("transfer my\\ dir/'no|", &["no 1"]), "transfer my\\ dir/'no 1' |");
    assert_eq!(tab("transfer 'my dir/'\"|", &["no 1"]), "transfer 'my dir/'\"no 1\" |");
    let Wanted::Path(path) = wanted_in("transfer x \"my dir/a\\/'b\"/'no 1|") else { panic!("no path") };
    assert_eq!((&*path.folder, &*path.prefix), ("my dir/a\\/'b/", "no 1"));
}

#[test]
fn hidden_files_are_left_out_until_a_dot_is_typed() {
    assert_eq!(tab("transfer |", &[".profile", "a"]), "transfer a |");
    assert_eq!(tab("transfer .p|", &[".profile", "a"]), "transfer .profile |");
    assert_eq!(tab("transfer a/..|", &[]), "transfer a/../|");
}

#[test]
fn a_tilde_alone_is_our_users_home_and_a_file_called_so_is_told_apart() {
    assert_eq!(tab("transfer ~|", &["~"]), "transfer ~/|");
    assert_eq!(tab("transfer ~|", &["~a"]), "? ~/  ~a");
    assert_eq!(tab("transfer |", &["~"]), "transfer ./~ |");
    assert_eq!(tab("transfer '|", &["~/"]), "transfer './~/|");
    assert_eq!(tab("transfer ~/d|", &["doc"]), "transfer ~/doc |");
    let Wanted::Path(path) = wanted_in("transfer ~/d|") else { panic!("no path") };
    assert_eq!((&*path.folder, &*path.prefix, path.replace), ("~/", "d", 11..12));
}

#[test]
fn a_quoted_or_escaped_tilde_is_no_home() {
    for line in ["transfer '~/d|", "transfer \"~\"/d|", "transfer \\~/d|"] {
        let Wanted::Path(path) = wanted_in(line) else { panic!("no path") };
        assert_eq!((&*path.folder, &*path.prefix), ("./~/", "d"), "{line}");
    }
    assert_eq!(tab("transfer '~|", &["~a"]), "transfer '~a' |");
}

#[test]
fn more_choices_than_a_screen_has_room_for_are_counted() {
    let names: Vec<String> = (0..123).map(|n| format!("{n:03}")).collect();
    let found: Vec<&str> = names.iter().map(String::as_str).collect();
    let shown = tab("transfer |", &found);
    assert!(shown.starts_with("? 000  001  ") && shown.ends_with("  099  and 23 more"), "{shown}");
}

#[test]
fn known_peers_complete_where_it_is_asked_whom_to_call() {
    let ask = |line: &str| wanted(line, line.len(), &COMMANDS, true);
    assert_eq!(ask(" an"), Wanted::Peer { replace: 1..3, prefix: "an".to_owned() });
    for line in ["ann 50", "ann:5", "[::1", "key@h"] {
        assert_eq!(ask(line), Wanted::Nothing, "{line}");
    }
    let peers = ["anna", "anne", "bob"];
    let insert = |with: &str| Completion::Insert { replace: 0..1, with: with.to_owned() };
    assert_eq!(complete_word(0..1, "a", peers), insert("ann"));
    assert_eq!(complete_word(0..1, "b", peers), insert("bob"));
    assert_eq!(
        complete_word(0..3, "ann", peers),
        Completion::Choices { names: vec!["anna".into(), "anne".into()], more: 0 }
    );
    assert_eq!(complete_word(0..1, "x", peers), Completion::None);
}

/// A name as a folder may have it, rich in what shells find special.
fn name() -> impl Strategy<Value = String> {
    prop::collection::vec(
        prop_oneof![
            4 => prop::sample::select(" '\"\\$`#~*?[]()&;|<>!%^={}-.,".chars().collect::<Vec<_>>()),
            3 => prop::char::range('a', 'c'),
            1 => prop::sample::select("é王😀\u{a0}".chars().collect::<Vec<_>>()),
        ],
        1..8,
    )
    .prop_map(|chars| chars.into_iter().collect::<String>())
    .prop_filter("no name of a file", |name: &String| name != "." && name != "..")
}

proptest! {
    #[test]
    fn what_is_written_is_read_back_as_that_file(
        folder in prop::option::of(name()),
        name in name(),
        typed in 0..4usize,
        quotes in prop::sample::select(vec!["", "'", "\""]),
        other in prop::option::of(name()),
    ) {
        // What a careful user has typed so far: the folder in quotes, and the beginning of the name behind any quote.
        let folder = folder.map(|folder| format!("{folder}/")).unwrap_or_default();
        let before: String = folder.chars().map(|c| format!("\\{c}")).collect();
        let typed: String = name.chars().take(typed).collect();
        let typed = match quotes {
            "" => typed.chars().map(|c| format!("\\{c}")).collect(),
            "'" => format!("'{}", typed.replace('\'', "'\\''")),
            _ => format!("\"{}", typed.replace(['"', '\\', '$', '`'], "_")),
        };
        let line = format!("transfer x {before}{typed}");
        let Wanted::Path(path) = wanted(&line, line.len(), &COMMANDS, false) else { panic!("no path: {line}") };
        // It was escaped, and so is no home.
        let here = if folder == "~/" { "./" } else { "" };
        prop_assert_eq!(&path.folder, &format!("{here}{folder}"));
        let all: Vec<&str> = std::iter::once(name.as_str()).chain(other.as_deref()).collect();
        if let Completion::Insert { replace, with } = complete_path(&path, &files(&all)) {
            prop_assert!(line.is_char_boundary(replace.start) && replace.end == line.len());
            let line = format!("{}{with}", &line[..replace.start]);
            let closed = match path.quoting {
                _ if line.ends_with(' ') => line.clone(),
                quoting => format!("{line}{}", quoting.sign()),
            };
            let words = shlex::split(&closed["transfer ".len()..]);
            let words = words.ok_or_else(|| TestCaseError::fail(format!("{line} cannot be read")))?;
            prop_assert_eq!(words.len(), 2, "{}", line);
            let read = words[1].strip_prefix("./").filter(|_| folder.is_empty() && with.contains("./~")).unwrap_or(&words[1]);
            let read = read.strip_prefix(folder.as_str()).expect("the folder stays");
            match line.ends_with(' ') && all.contains(&read) {
                true => prop_assert!(read.starts_with(&path.prefix)),
                false => prop_assert!(
                    all.iter().any(|name| name.starts_with(read.trim_end_matches('/'))) || read == "~/",
                    "{} reads as {}", line, read
                ),
            }
        }
    }

    #[test]
    fn no_line_and_no_cursor_is_too_strange(line in ".{0,12}", cursor in 0..40usize, at_target: bool) {
        for line in [line.clone(), format!("transfer {line}")] {
            if let Wanted::Path(path) = wanted(&line, cursor, &COMMANDS, at_target) {
                prop_assert!(line.is_char_boundary(path.replace.start) && path.replace.end == cursor);
                complete_path(&path, &files(&["a", "b c/", "~"]));
            }
        }
    }
}

//! Every rule of the command line, without a process and with an environment of the test's own.

use std::collections::HashSet;
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

use super::*;
use crate::app::config::ANONYMOUS;

mod bench;

fn words(line: &str) -> Vec<OsString> {
    std::iter::once("tete").chain(line.split_whitespace()).map(OsString::from).collect()
}

fn with_environment(line: &str, environment: &[(&str, &str)]) -> Result<Invocation, Stop> {
    parse(words(line).into_iter(), |variable| {
        environment.iter().find(|(name, _)| *name == variable).map(|(_, value)| OsString::from(value))
    })
}

fn config_of(invocation: Result<Invocation, Stop>) -> Config {
    match invocation {
        Ok(Invocation::Talk(config, None)) => config,
        other => panic!("no conversation: {other:?}"),
    }
}

/// The settings that `line` makes over the plain channel, in an empty environment.
fn config(line: &str) -> Config {
    config_of(with_environment(&format!("--plain {line}"), &[]))
}

fn error_of(invocation: Result<Invocation, Stop>) -> UsageError {
    match invocation {
        Err(Stop::Usage(error)) => error,
        other => panic!("no usage error: {other:?}"),
    }
}

/// The usage error that `line` gets although it asks for the plain channel.
fn error(line: &str) -> UsageError {
    error_of(with_environment(&format!("--plain {line}"), &[]))
}

fn shown(line: &str) -> String {
    match with_environment(line, &[]) {
        Err(Stop::Show(text)) => text,
        other => panic!("no text: {other:?}"),
    }
}

fn target_of(line: &str) -> String {
    config(line).target.expect("a target").to_string()
}

#[test]
fn nothing_but_plain_is_the_default_run() {
    assert_eq!(config(""), Config { plain: true, ..Config::default() });
}

#[test]
fn a_peer_is_one_word_or_two() {
    assert_eq!(target_of("5000"), "localhost:5000");
    assert_eq!(target_of("bob 5000"), "bob:5000");
    assert_eq!(target_of("[::1]:5000 -n ann"), "[::1]:5000");
    assert_eq!(target_of("-- bob"), "bob:8383");
    assert!(error("a b c").message.contains("'c'"));
}

#[test]
fn fault_1_a_bad_or_zero_target_port_is_a_usage_error() {
    for line in ["0", "65536", "bob:0", "bob 0", "bob:70000", "bob:http"] {
        assert!(error(line).message.contains("is not a port to call"), "{line}");
    }
}

#[test]
fn fault_5_arguments_that_are_not_utf_8_work_as_paths_and_are_refused_as_text() {
    let odd = || OsString::from_vec(b"caf\xe9".to_vec());
    let parse = |before: &str| parse(words(before).into_iter().chain([odd()]), |_| None);
    assert_eq!(config_of(parse("--plain 5000 --send")).send, [odd()]);
    assert_eq!(config_of(parse("--plain 5000 --send a --")).send, [OsString::from("a"), odd()]);
    assert_eq!(config_of(parse("--plain -d")).into, PathBuf::from(odd()));
    assert_eq!(config_of(parse("--plain --log")).log, Some(PathBuf::from(odd())));
    assert_eq!(config_of(parse("--plain --config-dir")).config_dir, Some(PathBuf::from(odd())));
    assert!(error_of(parse("--plain")).message.contains("not UTF-8"));
    assert!(error_of(parse("--plain -n")).message.contains("UTF-8"));
}

#[test]
fn fault_6_a_file_with_a_leading_dash_is_sent_behind_two_dashes_or_an_equals_sign() {
    assert_eq!(config("5000 --send -- -x").send, ["-x"]);
    assert_eq!(config("5000 --send a -- -x --send").send, ["a", "-x", "--send"]);
    assert_eq!(config("--send=-x 5000").send, ["-x"]);
    assert_eq!(config("-l 5000 --send -- -x --").send, ["-x", "--"]);
    assert!(error("5000 --send -x").hint.contains("-- -x"));
}

#[test]
fn send_takes_files_up_to_the_next_option_and_leaves_the_peer_before_it() {
    let run = config("bob 5000 --send a - b --as c.txt --send d");
    assert_eq!(run.send, ["a", "-", "b", "d"]);
    assert_eq!(run.send_as.as_deref(), Some("c.txt"));
    assert_eq!(run.target.expect("a target").to_string(), "bob:5000");
    let run = config("--send a b -- bob 5000");
    assert_eq!(run.send, ["a", "b"]);
    assert_eq!(run.target.expect("a target").to_string(), "bob:5000");
    assert_eq!(config("5000 --send a b --").send, ["a", "b"]);
}

#[test]
fn fault_8_conflicting_flags_are_a_usage_error_that_names_them() {
    for (line, named) in [
        ("-4 -6", "-6"),
        ("--as x", "--as"),
        ("5000 --send a --as x", "--as"),
        ("5000 --send - a -", "once"),
        ("5000 --send", "--send"),
        ("5000 --send=", "--send"),
        ("5000 --stay", "say where with -l"),
        ("-l 1 5000 --stay --send a", "--stay"),
        ("--json --ui plain", "--ui"),
        ("--ui auto --json", "--ui"),
        ("--json --bell", "--bell"),
        ("-4 ::1", "-4"),
        ("-6 127.0.0.1", "-6"),
        ("-4 -l [::1]:5000", "-4"),
        ("-n a -n b", "--name"),
    ] {
        let error = error(line);
        assert!(error.message.contains(named), "{line}: {error}");
        assert!(!error.hint.is_empty(), "{line}: {error}");
    }
    assert!(config("5000 --stay -l 0").stay);
    assert!(config("--stay").stay);
    assert_eq!(config("-6 ::1").family, Family::V6);
    assert_eq!(config("-4 bob").family, Family::V4);
}

#[test]
fn the_channel_is_encrypted_unless_plain_is_asked_for() {
    let run = config_of(with_environment("bob -l 5000 --trust new", &[]));
    assert!(!run.plain);
    assert_eq!(config_of(with_environment("", &[])), Config::default());
}

/// The code that `line` asks for: one for the settings, or where it is yet to be read from.
fn code(line: &str, environment: &[(&str, &str)]) -> (Option<CodeSource>, Option<CodeFrom>) {
    match with_environment(line, environment) {
        Ok(Invocation::Talk(config, from)) => (config.code, from),
        other => panic!("no conversation: {other:?}"),
    }
}

#[test]
fn a_code_is_typed_read_from_somewhere_or_made() {
    let environment = [("TETE_CODE", " acid-lucky-zero ")];
    let from = |from| (None, Some(from));
    assert_eq!(code("bob --code agent-zero-acid", &environment), from(CodeFrom::Argument("agent-zero-acid".into())));
    assert_eq!(code("bob --code -", &environment), from(CodeFrom::Line));
    assert_eq!(code("bob --code @dir/f", &environment), from(CodeFrom::File("dir/f".into())));
    assert_eq!(code("--new-code", &environment), (Some(CodeSource::Make), None));
    assert_eq!(code("bob", &environment), (Some(CodeSource::Given("acid-lucky-zero".into())), None));
    assert_eq!(code("bob", &[("TETE_CODE", "")]), (None, None));
    assert_eq!(code("--plain bob", &environment), (None, None));
    for line in ["--code=", "--code @"] {
        assert!(error_of(with_environment(line, &[])).message.contains("code"), "{line}");
    }
    assert!(error_of(with_environment("bob", &[("TETE_CODE", "  ")])).message.contains("empty"));
    for (line, environment) in [("bob --code acid-lucky-zerro", ""), ("bob", "acid-lucky"), ("bench -c h --code a", "")]
    {
        let error = error_of(with_environment(line, &[("TETE_CODE", environment)]));
        assert!(error.message.starts_with("that is no one-time code: "), "{line}: {error}");
    }
    let shown = format!("{:?} {:?}", code("--code agent-zero-acid", &[]), code("", &environment));
    assert!(!shown.contains("agent-zero-acid") && !shown.contains("acid-lucky-zero"), "{shown}");
}

#[test]
fn fault_8_what_proves_somebody_conflicts_with_plain() {
    let key = "a".repeat(52); // of zeros
    for (line, named) in [
        ("--plain --code x", "--code"),
        ("--plain --new-code", "--new-code"),
        ("--code x --new-code", "--new-code"),
        (&*format!("--plain {key}@bob:5000"), "--plain"),
        (&*format!("--plain bob:5000#{key}"), "--plain"),
    ] {
        let error = error_of(with_environment(line, &[]));
        assert!(error.message.contains(named) && !error.hint.is_empty(), "{line}: {error}");
    }
    let pinned = config_of(with_environment(&format!("{key}@bob:5000"), &[]));
    let pin = |config: Config| config.target.and_then(|target| target.pin).map(|pin| pin.to_string());
    assert_eq!(pin(pinned).as_ref(), Some(&key));
    let behind = config_of(with_environment(&format!("--send a b {key}@bob"), &[]));
    assert_eq!(behind.send, ["a", "b"]);
    assert_eq!(pin(behind), Some(key));
    assert_eq!(config("--trust known").trust, Some(Trust::Known));
}

#[test]
fn what_is_kept_is_asked_for_with_its_options_before_or_behind() {
    let kept = |line: &str, environment: &[_]| match with_environment(line, environment) {
        Ok(Invocation::Kept(kept)) => kept,
        other => panic!("nothing kept: {line} {other:?}"),
    };
    let here = |task, config_dir: &str, json| {
        let config_dir = Some(config_dir).filter(|dir| !dir.is_empty()).map(PathBuf::from);
        Kept { task, config_dir, json }
    };
    assert_eq!(kept("id", &[]), here(Task::Id, "", false));
    assert_eq!(kept("peers", &[("TETE_HOME", "/h")]), here(Task::Peers, "/h", false));
    for line in ["--json --config-dir d peers forget bob", "peers --json forget bob --config-dir d"] {
        assert_eq!(kept(line, &[("TETE_HOME", "/h")]), here(Task::Forget("bob".into()), "d", true), "{line}");
    }
    for (line, name) in [("peers forget -- bob", "bob"), ("peers forget -- -x", "-x"), ("peers forget -- --", "--")] {
        assert_eq!(kept(line, &[]), here(Task::Forget(name.into()), "", false), "{line}");
    }
    assert_eq!(kept("id --json", &[]), here(Task::Id, "", true));
    for (line, clean) in [("-d in partial", false), ("partial clean -d in", true), ("partial -d in clean", true)] {
        assert_eq!(kept(line, &[]), here(Task::Partial { folder: "in".into(), clean }, "", false), "{line}");
    }
    for line in [
        "id x",
        "bob id",
        "-q id",
        "id -q",
        "--plain peers",
        "peers remember",
        "peers forget",
        "peers forget -- a b",
        "peers forget a -- b",
        "-d x id",
        "partial x",
        "id -- x",
    ] {
        let error = error_of(with_environment(line, &[]));
        assert!(!error.hint.is_empty(), "{line}: {error}");
    }
    assert_eq!(target_of("-- id"), "id:8383");
}

#[test]
fn demo_is_a_command_and_takes_nothing() {
    for line in ["demo 5000", "-q demo", "demo -q", "bob demo", "demo -- x", "demo --json", "--json demo"] {
        error_of(with_environment(line, &[]));
    }
    assert_eq!(target_of("demo:8383"), "demo:8383");
    assert_eq!(target_of("-- demo"), "demo:8383");
    assert_eq!(config("-n demo").name, "demo");
    assert_eq!(config("5000 --send demo").send, ["demo"]);
}

#[test]
fn the_name_comes_from_the_flag_then_the_environment_then_the_login() {
    let name = |line, environment: &[_]| {
        let run = config_of(with_environment(line, environment));
        (run.name, run.name_given)
    };
    let all = [("TETE_NAME", "ann"), ("USER", "u"), ("LOGNAME", "l")];
    assert_eq!(name("--plain -n bob", &all), ("bob".to_owned(), true));
    assert_eq!(name("--plain", &all), ("ann".to_owned(), false));
    assert_eq!(name("--plain", &all[1..]), ("u".to_owned(), false));
    assert_eq!(name("--plain", &all[2..]), ("l".to_owned(), false));
    assert_eq!(name("--plain", &[("TETE_NAME", ""), ("USER", "a\nb")]), (ANONYMOUS.to_owned(), false));
    assert!(error_of(with_environment("--plain", &[("TETE_NAME", "a\nb")])).message.contains("control"));
    assert!(error(&format!("-n {}", "x".repeat(65))).message.contains("65 bytes"));
}

#[test]
fn prefix_and_config_dir_have_defaults_in_the_environment() {
    let environment = [("TETE_PREFIX", ""), ("TETE_HOME", "/h")];
    let run = config_of(with_environment("--plain", &environment));
    assert_eq!((run.prefix.as_str(), run.config_dir), ("", Some(PathBuf::from("/h"))));
    let run = config_of(with_environment("--plain --prefix got- --config-dir /i", &environment));
    assert_eq!((run.prefix.as_str(), run.config_dir), ("got-", Some(PathBuf::from("/i"))));
    assert_eq!(config("--prefix=").prefix, "");
    assert!(error("--prefix ../").hint.contains("--into"));
}

#[test]
fn times_are_seconds_and_bounded() {
    assert_eq!(config("-w 5").wait, Wait::AtMost(Duration::from_secs(5)));
    assert_eq!(config("-w 0.5").wait, Wait::AtMost(Duration::from_millis(500)));
    assert_eq!(config("-w never").wait, Wait::Forever);
    assert_eq!(config("--linger 0").linger, Duration::ZERO);
    for line in ["-w x", "-w=-1", "-w nan", "-w inf", "--linger 1e12", "--linger never"] {
        assert!(error(line).message.contains("seconds"), "{line}");
    }
}

#[test]
fn a_rate_counts_in_thousands_or_in_1024s() {
    for (text, bytes) in [("10M", 10_000_000), ("10Mi", 10 << 20), ("1", 1), ("1.5k", 1500), ("2GiB/s", 2 << 30)] {
        assert_eq!(config(&format!("--limit {text}")).limit, Some(bytes), "{text}");
    }
    for text in ["0", "0.1", "fast", "10X", ""] {
        assert!(error(&format!("--limit={text}")).hint.contains("10Mi"), "{text}");
    }
}

#[test]
fn a_value_outside_the_list_is_an_error_that_shows_the_list() {
    let error = error("--trust everybody");
    assert!(error.message.contains("known, ask, new"), "{error}");
    assert!(!error.message.contains('\n') && !error.hint.contains('\n'), "{error}");
}

#[test]
fn a_flag_that_does_not_exist_is_an_error_with_the_nearest() {
    assert!(error("--plane").hint.contains("--plain"));
    assert!(error("--no-such").message.contains("unexpected argument"));
}

#[test]
fn help_fits_on_a_screen_and_the_version_on_a_line() {
    for (flag, lines) in [("-h", 24), ("--help", 40)] {
        let help = shown(flag);
        assert!(help.lines().count() <= lines, "{} lines:\n{help}", help.lines().count());
        for line in help.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
        assert!(help.matches("\n  tete ").count() >= 3, "examples:\n{help}");
        assert!(help.starts_with("A private conversation") && help.ends_with('\n') && !help.ends_with("\n\n"));
    }
    assert!(shown("-h").contains("--help tells all"));
    assert_eq!(shown("-V").lines().count(), 1);
    assert!(shown("--version").starts_with("tete "));
}

/// The flags that a text names, as `-x` and `--long`.
fn flags_in(text: &str) -> HashSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    words.filter(|word| word.starts_with('-') && !word.trim_matches('-').is_empty()).map(str::to_owned).collect()
}

#[test]
fn the_help_names_every_flag_and_command_that_there_is_and_no_other() {
    let mut command = Cli::command();
    command.build();
    let long = command.get_arguments().filter_map(|arg| Some(format!("--{}", arg.get_long()?)));
    let short = command.get_arguments().filter_map(|arg| Some(format!("-{}", arg.get_short()?)));
    let all: HashSet<String> = long.chain(short).collect();
    let help = shown("--help");
    let named: HashSet<String> = flags_in(&help).into_iter().filter(|flag| flag != "-vv").collect();
    assert_eq!(named, all);
    let few = flags_in(&shown("-h"));
    assert!(few.is_subset(&all), "{few:?}");
    for command in command.get_subcommands() {
        for help in [&help, &shown("-h")] {
            assert!(help.contains(command.get_name()), "{} in {help}", command.get_name());
        }
    }
    let readme = include_str!("../../README.md");
    for flag in all {
        assert!(readme.contains(&format!("`{flag}")) || readme.contains(&format!(", {flag}")), "{flag} in README.md");
    }
}

#[test]
fn every_shell_gets_completions_and_a_slip_is_told_which_there_are() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = shown(&format!("completions {shell}"));
        for word in ["tete", "config-dir", "completions", "known"] {
            assert!(script.contains(word), "{word} for {shell}");
        }
    }
    for line in ["completions", "completions tcsh", "completions bash zsh", "completions -q bash"] {
        let error = error_of(with_environment(line, &[]));
        let names_them =
            ["bash", "zsh", "fish", "elvish", "powershell"].iter().all(|shell| error.to_string().contains(shell));
        assert!(names_them || line.len() > "completions tcsh".len(), "{line}: {error}");
    }
}

#[test]
fn the_man_page_has_every_flag_every_command_and_what_may_be_typed() {
    let page = shown("man");
    assert!(page.contains(".TH tete 1"), "{page}");
    // A hyphen stands there as `\-`.
    let text = page.replace("\\-", "-").replace("\\fB", "").replace("\\fR", "").replace("\\fI", "");
    for flag in Cli::command().get_arguments().filter_map(|arg| arg.get_long()) {
        assert!(text.contains(&format!("--{flag}")), "{flag} in {page}");
    }
    for word in ["SYNOPSIS", "/cancel", "terminate123", "130", "TETE_HOME", "completions SHELL", "peers [forget NAME]"]
    {
        assert!(text.contains(word), "{word} in {text}");
    }
    assert_eq!(page.matches(".ie").count(), 1, "one beginning");
    error_of(with_environment("man -q", &[]));
}

#[test]
fn every_flag_of_the_help_changes_a_setting() {
    let samples = [
        "-n bob",
        "-l 5000",
        "-d in",
        "--prefix p",
        "--trust new",
        "--accept ask",
        "--send -",
        "-w 1",
        "--json",
        "--ui plain",
        "--bell",
        "--stay",
        "--linger 1",
        "--limit 1",
        "--no-sync",
        "--no-commands",
        "-4",
        "-6",
        "-q",
        "--color never",
        "--config-dir c",
        "-v",
        "--log f",
    ];
    for sample in samples {
        assert_ne!(config(sample), config(""), "{sample}");
    }
    assert_ne!(config("--send - --as x"), config("--send -"));

    let elsewhere = ["--plain", "--as", "--code", "--new-code"];
    let words: HashSet<_> = samples.iter().flat_map(|sample| sample.split(' ')).chain(elsewhere).collect();
    for flag in Cli::command().get_arguments().filter(|arg| !arg.is_positional()) {
        let short = flag.get_short().map(|letter| format!("-{letter}"));
        let long = flag.get_long().map(|name| format!("--{name}"));
        assert!(short.iter().chain(&long).any(|flag| words.contains(flag.as_str())), "{} is untested", flag.get_id());
        assert!(flag.get_help().is_some(), "{} has no help", flag.get_id());
    }
}

#[test]
fn a_peer_that_stands_behind_the_files_of_send_is_found() {
    let config = config_of(with_environment("--plain --send a.bin b.bin 127.0.0.1:5000", &[]));
    assert_eq!(config.send, ["a.bin", "b.bin"]);
    assert_eq!(config.target.map(|target| target.to_string()), Some("127.0.0.1:5000".to_owned()));
    let config = config_of(with_environment("--plain -l 0 --send a.bin notes.txt", &[]));
    assert_eq!((config.send.len(), config.target), (2, None));
}

#[test]
fn a_host_and_a_port_behind_the_files_of_send_are_the_peer() {
    let config = config_of(with_environment("--plain --send a.bin b.bin bob 5000", &[]));
    assert_eq!(config.send, ["a.bin", "b.bin"]);
    assert_eq!(config.target.map(|target| target.to_string()), Some("bob:5000".to_owned()));
    // What exists is a file, and one file at least is to be sent.
    for (words, sent) in [("--plain --send a.bin Cargo.toml 5000", 2), ("--plain --send bob 5000", 1)] {
        let config = config_of(with_environment(words, &[]));
        assert_eq!(config.send.len(), sent, "{words}");
        assert_eq!(config.target.map(|target| target.port), Some(5000), "{words}");
    }
}

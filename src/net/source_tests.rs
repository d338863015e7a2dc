//! Tests of [`super`], in real folders.

use super::*;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use tempfile::TempDir;

fn folder_with(names: &[&str]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for name in names {
        std::fs::write(dir.path().join(name), name).unwrap();
    }
    dir
}

fn line(dir: &TempDir, words: &str) -> Sources {
    let home = Some(dir.path().to_owned());
    prepare(&Request { words: Words::Line(words.into()), folder: dir.path().to_owned(), home })
}

fn names(sources: &Sources) -> Vec<&str> {
    assert_eq!(sources.refused, []);
    sources.ready.iter().map(|prepared| prepared.name.as_str()).collect()
}

/// The only thing that was refused, with its hint.
fn refusal(sources: Sources) -> (String, String) {
    assert_eq!(sources.ready, []);
    let [Refused { what, hint }] = sources.refused.try_into().unwrap();
    (what, hint)
}

#[test]
fn a_file_is_described_by_its_name_and_size() {
    let dir = folder_with(&["notes.txt"]);
    let sources = line(&dir, "notes.txt");
    assert_eq!(names(&sources), ["notes.txt"]);
    let prepared = &sources.ready[0];
    assert_eq!((prepared.size, prepared.stamp.size), (9, 9));
    assert_eq!(prepared.path, dir.path().join("notes.txt"));
}

#[test]
fn a_name_with_spaces_needs_no_quotes_when_there_is_such_a_file() {
    let dir = folder_with(&["my notes.txt", "my", "don't.txt", "-x", "a #1 [draft].txt"]);
    assert_eq!(names(&line(&dir, "my notes.txt")), ["my notes.txt"]);
    assert_eq!(names(&line(&dir, " my notes.txt ")), ["my notes.txt"]);
    assert_eq!(names(&line(&dir, "don't.txt")), ["don't.txt"]);
    assert_eq!(names(&line(&dir, "a #1 [draft].txt")), ["a #1 [draft].txt"]);
    assert_eq!(names(&line(&dir, "-x")), ["-x"]);
}

#[test]
fn otherwise_words_are_split_as_a_shell_does() {
    let dir = folder_with(&["a b", "c", "d e"]);
    assert_eq!(names(&line(&dir, r#"'a b' c "d e""#)), ["a b", "c", "d e"]);
    assert_eq!(names(&line(&dir, r"a\ b c")), ["a b", "c"]);
    assert_eq!(refusal(line(&dir, "'a b")).0, "a quote is left open in 'a b");
    assert_eq!(refusal(line(&dir, "  ")).0, "no file was named");
}

#[test]
fn a_tilde_is_home_at_the_start_of_a_word_only() {
    let dir = folder_with(&["a b", "c", "~c", "c~"]);
    let elsewhere = tempfile::tempdir().unwrap();
    let home = Some(dir.path().to_owned());
    let at = |words: &str| Request {
        words: Words::Line(words.into()),
        folder: elsewhere.path().to_owned(),
        home: home.clone(),
    };
    assert_eq!(names(&prepare(&at("~/a b"))), ["a b"]);
    assert_eq!(names(&prepare(&at("~/c ~/c~"))), ["c", "c~"]);
    assert_eq!(names(&prepare(&at("~/c*"))), ["c", "c~"]);
    assert_eq!(names(&line(&dir, "~c")), ["~c"]);
    let (what, hint) = refusal(prepare(&Request { home: None, ..at("~/c") }));
    assert_eq!(what, "~/c: what ~ stands for is not known, because HOME is not set");
    assert_eq!(hint, "give the whole path");
}

#[test]
fn patterns_are_sorted_case_sensitive_and_spare_hidden_files() {
    let dir = folder_with(&["b.txt", "a.txt", "C.TXT", ".hidden.txt", "a1", "a2", "a[1]"]);
    assert_eq!(names(&line(&dir, "*.txt")), ["a.txt", "b.txt"]);
    assert_eq!(names(&line(&dir, "a[12] b.txt")), ["a1", "a2", "b.txt"]);
    assert_eq!(names(&line(&dir, "a[1]")), ["a[1]"]);
    assert_eq!(names(&line(&dir, &format!("{}/*.TXT", dir.path().display()))), ["C.TXT"]);
}

#[test]
fn a_name_that_is_not_utf8_keeps_no_pattern_from_finding_the_others() {
    let dir = folder_with(&["ab", ".ac"]);
    std::fs::create_dir(dir.path().join("ad")).unwrap();
    for folder in [dir.path().to_owned(), dir.path().join("ad")] {
        std::fs::write(folder.join(OsStr::from_bytes(b"a\xff")), "").unwrap();
        std::fs::write(folder.join("ae"), "").unwrap();
    }
    for (pattern, expected) in [("a[be]", vec!["ab", "ae"]), (".a*", vec![".ac"]), ("a*/a*", vec!["ae"])] {
        assert_eq!(names(&line(&dir, pattern)), expected, "{pattern}");
    }
}

#[test]
fn hidden_folders_are_looked_into_only_by_who_names_them() {
    let dir = tempfile::tempdir().unwrap();
    for folder in ["a", ".b", ".c"] {
        std::fs::create_dir_all(dir.path().join(folder).join(".d")).unwrap();
        std::fs::write(dir.path().join(folder).join(format!("f{folder}")), "").unwrap();
        std::fs::write(dir.path().join(folder).join(".d").join("g"), "").unwrap();
    }
    for (pattern, expected) in [
        ("*/f*", vec!["fa"]),
        (".b/f*", vec!["f.b"]),
        (".[bc]/f*", vec!["f.b", "f.c"]),
        ("./*/f*", vec!["fa"]),
        ("**/f*", vec!["fa"]),
        ("*/.d/*", vec!["g"]),
    ] {
        assert_eq!(names(&line(&dir, pattern)), expected, "{pattern}");
    }
}

#[test]
fn what_says_to_be_empty_and_is_not_is_no_file_to_be_sent() {
    let dir = folder_with(&["empty"]);
    std::fs::write(dir.path().join("empty"), "").unwrap();
    assert_eq!(names(&line(&dir, "empty")), ["empty"]);
    let (what, hint) = refusal(line(&dir, "/proc/self/status"));
    assert_eq!(what, "/proc/self/status: how long it is shows only when it is read");
    assert!(hint.contains("tete --send -"), "{hint}");
}

#[test]
fn a_pattern_that_finds_nothing_is_told_as_a_missing_file_is() {
    let dir = folder_with(&["report.txt", "a[b"]);
    let (what, hint) = refusal(line(&dir, "*.pdf"));
    assert_eq!(what, format!("no file matches *.pdf in {}", dir.path().display()));
    assert_eq!(hint, "/say sends the line as a message");
    assert!(refusal(line(&dir, "reprot.t?t")).1.starts_with("there is report.txt; "));
    assert_eq!(names(&line(&dir, "report.txt a[b")), ["report.txt", "a[b"], "a bracket that is never closed");
    assert!(refusal(line(&dir, "a[c")).0.starts_with("no file called a[c in "));
    let (what, _) = refusal(line(&dir, "what is this?"));
    assert!(what.starts_with("no file called what is this? in "), "{what}");
}

#[test]
fn quoted_and_escaped_signs_of_patterns_mean_themselves() {
    let dir = folder_with(&["x1", "x2", "y[1]", "y1"]);
    for word in ["'x*'", "\"x*\"", "x\\*"] {
        assert!(refusal(line(&dir, word)).0.starts_with("no file called x* in "), "{word}");
    }
    assert_eq!(names(&line(&dir, "'y['*")), ["y[1]"]);
    std::fs::write(dir.path().join("x*"), "").unwrap();
    assert_eq!(names(&line(&dir, "'x*' y1")), ["x*", "y1"]);
}

#[test]
fn a_quoted_or_escaped_tilde_is_no_home() {
    let dir = folder_with(&["x1"]);
    let elsewhere = tempfile::tempdir().unwrap();
    let request = |words: &str| Request {
        words: Words::Line(words.into()),
        folder: elsewhere.path().to_owned(),
        home: Some(dir.path().to_owned()),
    };
    assert_eq!(names(&prepare(&request("~/'x'*"))), ["x1"]);
    for word in ["'~/x1'", "\\~/x1", "'~/x'*"] {
        let (what, _) = refusal(prepare(&request(word)));
        assert!(what.ends_with(&format!(" in {}/~", elsewhere.path().display())), "{word}: {what}");
    }
    std::fs::create_dir(elsewhere.path().join("~")).unwrap();
    std::fs::write(elsewhere.path().join("~/x1"), "").unwrap();
    let found = prepare(&request("'~/x1'"));
    assert_eq!(found.ready[0].path, elsewhere.path().join("~/x1"));
}

#[test]
fn a_pattern_works_in_a_folder_that_looks_like_one() {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("[x]*");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("a"), "").unwrap();
    let request = Request { words: Words::Line("?".into()), folder, home: None };
    assert_eq!(names(&prepare(&request)), ["a"]);
}

#[test]
fn a_missing_file_is_named_with_the_nearest_one_there() {
    let dir = folder_with(&["report.txt", "other", "my notes.txt"]);
    let (what, hint) = refusal(line(&dir, "reprot.txt"));
    assert_eq!(what, format!("no file called reprot.txt in {}", dir.path().display()));
    assert_eq!(hint, "there is report.txt; /say sends the line as a message");
    assert!(refusal(line(&dir, "my ntoes.txt")).1.starts_with("there is my notes.txt; "));
    let (what, hint) = refusal(line(&dir, "of power is near"));
    assert!(what.starts_with("no file called of power is near in "));
    assert_eq!(hint, "/say sends the line as a message");
}

#[test]
fn nothing_of_a_line_is_sent_of_which_a_word_is_missing() {
    let dir = folder_with(&["to", "the"]);
    let Sources { ready, refused } = line(&dir, "money to the bank");
    assert_eq!(ready, []);
    let what: Vec<&str> = refused.iter().map(|refused| refused.what.as_str()).collect();
    let here = dir.path().display();
    assert_eq!(what, [format!("no file called money in {here}"), format!("no file called bank in {here}")]);
    assert_eq!(refused[0].hint, "/say sends the line as a message");
    assert_eq!(refused[1].hint, "the rest of the line is not sent either; /say sends the line as a message");
    assert_eq!(names(&line(&dir, "to the")), ["to", "the"]);
}

#[test]
fn nothing_of_a_line_is_sent_of_which_a_word_is_no_file() {
    let dir = folder_with(&["a", "b"]);
    std::fs::create_dir(dir.path().join("folder")).unwrap();
    for other in ["folder", "/dev/zero", "*"] {
        let (what, hint) = refusal(line(&dir, &format!("a {other} b")));
        assert!(what.ends_with("; only files can be sent"), "{what}");
        assert!(hint.starts_with("the rest of the line is not sent either"), "{hint}");
    }
}

#[test]
fn of_many_things_that_are_wrong_some_are_told() {
    let dir = folder_with(&["a"]);
    for n in 0..2 * MAX_TOLD {
        std::fs::create_dir(dir.path().join(format!("folder-{n}"))).unwrap();
    }
    for words in ["*".to_owned(), "missing a ".repeat(2 * MAX_TOLD)] {
        let sources = line(&dir, &words);
        assert_eq!((sources.ready.len(), sources.refused.len()), (0, MAX_TOLD), "{words}");
    }
}

#[test]
fn a_path_of_the_command_line_is_taken_as_it_is() {
    let dir = folder_with(&["~", "*"]);
    let path = |name: &str| {
        let words = Words::Path(name.into());
        prepare(&Request { words, folder: dir.path().to_owned(), home: None })
    };
    assert_eq!(names(&path("~")), ["~"]);
    assert_eq!(names(&path("*")), ["*"]);
    assert_eq!(refusal(path("missing")).1, "", "nobody typed it into a conversation");
}

#[cfg(target_os = "linux")]
#[test]
fn a_path_that_is_not_utf8_works() {
    use std::os::unix::ffi::OsStringExt;
    let dir = tempfile::tempdir().unwrap();
    let name = OsString::from_vec(b"caf\xe9".to_vec());
    std::fs::write(dir.path().join(&name), "x").unwrap();
    let request = Request { words: Words::Path(name), folder: dir.path().to_owned(), home: None };
    assert_eq!(names(&prepare(&request)), ["caf\u{fffd}"]);
}

#[test]
fn what_is_not_a_file_is_refused_with_the_reason() {
    let dir = folder_with(&[]);
    let (what, hint) = refusal(line(&dir, "."));
    assert!(what.ends_with(": is a directory; only files can be sent"), "{what}");
    assert_eq!(hint, "pack it into one file first");
    assert_eq!(refusal(line(&dir, "/dev/zero")).0, "/dev/zero: is a device; only files can be sent");
}

#[test]
fn what_cannot_be_read_is_refused_in_the_systems_words() {
    let dir = folder_with(&["secret"]);
    let secret = dir.path().join("secret");
    std::fs::set_permissions(&secret, PermissionsExt::from_mode(0o000)).unwrap();
    symlink("loop", dir.path().join("loop")).unwrap();
    let is_root = std::fs::File::open(&secret).is_ok();
    if !is_root {
        assert_eq!(refusal(line(&dir, "secret")).0, format!("{}: Permission denied", secret.display()));
    }
    assert!(refusal(line(&dir, "loop")).0.ends_with(": Too many levels of symbolic links"));
}

#[test]
fn a_dangling_symlink_is_a_missing_file() {
    let dir = folder_with(&[]);
    symlink("nowhere", dir.path().join("link")).unwrap();
    assert!(refusal(line(&dir, "link")).0.starts_with("no file called link in "));
}

//! `tete bench`, run as a script runs it: with so small a file that it is over in seconds. What its figures are is not
//! looked at, but that they are there, and that nothing stays behind.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![cfg(target_os = "linux")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Output, Stdio};

use serde_json::Value;

fn bench(folder: &Path, line: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tete"));
    command.arg("bench").args(line.split(' ')).current_dir(folder).env("TETE_HOME", folder.join("home"));
    command.output().unwrap()
}

fn document(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{said}");
    serde_json::from_str(&text).unwrap()
}

/// What stands in a folder.
fn entries(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

#[test]
fn quick_measures_files_both_ways_beside_their_probes_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let memory = tempfile::tempdir().unwrap();
    let line = format!("--quick --json --only files --size 4MiB --memory {}", memory.path().display());
    let found = document(&bench(folder.path(), &line));
    assert_eq!(found["version"], 1);
    assert_eq!(found["files"]["bytes"], 4 << 20);
    let results = found["files"]["results"].as_array().unwrap();
    for encrypted in [false, true] {
        let ours: Vec<&Value> = results.iter().filter(|one| one["encrypted"] == encrypted).collect();
        let (tete, probes): (Vec<&Value>, Vec<&Value>) = ours.iter().partition(|one| one["probe"].is_null());
        assert_eq!((tete.len(), probes.is_empty()), (1, false), "{found:#}");
        assert!(tete[0]["share"].as_f64().unwrap() > 0.0, "{found:#}");
        assert!(tete[0]["limit"].as_str().unwrap().contains('%'), "{found:#}");
        assert!(probes.iter().all(|probe| probe["limit"].is_null()), "{found:#}");
        for one in ours {
            let speeds = &one["bytes_per_second"];
            assert!(speeds["median"].as_f64().unwrap() > 0.0, "{one:#}");
            assert_eq!(speeds["rounds"].as_array().unwrap().len() as u64, speeds["n"].as_u64().unwrap());
            assert!(one["cpu_seconds_per_gb"]["receiver"].as_f64().unwrap() > 0.0, "{one:#}");
            assert_eq!(one["verified"], true);
        }
    }
    assert_eq!((entries(memory.path()), entries(folder.path())), (0, 0), "nothing stays");
}

#[test]
fn the_disk_is_measured_too_and_read_anew_when_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let memory = tempfile::tempdir().unwrap();
    let (disk, memory) = (folder.path().display(), memory.path().display());
    let line = format!("--cold --only files --size 1MiB --disk {disk} --memory {memory}");
    let output = bench(folder.path(), &line);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    for words in
        ["memory -> disk, plain, verified", "disk -> disk, encrypted, verified", "read from there anew", "probe:"]
    {
        assert!(text.contains(words), "{words} in {text}");
    }
    assert_eq!(entries(folder.path()), 0, "nothing stays");
}

#[test]
fn texts_and_idleness_are_measured_and_drawn_on_a_page() {
    let folder = tempfile::tempdir().unwrap();
    let memory = tempfile::tempdir().unwrap();
    let page = folder.path().join("page.html");
    let common = format!("--quick --json --size 4MiB --memory {} --only", memory.path().display());
    let texts = document(&bench(folder.path(), &format!("{common} texts --html {}", page.display())));
    let situations = texts["texts"].as_array().unwrap();
    assert_eq!(situations.len(), 6, "plain and encrypted; alone, sending and receiving");
    for one in situations {
        for times in [&one["text_seconds"], &one["bare_seconds"]] {
            assert!(times["n"].as_u64().unwrap() > 0, "{one:#}");
            let [p50, most] = ["p50", "most"].map(|name| times[name].as_f64().unwrap());
            assert!(0.0 < p50 && p50 <= most, "{one:#}");
        }
        assert_eq!(one["beside"] == "nothing", one["files_bytes_per_second"] == 0.0, "{one:#}");
    }
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.starts_with("<!doctype html>") && page.contains("\"text_seconds\""));

    let idle = document(&bench(folder.path(), &format!("{common} idle")));
    assert_eq!(idle["start_seconds"]["n"], 10);
    for one in idle["idle"].as_array().unwrap() {
        assert!(one["called"]["resident_bytes"].as_u64().unwrap() > 100_000, "{one:#}");
        assert!(one["calling"]["wakes"].is_u64(), "{one:#}");
    }
    assert_eq!(entries(memory.path()), 0, "nothing stays");
}

/// Starts a part of a benchmark as the benchmark does: it lasts no longer than its input.
fn role(line: &str) -> (Child, ChildStdin) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tete"));
    command.args(["bench", "as"]).args(line.split(' ')).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let input = child.stdin.take().unwrap(); // waiting for it would close this
    (child, input)
}

#[test]
fn texts_whose_calls_are_counted_are_asked_and_answered_to_the_last() {
    for (what, how) in [("bare", ""), ("texts", ""), ("texts", " --encrypted")] {
        let (mut answers, _input) = role(&format!("{what}-answer{how}"));
        let mut told = BufReader::new(answers.stdout.take().unwrap()).lines();
        let port = told.next().unwrap().unwrap().replace("port ", "");
        let (mut asks, _input) = role(&format!("{what}-ask --port {port} --texts 20{how}"));
        assert!(asks.wait().unwrap().success() && answers.wait().unwrap().success(), "{what}{how}");
    }
}

#[test]
fn folders_are_taken_from_where_one_stands_and_what_they_are_not_is_told() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    std::fs::create_dir(folder.path().join("here")).unwrap();
    let output = bench(folder.path(), "--quick --only files --size 1Mi --memory here");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("here is called memory here, and is on a disk"), "{text}");
    assert_eq!(entries(&folder.path().join("here")), 0, "nothing stays");
}

#[test]
fn a_page_that_cannot_be_written_is_told_before_anything_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    let output = bench(folder.path(), "--html nowhere/page.html --memory /does/not/exist");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("--html nowhere/page.html: No such file"), "{said}");
}

#[test]
fn a_folder_that_is_not_there_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let output = bench(folder.path(), "--quick --memory /does/not/exist");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("/does/not/exist"), "{said}");
}

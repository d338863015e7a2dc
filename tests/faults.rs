//! That every fault has a test. A test of one says so in its name: `fault_24_…`, `faults_44_to_46_and_51_…`.
//!
//! `cargo test --test faults -- --nocapture` prints the list.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The faults are numbered from 1 to this.
const LAST: usize = 92;

/// The faults in the name of a function, and the rest of it; `None`: it names none.
fn faults(name: &str) -> Option<(Vec<usize>, &str)> {
    let mut rest = name.strip_prefix("fault_").or_else(|| name.strip_prefix("faults_"))?;
    let mut out = Vec::new();
    let mut range = false;
    loop {
        let (number, behind) = rest.split_once('_')?;
        let number: usize = number.parse().ok()?;
        let first = if range { out.last()? + 1 } else { number };
        out.extend(first..=number);
        let next = [("to_", true), ("and_", false)].into_iter().find_map(|(word, is_range)| {
            let after = behind.strip_prefix(word)?;
            after.starts_with(|c: char| c.is_ascii_digit()).then_some((after, is_range))
        });
        match next {
            Some(next) => (rest, range) = next,
            None => return Some((out, behind)),
        }
    }
}

/// The functions of some source that are named after a fault, each with whether it is run as a test.
fn named(source: &str) -> Vec<(&str, bool)> {
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let name = |line: &'_ str| {
        let at = line.find("fn fault")? + "fn ".len();
        let end = line[at..].find('(')?;
        Some((at, at + end))
    };
    let functions = lines.iter().enumerate().filter_map(|(at, line)| Some((at, *line, name(line)?)));
    functions
        .map(|(at, line, (from, to))| {
            let mut attributes = lines[..at].iter().rev().take_while(|line| line.starts_with("#["));
            (&line[from..to], attributes.any(|line| *line == "#[test]"))
        })
        .collect()
}

fn sources(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            sources(&path, out);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            out.push(path);
        }
    }
}

#[test]
fn every_fault_has_a_test_that_is_named_after_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    sources(&root.join("src"), &mut files);
    sources(&root.join("tests"), &mut files);
    files.sort();
    let mut tests = BTreeMap::<usize, Vec<String>>::new();
    for path in files.iter().filter(|path| !path.ends_with("tests/faults.rs")) {
        let file = path.strip_prefix(root).unwrap().display();
        let source = fs::read_to_string(path).unwrap();
        for (name, is_test) in named(&source) {
            // Helpers may be called `faulty`.
            let Some((numbers, what)) = faults(name) else {
                assert!(!name.starts_with("fault_") && !name.starts_with("faults_"), "{file}: {name} has no number");
                continue;
            };
            assert!(is_test, "{file}: {name} is no test");
            assert!(!what.starts_with(|c: char| c.is_ascii_digit()), "{file}: {name} lacks an `and` or a `to`");
            assert!(numbers.iter().all(|number| (1..=LAST).contains(number)), "{file}: {name}");
            for number in numbers {
                tests.entry(number).or_default().push(format!("{} ({file})", what.replace('_', " ")));
            }
        }
    }
    for (number, tests) in &tests {
        println!("{number:>2}  {}", tests.join("\n    "));
    }
    println!("\n{} of {LAST} have a test that is named after them", tests.len());
    let without: Vec<usize> = (1..=LAST).filter(|number| !tests.contains_key(number)).collect();
    assert!(without.is_empty(), "no test is named after {without:?}");
}

#[test]
fn numbers_are_read_from_names() {
    assert_eq!(faults("fault_7_a_code"), Some((vec![7], "a_code")));
    assert_eq!(faults("faults_44_to_46_and_51_a_name"), Some((vec![44, 45, 46, 51], "a_name")));
    assert_eq!(faults("fault_9_and_no_more"), Some((vec![9], "and_no_more")));
    for none in ["faulty", "fault_x_y", "fault_", "fault_7"] {
        assert_eq!(faults(none), None, "{none}");
    }
}

#[test]
fn a_function_that_nobody_runs_is_told_apart() {
    let source =
        "#[test]\nfn fault_1_a() {}\n\nfn fault_2_b() {}\n    #[test]\n    #[cfg(unix)]\n    fn fault_3_c() {}\n";
    assert_eq!(named(source), [("fault_1_a", true), ("fault_2_b", false), ("fault_3_c", true)]);
}

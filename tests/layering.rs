//! Reads `src/` and fails when an import points up, or when the pure core names the outside world.
//!
//! What is searched is the code: comments, literals and what stands behind `#[cfg(test)]` are taken out first.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::path::{Path, PathBuf};

/// A layer, and the layers that it may import beside itself. `main.rs`, `cli.rs` and `lib.rs` stand above all.
const LAYERS: [(&str, &[&str]); 9] = [
    ("main", &["cli", "app", "bench", "net", "term", "secure", "proto", "sys"]),
    ("cli", &["app", "bench"]),
    ("app", &["net", "term", "secure", "proto", "sys"]),
    ("bench", &["net", "secure", "proto", "sys"]),
    ("term", &["proto"]),
    ("net", &["secure", "proto", "sys"]),
    ("secure", &["proto", "sys"]),
    ("proto", &[]),
    ("sys", &[]),
];

/// What is not pure.
const IMPURE: [&str; 15] = [
    "std::net",
    "std::fs",
    "std::io",
    "std::path",
    "std::thread",
    "std::env",
    "std::process",
    "Instant::now",
    "SystemTime",
    "mio",
    "rustix",
    "socket2",
    "getrandom",
    "rand",
    "jiff",
];

/// Longest file of source, in lines.
const MAX_LINES: usize = 600;

/// The code of a file: no comments, no contents of string literals, nothing from its tests on.
fn code(source: &str) -> String {
    let mut out = String::new();
    for line in source.lines() {
        if line.trim_start().starts_with("#[cfg(test)]") {
            break;
        }
        let (mut in_string, mut escaped) = (false, false);
        let mut chars = line.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                _ if escaped => escaped = false,
                '\\' if in_string => escaped = true,
                '"' => in_string = !in_string,
                '/' if !in_string && chars.peek() == Some(&'/') => break,
                _ if in_string => {}
                c => out.push(c),
            }
        }
        out.push('\n');
    }
    out
}

/// The words and signs of some code, so that spaces and line ends do not matter.
fn tokens(code: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let mut rest = code.trim_start();
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let len = match first {
            c if is_word(c) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            ':' if rest.starts_with("::") => 2,
            c => c.len_utf8(),
        };
        out.push(&rest[..len]);
        rest = rest[len..].trim_start();
    }
    out
}

/// The paths of some code, with the braces of imports multiplied out: `a::{b, c::d}` is `a::b` and `a::c::d`.
fn paths(code: &str) -> Vec<String> {
    let tokens = tokens(code);
    let (mut out, mut stack, mut current) = (Vec::new(), Vec::<String>::new(), String::new());
    let mut prefixed = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        match *token {
            "::" => current.push_str("::"),
            "{" if current.ends_with("::") => {
                stack.push(current.clone());
                prefixed.push(true);
            }
            "{" => prefixed.push(false),
            "}" => {
                out.push(std::mem::take(&mut current));
                if prefixed.pop() == Some(true) {
                    stack.pop();
                }
                current = stack.last().cloned().unwrap_or_default();
            }
            word if word.starts_with(|c: char| c.is_alphanumeric() || c == '_') => {
                if at > 0 && tokens[at - 1] != "::" && !current.ends_with("::") {
                    out.push(std::mem::take(&mut current));
                }
                current.push_str(word);
            }
            _ => {
                out.push(std::mem::take(&mut current));
                current = stack.last().cloned().unwrap_or_default();
            }
        }
    }
    out.push(current);
    out.retain(|path| !path.is_empty());
    out
}

/// Ways to ask for the time of day.
const WALL_CLOCKS: &[&str] = &["SystemTime", "jiff", "UNIX_EPOCH"];
/// The files that tell it to a user, now or in a list of known peers, and decide nothing by it.
const SHOW_TIME: [&str; 5] = ["app/full.rs", "app/kept.rs", "app/screen.rs", "bench/machine.rs", "net/lookup.rs"];

/// The layer of a file, named by its place below `src/`.
fn layer_of(file: &str) -> &str {
    file.split(['/', '.']).next().unwrap_or(file)
}

/// What is wrong with a file, named by its place below `src/`.
fn complaints(file: &str, source: &str) -> Vec<String> {
    let mut out = Vec::new();
    if !source.starts_with("//!") {
        out.push(format!("{file} does not open with what it owns"));
    }
    let lines = source.lines().count();
    if lines > MAX_LINES {
        out.push(format!("{file} has {lines} lines, at most {MAX_LINES} are allowed"));
    }
    let layer = layer_of(file);
    if layer == "lib" {
        return out;
    }
    let Some((_, below)) = LAYERS.iter().find(|(name, _)| *name == layer) else {
        out.push(format!("{file} belongs to no layer"));
        return out;
    };
    for path in paths(&code(source)) {
        let parts: Vec<&str> = path.split("::").collect();
        // From a file of the layer's own folder `super::` can leave the layer, at most as often as it is deep.
        let depth = file.trim_end_matches("/mod.rs").trim_end_matches(".rs").split('/').count();
        let climbed = parts.iter().take_while(|part| **part == "super").count();
        let target = match parts.first() {
            Some(&("crate" | "tete")) => parts.get(1),
            Some(&"super") if climbed >= depth => parts.get(climbed),
            _ => None,
        };
        if let Some(target) = target
            && *target != layer
            && LAYERS.iter().any(|(name, _)| name == target)
            && !below.contains(target)
        {
            out.push(format!("{file} imports {target}, which is not below {layer}: {path}"));
        }
        let is_impure = |name: &&&str| {
            path == **name || path.starts_with(&format!("{name}::")) || path.ends_with(&format!("::{name}"))
        };
        if layer == "proto"
            && let Some(name) = IMPURE.iter().find(is_impure)
        {
            out.push(format!("{file} names {name}: {path}"));
        }
        // Fault 90: a wall clock that jumps may change what is shown, never when something happens.
        if !SHOW_TIME.contains(&file) && WALL_CLOCKS.iter().any(|clock| parts.contains(clock)) {
            out.push(format!("{file} reads the wall clock: {path}"));
        }
    }
    out
}

fn sources(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            out.push(path);
        }
    }
}

#[test]
fn fault_90_every_import_points_down_the_core_is_pure_and_no_deadline_is_by_the_wall_clock() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    files.sort();
    assert!(files.len() > 20, "src/ was not found");
    let all: Vec<String> = files
        .iter()
        .flat_map(|path| {
            let name = path.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/");
            complaints(&name, &fs::read_to_string(path).unwrap())
        })
        .collect();
    assert!(all.is_empty(), "\n{}", all.join("\n"));
}

#[test]
fn an_import_that_points_up_is_found_however_it_is_written() {
    for (file, line) in [
        ("proto/talk.rs", "use crate::net::pump::Wire;"),
        ("proto/talk.rs", "use crate::sys;"),
        ("proto/talk.rs", "use super::super::sys::file;"),
        ("net/mod.rs", "use crate::{proto::frame, term::lines};"),
        ("net/pump.rs", "fn f() { crate::app::exit::code() }"),
        ("term/lines.rs", "use crate::{\n    net,\n};"),
        ("sys/mod.rs", "use crate::proto::LinkId;"),
        ("cli/values.rs", "use crate::net::reactor;"),
        ("cli.rs", "use crate::proto::name;"),
        ("app/mod.rs", "use crate::cli::Arguments;"),
    ] {
        assert_eq!(complaints(file, &format!("//! x\n{line}\n")).len(), 1, "{file}: {line}");
    }
}

#[test]
fn an_import_that_points_down_is_let_through() {
    for (file, line) in [
        ("net/pump.rs", "use crate::proto::{LinkId, disk::{DiskError, DiskJob}};\nuse super::channel::Channel;"),
        ("net/mod.rs", "use crate::sys;"),
        ("app/mod.rs", "use crate::{net::reactor, term};"),
        ("proto/a.rs", "use super::{LinkId, frame::Frame};\nuse std::time::Instant;"),
        (
            "proto/a.rs",
            "//! std::fs\n// crate::net\nconst A: &str = \"mio crate::net\";\n#[cfg(test)]\nmod tests { use std::fs; }",
        ),
        ("proto/a.rs", "fn operand() { let brand = random_looking(); }"),
    ] {
        assert_eq!(complaints(file, &format!("//! x\n{line}\n")), Vec::<String>::new(), "{file}: {line}");
    }
}

#[test]
fn the_outside_world_in_the_core_is_found() {
    for line in [
        "use std::fs::File;",
        "use std::{fmt, io};",
        "use std::{collections::BTreeMap, net::{IpAddr, SocketAddr}};",
        "fn f() { let now = Instant::now(); }",
        "fn f() { std::time::Instant::now(); }",
        "use std::time::{Instant, SystemTime};",
        "use mio::Token;",
        "use rustix::fs;",
        "fn f() { rand::random() }",
        "fn f() { std::env::var(NAME) }",
    ] {
        assert!(!complaints("proto/talk.rs", &format!("//! x\n{line}\n")).is_empty(), "{line}");
    }
}

#[test]
fn a_file_without_an_opening_or_with_too_many_lines_is_found() {
    assert_eq!(complaints("net/a.rs", "use std::fs;\n").len(), 1);
    assert_eq!(complaints("net/a.rs", &format!("//! x\n{}", "\n".repeat(MAX_LINES))).len(), 1);
    assert_eq!(complaints("somewhere/a.rs", "//! x\n").len(), 1);
}

#[test]
fn fault_90_a_deadline_by_the_wall_clock_is_found() {
    let line = "//! x\nfn late() -> bool { std::time::SystemTime::now() > due() }\n";
    assert_eq!(complaints("net/dialler.rs", line).len(), 1);
    assert!(complaints("app/screen.rs", "//! x\nfn now() { jiff::Timestamp::now(); }\n").is_empty());
}

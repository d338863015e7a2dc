//! The main screens, as they stand in `screens/` and in the README.
//!
//! Owns: the scenes, and what of a screen differs from run to run. Must not know: how a screen is drawn.
//!
//! A scene that looks different on purpose is taken anew by `TETE_SCREENS=new cargo test --test e2e_terminal screens`,
//! and then looked at: people will read it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::common::tete;
use crate::console::{Console, Desk};
use crate::people::{Talk, answers, hears, port};

/// A key stands for all keys: what looks like one is written with these letters.
const KEY: &[u8] = b"q3ovw7kx2mtzc5lahj4dnyp6rubieqfsg2wkt7omvx3z5cjhdl4a";
/// Letters in a key: 32 bytes in base 32.
const KEY_LETTERS: usize = 52;
/// The port of whoever calls.
const CALLER: &str = "40312";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e_terminal/screens")
}

/// A screen with everything in it that is different in each run replaced: ports, keys, times.
fn settled(screen: &str, ports: &[(u16, &str)]) -> String {
    let mut screen = screen.to_owned();
    for (port, stand_in) in ports {
        screen = screen.replace(&port.to_string(), stand_in);
    }
    let screen = screen.replace("]: 127.0.0.1:0", "]: 5000");
    let lines: Vec<_> = screen.lines().map(|line| with_time(&with_port(&with_key(line), ports))).collect();
    lines.join("\n") + "\n"
}

fn with_time(line: &str) -> String {
    let is_time = |time: &str| {
        time.bytes().enumerate().all(|(at, byte)| if at == 2 { byte == b':' } else { byte.is_ascii_digit() })
    };
    match line.split_at_checked(5) {
        Some((time, rest)) if is_time(time) && rest.starts_with(' ') => format!("12:03{rest}"),
        _ => line.to_owned(),
    }
}

/// Ports that are nobody's in particular.
fn with_port(line: &str, ports: &[(u16, &str)]) -> String {
    const HOST: &str = "127.0.0.1:";
    let mut pieces = line.split(HOST);
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let digits = piece.chars().take_while(char::is_ascii_digit).count();
        let is_told = ports.iter().any(|(_, stand_in)| *stand_in == &piece[..digits]);
        let stand_in = if is_told || digits == 0 { &piece[..digits] } else { CALLER };
        out = out + HOST + stand_in + &piece[digits..];
    }
    out
}

fn with_key(line: &str) -> String {
    let is_letter = |c: char| c.is_ascii_lowercase() || ('2'..='7').contains(&c);
    let words = line.split_inclusive([' ', '@', '#']).map(|word| {
        let letters = word.chars().filter(|c| is_letter(*c)).count();
        let is_key = letters == KEY_LETTERS && word.trim_end().chars().all(|c| is_letter(c) || "-@#".contains(c));
        if !is_key {
            return word.to_owned();
        }
        let mut key = KEY.iter().map(|byte| char::from(*byte));
        word.chars().map(|c| if is_letter(c) { key.next().unwrap() } else { c }).collect()
    });
    words.collect()
}

/// What a bar tells is different each time, not only how far it is: of such a row its shape is compared.
fn shape(screen: &str) -> String {
    let row = |row: &str| {
        if !row.contains('%') {
            return row.to_owned();
        }
        let mut out = String::new();
        for c in row.chars() {
            let c = match c {
                '0'..='9' | '.' => '0',
                '█' | '▉'..='▏' | '░' | '#' | '-' | '=' | '>' | '·' | '━' | '╸' | '─' => '#',
                c => c,
            };
            if !matches!(c, '0' | '#' | ' ') || !out.ends_with(c) {
                out.push(c);
            }
        }
        // A rate and an amount have the unit that fits.
        ["kB", "MB", "GB"].iter().fold(out, |out, unit| out.replace(&format!("0 {unit}"), "0 B"))
    };
    screen.lines().map(row).collect::<Vec<_>>().join("\n")
}

/// The scene looks like this.
fn is_scene(name: &str, console: &Console, ports: &[(u16, &str)]) {
    let got = settled(&console.screen(), ports);
    let path = folder().join(format!("{name}.txt"));
    if std::env::var_os("TETE_SCREENS").is_some_and(|how| how == "new") {
        fs::write(&path, &got).unwrap();
    }
    let wanted = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}\n{got}", path.display()));
    assert_eq!(shape(&got), shape(&wanted), "\n--- is\n{got}--- should be\n{wanted}");
}

#[test]
fn the_start_asks_three_questions_and_says_where_one_can_be_called() {
    let mut ann = Desk::new().start(&[]);
    answers(&mut ann, "Your name [tester]:", "ann");
    answers(&mut ann, "Port to listen on [8383]:", "127.0.0.1:0");
    let own = port(&mut ann);
    ann.prompts("Whom to call, as PORT or HOST:PORT [wait for a call]:");
    ann.types("5001");
    ann.waits_for("the answer", |ann| ann.prompt().ends_with("5001"));
    is_scene("start", &ann, &[(own, "5000")]);
}

/// Ann and bob at two terminals of one account, and the port at which ann was called.
fn connected(ann_more: &[&str], bob_more: &[&str]) -> (Console, Console, u16) {
    let account = Desk::new();
    let mut ann = account.start(&[&["-n", "ann", "-l", "127.0.0.1:0"], ann_more].concat());
    ann.prompts("Whom to call, as PORT or HOST:PORT [wait for a call]:");
    let own = port(&mut ann);
    let mut bob = account.start(&[&["-n", "bob", &format!("127.0.0.1:{own}")], bob_more].concat());
    ann.prompts("ann>");
    bob.prompts("bob>");
    (ann, bob, own)
}

#[test]
fn while_they_talk_the_prompt_stands_below_what_is_said() {
    let (mut ann, mut bob, own) = connected(&[], &[]);
    bob.says("hi ann, can you hear me?");
    hears(&mut ann, "bob: hi ann, can you hear me?");
    ann.says("loud and clear");
    hears(&mut ann, "ann: loud and clear ✓");
    fs::write(bob.file("notes.txt"), vec![b'n'; 1_780_871]).unwrap();
    bob.says("transfer notes.txt");
    ann.shows("-- received fetched_notes.txt from bob: 1780871 bytes, verified");
    bob.says("these are my notes");
    hears(&mut ann, "bob: these are my notes");
    ann.types("thank you, I am rea");
    ann.prompts("ann> thank you, I am rea");
    is_scene("talking", &ann, &[(own, "5000")]);
}

#[test]
fn three_of_five_transfers_have_a_bar_above_the_prompt() {
    let (mut ann, mut bob, own) = connected(&[], &["--limit", "2M"]);
    for name in ["lecture.mp4", "slides.pdf", "notes.txt", "photo.jpg", "data.csv"] {
        fs::write(bob.file(name), vec![b'x'; 8_000_000]).unwrap();
        bob.says(&format!("transfer {name}"));
        ann.shows(&format!("-- bob sends {name}: 8000000 bytes"));
    }
    ann.types("while that runs we can ta");
    ann.waits_for("three bars, each some way along", |ann| {
        let bars = ann.rows().into_iter().filter(|row| row.contains('%')).collect::<Vec<_>>();
        let is_far = |row: &String| {
            row.split('%').next().is_some_and(|row| row.ends_with(|c: char| c.is_ascii_digit())) && !row.contains(" 0%")
        };
        bars.len() == 3
            && bars.iter().all(is_far)
            && ann.screen().contains("+2 more")
            && ann.prompt() == "ann> while that runs we can ta"
    });
    is_scene("transfers", &ann, &[(own, "5000")]);
}

#[test]
fn a_question_of_trust_shows_the_key_and_what_can_be_answered() {
    let mut ann = Desk::new().start(&["-n", "ann", "-l", "127.0.0.1:0"]);
    answers(&mut ann, "Whom to call, as PORT or HOST:PORT [wait for a call]:", "");
    ann.prompts("ann>");
    let own = port(&mut ann);
    let _bob = tete(&["--json", "-n", "bob", "--trust", "new", &format!("127.0.0.1:{own}")]).start();
    ann.waits_for("the question", |ann| ann.prompt().ends_with("[yes/N]"));
    ann.types("yes");
    ann.waits_for("the answer", |ann| ann.prompt().ends_with("yes"));
    is_scene("trust", &ann, &[(own, "5000")]);
}

#[test]
fn one_with_a_narrow_window_sees_the_same_conversation() {
    let mut talk = Talk::at(&Desk::new().size(46, 12));
    let own = port(&mut talk.ann);
    talk.bob_says("a message that is longer than the window is wide goes on below");
    talk.bob_says("and that is all");
    hears(&mut talk.ann, "bob: and that is all");
    talk.ann.types("what is typed here is one row, however long it is");
    talk.ann.waits_for("its end", |ann| ann.prompt().ends_with("long it is"));
    is_scene("narrow", &talk.ann, &[(own, "5000")]);
}

/// The fenced block behind the marker of a scene.
fn quoted<'a>(readme: &'a str, name: &str) -> Option<&'a str> {
    let (_, behind) = readme.split_once(&format!("<!-- screen: {name} -->"))?;
    let (between, block) = behind.split_once("```")?;
    assert!(between.trim().is_empty(), "behind the marker of {name} stands something else than a block");
    let (_, block) = block.split_once('\n')?;
    let (block, _) = block.split_once("```")?;
    Some(block)
}

#[test]
fn the_readme_shows_the_screens_as_they_are() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let marked = readme.matches("<!-- screen: ").count();
    let mut shown = 0;
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        if let Some(block) = quoted(&readme, name) {
            assert_eq!(block, fs::read_to_string(&path).unwrap(), "{name}");
            shown += 1;
        }
    }
    assert_eq!(shown, marked, "a marker names a screen that there is not, or one twice");
    assert!(quoted(&readme, "talking").is_some(), "the README shows how talking looks");
}

#[test]
fn what_differs_from_run_to_run_is_settled() {
    let key = "abcd-efgh-ijkl-mnop-qrst-uvwx-yz23-4567-abcd-efgh-ijkl-mnop-qrst";
    let screen = format!("Port [8383]: 127.0.0.1:0\n-- at 127.0.0.1:4711\n09:41 bob at 127.0.0.1:59999: hi\n-- {key}");
    let wanted = "Port [8383]: 5000\n-- at 127.0.0.1:5000\n12:03 bob at 127.0.0.1:40312: hi\n\
        -- q3ov-w7kx-2mtz-c5la-hj4d-nyp6-rubi-eqfs-g2wk-t7om-vx3z-5cjh-dl4a\n";
    assert_eq!(settled(&screen, &[(4711, "5000")]), wanted);
}

#[test]
fn two_bars_of_one_shape_differ_in_how_far_they_are_alone() {
    let (one, other) = ("↓ a.bin [██░░]  45%  12 MB/s  0:03 left", "↓ a.bin [███░]   9%  1.2 kB/s  12:03 left");
    assert_eq!(shape(one), shape(other));
    assert_ne!(shape(one), shape("↓ b.bin [██░░]  45%  12 MB/s  0:03 left"));
    assert_ne!(shape("ann> 12"), shape("ann> 13"));
}

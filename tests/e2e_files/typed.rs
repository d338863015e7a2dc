//! What a line that names files means, to a person and to a program.

use crate::support::{assert_alive, part, plan, talking};

#[test]
fn several_files_are_named_in_one_line_as_a_shell_would_have_them() {
    let ann =
        plan("ann").in_lines().file("a", b"1").file("b", b"2").file("c d", b"3").file("e f", b"4").file("g", b"5");
    let (mut ann, mut bob) = talking(ann, plan("bob"));
    ann.types(r#"transfer a b "c d" e\ f ~/g"#);
    for _ in 0..5 {
        bob.event("received");
    }
    let expected = ["fetched_a", "fetched_b", "fetched_c d", "fetched_e f", "fetched_g"];
    assert_eq!(bob.received_names(), expected);
    part(ann, bob);
}

#[test]
fn a_pattern_names_all_that_match_and_no_hidden_file() {
    let ann = plan("ann").in_lines().file("a.txt", b"1").file("b.txt", b"2").file("c.bin", b"3").file(".d.txt", b"4");
    let (mut ann, mut bob) = talking(ann, plan("bob"));
    ann.types("/send *.txt");
    ann.types("exit");
    assert_eq!((ann.exit_code(), bob.exit_code()), (0, 0));
    assert_eq!(bob.received_names(), ["fetched_a.txt", "fetched_b.txt"]);
}

#[test]
fn a_file_whose_name_has_spaces_is_the_whole_rest_of_the_line() {
    let ann = plan("ann").in_lines().file("my 'own' [file]*", b"1").file("my", b"2");
    let (mut ann, mut bob) = talking(ann, plan("bob"));
    ann.types("transfer my 'own' [file]*");
    assert_eq!(bob.event("received")["name"], "my 'own' [file]*");
    part(ann, bob);
}

#[test]
fn a_program_names_a_file_verbatim() {
    let ann = plan("ann").file("*", b"star").file("a b", b"1").file("\"q\"", b"2").file("~", b"3").file(" lead", b"4");
    let (mut ann, mut bob) = talking(ann, plan("bob"));
    for (line, name) in [
        ("transfer *", "*"),
        ("transfer a b", "a b"),
        ("transfer \"q\"", "\"q\""),
        (r#"{"transfer": "~"}"#, "~"),
        ("transfer  lead", " lead"),
    ] {
        ann.types(line);
        assert_eq!(bob.event("received")["name"], name);
    }
    part(ann, bob);
}

#[test]
fn fault_4_a_missing_file_names_the_folder_and_the_nearest_name_and_sends_nothing() {
    let (mut ann, mut bob) = talking(plan("ann").file("notes.txt", b"x"), plan("bob"));
    ann.types("transfer note.txt");
    let error = ann.event("error");
    let folder = ann.out("").canonicalize().unwrap();
    let (message, hint) = (error["message"].as_str().unwrap(), error["hint"].as_str().unwrap());
    assert!(message.contains("note.txt") && message.contains(folder.to_str().unwrap()), "{message}");
    assert!(hint.contains("notes.txt"), "{hint}");
    assert_alive(&mut ann, &mut bob);
    assert_eq!((bob.said("offer").len(), bob.said("message").len()), (0, 1));
    assert_eq!(ann.said("transfer_failed").len(), 0);
    part(ann, bob);
}

#[test]
fn fault_4_a_missing_file_is_told_to_a_person_in_two_lines() {
    let (mut ann, mut bob) = talking(plan("ann").in_lines().file("notes.txt", b"x"), plan("bob"));
    ann.types("transfer nots.txt");
    assert!(ann.line("-- error: no file called nots.txt in ").starts_with("-- "));
    let hint = ann.line("-- hint: ");
    assert!(hint.contains("notes.txt") && hint.contains("/say"), "{hint}");
    ann.types("transfer of power");
    assert!(ann.line("-- error: ").contains("of power"));
    ann.types("transfer \"open");
    assert!(ann.line("-- error: ").contains("quote"));
    ann.types("transfer *.none");
    assert!(ann.line("-- error: ").contains("no file matches *.none in "));
    ann.types("transfer money notes.txt");
    assert!(ann.line("-- error: ").contains("no file called money in "));
    ann.types("transfer 'notes*'");
    assert!(ann.line("-- error: ").contains("no file called notes* in "));
    ann.types("exit");
    assert_eq!((ann.exit_code(), bob.exit_code()), (0, 0), "what was never offered is no failure");
    assert_eq!((bob.said("offer").len(), bob.said("message").len()), (0, 0));
}

#[test]
fn files_of_the_command_line_are_sent_and_both_leave() {
    let mut bob = plan("bob").in_lines().listen();
    let mut ann = plan("ann").in_lines().file("a b", b"1").file("*", b"22").call_and_send(bob.port, ["a b", "*"]);
    ann.line("-- sent a b to bob: 1 byte, verified");
    ann.line("-- sent * to bob: 2 bytes, verified");
    bob.line("-- received fetched_a b from ann: 1 byte, verified");
    bob.line("-- received fetched__ from ann: 2 bytes, verified");
    bob.line("-- ann left");
    assert_eq!((ann.exit_code(), bob.exit_code()), (0, 0));
}

#[test]
fn a_missing_file_of_the_command_line_is_named_and_fails_the_command_before_anybody_is_called() {
    let mut bob = plan("bob").listen();
    let mut ann = plan("ann").call_and_send(bob.port, ["no such file"]);
    assert!(ann.event("error")["message"].as_str().unwrap().contains("no such file"));
    assert_eq!(ann.exit_code(), 1);
    let mut eve = plan("eve").file("a", b"1").call_and_send(bob.port, ["a"]);
    assert_eq!((eve.exit_code(), bob.exit_code()), (0, 0));
    assert_eq!(bob.said("connected")[0]["peer"]["name"], "eve", "nobody else has called");
}

#[test]
fn a_missing_file_among_others_of_the_command_line_fails_it_and_the_others_arrive() {
    let mut bob = plan("bob").listen();
    let mut ann = plan("ann").file("a", b"1").call_and_send(bob.port, ["a", "missing"]);
    assert_eq!((ann.exit_code(), bob.exit_code()), (1, 0));
    assert!(ann.said("error")[0]["message"].as_str().unwrap().contains("missing"));
    assert_eq!(bob.received_names(), ["fetched_a"]);
}

#[test]
fn where_lines_are_messages_a_transfer_is_said_and_not_done() {
    let (mut ann, mut bob) = talking(plan("ann").args(["--no-commands"]).file("a", b"1"), plan("bob"));
    ann.types("transfer a");
    assert_eq!(bob.event("message")["text"], "transfer a");
    ann.ends_input();
    assert_eq!((ann.exit_code(), bob.exit_code()), (0, 0));
    assert_eq!(bob.said("offer").len(), 0);
}

//! Who decides about a file: taking, refusing, never, cancelling by either side.

use serde_json::Value;

use crate::support::{assert_alive, noise, part, plan, talking};

#[test]
fn an_offer_that_is_asked_about_is_taken_by_a_command_with_and_without_its_number() {
    let (mut ann, mut bob) =
        talking(plan("ann").file("a", b"a").file("b", b"b"), plan("bob").args(["--accept", "ask"]));
    ann.types("transfer a");
    let offer = bob.event("offer");
    let question = bob.event("question");
    let expected: Value = "file".into();
    assert_eq!((&question["about"], &question["name"], &question["size"]), (&expected, &"a".into(), &1.into()));
    assert_eq!((&question["peer"]["name"], &question["transfer"]), (&"ann".into(), &offer["id"]));
    bob.types(&format!("/accept {}", offer["id"]));
    ann.event("sent");
    ann.types("transfer b");
    bob.event("question");
    bob.types("/accept");
    ann.event("sent");
    assert_eq!(bob.received_names(), ["fetched_a", "fetched_b"]);
    part(ann, bob);
}

#[test]
fn what_cannot_be_taken_is_not_asked_about() {
    let (mut ann, mut bob) = talking(plan("ann").file("a\\b", b"a"), plan("bob").args(["--accept", "ask"]));
    ann.types("transfer a\\b");
    ann.event("transfer_failed");
    bob.event("transfer_failed");
    assert_alive(&mut ann, &mut bob);
    assert_eq!((bob.said("offer").len(), bob.said("question").len()), (1, 0));
    assert_eq!((ann.leaves(), bob.exit_code()), (4, 0));
}

#[test]
fn a_question_about_a_file_is_answered_by_an_object() {
    let (mut ann, mut bob) =
        talking(plan("ann").file("a", b"a").file("b", b"b"), plan("bob").args(["--accept", "ask"]));
    ann.types(r#"{"transfer": "a"}"#);
    let yes = bob.event("question")["id"].clone();
    ann.types(r#"{"transfer": "b"}"#);
    let no = bob.event("question")["id"].clone();
    bob.types(&format!(r#"{{"answer": {no}, "yes": false}}"#));
    bob.types(&format!(r#"{{"answer": {yes}, "yes": true}}"#));
    assert_eq!(ann.event("transfer_failed")["name"], "b");
    assert_eq!(ann.event("sent")["name"], "a");
    bob.event("received");
    assert_eq!(bob.received_names(), ["fetched_a"]);
    bob.types(&format!(r#"{{"answer": {yes}, "yes": true}}"#));
    bob.event("error");
    assert_alive(&mut ann, &mut bob);
}

#[test]
fn a_refused_file_is_told_to_both_and_the_conversation_goes_on() {
    let (mut ann, mut bob) = talking(plan("ann").file("a", b"a"), plan("bob").args(["--accept", "ask"]));
    ann.types("transfer a");
    bob.event("question");
    bob.types("/refuse");
    let failed = ann.event("transfer_failed");
    assert_eq!((&failed["direction"], &failed["reason"]), (&"send".into(), &"refused".into()));
    assert_eq!(bob.event("transfer_failed")["direction"], "receive");
    assert_alive(&mut ann, &mut bob);
    assert_eq!(bob.received_names(), [""; 0]);
    assert_eq!((ann.leaves(), bob.exit_code()), (4, 0), "who refused did as it wanted");
}

#[test]
fn in_line_mode_a_file_is_taken_and_refused_by_its_number() {
    let bob = plan("bob").in_lines().args(["--accept", "ask"]);
    let (mut ann, mut bob) = talking(plan("ann").file("a", b"a").file("b", b"b"), bob);
    ann.types("transfer a");
    bob.line("-- ann sends a: 1 byte");
    let hint = bob.line("/accept ");
    let id = hint.split("/accept ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    ann.types("transfer b");
    bob.line("-- ann sends b: 1 byte");
    bob.types(&format!("/refuse {id}"));
    bob.types("/accept");
    bob.line("-- received fetched_b from ann: 1 byte, verified");
    assert_eq!(ann.event("transfer_failed")["name"], "a");
    assert_eq!(bob.received_names(), ["fetched_b"]);
}

#[test]
fn who_never_takes_files_refuses_each_and_the_conversation_goes_on() {
    let (mut ann, mut bob) = talking(plan("ann").file("a", b"a"), plan("bob").args(["--accept", "never"]));
    ann.types("transfer a");
    assert_eq!(ann.event("transfer_failed")["reason"], "no files are taken here");
    assert_eq!(bob.event("offer")["name"], "a");
    assert_eq!(bob.said("question").len(), 0);
    assert_alive(&mut ann, &mut bob);
    assert_eq!(bob.received_names(), [""; 0]);
    assert_eq!((ann.leaves(), bob.exit_code()), (4, 0));
}

#[test]
fn a_running_transfer_is_cancelled_by_its_sender() {
    let ann = plan("ann").args(["--limit", "2M"]).file("a", noise(1, 20_000_000));
    let (mut ann, mut bob) = talking(ann, plan("bob"));
    ann.types("transfer a");
    bob.event("progress");
    ann.types("/cancel");
    for side in [&mut ann, &mut bob] {
        assert_eq!(side.event("transfer_failed")["reason"], "cancelled by the sender");
    }
    assert_alive(&mut ann, &mut bob);
    assert_eq!(ann.leaves(), 0, "who cancelled did as it wanted");
    assert_eq!(bob.exit_code(), 4);
    assert_eq!(bob.received_names(), [""; 0]);
}

#[test]
fn a_running_transfer_is_cancelled_by_its_receiver_by_number_and_another_one_goes_on() {
    let ann = plan("ann").args(["--limit", "4M"]).file("a", noise(1, 20_000_000)).file("b", noise(2, 3_000_000));
    let (mut ann, mut bob) = talking(ann, plan("bob"));
    ann.types("transfer a");
    ann.types("transfer b");
    let a = bob.event_with("offer", |event| event["name"] == "a")["id"].clone();
    bob.event_with("progress", |event| event["name"] == "a");
    bob.types(&format!("/cancel {a}"));
    for side in [&mut ann, &mut bob] {
        let failed = side.event("transfer_failed");
        assert_eq!((&failed["id"], &failed["reason"]), (&a, &"cancelled by the receiver".into()));
    }
    assert_eq!(ann.event("sent")["name"], "b");
    bob.event("received");
    assert_eq!(bob.received_names(), ["fetched_b"]);
    assert_eq!((ann.leaves(), bob.exit_code()), (4, 0));
}

#[test]
fn a_cancel_without_a_transfer_is_an_error_and_nothing_else() {
    let (mut ann, mut bob) = talking(plan("ann"), plan("bob"));
    for line in ["/cancel", "/cancel 77", "/accept", "/accept 77", "/refuse 3"] {
        ann.types(line);
        ann.event("error");
    }
    assert_alive(&mut ann, &mut bob);
    part(ann, bob);
}

#[test]
fn a_file_that_waits_for_an_answer_does_not_keep_the_others_waiting() {
    let (mut ann, mut bob) = talking(plan("ann").file("a", b"a"), plan("bob").args(["--accept", "ask"]));
    ann.types("transfer a");
    bob.event("question");
    ann.types("transfer a");
    bob.event("question");
    let second = bob.said("offer").last().unwrap()["id"].clone();
    bob.types(&format!("/accept {second}"));
    assert_eq!(ann.event("sent")["id"], second);
    assert_eq!(bob.leaves(), 0, "what nobody answered is refused");
    assert_eq!(ann.event("transfer_failed")["direction"], "send");
    assert_eq!(ann.exit_code(), 4);
}

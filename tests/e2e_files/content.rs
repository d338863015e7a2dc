//! What is sent is what arrives: sizes, both directions, streams, many at once.

use std::fs::{self, File};
use std::io::Write;

use crate::support::{Tete, assert_alive, hash, hash_of, noise, noise_file, part, plan, talking};

/// Most memory that a tete may ever have resident, however much goes through it.
const MAX_MEMORY: u64 = 40_000_000;

/// One file and these texts have come from one side to the other.
fn assert_arrived(sender: &mut Tete, receiver: &mut Tete, blake3: &str, texts: usize) {
    let received = receiver.event("received");
    let sent = sender.event("sent");
    assert_eq!((&received["blake3"], &sent["blake3"]), (&blake3.into(), &blake3.into()));
    assert_eq!(received["bytes"], sent["bytes"]);
    let path = received["path"].as_str().unwrap();
    assert_eq!(fs::metadata(path).unwrap().len(), received["bytes"].as_u64().unwrap());
    assert_eq!(hash_of(path), blake3);
    for i in 0..texts {
        assert_eq!(receiver.event("message")["text"], format!("{} {i}", sender.name));
    }
}

#[test]
fn big_files_and_hundreds_of_texts_cross_each_other_in_little_memory() {
    const TEXTS: usize = 700;
    let (ann, bob) = (plan("ann"), plan("bob"));
    let from_ann = noise_file(&ann.out("a.bin"), 1, 300_000_000);
    let from_bob = noise_file(&bob.out("b.bin"), 2, 78_000_000);
    let (mut ann, mut bob) = talking(ann, bob);
    ann.types("transfer a.bin");
    bob.types("transfer b.bin");
    for i in 0..TEXTS {
        ann.types(&format!("ann {i}"));
        bob.types(&format!("bob {i}"));
    }
    assert_arrived(&mut ann, &mut bob, &from_ann, TEXTS);
    assert_arrived(&mut bob, &mut ann, &from_bob, TEXTS);
    for side in [&ann, &bob] {
        let peak = side.peak_memory().unwrap_or(0);
        assert!(peak < MAX_MEMORY, "{} has needed {peak} bytes of memory", side.name);
    }
    for side in [&mut ann, &mut bob] {
        assert_eq!(side.said("message").len(), TEXTS);
        let names = side.received_names();
        assert!(names.len() == 1 && names[0].starts_with("fetched_"), "{names:?}");
    }
    part(ann, bob);
}

#[test]
fn fault_57_a_file_of_no_bytes_is_delivered() {
    let (mut ann, mut bob) = talking(plan("ann").file("empty", b""), plan("bob"));
    ann.types("transfer empty");
    let received = bob.event("received");
    assert_eq!((&received["bytes"], &received["blake3"]), (&0.into(), &hash(b"").into()));
    assert_eq!(ann.event("sent")["bytes"], 0);
    assert_eq!(bob.received("fetched_empty"), b"");
    part(ann, bob);
}

#[test]
fn sizes_around_a_chunk_and_a_block_arrive_exactly() {
    let sizes = [1, 16_383, 16_384, 16_385, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20];
    let mut ann = plan("ann");
    for size in sizes {
        ann = ann.file(size.to_string(), noise(size as u64, size));
    }
    let (mut ann, mut bob) = talking(ann, plan("bob"));
    for size in sizes {
        ann.types(&format!("transfer {size}"));
    }
    for size in sizes {
        let name = size.to_string();
        let received = bob.event_with("received", |event| event["name"] == name.as_str());
        assert_eq!(received["blake3"], hash(&noise(size as u64, size)), "{size}");
        assert_eq!(bob.received(&format!("fetched_{name}")), noise(size as u64, size));
    }
    part(ann, bob);
}

#[test]
fn a_sparse_gibibyte_arrives_to_the_last_byte() {
    const SIZE: u64 = (1 << 30) + 1;
    let ann = plan("ann");
    let mut file = File::create(ann.out("sparse")).unwrap();
    file.set_len(SIZE - 1).unwrap();
    std::io::Seek::seek(&mut file, std::io::SeekFrom::End(0)).unwrap();
    file.write_all(b"!").unwrap();
    let (mut ann, mut bob) = talking(ann, plan("bob").args(["--no-sync"]));
    ann.types("transfer sparse");
    let received = bob.event("received");
    assert_eq!((&received["bytes"], &received["blake3"]), (&SIZE.into(), &ann.event("sent")["blake3"]));
    assert_eq!(hash_of(received["path"].as_str().unwrap()), received["blake3"].as_str().unwrap());
    part(ann, bob);
}

#[test]
fn sent_is_never_told_before_the_receiver_has_the_file() {
    let (mut ann, bob) = talking(plan("ann").file("a", noise(1, 100_000)), plan("bob"));
    for n in 0..20 {
        ann.types("transfer a");
        ann.event("sent");
        // No waiting for bob here: the file has its name by now.
        let name = if n == 0 { "fetched_a".to_owned() } else { format!("fetched_a ({})", n + 1) };
        assert_eq!(bob.received(&name).len(), 100_000);
    }
    assert_eq!(bob.received_names().len(), 20, "nothing hidden is left");
    part(ann, bob);
}

#[test]
fn three_hundred_small_files_queued_at_once_all_arrive() {
    const FILES: usize = 300;
    let mut ann = plan("ann").in_lines();
    for i in 0..FILES {
        ann = ann.file(format!("f{i:03}"), format!("this is number {i}"));
    }
    let (mut ann, mut bob) = talking(ann, plan("bob"));
    ann.types("transfer f*");
    ann.types("exit");
    assert_eq!((ann.exit_code(), bob.exit_code()), (0, 0));
    assert_eq!(bob.said("received").len(), FILES);
    assert_eq!(bob.received_names().len(), FILES);
    for i in 0..FILES {
        assert_eq!(bob.received(&format!("fetched_f{i:03}")), format!("this is number {i}").as_bytes());
    }
}

#[test]
fn standard_input_is_sent_as_a_file_whose_size_nobody_knows() {
    let data = noise(7, 21_000_001);
    let mut bob = plan("bob").listen();
    let mut ann = plan("ann").args(["--as", "from a pipe"]).call_and_send(bob.port, ["-"]);
    let mut stdin = ann.stdin();
    stdin.write_all(&data[..5_000_000]).unwrap();
    let offer = bob.event("offer");
    assert_eq!((&offer["name"], &offer["size"]), (&"from a pipe".into(), &serde_json::Value::Null));
    bob.event_with("progress", |event| event["bytes"].as_u64().unwrap() > 0 && event["size"].is_null());
    stdin.write_all(&data[5_000_000..]).unwrap();
    drop(stdin);
    let received = bob.event("received");
    assert_eq!((&received["bytes"], &received["blake3"]), (&data.len().into(), &hash(&data).into()));
    assert_eq!((ann.exit_code(), bob.exit_code()), (0, 0));
    assert_eq!(ann.said("sent")[0]["bytes"], data.len());
    assert_eq!(bob.received("fetched_from a pipe"), data);
}

#[test]
fn an_empty_standard_input_is_sent_as_an_empty_file() {
    let mut bob = plan("bob").listen();
    let mut ann = plan("ann").call_and_send(bob.port, ["-"]);
    ann.ends_input();
    assert_eq!((ann.exit_code(), bob.exit_code()), (0, 0));
    assert_eq!(bob.received("fetched_stdin"), b"");
}

#[test]
fn a_stream_and_a_file_are_sent_by_one_command() {
    let mut bob = plan("bob").listen();
    let mut ann = plan("ann").file("a", b"file").call_and_send(bob.port, ["a", "-"]);
    ann.stdin().write_all(b"stream").unwrap();
    assert_eq!((ann.exit_code(), bob.exit_code()), (0, 0));
    assert_eq!((bob.received("fetched_a"), bob.received("fetched_stdin")), (b"file".to_vec(), b"stream".to_vec()));
}

#[test]
fn files_go_both_ways_at_once_without_waiting_for_the_disk() {
    let (ann, bob) = (plan("ann").args(["--no-sync"]), plan("bob").args(["--no-sync"]));
    let (mut ann, mut bob) = talking(ann.file("a", noise(1, 9_000_000)), bob.file("b", noise(2, 7_000_000)));
    ann.types("transfer a");
    bob.types("transfer b");
    assert_eq!(ann.event("received")["blake3"], hash(&noise(2, 7_000_000)));
    assert_eq!(bob.event("received")["blake3"], hash(&noise(1, 9_000_000)));
    ann.event("sent");
    bob.event("sent");
    assert_alive(&mut ann, &mut bob);
    part(ann, bob);
}

#[test]
fn a_stream_that_is_refused_or_cancelled_does_not_keep_its_sender() {
    for (args, command) in [(["--accept", "never"], None), (["--accept", "auto"], Some("/cancel"))] {
        let mut bob = plan("bob").args(args).listen();
        let mut ann = plan("ann").call_and_send(bob.port, ["-"]);
        let mut stdin = ann.stdin();
        stdin.write_all(b"some").unwrap();
        bob.event("offer");
        if let Some(command) = command {
            bob.event("progress");
            bob.types(command);
        }
        // The input is still open: nothing of it is waited for.
        assert_eq!((ann.exit_code(), bob.exit_code()), (4, 0));
        assert_eq!(ann.said("transfer_failed")[0]["direction"], "send");
        drop(stdin);
    }
}

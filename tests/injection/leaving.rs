//! Somebody leaves at once while the other one is still looking for what was to be sent.

use crate::common::free_port;
use crate::talk::{Side, run};
use crate::tracer::{self, Fault, Tracer};

#[test]
fn a_file_that_is_still_being_looked_for_when_the_other_side_is_gone_is_told_and_counts() {
    if !tracer::is_here() {
        return;
    }
    let (port, logs) = (free_port(), tempfile::tempdir().unwrap());
    let mut anna = run(Side::Listener, port, false, &[]).start();
    anna.event("listening");
    let mut bob = run(Side::Caller, port, false, &[]).start();
    bob.send("a text");
    bob.event("delivered");
    // Looking for a file takes as long as a disk that has gone to sleep.
    let fault = Fault { call: "statx".into(), deed: "delay_enter=3s".into(), nth: 0, of: None };
    let tracer = Tracer::attach(bob.pid(), &fault, logs.path().join("log")).unwrap();
    bob.send(&format!("transfer {}\nanother text", Side::Caller.file()));
    anna.find("the other text", |event| event["text"] == "another text");
    tracer::signal(anna.pid(), rustix::process::Signal::INT);
    tracer::signal(anna.pid(), rustix::process::Signal::INT);
    assert_eq!(anna.exit_code(), 130);
    assert_eq!(bob.exit_code(), 4, "the file was not sent: {}", bob.err());
    assert_eq!(bob.event("error")["message"], "files that were not offered: 1");
    drop(tracer);
}

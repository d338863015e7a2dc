//! Two network namespaces with a cable between them that is pulled out and put back.
//!
//! As root, or as root of a user namespace; where neither may be, the tests say so and are over.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::common::{Tete, tete_by};
use crate::talk::Side;

/// How long the cable is out: longer than any probe, shorter than anybody is given up.
const OUT: Duration = Duration::from_secs(4);
/// Makes the second namespace and the cable, tells the second's process, and does what it reads.
const SCRIPT: &str = "unshare -n sleep 300 & other=$!
until [ \"$(readlink /proc/$other/ns/net)\" != \"$(readlink /proc/self/ns/net)\" ]; do :; done
there() { nsenter -t $other -n \"$@\"; }
ip link add near type veth peer name far netns $other && ip addr add 10.9.0.1/24 dev near && ip link set near up &&
there ip addr add 10.9.0.2/24 dev far && there ip link set far up && echo $other
while read -r line; do eval \"$line\"; echo done; done
kill $other";

/// Two namespaces; they are gone when it is dropped.
struct Cable {
    shell: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<std::process::ChildStdout>,
    far: String,
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.orders = None; // the end of its input: it takes the second namespace down
        let _ = self.shell.wait();
    }
}

impl Cable {
    /// `None`, and that is printed, where that cannot be had.
    fn lay() -> Option<Self> {
        let mut command = Command::new("unshare");
        command.args(["-r", "-n", "sh", "-c", SCRIPT]).stderr(Stdio::null());
        let shell = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let laid = shell.ok().and_then(|mut shell| {
            let (orders, mut answers) = (shell.stdin.take(), BufReader::new(shell.stdout.take()?));
            let mut far = String::new();
            answers.read_line(&mut far).ok()?;
            let cable = Self { shell, orders, answers, far: far.trim().to_owned() };
            (!cable.far.is_empty()).then_some(cable)
        });
        if laid.is_none() {
            println!("no network of one's own can be had here: nothing to test");
        }
        laid
    }

    /// A run on one end.
    fn tete(&self, side: Side, args: &[&str]) -> Tete {
        let near = self.shell.id().to_string();
        let pid = if side == Side::Listener { &near } else { &self.far };
        let words = ["nsenter", "-t", pid, "-U", "--preserve-credentials", "-n"].map(AsRef::as_ref);
        tete_by(&words, args).file(&side.file(), side.content()).start()
    }

    fn set(&mut self, state: &str) {
        writeln!(self.orders.as_mut().unwrap(), "ip link set near {state}").unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        assert_eq!(line, "done\n");
    }
}

#[test]
fn fault_74_a_cable_that_is_out_for_seconds_loses_nothing() {
    let Some(mut cable) = Cable::lay() else { return };
    let args = ["--json", "--trust", "new", "--limit", "60K"];
    let mut anna = cable.tete(Side::Listener, &[&args[..], &["-n", "anna", "-l", "10.9.0.1:0"]].concat());
    let place = format!("10.9.0.1:{}", anna.port());
    let mut bob = cable.tete(Side::Caller, &[&args[..], &["-n", "bob", &place]].concat());
    for side in [&mut anna, &mut bob] {
        side.event("connected");
    }
    bob.send("transfer bob.bin");
    anna.find("some of it", |event| event["event"] == "progress" && event["bytes"].as_u64() > Some(0));
    cable.set("down");
    anna.send("do you hear me?");
    bob.send("are you there?");
    thread::sleep(OUT); // paced: what is tested is that time passes
    cable.set("up");
    anna.find("bob's text", |event| event["text"] == "are you there?");
    bob.find("anna's text", |event| event["text"] == "do you hear me?");
    bob.event("sent");
    assert_eq!(crate::talk::arrived(&anna, Side::Caller), Ok(true));
    bob.send("exit");
    assert_eq!((anna.exit_code(), bob.exit_code()), (0, 0));
    assert_eq!((anna.all("message").count(), bob.all("message").count()), (1, 1));
}

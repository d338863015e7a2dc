//! Ways to slow a process down from outside.
//!
//! Owns: the processes and threads that do so, and their end. Must not know: what is slowed down.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, setpriority_process};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use socket2::SockRef;

/// Until it is dropped.
#[derive(Clone, Default)]
struct Until(Arc<AtomicBool>);

impl Until {
    fn is_over(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Something that goes on in a thread until this is dropped.
pub(crate) struct Going {
    over: Until,
    thread: Option<thread::JoinHandle<()>>,
}

impl Drop for Going {
    fn drop(&mut self) {
        self.over.0.store(true, Ordering::Relaxed);
        let _ = self.thread.take().unwrap().join();
    }
}

/// Stops a process for so long, lets it run for so long, and so on.
pub(crate) fn stopping(pid: Pid, stopped: Duration, running: Duration) -> Going {
    let over = Until::default();
    let ours = over.clone();
    let thread = thread::spawn(move || {
        while !ours.is_over() {
            for (signal, time) in [(Signal::STOP, stopped), (Signal::CONT, running)] {
                if kill_process(pid, signal).is_err() {
                    return;
                }
                thread::sleep(time); // paced: that it takes time is what is planted.
            }
        }
    });
    Going { over, thread: Some(thread) }
}

/// A relay to this port that lets so many bytes a second through, each way and on each connection; its own port.
pub(crate) fn narrow(target: u16, rate: usize) -> u16 {
    const PIECE: usize = 16 * 1024;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let carry = move |mut from: TcpStream, mut to: TcpStream| {
        let mut buffer = [0; PIECE];
        while let Ok(n) = from.read(&mut buffer) {
            if n == 0 || to.write_all(&buffer[..n]).is_err() {
                break;
            }
            thread::sleep(Duration::from_secs(1) * n as u32 / rate as u32); // paced: it is slow.
        }
        let _ = to.shutdown(std::net::Shutdown::Write);
    };
    // It ends with the test program; each connection with one of its ends.
    thread::spawn(move || {
        while let Ok((caller, _)) = listener.accept() {
            let Ok(called) = TcpStream::connect(("127.0.0.1", target)) else { continue };
            for (from, to) in [(&caller, &called), (&called, &caller)] {
                SockRef::from(from).set_recv_buffer_size(4 * PIECE).unwrap();
                SockRef::from(from).set_send_buffer_size(4 * PIECE).unwrap();
                let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                thread::spawn(move || carry(from, to));
            }
        }
    });
    port
}

/// The core that is made slow.
pub(crate) fn core() -> usize {
    let allowed = sched_getaffinity(None).unwrap();
    (0..CpuSet::MAX_CPU).find(|core| allowed.is_set(*core)).unwrap()
}

/// Two processes that leave little of that core to others.
pub(crate) struct Burners([Child; 2]);

impl Drop for Burners {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

pub(crate) fn burners() -> Burners {
    Burners([(), ()].map(|()| {
        let mut command = Command::new("taskset");
        command.args(["-c", &core().to_string(), "sh", "-c", "while :; do :; done"]).stdin(Stdio::null());
        command.spawn().unwrap()
    }))
}

/// Words before a program's name that start it on that core, and let it have what the others leave.
pub(crate) fn starved() -> [String; 6] {
    ["nice", "-n", NICE, "taskset", "-c", &core().to_string()].map(str::to_owned)
}

/// A thirtieth of what others get, and a seventieth.
const NICE: &str = "15";
const NICER: i32 = 19;

/// Lets the threads of a process that hash have what the burners leave of their core; where its loop does so itself, that.
pub(crate) fn starve_hashing(pid: Pid) {
    let mut slow = CpuSet::new();
    slow.set(core());
    let mut helpers = Vec::new();
    for task in fs::read_dir(format!("/proc/{}/task", pid.as_raw_nonzero())).unwrap() {
        let task = task.unwrap().path();
        if fs::read_to_string(task.join("comm")).is_ok_and(|name| name.starts_with("tete-hash")) {
            let tid = task.file_name().unwrap().to_str().unwrap().parse().ok().and_then(Pid::from_raw);
            helpers.push(tid);
        }
    }
    if helpers.is_empty() {
        helpers.push(Some(pid));
    }
    for tid in helpers {
        sched_setaffinity(tid, &slow).unwrap();
        setpriority_process(tid, NICER).unwrap();
    }
}

/// Whether `taskset` and `nice` are here.
pub(crate) fn can_starve() -> bool {
    let mut words = starved().to_vec();
    words.push("true".to_owned());
    let here = Command::new(&words[0]).args(&words[1..]).status().is_ok_and(|status| status.success());
    if !here {
        println!("no core can be made slow here: nothing to test");
    }
    here
}

//! What `-h` and `--help` print.
//!
//! Owns: both texts, written out: a screen each, which lists made of the options are not. A test compares them with the
//! options that there are. Must not know: what the options do.

use clap::Command;

/// The most used: 24 lines.
const SHORT: &str = "\
A private conversation between two terminals: text both ways, files both ways.

Usage: tete [OPTIONS] [PEER]
       tete demo                 see a whole conversation in one terminal
       tete id | peers | partial | bench | man | completions SHELL

PEER: HOST, HOST:PORT, PORT, or the name of a known peer. Without it tete asks.

  -n, --name NAME            how the peer sees you
  -l, --listen [ADDR:]PORT   where to listen
  -d, --into DIR             where received files go
      --send PATH...         send these and leave
      --new-code             make a one-time code for a first meeting
      --code CODE            prove a first meeting with the other side's code
      --plain                no encryption; both sides must ask for it
      --json                 events as NDJSON on stdout, no prompts

  tete                               ask for a name, a port and whom to call
  tete -n ann -l 5000                wait for a call on port 5000
  tete -n bob 5000                   call it from another terminal
  tete HOST --code - --send a.txt    prove it, send a file and leave

tete --help tells all; man tete too, once it is installed.";

/// Everything: 40 lines.
const LONG: &str = "\
A private conversation between two terminals: text both ways, files both ways.

Usage: tete [OPTIONS] [PEER]     talk; without PEER: ask, or wait in a pipe
       tete demo | tete bench    see a whole conversation; measure this machine
       tete id                   the key here, and how others call it
       tete peers [forget NAME]  the known peers
       tete partial [clean]      files that did not arrive whole
       tete completions SHELL    for bash, zsh, fish, ...; tete man: the page
PEER: HOST, HOST:PORT, [V6]:PORT, PORT, KEY@HOST:PORT or a known name

  -n, --name NAME            how the peer sees you (login; env TETE_NAME)
  -l, --listen [ADDR:]PORT   where to listen; port 0: any free one
  -4 | -6                    IPv4 only, IPv6 only
  -w, --wait SECS            stop dialling after (30; on a terminal never)
      --stay                 when the peer leaves, wait for the next
      --linger SECS          how long to wait for a lost peer (600)
      --trust WHICH          keys talked to: known, ask, new
      --code CODE|-|@FILE    prove a first meeting by a code (env TETE_CODE)
      --new-code             make a one-time code and show it
      --plain                no encryption; both sides must ask for it
  -d, --into DIR             where received files go (this folder)
      --prefix STR           before their names (fetched_; env TETE_PREFIX)
      --accept WHEN          offered files: auto, ask, never (auto)
      --send PATH...         send these and leave; PEER first; -: stdin,
      --as NAME              sent under this name
      --limit RATE           bytes a second for files: 10M, 10Mi
      --no-sync              delivered before the disk has it
      --no-commands          every line of input is a message
      --json                 events as NDJSON on stdout, no prompts
      --ui auto|plain        plain: lines, also on a terminal
      --color WHEN           auto, always, never (auto)
      --config-dir DIR       where keys and peers are (env TETE_HOME)
  -q, --quiet, --bell        say less; ring when a message arrives
  -v, --verbose, --log FILE  log more (-vv still more), into FILE
  -h, --help, -V, --version  a shorter help, this one; the version
Examples:
";

/// What `tete bench --help` prints.
const BENCH: &str = "\
Measures what files and texts cost on this machine, in turn with the least that
it could do: raw connections without frames and sessions, hashing the same way.

Usage: tete bench [OPTIONS]              this machine
       tete bench -s [OPTIONS]           between two: one is asked,
       tete bench -c HOST [OPTIONS]      the other one asks it

      --quick          what matters most, in under 20 seconds
      --full           every combination, for some minutes
      --only PART      one part alone: files, texts, idle
      --size SIZE      bytes of the file: 512Mi, 1G (128Mi; 256Mi with --full)
      --memory DIR     a folder in memory (/dev/shm)
      --disk DIR       a folder on a disk (this one)
      --cold           read from the disk, not from the system's cache
      --json           one document instead of tables
      --html FILE      a page for a browser too, with drawings
  -h, --help           this

Two processes of this program, over loopback. Without --quick or --full it takes
less than a minute. The files are removed at the end, whatever the end is.

Between two machines files go over a conversation, hashed and thrown away, from
and to memory; letters as iperf3 has them:

  -s, --server         be asked, by one client after the other
  -c, --client HOST    ask this one, as tete calls it: also KEY@HOST, or a name
  -p, --port PORT      where the server listens (8383)
  -t, --time SECONDS   how long, an hour at most (10)
  -n, --bytes BYTES    how much instead: 1G (10^9), 1Gi (2^30)
  -R, --reverse        the server sends
      --bidir          both send
  -P, --parallel N     so many transfers at once, 8 at most, over the same
                       connection (1)
  -O, --omit SECONDS   leave the first ones out
  -C, --congestion ALGO  how fast it is sent, as both systems call it
  -w, --window BYTES   what may wait in the connection for files, on either side
  -i, --interval SECS  between two lines (1; 0: none)
  -J, --json           one document instead of lines
  -1, --one-off        the server: one client, then end
  -B, --bind ADDR      the server: on this address alone
      --wait SECS      the client: stop calling after (30)
  -4 | -6              IPv4 only, IPv6 only

Who is let in: --trust known|new, --code CODE|-|@FILE, --new-code, --plain,
--name and --config-dir, as tete has them. Nobody is asked.
";

/// The last lines of the long help, and of the man page.
pub(super) const EXAMPLES: &str = "  tete -n ann -l 5000                wait for a call on port 5000
  tete -n bob 5000                   call it from another terminal
  tete --new-code                    show a code that lets the next caller in
  tete HOST --code - --send a.txt    prove it, send a file and leave";

/// The same command line with these texts, and no option in the help of a command that refuses it.
pub(super) fn of(command: Command) -> Command {
    let command = command.mut_subcommand("bench", |bench| bench.override_help(BENCH));
    let mut command = command.about(SHORT).long_about(format!("{LONG}{EXAMPLES}")).help_template("{about}");
    command.build(); // only then a command has the options that all have
    let names: Vec<String> = command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    names.iter().fold(command, |command, name| {
        let own = options_of(name);
        command.mut_subcommand(name, |command| without_others(command, own))
    })
}

/// The options for all commands that this one has a use for.
pub(super) fn options_of(command: &str) -> &'static [&'static str] {
    match command {
        "bench" => &["json"],
        "id" | "peers" => &["json", "config_dir"],
        "partial" => &["json", "config_dir", "into"],
        _ => &[],
    }
}

fn without_others(command: Command, own: &'static [&'static str]) -> Command {
    let command = command.mut_args(|arg| {
        let is_other = arg.is_global_set() && !own.contains(&arg.get_id().as_str());
        if is_other { arg.hide(true) } else { arg }
    });
    let names: Vec<String> = command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    names.iter().fold(command, |command, name| command.mut_subcommand(name, |command| without_others(command, own)))
}

//! The man page.
//!
//! Owns: its sections; those about the command line are made of the options that there are. Must not know: where the
//! page goes.

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, italic, roman};

use crate::app::commands;

use super::help;

/// What it is for, in a paragraph.
const DESCRIPTION: &str = "\
Two people start it, one calls the other, and what they type is said. `transfer FILE` hands a file over: it arrives \
whole, verified and under a name of its own, or not at all, and talk goes on meanwhile. What is said is encrypted, and \
each side proves who it is by a key that was made at its first start. PEER is HOST, HOST:PORT, HOST PORT, [V6]:PORT, \
PORT alone for this machine, the name of a known peer, or, with a pinned key, KEY@HOST:PORT. Without PEER it asks on a \
terminal, and waits for a call in a pipe.";

const EXIT_STATUS: [(&str, &str); 8] = [
    ("0", "done"),
    ("1", "failed: no such folder or file, no port, a protocol broken"),
    ("2", "the command line cannot be meant"),
    ("3", "nobody was reached, or the connection was lost for good"),
    ("4", "something was not delivered: a file failed, a text was never read"),
    ("5", "not let in: refused, a changed key, a pin that does not match"),
    ("130", "interrupted (Ctrl-C)"),
    ("143", "terminated"),
];

const ENVIRONMENT: [(&str, &str); 7] = [
    ("TETE_NAME, TETE_PREFIX, TETE_CODE", "what --name, --prefix and --code would say"),
    ("TETE_HOME", "what --config-dir would say"),
    ("NO_COLOR", "no colours, unless --color always says so"),
    ("TERM", "dumb: lines in, lines out, without colours"),
    ("LC_ALL, LC_CTYPE, LANG", "without UTF-8 in the first that is set, the screen is drawn in ASCII"),
    ("RUST_LOG", "what is logged, finer than -v"),
    ("SSLKEYLOGFILE", "the secrets of your own conversations are appended there: whoever has them reads all"),
];

const FILES: [(&str, &str); 3] = [
    ("~/.config/tete/identity", "the key: whoever has it is you"),
    ("~/.config/tete/peers.json", "whom you know"),
    ("~/.config/tete/history", "what you typed on terminals"),
];

/// The page of this command line, for `man`.
pub(super) fn page(command: Command) -> String {
    let commands: Vec<Command> = command.get_subcommands().cloned().collect();
    let man = Man::new(command).manual("User Commands");
    let mut page = Vec::new();
    // Into memory: none of these can fail.
    let _ = man.render_title(&mut page);
    let _ = man.render_name_section(&mut page);
    let _ = man.render_synopsis_section(&mut page);
    let mut more = Roff::new();
    more.control("SH", ["DESCRIPTION"]).text([roman(DESCRIPTION)]);
    more.control("SH", ["COMMANDS"]);
    for command in &commands {
        more.control("TP", []).text(usage(command));
        more.text([roman(command.get_about().map(ToString::to_string).unwrap_or_default())]);
    }
    page.extend(more.render().into_bytes());
    let _ = man.render_options_section(&mut page);
    page.extend(sections().render().into_bytes());
    // Each part came with the same beginning.
    let beginning = Roff::new().render();
    let page = String::from_utf8_lossy(&page).replace(&beginning, "");
    beginning + &page
}

/// A command and what it takes.
fn usage(command: &Command) -> Vec<clap_mangen::roff::Inline> {
    let mut line = vec![bold(command.get_name())];
    let takes = command.get_positionals().map(|argument| argument.get_id().as_str().to_uppercase());
    line.extend(takes.map(|name| italic(format!(" {name}"))));
    for inner in command.get_subcommands() {
        line.push(roman(" ["));
        line.extend(usage(inner));
        line.push(roman("]"));
    }
    line
}

/// What does not come from the options.
fn sections() -> Roff {
    let mut page = Roff::new();
    for (heading, text) in [("WHILE TALKING", commands::HELP), ("EXAMPLES", help::EXAMPLES)] {
        page.control("SH", [heading]).control("nf", []);
        for line in text.lines() {
            page.text([roman(line.trim_start())]);
        }
        page.control("fi", []);
    }
    let lists: [(&str, &[_]); 3] = [("EXIT STATUS", &EXIT_STATUS), ("ENVIRONMENT", &ENVIRONMENT), ("FILES", &FILES)];
    for (heading, list) in lists {
        page.control("SH", [heading]);
        for (what, meaning) in list {
            page.control("TP", []).text([bold(*what)]).text([roman(*meaning)]);
        }
    }
    page
}

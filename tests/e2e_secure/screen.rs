//! Our user is asked about new keys on a terminal, and answers by a line.

use crate::common::terminal::Terminal;
use crate::person::Person;

/// A terminal with a key of its own that waits at the question whom to call; the port that it listens on.
fn waiting() -> (Terminal, u16) {
    let mut terminal = Terminal::encrypted(&["-n", "anna", "-l", "127.0.0.1:0"]);
    terminal.shows("-- listening on 127.0.0.1:");
    let rest = terminal.shows("Whom to call");
    terminal.shows("]: ");
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    (terminal, digits.parse().unwrap())
}

#[test]
fn a_yes_is_for_the_caller_on_the_screen_and_for_no_other() {
    let (mut anna, port) = waiting();
    let (mallory, friend) = (Person::new("mallory"), Person::new("friend"));
    let mut first = mallory.calls(port, &["--trust", "new"]);
    anna.shows(&mallory.key().grouped());
    anna.shows("[yes/N] ");
    let mut second = friend.calls(port, &["--trust", "new", "-v"]);
    second.tells("encrypted: TLS");
    first.kill();
    anna.shows("has gone: that question is over");
    anna.shows(&friend.key().grouped());
    anna.shows("[yes/N] ");
    // Enter is for the question of the start.
    anna.types("");
    anna.shows("-- waiting for a call");
    anna.types("yes");
    anna.shows("-- connected to friend at 127.0.0.1:");
    assert_eq!(second.event("connected")["trust"], "new");
    assert_eq!(anna.screen().matches(&friend.key().grouped()).count(), 1, "{}", anna.screen());
    assert_eq!(first.all("connected").count(), 0);
}

#[test]
fn who_calls_somebody_new_is_asked_whether_that_is_whom_he_means() {
    let bob = Person::new("bob");
    for (said, exit) in [("yes", 0), ("no", 5)] {
        let mut listener = bob.listens(&["--trust", "new"]);
        let mut anna = Terminal::encrypted(&["-n", "anna", &format!("127.0.0.1:{}", listener.port())]);
        anna.shows("answers with a key that was never seen here:");
        anna.shows(&bob.key().grouped());
        anna.shows("[yes/N] ");
        anna.types("yes, that is a message");
        anna.types(said);
        if exit == 0 {
            anna.shows("-- connected to bob at 127.0.0.1:");
            listener.find("what was typed before", |event| event["text"] == "yes, that is a message");
            anna.types("exit");
        }
        assert_eq!(anna.exit_code(), exit, "{}", anna.screen());
        assert_eq!(listener.all("connected").count(), usize::from(exit == 0));
    }
}

//! Windows of every size, and windows that are pulled to another one.

use crate::console::Desk;
use crate::people::{Talk, hears, said};

/// The prompt stands in the last row that has something in it, and the cursor stands there.
fn is_last(talk: &mut Talk) {
    let rows = talk.ann.rows();
    let last = rows.iter().rposition(|row| !row.is_empty());
    assert_eq!(last, Some(talk.ann.row_of_prompt()), "{}", talk.ann.seen());
}

#[test]
fn the_prompt_stays_the_last_row_whatever_comes_in_at_every_size() {
    for (columns, rows) in [(80, 24), (40, 12), (200, 50), (20, 3), (12, 2)] {
        let mut talk = Talk::at(&Desk::new().size(columns, rows));
        talk.ann.types("half");
        talk.ann.prompts("ann> half");
        for nth in 0..u16::max(2 * rows, 30) {
            talk.bob_says(&format!("message {nth}, which is so long that it is wrapped where the window is narrow"));
        }
        talk.bob_says("the last");
        talk.ann.waits_for("the last message", |ann| {
            assert_eq!(ann.prompt(), "ann> half", "{}", ann.seen());
            ann.everything().contains("bob: the last")
        });
        is_last(&mut talk);
        assert_eq!(talk.ann.row_of_prompt() + 1, usize::from(rows), "{}", talk.ann.seen());
        let messages = said(&mut talk.ann).into_iter().filter(|line| line.starts_with("bob: message ")).count();
        assert_eq!(messages, usize::from(u16::max(2 * rows, 30)), "{columns}x{rows}");
        talk.part();
    }
}

#[test]
fn fault_11_pulled_to_one_cell_and_back_it_lives_and_keeps_what_was_typed() {
    let mut talk = Talk::new();
    talk.bob_says("before");
    hears(&mut talk.ann, "bob: before");
    talk.ann.types("half a sen");
    talk.ann.prompts("ann> half a sen");
    talk.ann.resize(1, 1);
    for nth in 0..3 {
        talk.bob_says(&format!("meanwhile {nth}"));
    }
    talk.ann.says("tence");
    talk.bob_reads("half a sentence");
    talk.ann.types("another");
    talk.ann.all_pressed();
    talk.ann.resize(80, 24);
    talk.ann.prompts("ann> another");
    talk.bob_says("after");
    talk.ann.shows("bob: after");
    is_last(&mut talk);
    talk.ann.says(" one");
    talk.bob_reads("another one");
    talk.part();
}

#[test]
fn a_terminal_that_does_not_tell_its_size_has_the_usual_one() {
    let mut talk = Talk::at(&Desk::new().size(0, 0));
    talk.ann.types(&"word ".repeat(20));
    talk.ann.waits_for("a row that scrolls", |ann| ann.cursor().1 > 40 && ann.prompt().starts_with("ann> ‹"));
    talk.ann.enter();
    talk.bob.event("message");
    talk.part();
}

#[test]
fn at_each_size_that_it_is_pulled_to_the_prompt_is_whole_and_last() {
    let mut talk = Talk::new();
    for nth in 0..30 {
        talk.bob_says(&format!("message {nth}"));
    }
    hears(&mut talk.ann, "bob: message 29");
    talk.ann.types("half a sen");
    talk.ann.prompts("ann> half a sen");
    for (columns, rows) in [(40, 12), (200, 50), (80, 24), (20, 5), (120, 30)] {
        talk.ann.resize(columns, rows);
        let mark = format!("at {columns} times {rows}");
        talk.bob_says(&mark);
        talk.ann.waits_for("the message after it", |ann| {
            ann.prompt() == "ann> half a sen" && ann.everything().contains(&format!("bob: {mark}"))
        });
        is_last(&mut talk);
    }
    talk.ann.says("tence");
    talk.bob_reads("half a sentence");
    talk.part();
}

#[test]
fn a_question_that_is_wider_than_the_window_is_wrapped_and_answered_in_the_last_row() {
    for (columns, rows) in [(40, 12), (20, 6), (12, 8)] {
        let mut ann = Desk::new().size(columns, rows).start(&["--plain", "-n", "ann", "-l", "0"]);
        ann.waits_for("the end of the question", |ann| ann.prompt().ends_with("]:") || ann.prompt().ends_with(':'));
        ann.types("ex");
        ann.waits_for("what is typed behind it", |ann| ann.prompt().ends_with("ex"));
        let last = ann.rows().iter().rposition(|row| !row.is_empty());
        assert_eq!(last, Some(ann.row_of_prompt()), "{}", ann.seen());
        ann.says("it");
        ann.ends(0);
    }
}

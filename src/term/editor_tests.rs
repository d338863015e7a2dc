//! Keys pressed, and the line that they leave.

use proptest::prelude::*;

use super::*;

/// An editor in which this was typed.
fn with(text: &str) -> Editor {
    after(Editor::new(History::default()), text)
}

/// An editor with these lines in its history, oldest first.
fn remembering(lines: &[&str]) -> Editor {
    let mut history = History::default();
    for line in lines {
        history.add(line);
    }
    Editor::new(history)
}

fn after(mut editor: Editor, text: &str) -> Editor {
    for c in text.chars() {
        editor.press(Key::Char(c));
    }
    editor
}

fn press(editor: &mut Editor, keys: &[Key]) -> Outcome {
    keys.iter().map(|key| editor.press(*key)).last().unwrap_or(Outcome::Nothing)
}

fn paste(editor: &mut Editor, text: &str) -> Outcome {
    editor.press(Key::PasteBegin);
    for c in text.chars() {
        assert_eq!(editor.press(Key::Pasted(c)), Outcome::Nothing);
    }
    editor.press(Key::PasteEnd)
}

/// The line with a bar where the cursor stands.
fn shown(editor: &Editor) -> String {
    let (before, behind) = editor.text().split_at(editor.cursor());
    format!("{before}|{behind}")
}

/// Checks what keys make of a typed text.
#[track_caller]
fn becomes(text: &str, keys: &[Key], expected: &str) {
    let mut editor = with(text);
    press(&mut editor, keys);
    assert_eq!(shown(&editor), expected, "{text:?} {keys:?}");
}

fn submitted(editor: &mut Editor) -> Typed {
    match editor.press(Key::Enter) {
        Outcome::Submitted(typed) => typed,
        outcome => panic!("{outcome:?}"),
    }
}

const CTRL_R: Key = Key::Ctrl('r');

#[test]
fn typed_characters_stand_at_the_cursor() {
    becomes("ac", &[Key::Left, Key::Char('b')], "ab|c");
    becomes("x", &[Key::Char('語'), Key::Char('😀')], "x語😀|");
}

#[test]
fn the_cursor_goes_by_characters_words_and_to_the_ends() {
    for (keys, expected) in [
        (&[Key::Left][..], "two word|s"),
        (&[Key::Ctrl('b'), Key::Ctrl('b')], "two wor|ds"),
        (&[Key::Left, Key::Right], "two words|"),
        (&[Key::Left, Key::Ctrl('f'), Key::Ctrl('f')], "two words|"),
        (&[Key::Home], "|two words"),
        (&[Key::Ctrl('a'), Key::Left], "|two words"),
        (&[Key::Home, Key::End], "two words|"),
        (&[Key::Home, Key::Ctrl('e')], "two words|"),
        (&[Key::WordLeft], "two |words"),
        (&[Key::WordLeft, Key::WordLeft, Key::WordLeft], "|two words"),
        (&[Key::Home, Key::WordRight], "two| words"),
        (&[Key::Home, Key::WordRight, Key::WordRight], "two words|"),
    ] {
        becomes("two words", keys, expected);
    }
}

#[test]
fn a_character_is_deleted_on_either_side() {
    becomes("abc", &[Key::Backspace], "ab|");
    becomes("abc", &[Key::Ctrl('h')], "ab|");
    becomes("abc", &[Key::Home, Key::Delete], "|bc");
    becomes("abc", &[Key::Home, Key::Ctrl('d')], "|bc");
    becomes("abc", &[Key::Home, Key::Backspace], "|abc");
    becomes("a👨‍👩‍👧", &[Key::Backspace], "a|");
    becomes("ae\u{301}", &[Key::Left, Key::Delete], "a|");
}

#[test]
fn words_and_sides_are_cut_and_put_back() {
    becomes("a b/c  ", &[Key::Ctrl('w')], "a |");
    becomes("a b/c", &[Key::DeleteWordLeft], "a b/|");
    becomes("a b", &[Key::Home, Key::DeleteWordRight], "| b");
    becomes("a b", &[Key::Left, Key::Ctrl('u')], "|b");
    becomes("a b", &[Key::Left, Key::Ctrl('k')], "a |");
    becomes("a b", &[Key::Left, Key::Ctrl('u'), Key::End, Key::Ctrl('y')], "ba |");
    becomes("a b", &[Key::Ctrl('y')], "a b|");
}

#[test]
fn cuts_in_a_row_are_put_back_as_one() {
    becomes("a b c", &[Key::Ctrl('w'), Key::Ctrl('w'), Key::Ctrl('y'), Key::Ctrl('y')], "a b cb c|");
    becomes("a b c", &[Key::Home, Key::DeleteWordRight, Key::DeleteWordRight, Key::Ctrl('y')], "a b| c");
    becomes("a b c", &[Key::Ctrl('w'), Key::Left, Key::Ctrl('w'), Key::Ctrl('y')], "a b| ");
}

#[test]
fn two_characters_are_exchanged() {
    becomes("ab", &[Key::Ctrl('t')], "ba|");
    becomes("abc", &[Key::Left, Key::Ctrl('t')], "acb|");
    becomes("a語", &[Key::Ctrl('t')], "語a|");
    becomes("a", &[Key::Ctrl('t')], "a|");
    becomes("ab", &[Key::Home, Key::Ctrl('t')], "|ab");
}

#[test]
fn changes_are_taken_back_word_by_word_and_act_by_act() {
    let undo = Key::Ctrl('_');
    becomes("one two", &[undo], "one |");
    becomes("one two", &[undo, undo, undo], "|");
    becomes("one", &[Key::Backspace, Key::Backspace, undo], "one|");
    becomes("one", &[Key::Ctrl('u'), undo], "one|");
    becomes("one", &[Key::Ctrl('c'), undo], "one|");
    becomes("ab", &[Key::Ctrl('t'), undo], "ab|");
    assert_eq!(with("").press(undo), Outcome::Nothing);
}

#[test]
fn only_so_much_can_be_taken_back() {
    let mut editor = with("");
    for _ in 0..1000 {
        press(&mut editor, &[Key::Char('a'), Key::Ctrl('t'), Key::Left]);
    }
    assert!(editor.steps.len() <= MAX_STEPS);
    paste(&mut editor, &"x".repeat(MAX_LINE));
    for _ in 0..1000 {
        press(&mut editor, &[Key::Ctrl('t'), Key::Left]);
    }
    assert!(editor.steps.iter().map(Draft::end).sum::<usize>() <= MAX_STEP_BYTES);
    assert_eq!(editor.press(Key::Ctrl('_')), Outcome::Changed);
}

#[test]
fn enter_submits_the_whole_line_and_an_empty_one_follows() {
    let mut editor = with("hi");
    editor.press(Key::Home);
    assert_eq!(submitted(&mut editor), Typed { text: "hi".to_owned(), may_be_command: true });
    assert_eq!(shown(&editor), "|");
    assert_eq!(submitted(&mut editor).text, "");
    assert_eq!(editor.press(Key::Ctrl('_')), Outcome::Nothing, "what was said cannot be taken back");
}

#[test]
fn ctrl_c_clears_a_line_and_interrupts_on_an_empty_one() {
    let mut editor = with("hi");
    assert_eq!(editor.press(Key::Ctrl('c')), Outcome::Changed);
    assert_eq!(editor.text(), "");
    assert_eq!(editor.press(Key::Ctrl('c')), Outcome::Interrupted);
}

#[test]
fn ctrl_d_ends_on_an_empty_line_only() {
    let mut editor = with("a");
    assert_eq!(editor.press(Key::Ctrl('d')), Outcome::Nothing, "there is nothing behind the cursor");
    editor.press(Key::Backspace);
    assert_eq!(editor.press(Key::Ctrl('d')), Outcome::Ended);
}

#[test]
fn what_others_have_to_do_is_told() {
    let mut editor = with("a");
    assert_eq!(editor.press(Key::Tab), Outcome::Complete);
    assert_eq!(editor.press(Key::Ctrl('l')), Outcome::Redraw);
    assert_eq!(editor.press(Key::Ctrl('z')), Outcome::Suspended);
    for key in
        [Key::BackTab, Key::Alt('x'), Key::Ctrl('q'), Key::Ctrl('g'), Key::Right, Key::End, Key::Down, Key::PasteEnd]
    {
        assert_eq!(editor.press(key), Outcome::Nothing, "{key:?}");
    }
    assert_eq!(editor.press(Key::Left), Outcome::Changed);
}

#[test]
fn older_lines_are_recalled_and_the_begun_one_stands_below_them() {
    let mut editor = after(remembering(&["one", "two"]), "half");
    for (key, expected) in [
        (Key::Up, "two|"),
        (Key::Ctrl('p'), "one|"),
        (Key::Up, "one|"),
        (Key::Ctrl('n'), "two|"),
        (Key::Down, "half|"),
        (Key::Down, "half|"),
    ] {
        editor.press(key);
        assert_eq!(shown(&editor), expected);
    }
}

#[test]
fn a_recalled_line_that_was_changed_is_submitted_as_it_stands() {
    let mut editor = remembering(&["one", "two"]);
    press(&mut editor, &[Key::Up, Key::Char('!')]);
    assert_eq!(submitted(&mut editor).text, "two!");
    assert_eq!(editor.history().entries().collect::<Vec<_>>(), ["one", "two", "two!"]);
    editor.press(Key::Up);
    assert_eq!(editor.text(), "two!");
}

#[test]
fn new_lines_are_told_once_for_the_file() {
    let mut editor = with("one");
    submitted(&mut editor);
    let mut editor = after(editor, "one");
    submitted(&mut editor);
    let mut editor = after(editor, "two");
    submitted(&mut editor);
    assert_eq!(editor.take_new_entries().as_deref(), Some("one\ntwo\n"));
    assert_eq!(editor.take_new_entries(), None);
}

#[test]
fn answers_are_not_kept_and_recall_nothing() {
    let mut editor = remembering(&["one"]);
    editor.set_recording(false);
    for key in [Key::Up, Key::Down, CTRL_R] {
        assert_eq!(editor.press(key), Outcome::Nothing);
    }
    let mut editor = after(editor, "yes");
    assert_eq!(submitted(&mut editor).text, "yes");
    editor.set_recording(true);
    assert_eq!(editor.take_new_entries(), None);
    editor.press(Key::Up);
    assert_eq!(editor.text(), "one");
}

fn search(editor: &Editor) -> Option<(&str, bool)> {
    editor.searching().map(|search| (search.pattern, search.matches))
}

#[test]
fn a_search_shows_the_newest_line_with_its_pattern_and_again_an_older_one() {
    let mut editor = after(remembering(&["send a", "hello", "send b", "send b!"]), "half");
    press(&mut editor, &[CTRL_R, Key::Char('n'), Key::Char('d')]);
    assert_eq!((shown(&editor).as_str(), search(&editor)), ("se|nd b!", Some(("nd", true))));
    press(&mut editor, &[CTRL_R, CTRL_R]);
    assert_eq!(shown(&editor), "se|nd a");
    editor.press(CTRL_R);
    assert_eq!((shown(&editor).as_str(), search(&editor)), ("se|nd a", Some(("nd", false))));
}

#[test]
fn a_search_goes_on_from_the_line_that_it_shows_and_back_with_a_shorter_pattern() {
    let mut editor = remembering(&["ab", "a"]);
    press(&mut editor, &[CTRL_R, Key::Char('a')]);
    assert_eq!(editor.text(), "a");
    editor.press(Key::Char('b'));
    assert_eq!(editor.text(), "ab");
    editor.press(Key::Char('c'));
    assert_eq!(search(&editor), Some(("abc", false)));
    press(&mut editor, &[Key::Backspace, Key::Backspace]);
    assert_eq!((editor.text(), search(&editor)), ("a", Some(("a", true))));
    editor.press(Key::Backspace);
    assert_eq!((editor.text(), search(&editor)), ("", Some(("", true))));
}

#[test]
fn a_search_is_cancelled_and_the_line_is_as_before() {
    for key in [Key::Ctrl('g'), Key::Ctrl('c')] {
        let mut editor = after(remembering(&["one"]), "half");
        assert_eq!(press(&mut editor, &[Key::Left, CTRL_R, Key::Char('o'), key]), Outcome::Changed);
        assert_eq!((shown(&editor).as_str(), search(&editor)), ("hal|f", None));
    }
}

#[test]
fn what_was_found_is_taken_by_other_keys_which_then_work_on_it() {
    for (key, expected) in [
        (Key::Ctrl('e'), "one two|"),
        (Key::Left, "one| two"),
        (Key::Alt('x'), "one |two"),
        (Key::Ctrl('k'), "one |"),
        (Key::BackTab, "one |two"),
    ] {
        let mut editor = remembering(&["zero", "one two", "three"]);
        assert_eq!(press(&mut editor, &[CTRL_R, Key::Char('t'), Key::Char('w'), key]), Outcome::Changed);
        assert_eq!((shown(&editor).as_str(), search(&editor)), (expected, None), "{key:?}");
        editor.press(Key::Up);
        assert_eq!(editor.text(), "zero", "one stands in the history there");
    }
}

#[test]
fn enter_submits_what_was_found() {
    let mut editor = remembering(&["one"]);
    press(&mut editor, &[CTRL_R, Key::Char('n')]);
    assert_eq!(submitted(&mut editor), Typed { text: "one".to_owned(), may_be_command: true });
}

#[test]
fn a_search_begun_with_nothing_uses_the_last_pattern() {
    let mut editor = remembering(&["one", "two"]);
    press(&mut editor, &[CTRL_R, Key::Char('n'), Key::Home, CTRL_R, CTRL_R]);
    assert_eq!((editor.text(), search(&editor)), ("one", Some(("n", true))));
}

#[test]
fn a_paste_widens_the_pattern_and_a_pattern_has_a_bound() {
    let mut editor = remembering(&["one two"]);
    editor.press(CTRL_R);
    paste(&mut editor, "e\n t");
    assert_eq!(search(&editor), Some(("e t", true)));
    paste(&mut editor, &"é".repeat(10_000));
    assert!(editor.searching().unwrap().pattern.len() <= 200);
}

#[test]
fn a_paste_of_several_lines_is_one_line_and_no_command() {
    let mut editor = with("");
    assert_eq!(paste(&mut editor, "exit\nexit"), Outcome::Changed);
    assert_eq!(shown(&editor), "exit\nexit|");
    assert_eq!(submitted(&mut editor), Typed { text: "exit\nexit".to_owned(), may_be_command: false });
}

#[test]
fn a_pasted_path_behind_a_typed_command_is_its_path() {
    let mut editor = with("transfer ");
    paste(&mut editor, "/tmp/a b");
    assert_eq!(submitted(&mut editor), Typed { text: "transfer /tmp/a b".to_owned(), may_be_command: true });
}

#[test]
fn what_was_pasted_does_not_become_a_command_by_any_key() {
    let mut editor = with("");
    paste(&mut editor, "exit");
    for keys in [
        &[][..],
        &[Key::Ctrl('w'), Key::Ctrl('y')],
        &[Key::Ctrl('w'), Key::Ctrl('_')],
        &[Key::Ctrl('t'), Key::Ctrl('t')],
        &[Key::Ctrl('c'), Key::Ctrl('_')],
        &[Key::Up, Key::Down],
        &[CTRL_R, Key::Ctrl('g')],
    ] {
        press(&mut editor, keys);
        assert_eq!(editor.text(), "exit", "{keys:?}");
        assert!(!editor.draft.may_be_command(), "{keys:?}");
    }
    let aside = editor.set_aside();
    assert_eq!(editor.text(), "");
    editor.restore(aside);
    assert!(!submitted(&mut editor).may_be_command);
}

#[test]
fn what_was_pasted_does_not_become_a_command_when_it_is_recalled() {
    for (text, recalled) in [("exit", "/say exit"), ("exit\nb", "exit\nb")] {
        let mut editor = with("");
        paste(&mut editor, text);
        submitted(&mut editor);
        editor.press(Key::Up);
        assert_eq!(editor.text(), recalled);
    }
    let mut editor = remembering(&["exit\nb"]);
    press(&mut editor, &[Key::Up, Key::Backspace, Key::Backspace]);
    assert_eq!(submitted(&mut editor), Typed { text: "exit".to_owned(), may_be_command: false });
}

#[test]
fn a_character_that_may_have_been_pasted_counts_as_pasted() {
    let mut editor = with("");
    press(&mut editor, &"exit".chars().map(Key::Pasted).collect::<Vec<_>>());
    assert_eq!(submitted(&mut editor), Typed { text: "exit".to_owned(), may_be_command: false });
}

#[test]
fn control_characters_do_not_get_into_the_line() {
    let mut editor = with("");
    paste(&mut editor, "a\tb\n\x1b[31mc\u{9b}\x7fd\r");
    assert_eq!(editor.text(), "a\tb\n[31mcd");
    assert_eq!(editor.press(Key::Char('\x07')), Outcome::Nothing);
    editor.set_line("x\x1by\tz");
    assert_eq!(editor.text(), "xy\tz");
}

#[test]
fn a_key_that_finds_no_room_is_told_once_in_a_row() {
    let mut editor = with("");
    editor.set_line(&"x".repeat(MAX_LINE - 1));
    assert_eq!(editor.press(Key::Char('é')), Outcome::NoRoom);
    assert_eq!(editor.press(Key::Char('é')), Outcome::Nothing);
    assert_eq!(editor.press(Key::Char('y')), Outcome::Changed);
    assert_eq!(editor.press(Key::Char('z')), Outcome::NoRoom);
    editor.press(Key::Left);
    assert_eq!(editor.press(Key::Char('z')), Outcome::NoRoom);
    assert_eq!(editor.text().len(), MAX_LINE);
    submitted(&mut editor);
    assert_eq!((editor.take_left_out(), editor.take_left_out()), (6, 0), "counted when the line is submitted");
}

#[test]
fn fault_10_a_paste_of_ten_megabytes_leaves_a_full_line_and_is_counted() {
    const PIECE: &str = "0123456789abcdef";
    const PIECES: usize = 10_000_000 / PIECE.len();
    let mut editor = with("typed ");
    editor.press(Key::PasteBegin);
    for c in std::iter::repeat_n(PIECE, PIECES).flat_map(str::chars) {
        editor.press(Key::Pasted(c));
    }
    let held = editor.paste.as_ref().unwrap().text.capacity();
    assert!(held <= 2 * MAX_LINE, "{held} bytes are held");
    assert_eq!(
        editor.press(Key::PasteEnd),
        Outcome::Full { dropped: PIECES * PIECE.len() - (MAX_LINE - "typed ".len()) }
    );
    assert_eq!(editor.text().len(), MAX_LINE);
    assert!(editor.text().starts_with("typed 0123"));
    assert_eq!(editor.steps.len(), 2, "it is one step");
}

#[test]
fn a_paste_that_was_cut_has_no_holes() {
    let mut editor = with("");
    editor.set_line(&"x".repeat(MAX_LINE - 1));
    assert_eq!(paste(&mut editor, "éa"), Outcome::Full { dropped: 3 });
    assert!(!editor.text().ends_with('a'));
}

#[test]
fn a_paste_goes_where_the_cursor_stands_also_when_a_key_comes_before_its_end() {
    let mut editor = with("ad");
    press(&mut editor, &[Key::Left, Key::PasteBegin, Key::Pasted('b'), Key::Char('c')]);
    assert_eq!(shown(&editor), "abc|d");
}

#[test]
fn a_line_that_grew_under_a_paste_stays_within_its_bound() {
    let mut editor = with("");
    editor.press(Key::PasteBegin);
    press(&mut editor, &[Key::Pasted('a'), Key::Pasted('b')]);
    editor.set_line(&"x".repeat(MAX_LINE - 1));
    assert_eq!(editor.press(Key::PasteEnd), Outcome::Full { dropped: 1 });
    assert!(editor.text().ends_with("xa"));
}

#[test]
fn a_completion_takes_the_place_of_what_it_completes_and_may_be_a_command() {
    let mut editor = with("tra x");
    press(&mut editor, &[Key::Home, Key::WordRight]);
    assert!(editor.insert_completion(0..3, "transfer"));
    assert_eq!(shown(&editor), "transfer| x");
    editor.press(Key::Ctrl('_'));
    assert_eq!(shown(&editor), "tra| x");
    assert!(editor.insert_completion(0..3, "transfer"));
    assert!(submitted(&mut editor).may_be_command);
}

#[test]
fn a_completion_of_something_pasted_stays_pasted() {
    let mut editor = with("");
    paste(&mut editor, "ex");
    assert!(editor.insert_completion(0..2, "exit"));
    assert_eq!(submitted(&mut editor), Typed { text: "exit".to_owned(), may_be_command: false });
}

#[test]
fn a_completion_that_cannot_be_put_in_changes_nothing() {
    let mut editor = with("é");
    assert!(!editor.insert_completion(0..2, "a\nb"));
    assert!(!editor.insert_completion(0..2, &"x".repeat(MAX_LINE + 1)));
    assert!(!editor.insert_completion(1..2, "x"));
    assert!(!editor.insert_completion(0..3, "x"));
    assert_eq!(shown(&editor), "é|");
}

#[test]
fn who_never_takes_new_entries_keeps_a_bounded_number() {
    let mut editor = with("");
    for n in 0..3 * MAX_UNSAVED / MAX_LINE {
        editor.set_line(&format!("{n:0MAX_LINE$}"));
        submitted(&mut editor);
        assert!(editor.unsaved.len() <= MAX_UNSAVED);
    }
}

/// The names between backquotes in the first column of the table that stands in the docs.
fn table() -> Vec<String> {
    let rows = include_str!("editor.rs").lines().filter_map(|line| line.strip_prefix("//! | `"));
    let first = rows.filter_map(|row| row.split(" | ").next());
    first
        .flat_map(|keys| keys.split('`').filter(|key| !key.trim().is_empty()).map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

/// Whether the key does something, in one of the states that an editor can be in.
fn does_something(key: Key) -> bool {
    let states: [&[Key]; 5] = [
        &[],
        &[Key::Char('a'), Key::Char(' '), Key::Char('b'), Key::Left],
        &[Key::Char('a'), Key::Ctrl('u')],
        &[Key::Up],
        &[CTRL_R],
    ];
    // In a search every key does something: it ends it.
    let only_there = key == Key::Ctrl('g');
    states.iter().enumerate().any(|(n, keys)| {
        let mut editor = remembering(&["one", "two"]);
        press(&mut editor, keys);
        (n < 4 || only_there) && editor.press(key) != Outcome::Nothing
    })
}

#[test]
fn the_table_in_the_docs_names_every_key_that_does_something_and_no_other() {
    let named = [
        Key::Enter,
        Key::Tab,
        Key::BackTab,
        Key::Backspace,
        Key::Delete,
        Key::Left,
        Key::Right,
        Key::Up,
        Key::Down,
        Key::Home,
        Key::End,
        Key::WordLeft,
        Key::WordRight,
        Key::DeleteWordLeft,
        Key::DeleteWordRight,
    ];
    let with_ctrl = ('@'..='_').map(|c| Key::Ctrl(c.to_ascii_lowercase()));
    let mut expected: Vec<String> = named
        .into_iter()
        .chain(with_ctrl)
        .filter(|key| does_something(*key))
        .map(|key| match key {
            Key::Ctrl(c) => format!("Ctrl-{}", c.to_ascii_uppercase()),
            key => format!("{key:?}"),
        })
        .collect();
    let mut found = table();
    expected.sort();
    found.sort();
    found.dedup();
    assert_eq!(found, expected);
}

proptest! {
    #[test]
    fn undo_leads_back_to_the_beginning(keys in proptest::collection::vec(key(), 0..60)) {
        let mut editor = after(remembering(&["a", "bab"]), "begun ");
        press(&mut editor, &[Key::Left, Key::Right]); // what follows is a step of its own
        editor.steps.clear();
        for key in keys {
            // Each of these ends the line or the search that is taken back.
            if !matches!(key, Key::Enter | Key::Ctrl('_')) {
                editor.press(key);
            }
        }
        press(&mut editor, &[Key::PasteEnd, Key::Ctrl('g')]);
        while editor.press(Key::Ctrl('_')) == Outcome::Changed {}
        prop_assert_eq!(editor.text(), "begun ");
    }
}

fn key() -> impl Strategy<Value = Key> {
    prop_oneof![
        3 => proptest::sample::select(vec!['a', ' ', 'é', '\u{301}', '👩', '\u{200d}', '🇩']).prop_map(Key::Char),
        1 => proptest::sample::select(vec!['b', '\n', '\u{301}']).prop_map(Key::Pasted),
        3 => proptest::char::range('a', 'z').prop_map(Key::Ctrl),
        3 => proptest::sample::select(vec![
            Key::Backspace, Key::Delete, Key::Left, Key::Right, Key::Up, Key::Down, Key::Home, Key::End, Key::WordLeft,
            Key::WordRight, Key::DeleteWordLeft, Key::DeleteWordRight, Key::PasteBegin, Key::PasteEnd, Key::Alt('x'),
        ]),
    ]
}

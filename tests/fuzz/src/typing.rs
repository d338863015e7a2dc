//! Bytes as a terminal sends them, all the way into the line that is being written.
//!
//! Owns: what is to be true of keys and of the line after each of them. Must not know: who types.

use tete::term::editor::{Editor, Outcome};
use tete::term::history::{History, MAX_ENTRIES};
use tete::term::keys::{Key, Keys};
use tete::term::lines::MAX_LINE;
use unicode_segmentation::GraphemeCursor;

/// The keys are the same however the bytes are cut; whatever they are, the cursor stands between what a person sees as
/// characters, the line and the history stay within their bounds and hold no control characters, and nothing that was
/// not typed becomes a command.
pub(crate) fn line_editor(data: &[u8]) {
    let (mut keys, mut whole) = (Vec::new(), Vec::new());
    Keys::new().feed(data, &mut whole);
    let mut parser = Keys::new();
    // Cuts that the data choose.
    let mut rest = data;
    while let Some(first) = rest.first() {
        let (piece, left) = rest.split_at(rest.len().min(usize::from(*first % 7) + 1));
        parser.feed(piece, &mut keys);
        rest = left;
    }
    assert_eq!(keys, whole);

    let mut editor = Editor::new(History::parse("one\ntransfer a b.txt\ntwo\\nlines\n"));
    let mut is_inside = false;
    for key in whole {
        match key {
            Key::PasteBegin => assert!(!std::mem::replace(&mut is_inside, true)),
            Key::PasteEnd => assert!(std::mem::replace(&mut is_inside, false)),
            key => assert!(!is_inside || matches!(key, Key::Pasted(_)), "{key:?} in a paste"),
        }
        match editor.press(key) {
            Outcome::Complete => {
                let cursor = editor.cursor();
                editor.insert_completion(0..cursor, "transfer ");
            }
            Outcome::Submitted(typed) => {
                assert!(is_clean(&typed.text), "{:?}", typed.text);
                assert!(!typed.may_be_command || !typed.text.contains('\n'), "{:?}", typed.text);
            }
            _ => {}
        }
        check(&editor);
    }
    assert!(editor.history().len() <= MAX_ENTRIES);
    let text = editor.history().text();
    let read = History::parse(&text);
    assert!(read.entries().eq(editor.history().entries()), "{text:?}");
}

fn check(editor: &Editor) {
    let (text, cursor) = (editor.text(), editor.cursor());
    assert!(is_clean(text), "{text:?}");
    assert!(text.len() <= MAX_LINE);
    let is_between = GraphemeCursor::new(cursor, text.len(), true).is_boundary(text, 0);
    assert_eq!(is_between, Ok(true), "{text:?} at {cursor}");
    if let Some(search) = editor.searching() {
        assert!(!search.pattern.contains(char::is_control));
    }
}

fn is_clean(text: &str) -> bool {
    text.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\t'))
}

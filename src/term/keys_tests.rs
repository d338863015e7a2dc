//! Bytes as terminals send them, and the keys that they are.

use proptest::prelude::*;

use super::*;

fn keys(bytes: &[u8]) -> Vec<Key> {
    let mut out = Vec::new();
    Keys::new().feed(bytes, &mut out);
    out
}

/// Checks that the bytes are this one key, also with typing around them.
#[track_caller]
fn is(bytes: &str, key: Key) {
    assert_eq!(keys(bytes.as_bytes()), [key], "{bytes:?}");
    assert_eq!(keys(format!("a{bytes}b").as_bytes()), [Key::Char('a'), key, Key::Char('b')], "{bytes:?}");
}

/// Checks that the bytes are no key and hide none.
#[track_caller]
fn is_nothing(bytes: &str) {
    assert_eq!(keys(format!("a{bytes}b").as_bytes()), [Key::Char('a'), Key::Char('b')], "{bytes:?}");
}

#[test]
fn characters_are_themselves() {
    for c in ['a', 'Z', ' ', '~', 'é', '語', '😀', '\u{301}', '\u{200d}'] {
        is(&c.to_string(), Key::Char(c));
    }
}

#[test]
fn control_characters_are_keys_with_ctrl_or_have_a_name() {
    for letter in 'a'..='z' {
        let key = match letter {
            'h' => Key::Backspace,
            'i' => Key::Tab,
            'j' | 'm' => Key::Enter,
            letter => Key::Ctrl(letter),
        };
        is(&char::from(letter as u8 - b'`').to_string(), key);
    }
    for (byte, c) in [('\0', '@'), ('\x1c', '\\'), ('\x1d', ']'), ('\x1e', '^'), ('\x1f', '_')] {
        is(&byte.to_string(), Key::Ctrl(c));
    }
    is("\x7f", Key::Backspace);
}

#[test]
fn arrows_home_and_end_come_in_every_dialect() {
    for (key, forms) in [
        (Key::Up, ["\x1b[A", "\x1bOA", "\x1b[1;2A", "\x1b[1;5A", "\x1b[a"]),
        (Key::Down, ["\x1b[B", "\x1bOB", "\x1b[1;2B", "\x1bOb", "\x1b[b"]),
        (Key::Right, ["\x1b[C", "\x1bOC", "\x1b[1;2C", "\x1b[1C", "\x1b[c"]),
        (Key::Left, ["\x1b[D", "\x1bOD", "\x1b[1;2D", "\x1b[1;1D", "\x1b[d"]),
        (Key::Home, ["\x1b[H", "\x1bOH", "\x1b[1~", "\x1b[7~", "\x1b[1;5H"]),
        (Key::End, ["\x1b[F", "\x1bOF", "\x1b[4~", "\x1b[8~", "\x1b[8^"]),
    ] {
        forms.into_iter().for_each(|form| is(form, key));
    }
    is("\x1b[3~", Key::Delete);
    is("\x1b[3;2~", Key::Delete);
    is("\x1b[Z", Key::BackTab);
}

#[test]
fn words_are_moved_by_and_deleted_in_every_dialect() {
    for (key, forms) in [
        (Key::WordLeft, vec!["\x1bb", "\x1b[1;3D", "\x1b[1;5D", "\x1b[1;7D", "\x1bOd", "\x1b\x1b[D", "\x1bO5D"]),
        (Key::WordRight, vec!["\x1bf", "\x1b[1;3C", "\x1b[1;5C", "\x1b[1;9C", "\x1bOc", "\x1b\x1b[C", "\x1bO1;5C"]),
        (Key::DeleteWordLeft, vec!["\x1b\x7f", "\x1b\x08", "\x1b[127;5u", "\x1b[127;3u", "\x1b[27;5;127~"]),
        (Key::DeleteWordRight, vec!["\x1bd", "\x1b[3;5~", "\x1b[3;3~", "\x1b[3^", "\x1b\x1b[3~", "\x1b[100;3u"]),
    ] {
        forms.into_iter().for_each(|form| is(form, key));
    }
}

#[test]
fn other_keys_with_alt_are_told_as_such() {
    for c in ['x', '.', '<', 'B', 'é', '語', ' '] {
        is(&format!("\x1b{c}"), Key::Alt(c));
    }
}

#[test]
fn keys_told_by_their_character_are_what_they_would_have_been() {
    is("\x1b[13u", Key::Enter);
    is("\x1b[13;2u", Key::Enter);
    is("\x1b[27;5;13~", Key::Enter);
    is("\x1b[9;2u", Key::BackTab);
    is("\x1b[127u", Key::Backspace);
    is("\x1b[97;5u", Key::Ctrl('a'));
    is("\x1b[105;5u", Key::Tab);
    is("\x1b[97u", Key::Char('a'));
    is("\x1b[233u", Key::Char('é'));
    is("\x1b[97:65;1u", Key::Char('a'));
}

#[test]
fn the_keypad_is_typed_also_in_its_application_mode() {
    is("\x1bOM", Key::Enter);
    is("\x1bOp", Key::Char('0'));
    is("\x1bOy", Key::Char('9'));
    is("\x1bOk", Key::Char('+'));
}

#[test]
fn escape_alone_does_nothing_and_hides_no_key() {
    assert_eq!(keys(b"\x1b"), []);
    assert_eq!(keys(b"\x1b\r"), [Key::Enter]);
    assert_eq!(keys(b"\x1b\x1b\x1b\r"), [Key::Enter]);
    assert_eq!(keys(b"\x1b\x1b[A"), [Key::Up]);
    assert_eq!(keys(b"\x1b\x03"), [Key::Ctrl('c')]);
}

#[test]
fn unknown_sequences_are_swallowed_whole() {
    for sequence in [
        "\x1b[5~",
        "\x1b[6~",
        "\x1b[2~",
        "\x1b[15;5~",
        "\x1bOP",
        "\x1bOS",
        "\x1b[[A",
        "\x1b[[E",
        "\x1b[7$",
        "\x1b[3$",
        "\x1b[P",
        "\x1b[29~",
        "\x1b[99;99;99q",
        "\x1b[E",
        "\x1b[27;5;27~",
        "\x1b[57358u",
        "\x1b[999999999999999999~",
    ] {
        is_nothing(sequence);
    }
}

#[test]
fn reports_of_mice_focus_and_the_terminal_are_swallowed() {
    for report in [
        "\x1b[M !!",
        "\x1b[M\x20~~",
        "\x1b[<0;10;20M",
        "\x1b[<0;10;20m",
        "\x1b[32;10;20M",
        "\x1b[I",
        "\x1b[O",
        "\x1b[?62;22c",
        "\x1b[>1;10;0c",
        "\x1b[12;40R",
        "\x1b[?1;2R",
        "\x1b[?2026;2$y",
        "\x1b[8;24;80t",
        "\x1b[?997;1n",
        "\x1b[0n",
        "\x1b]11;rgb:0000/0000/0000\x07",
        "\x1b]11;rgb:ffff/ffff/ffff\x1b\\",
        "\x1bP>|XTerm(380)\x1b\\",
        "\x1bP1$r0m\x1b\\",
        "\x1b_Gi=31;OK\x1b\\",
        "\x1b^x\x1b\\",
        "\x1bXx\x1b\\",
    ] {
        is_nothing(report);
    }
}

#[test]
fn the_bytes_of_a_mouse_beyond_ascii_are_swallowed() {
    assert_eq!(keys(b"a\x1b[M \xc3\xa9b"), [Key::Char('a'), Key::Char('b')]);
    assert_eq!(keys(b"a\x1b[M \xff\xfeb"), [Key::Char('a'), Key::Char('b')]);
}

#[test]
fn a_control_character_ends_whatever_stands_unfinished() {
    for begun in
        ["\x1b[", "\x1b[1;", "\x1b[?", "\x1bO", "\x1b]0;title", "\x1bPq", "\x1b_x", "\x1b[M ", "\x1b[[", "\x1b"]
    {
        assert_eq!(keys(format!("{begun}\rb").as_bytes()), [Key::Enter, Key::Char('b')], "{begun:?}");
        assert_eq!(keys(format!("{begun}\x03b").as_bytes()), [Key::Ctrl('c'), Key::Char('b')], "{begun:?}");
    }
}

#[test]
fn a_sequence_that_begins_inside_another_one_is_whole() {
    for begun in ["\x1b[1;", "\x1b[?", "\x1bO", "\x1b]0;title", "\x1b[3 "] {
        assert_eq!(keys(format!("{begun}\x1b[Ab").as_bytes()), [Key::Up, Key::Char('b')], "{begun:?}");
    }
}

#[test]
fn fault_9_what_is_not_utf8_becomes_a_replacement_character() {
    let bad = Key::Char('\u{fffd}');
    assert_eq!(keys(b"\xff"), [bad]);
    assert_eq!(keys(b"a\xe2\x82b"), [Key::Char('a'), bad, Key::Char('b')]);
    assert_eq!(keys(b"\xe2\x82\r"), [bad, Key::Enter]);
    assert_eq!(keys(b"\xe2\x82\x1b[A"), [bad, Key::Up]);
    assert_eq!(keys(b"\xf0\x9f\xf0\x9f\x98\x80"), [bad, Key::Char('😀')]);
}

#[test]
fn c1_control_characters_are_dropped_typed_or_pasted() {
    is_nothing("\u{85}");
    is_nothing("\u{9b}");
    assert_eq!(keys("\x1b[200~\u{9b}x\x1b[201~".as_bytes()), [Key::PasteBegin, Key::Pasted('x'), Key::PasteEnd]);
}

fn pasted(text: &str) -> Vec<Key> {
    keys(format!("\x1b[200~{text}\x1b[201~").as_bytes())
        .into_iter()
        .filter(|key| !matches!(key, Key::PasteBegin | Key::PasteEnd))
        .collect()
}

#[test]
fn a_paste_stands_between_its_ends() {
    let expected = [Key::Char('a'), Key::PasteBegin, Key::Pasted('é'), Key::Pasted(' '), Key::PasteEnd, Key::Char('b')];
    assert_eq!(keys("a\x1b[200~é \x1b[201~b".as_bytes()), expected);
}

#[test]
fn line_ends_of_every_system_are_one_line_break_inside_a_paste() {
    let expected = [Key::Pasted('a'), Key::Pasted('\n'), Key::Pasted('b')];
    for end in ["\n", "\r", "\r\n"] {
        assert_eq!(pasted(&format!("a{end}b")), expected, "{end:?}");
    }
    assert_eq!(pasted("\r\r\n\n"), [Key::Pasted('\n'); 3]);
}

#[test]
fn sequences_and_control_characters_are_dropped_inside_a_paste() {
    let expected = [Key::Pasted('a'), Key::Pasted('b')];
    for dropped in
        ["\x1b[31m", "\x1b[A", "\x1b[200~", "\x1b]0;t\x07", "\x1bb", "\x1b\x7f", "\x04", "\x07", "\x7f", "\x1bOA"]
    {
        assert_eq!(pasted(&format!("a{dropped}b")), expected, "{dropped:?}");
    }
    assert_eq!(pasted("\t"), [Key::Pasted('\t')]);
}

#[test]
fn an_end_of_a_paste_without_a_beginning_is_nothing() {
    is_nothing("\x1b[201~");
}

#[test]
fn ctrl_c_ends_a_paste_whose_end_never_comes() {
    let found = keys(b"\x1b[200~ab\x03\x1b[A\r\x04");
    let expected = [
        Key::PasteBegin,
        Key::Pasted('a'),
        Key::Pasted('b'),
        Key::PasteEnd,
        Key::Ctrl('c'),
        Key::Up,
        Key::Enter,
        Key::Ctrl('d'),
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_pasted_ctrl_c_makes_no_typing_of_what_stands_behind_it() {
    let found = keys(b"\x1b[200~\x03exit\r\x1b[201~a");
    let characters: Vec<_> = "exit".chars().map(Key::Pasted).collect();
    assert_eq!(found[3..7], characters);
    assert_eq!(found[7..], [Key::Enter, Key::Char('a')], "the end mark that comes after all ends the doubt");
}

#[test]
fn the_next_whole_paste_ends_the_doubt_that_a_lost_end_left() {
    let found = keys(b"\x1b[200~\x03a\x1b[200~b\x1b[201~c");
    assert_eq!(found[3..], [Key::Pasted('a'), Key::PasteBegin, Key::Pasted('b'), Key::PasteEnd, Key::Char('c')]);
}

#[test]
fn a_string_that_never_ends_holds_no_memory() {
    let mut keys = Keys::new();
    let mut out = Vec::new();
    keys.feed(b"\x1b]52;", &mut out);
    for _ in 0..1000 {
        keys.feed(&[b'x'; 1000], &mut out);
    }
    assert_eq!(out.capacity(), 0);
    keys.feed(b"\x03a", &mut out);
    assert_eq!(out, [Key::Ctrl('c'), Key::Char('a')]);
}

/// Pieces that a terminal might send, and bytes that it never would.
fn input() -> impl Strategy<Value = Vec<u8>> {
    let pieces: [&[u8]; 22] = [
        b"\x1b",
        b"[",
        b"O",
        b"\x1b[",
        b"\x1b[1;5",
        b"D",
        b"~",
        b"\x1b[200~",
        b"\x1b[201~",
        b"\r",
        b"\n",
        b"\x03",
        b"\x7f",
        "é".as_bytes(),
        "😀".as_bytes(),
        b"\xf0\x9f",
        b"\xff",
        b"\x1b]0;",
        b"\x07",
        b"M",
        b"$",
        b"abc",
    ];
    let piece = prop_oneof![
        4 => proptest::sample::select(pieces.to_vec()).prop_map(<[u8]>::to_vec),
        1 => any::<u8>().prop_map(|byte| vec![byte]),
    ];
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn bytes_make_the_same_keys_however_they_are_divided(input in input(), sizes in proptest::collection::vec(1..7_usize, 1..8)) {
        let mut divided = Vec::new();
        let mut keys_of_pieces = Keys::new();
        let mut sizes = sizes.iter().cycle();
        let mut rest = input.as_slice();
        while !rest.is_empty() {
            let (piece, left) = rest.split_at(rest.len().min(*sizes.next().unwrap()));
            keys_of_pieces.feed(piece, &mut divided);
            rest = left;
        }
        prop_assert_eq!(divided, keys(&input));
    }

    #[test]
    fn no_input_makes_a_control_character_a_character(input in input()) {
        for key in keys(&input) {
            if let Key::Char(c) | Key::Alt(c) = key {
                prop_assert!(!c.is_control());
            }
            if let Key::Pasted(c) = key {
                prop_assert!(!c.is_control() || matches!(c, '\n' | '\t'));
            }
        }
    }

    #[test]
    fn text_without_control_characters_is_read_as_everybody_reads_utf8(input in proptest::collection::vec(0x20..=0xff_u8, 0..60)) {
        // A space behind it, so that its last character is decided.
        let input: Vec<u8> = input.into_iter().filter(|byte| *byte != 0x7f).chain([b' ']).collect();
        let expected: Vec<_> = String::from_utf8_lossy(&input).chars().filter(|c| !c.is_control()).map(Key::Char).collect();
        prop_assert_eq!(keys(&input), expected);
    }

    #[test]
    fn after_ctrl_c_and_an_end_of_a_paste_every_keyboard_works_again(input in input()) {
        let all = [input.as_slice(), b"\x03\x1b[201~exit\r"].concat();
        let expected: Vec<_> = "exit".chars().map(Key::Char).chain([Key::Enter]).collect();
        prop_assert!(keys(&all).ends_with(&expected));
    }
}

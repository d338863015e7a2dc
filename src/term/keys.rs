//! Turns what a terminal sends into keys.
//!
//! Owns: an unfinished character, an unfinished sequence, whether a paste is under way. Must not know: where bytes come
//! from, what a key does, time.
//!
//! Pure and bounded: how the bytes were divided makes no difference, and nothing is waited for except what ends a
//! sequence. That has two consequences for the Escape key: alone it does nothing, and the key behind it counts as
//! pressed with Alt, as everywhere.
//!
//! What no table here knows is swallowed whole: function keys, and the reports of mice, focus and the terminal itself.
//! A sequence never holds a control character, so one ends whatever stands unfinished and then does what it always
//! does: a lost end makes no keyboard deaf.
//!
//! # Pastes
//!
//! Between the two marks of a [bracketed paste] everything is text: tabs and line breaks (`\r`, `\r\n` and `\n` alike)
//! stay, sequences and other control characters are dropped.
//!
//! A paste whose end mark never comes is ended by Ctrl-C. But a byte 3 may also have been pasted, where a terminal lets
//! it through, and what stands behind it must not be taken for typing: it could be a command, and Enter. So from then on
//! characters still count as pasted ([`Key::Pasted`], outside of a paste), while all other keys work, Enter too; what is
//! submitted is a message then. An end mark that comes after all, that one's or the next paste's, ends the doubt.
//!
//! [bracketed paste]: https://invisible-island.net/xterm/ctlseqs/ctlseqs.html#h2-Bracketed-Paste-Mode

use vte::{Params, Parser, Perform};

/// What was pressed, or pasted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// A character, never a control character. U+FFFD for what is not UTF-8.
    Char(char),
    /// With Ctrl: a lower-case letter, or one of `@ \ ] ^ _`. Those that have a name of their own come as that:
    /// Ctrl-H is [`Backspace`](Self::Backspace), Ctrl-I [`Tab`](Self::Tab), Ctrl-J and Ctrl-M [`Enter`](Self::Enter).
    Ctrl(char),
    /// With Alt, or behind Escape. The moves and cuts by words come under their own names.
    Alt(char),
    /// Enter.
    Enter,
    /// Tab.
    Tab,
    /// Shift-Tab.
    BackTab,
    /// Backspace.
    Backspace,
    /// Delete.
    Delete,
    /// Arrow to the left.
    Left,
    /// Arrow to the right.
    Right,
    /// Arrow up.
    Up,
    /// Arrow down.
    Down,
    /// To the beginning of the line.
    Home,
    /// To the end of the line.
    End,
    /// A word to the left: Ctrl or Alt with the arrow, Alt-B.
    WordLeft,
    /// A word to the right: Ctrl or Alt with the arrow, Alt-F.
    WordRight,
    /// Alt-Backspace, or Ctrl-Backspace where a terminal tells it from Backspace.
    DeleteWordLeft,
    /// Alt-D, Ctrl-Delete.
    DeleteWordRight,
    /// What follows is pasted, up to [`PasteEnd`](Self::PasteEnd).
    PasteBegin,
    /// A pasted character: no control character but `\n` and `\t`. Outside of a paste: one of which it is not certain
    /// that it was typed.
    Pasted(char),
    /// The paste is over.
    PasteEnd,
}

/// Bytes in, keys out. Holds a few hundred bytes, whatever comes.
#[derive(Default)]
pub struct Keys {
    parser: Parser,
    unfinished: Unfinished,
    at: At,
    paste: Paste,
}

/// The first bytes of a character.
#[derive(Clone, Copy, Default)]
struct Unfinished {
    bytes: [u8; 4],
    len: usize,
}

/// Where in a sequence the next character stands.
#[derive(Clone, Copy, Default)]
enum At {
    /// In none.
    #[default]
    Between,
    /// Behind an Escape; behind another one if `again`, which is how rxvt writes Alt with a key that has a sequence.
    Escape { again: bool },
    /// Behind `ESC [`. `is_private`: the first parameter says that this is a report.
    Csi { alt: bool, is_first: bool, is_private: bool },
    /// Behind `ESC O`, with the number that stands there in front of the letter.
    Ss3 { alt: bool, modifier: u16 },
    /// In a string of the terminal's, which nobody here asks for.
    String,
    /// So many bytes are a part of a report.
    Report(u8),
}

#[derive(Clone, Copy, Default)]
enum Paste {
    /// What comes is typed.
    #[default]
    No,
    Inside {
        after_return: bool,
    },
    /// It was ended by a Ctrl-C, which may have been a part of it.
    Doubtful,
}

/// Keys held together with another one, as xterm numbers them, less one.
#[derive(Clone, Copy)]
struct Modifiers(u16);

impl Modifiers {
    const SHIFT: u16 = 1;
    const ALT: u16 = 2;
    const CTRL: u16 = 4;
    const META: u16 = 8;

    /// The parameter as it stands in a sequence, where 0 and absence mean none.
    fn new(parameter: u16, alt: bool) -> Self {
        Self(parameter.saturating_sub(1) | if alt { Self::ALT } else { 0 })
    }

    fn has(self, any: u16) -> bool {
        self.0 & any != 0
    }

    /// Whether arrows go by words.
    fn means_words(self) -> bool {
        self.has(Self::ALT | Self::CTRL | Self::META)
    }
}

/// What `vte` found: at most three parameters are of interest.
#[derive(Default)]
struct Found(Option<Csi>);

struct Csi {
    parameters: [u16; 3],
    last: char,
}

impl Perform for Found {
    fn csi_dispatch(&mut self, params: &Params, intermediates: &[u8], is_cut: bool, last: char) {
        if intermediates.is_empty() && !is_cut {
            let mut parameters = [0; 3];
            for (to, from) in parameters.iter_mut().zip(params) {
                *to = from.first().copied().unwrap_or(0);
            }
            self.0 = Some(Csi { parameters, last });
        }
    }
}

impl Keys {
    /// Nothing has come yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes all of `bytes` and appends the keys that they make. At most three keys a byte.
    pub fn feed(&mut self, bytes: &[u8], keys: &mut Vec<Key>) {
        for byte in bytes {
            self.byte(*byte, keys);
        }
    }

    fn byte(&mut self, byte: u8, keys: &mut Vec<Key>) {
        // The coordinates of a mouse are bytes, not text.
        if let At::Report(left) = self.at
            && byte >= b' '
        {
            self.at = if left > 1 { At::Report(left - 1) } else { At::Between };
            return;
        }
        if self.unfinished.len == 0 && byte.is_ascii() {
            return self.character(char::from(byte), keys);
        }
        self.unfinished.bytes[self.unfinished.len] = byte;
        self.unfinished.len += 1;
        let held = self.unfinished;
        let held = &held.bytes[..held.len];
        match str::from_utf8(held) {
            Ok(text) => {
                self.unfinished.len = 0;
                text.chars().for_each(|c| self.character(c, keys));
            }
            Err(error) => {
                // Only the last byte can have decided it: what stands before it was possible a byte ago.
                let Some(broken) = error.error_len() else { return };
                self.unfinished.len = 0;
                self.character(char::REPLACEMENT_CHARACTER, keys);
                held[broken..].iter().for_each(|byte| self.byte(*byte, keys));
            }
        }
    }

    fn character(&mut self, c: char, keys: &mut Vec<Key>) {
        if c == '\x1b' {
            self.at = At::Escape { again: matches!(self.at, At::Escape { .. }) };
            return;
        }
        if c.is_control() {
            let at = std::mem::take(&mut self.at);
            return match (at, c) {
                (At::Escape { .. }, '\x7f' | '\x08') => self.sequence(Key::DeleteWordLeft, keys),
                // That is how a string may end.
                (At::String, '\x07') => {}
                _ => self.text(c, keys),
            };
        }
        match self.at {
            At::Between => self.text(c, keys),
            At::Escape { again } => self.behind_escape(c, again, keys),
            At::Csi { alt, is_first, is_private } => self.inside_csi(c, alt, is_first, is_private, keys),
            At::Ss3 { alt, modifier } => match c.to_digit(10) {
                Some(digit) => self.at = At::Ss3 { alt, modifier: digit as u16 },
                None if c == ';' => {}
                None => {
                    self.at = At::Between;
                    if let Some(key) = ss3(c, Modifiers::new(modifier, alt)) {
                        self.sequence(key, keys);
                    }
                }
            },
            At::String | At::Report(_) => {}
        }
    }

    fn behind_escape(&mut self, c: char, again: bool, keys: &mut Vec<Key>) {
        self.at = match c {
            '[' => {
                self.parser.advance(&mut Found::default(), b"\x1b[");
                At::Csi { alt: again, is_first: true, is_private: false }
            }
            'O' => At::Ss3 { alt: again, modifier: 0 },
            'P' | 'X' | ']' | '^' | '_' => At::String,
            _ => At::Between,
        };
        // `ESC \` is how strings end.
        if matches!(self.at, At::Between) && c != '\\' {
            self.sequence(with_alt(c), keys);
        }
    }

    fn inside_csi(&mut self, c: char, alt: bool, is_first: bool, is_private: bool, keys: &mut Vec<Key>) {
        let is_private = is_private || is_first && matches!(c, '<' | '=' | '>' | '?');
        self.at = match c {
            // The console of Linux has `ESC [ [ A` for F1, the oldest reports of mice are `ESC [ M` and three bytes.
            '[' if is_first => At::Report(1),
            'M' if is_first => At::Report(3),
            // With Shift, by rxvt. In reports it stands in front of another letter.
            '$' if !is_private => At::Between,
            '\u{40}'..='\u{7e}' => At::Between,
            '\u{20}'..='\u{3f}' => At::Csi { alt, is_first: false, is_private },
            // No sequence holds it: this one was cut off.
            _ => {
                self.at = At::Between;
                return self.text(c, keys);
            }
        };
        let mut found = Found::default();
        self.parser.advance(&mut found, c.encode_utf8(&mut [0; 4]).as_bytes());
        if let Some(key) = found.0.and_then(|csi| csi.key(alt)) {
            self.sequence(key, keys);
        }
    }

    /// A character that belongs to no sequence.
    fn text(&mut self, c: char, keys: &mut Vec<Key>) {
        let Paste::Inside { after_return } = self.paste else {
            return keys.extend(plain(c).map(|key| self.doubted(key)));
        };
        self.paste = Paste::Inside { after_return: c == '\r' };
        match c {
            '\n' if after_return => {}
            '\n' | '\r' => keys.push(Key::Pasted('\n')),
            '\t' => keys.push(Key::Pasted('\t')),
            '\x03' => {
                self.paste = Paste::Doubtful;
                keys.extend([Key::PasteEnd, Key::Ctrl('c')]);
            }
            c if c.is_control() => {}
            c => keys.push(Key::Pasted(c)),
        }
    }

    /// A key that a sequence stands for.
    fn sequence(&mut self, key: Key, keys: &mut Vec<Key>) {
        match (self.paste, key) {
            (Paste::Inside { .. }, Key::PasteEnd) => {
                self.paste = Paste::No;
                keys.push(Key::PasteEnd);
            }
            (Paste::Inside { .. }, _) => {}
            (_, Key::PasteBegin) => {
                self.paste = Paste::Inside { after_return: false };
                keys.push(Key::PasteBegin);
            }
            (_, Key::PasteEnd) => self.paste = Paste::No,
            _ => keys.push(self.doubted(key)),
        }
    }

    fn doubted(&self, key: Key) -> Key {
        match (self.paste, key) {
            (Paste::Doubtful, Key::Char(c)) => Key::Pasted(c),
            _ => key,
        }
    }
}

/// The key of a character that was typed. C1 control characters are nobody's keys.
fn plain(c: char) -> Option<Key> {
    match c {
        '\r' | '\n' => Some(Key::Enter),
        '\t' => Some(Key::Tab),
        '\x08' | '\x7f' => Some(Key::Backspace),
        '\0'..='\x1f' => Some(Key::Ctrl(char::from(c as u8 | 0x40).to_ascii_lowercase())),
        c if c.is_control() => None,
        c => Some(Key::Char(c)),
    }
}

fn with_alt(c: char) -> Key {
    match c {
        'b' => Key::WordLeft,
        'f' => Key::WordRight,
        'd' => Key::DeleteWordRight,
        c => Key::Alt(c),
    }
}

/// `ESC O`, a letter: arrows and keypad in the application modes, Ctrl with arrows by rxvt.
fn ss3(c: char, modifiers: Modifiers) -> Option<Key> {
    match c {
        'M' => Some(Key::Enter),
        'a'..='d' => arrow(c.to_ascii_uppercase(), Modifiers(Modifiers::CTRL)),
        // The keypad sends the character it shows, 64 higher.
        'j'..='y' => Some(Key::Char(char::from(c as u8 - 0x40))),
        c => arrow(c, modifiers),
    }
}

fn arrow(c: char, modifiers: Modifiers) -> Option<Key> {
    Some(match c {
        'A' => Key::Up,
        'B' => Key::Down,
        'C' if modifiers.means_words() => Key::WordRight,
        'C' => Key::Right,
        'D' if modifiers.means_words() => Key::WordLeft,
        'D' => Key::Left,
        'H' => Key::Home,
        'F' => Key::End,
        _ => return None,
    })
}

impl Csi {
    fn key(&self, alt: bool) -> Option<Key> {
        let [first, second, third] = self.parameters;
        let modifiers = Modifiers::new(second, alt);
        match self.last {
            'Z' => Some(Key::BackTab),
            // By rxvt, with Shift.
            'a'..='d' => arrow(self.last.to_ascii_uppercase(), Modifiers::new(0, alt)),
            '~' if first == 27 => modified(third, modifiers),
            '~' => numbered(first, modifiers),
            // By rxvt, with Ctrl, and with Ctrl and Shift.
            '^' | '@' => numbered(first, Modifiers(Modifiers::CTRL)),
            'u' => modified(first, modifiers),
            last => arrow(last, modifiers),
        }
    }
}

fn numbered(number: u16, modifiers: Modifiers) -> Option<Key> {
    match number {
        1 | 7 => Some(Key::Home),
        4 | 8 => Some(Key::End),
        3 if modifiers.means_words() => Some(Key::DeleteWordRight),
        3 => Some(Key::Delete),
        200 => Some(Key::PasteBegin),
        201 => Some(Key::PasteEnd),
        _ => None,
    }
}

/// A key told by the character it has without its modifiers: xterm's `modifyOtherKeys` and `CSI u`.
fn modified(code: u16, modifiers: Modifiers) -> Option<Key> {
    let c = char::from_u32(u32::from(code))?;
    match c {
        '\x08' | '\x7f' if modifiers.means_words() => Some(Key::DeleteWordLeft),
        '\t' if modifiers.has(Modifiers::SHIFT) => Some(Key::BackTab),
        // There the Escape key, and in a private area keys without a character, have their codes.
        '\x1b' | '\u{e000}'..='\u{f8ff}' => None,
        c if c.is_control() => plain(c),
        // What Ctrl makes of it has a name of its own: Ctrl-I is Tab.
        '@'..='_' | 'a'..='z' if modifiers.has(Modifiers::CTRL) => plain(char::from(c as u8 & 0x1f)),
        _ if modifiers.has(Modifiers::CTRL) => None,
        c if modifiers.means_words() => Some(with_alt(c)),
        c => Some(Key::Char(c)),
    }
}

#[cfg(test)]
#[path = "keys_tests.rs"]
mod tests;

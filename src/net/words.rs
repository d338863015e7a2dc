//! Splits a line into words as a shell does.
//!
//! Owns: quotes, backslashes, remarks, and which signs still mean more than themselves: what is quoted or escaped is
//! only what it looks like. Must not know: the file system.

/// Signs of a pattern.
const SIGNS: [char; 3] = ['*', '?', '['];

/// A word, and what it means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Word {
    /// Without its quotes.
    pub(super) text: String,
    /// As a pattern for `glob`, in which what was quoted means itself; `None`: nothing in it means more than itself.
    pub(super) pattern: Option<String>,
    /// Whether it is a bare `~`, or begins with a bare `~/`: what follows is in our user's home.
    pub(super) is_in_home: bool,
}

/// The words of a line; `None`: a quote is left open, or a backslash has nothing behind it.
pub(super) fn split(line: &str) -> Option<Vec<Word>> {
    let mut words = Vec::new();
    let mut rest = line.chars().peekable();
    loop {
        match rest.peek() {
            None => return Some(words),
            Some(' ' | '\t' | '\n') => {
                rest.next();
            }
            Some('#') => while rest.next().is_some_and(|c| c != '\n') {},
            Some(_) => words.push(next_word(&mut rest)?),
        }
    }
}

/// The word that begins here, with the blank behind it.
fn next_word(rest: &mut impl Iterator<Item = char>) -> Option<Word> {
    let mut word = Building::default();
    while let Some(c) = rest.next() {
        match c {
            ' ' | '\t' | '\n' => break,
            '\'' => loop {
                match rest.next()? {
                    '\'' => break,
                    c => word.push_quoted(c),
                }
            },
            '"' => loop {
                match rest.next()? {
                    '"' => break,
                    '\\' => match rest.next()? {
                        '\n' => {}
                        c @ ('$' | '`' | '"' | '\\') => word.push_quoted(c),
                        c => {
                            word.push_quoted('\\');
                            word.push_quoted(c);
                        }
                    },
                    c => word.push_quoted(c),
                }
            },
            '\\' => match rest.next()? {
                '\n' => {}
                c => word.push_quoted(c),
            },
            c => word.push_bare(c),
        }
    }
    Some(word.finish())
}

/// A word as far as it was read.
#[derive(Default)]
struct Building {
    text: String,
    pattern: String,
    /// How many of its first bytes are not quoted.
    bare: usize,
    has_signs: bool,
    ends_with_star: bool,
}

impl Building {
    fn push_bare(&mut self, c: char) {
        self.bare += if self.bare == self.text.len() { c.len_utf8() } else { 0 };
        self.text.push(c);
        self.has_signs |= SIGNS.contains(&c);
        // Several stars are as good as one to a shell, and something else, or nothing, to `glob`.
        let had_star = std::mem::replace(&mut self.ends_with_star, c == '*');
        if !(c == '*' && had_star) {
            self.pattern.push(c);
        }
    }

    fn push_quoted(&mut self, c: char) {
        self.ends_with_star = false;
        self.text.push(c);
        self.pattern.push_str(&glob::Pattern::escape(c.encode_utf8(&mut [0; 4])));
    }

    fn finish(self) -> Word {
        let Self { text, pattern, bare, has_signs, .. } = self;
        // A bracket that is never closed is only what it looks like.
        let means_more = has_signs && glob::Pattern::new(&pattern).is_ok();
        let is_in_home = (text == "~" && bare > 0) || (text.starts_with("~/") && bare > 1);
        Word { text, pattern: means_more.then_some(pattern), is_in_home }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn word(line: &str) -> Word {
        let words = split(line).unwrap();
        assert_eq!(words.len(), 1, "{line}");
        words.into_iter().next().unwrap()
    }

    #[test]
    fn quoted_and_escaped_signs_mean_themselves() {
        for line in ["'x*'", "\"x*\"", "x\\*"] {
            assert_eq!(word(line), Word { text: "x*".into(), pattern: None, is_in_home: false }, "{line}");
        }
        assert_eq!(word("'[x]'*").pattern.as_deref(), Some("[[]x[]]*"));
        assert_eq!(word("\"a?\"[12]\\*").pattern.as_deref(), Some("a[?][12][*]"));
    }

    #[test]
    fn bare_signs_make_a_pattern() {
        assert_eq!(word("x*").pattern.as_deref(), Some("x*"));
        assert_eq!(word("a/**/b***").pattern.as_deref(), Some("a/*/b*"), "several stars are one");
        assert_eq!(word("*'*'*").pattern.as_deref(), Some("*[*]*"));
        assert_eq!(word("a[b").pattern, None, "no bracket is closed");
        assert_eq!(word("a]b").pattern, None);
    }

    #[test]
    fn a_tilde_is_home_only_where_it_is_bare() {
        for line in ["~", "~/x", "~/'a b'", "~/x*"] {
            assert!(word(line).is_in_home, "{line}");
        }
        for line in ["'~/x1'", "\"~/x\"", "\\~/x", "~\\/x", "'~'", "\\~", "~x", "x~", "./~/x"] {
            assert!(!word(line).is_in_home, "{line}");
        }
    }

    #[test]
    fn what_is_left_open_is_no_word() {
        for line in ["'a", "\"a", "a\\", "\"a\\", "b 'a"] {
            assert_eq!(split(line), None, "{line}");
        }
    }

    proptest! {
        #[test]
        fn the_words_are_those_of_a_shell(line in "[ab~*? \t\n#'\"\\\\$`é\\[\\]]{0,16}") {
            let words = split(&line).map(|words| words.into_iter().map(|word| word.text).collect::<Vec<_>>());
            prop_assert_eq!(words, shlex::split(&line));
        }
    }
}

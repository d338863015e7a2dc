//! The names under which peers are saved: ours to type, made of what they call themselves.
//!
//! Owns: which names can be saved, and what becomes of one that cannot. Must not know: who has which.
//!
//! **Threat model.** A peer calls itself what it likes, and what was saved of that is later shown without a warning and
//! can be called. So nothing is left that does something to a terminal or hides in one (Unicode's format characters),
//! nor what PEER has a meaning for: no port, no key, no address, no name with dots of a machine elsewhere. Not kept out
//! are look-alikes of other letters, and a single word that is also the name of a machine nearby; both are told apart
//! by their keys.

use unicode_normalization::UnicodeNormalization as _;

use crate::proto::name::twin_key;
use crate::proto::text::{Verdict, judged};

/// Longest name in bytes: what a user may be called, too.
pub const MAX_NAME: usize = 64;

/// Who has told no name that could be saved.
const NAMELESS: &str = "peer";

/// Words that mean a machine to everybody.
const RESERVED: [&str; 1] = ["localhost"];

/// A name that can be saved, made of the one that a peer has told: one word, which as PEER means nothing else.
///
/// ```
/// # use tete::secure::saved_name::clean;
/// assert_eq!(clean("Zoë"), "Zoë");
/// assert_eq!(clean("bob the 2nd"), "bob-the-2nd");
/// assert_eq!(clean("127.0.0.1:80"), "peer-127-0-0-1-80");
/// assert_eq!(clean("\u{202e}"), "_");
/// assert_eq!(clean(""), "peer");
/// ```
pub fn clean(claimed: &str) -> String {
    let composed: String = claimed.trim().chars().take(MAX_NAME).nfc().collect();
    let one_word = |c: char| match c {
        '-' | '_' => c,
        c if c.is_whitespace() || c.is_ascii_punctuation() => '-',
        c => c,
    };
    let name: String = cut(&composed, MAX_NAME).chars().map(one_word).collect();
    let name = name.trim_matches('-');
    let is_number = |c: char| c.is_ascii_digit() || c == '-';
    let means_a_machine = name.chars().all(is_number) || RESERVED.iter().any(|word| twin_key(name) == *word);
    match name {
        "" => NAMELESS.to_owned(),
        name if means_a_machine => cut(&format!("{NAMELESS}-{name}"), MAX_NAME).trim_end_matches('-').to_owned(),
        name => harmless(name),
    }
}

/// The name with `_` for what does something to a terminal or hides. It comes last: what is harmless between two
/// characters (a joiner in an emoji) is not where one of them was changed or cut off, and a saved name that cannot be
/// shown would be a damaged file.
fn harmless(name: &str) -> String {
    judged(name).map(|(c, verdict)| if verdict == Verdict::Escape { '_' } else { c }).collect()
}

/// The `n`th who would be called `name`: `bob-2`, no longer than a name can be.
pub(super) fn numbered(name: &str, n: usize) -> String {
    let suffix = format!("-{n}");
    harmless(&format!("{}{suffix}", cut(name, MAX_NAME - suffix.len())))
}

/// Whether a name may stand in a file: also one that its owner has chosen, as long as it can be shown as it is.
pub(super) fn may_be_saved(name: &str) -> bool {
    !name.trim().is_empty() && name.len() <= MAX_NAME && judged(name).all(|(_, verdict)| verdict == Verdict::Keep)
}

/// The first whole characters of `text`, at most `limit` bytes of them.
fn cut(text: &str, limit: usize) -> &str {
    let end = text.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= limit).last();
    &text[..end.unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    #[test]
    fn people_keep_their_names_in_any_script() {
        for name in ["bob", "Zoë", "王小明", "नमस्ते", "O_o", "anna-2", "🦊", "👩‍🚀"] {
            assert_eq!(clean(name), name);
        }
        assert_eq!(clean("Zoe\u{308}"), "Zoë");
    }

    #[test]
    fn what_peer_has_a_meaning_for_is_no_name() {
        for (claimed, name) in [
            ("bank.example.com", "bank-example-com"),
            ("5000", "peer-5000"),
            ("[::1]:5000", "peer-1--5000"),
            ("a@b#c", "a-b-c"),
            ("-x", "x"),
            ("LocalHost", "peer-LocalHost"),
            ("..", "peer"),
            ("a\u{3000}b c", "a-b-c"),
            ("~/.ssh", "ssh"),
        ] {
            assert_eq!(clean(claimed), name, "{claimed}");
        }
    }

    #[test]
    fn a_name_does_nothing_to_a_terminal_and_has_a_bound() {
        let marks = format!("e{}", "\u{301}".repeat(100));
        let long = "🦊".repeat(100);
        let worst = "\u{958}".repeat(100); // longer when composed
        let joined = format!("{}👩\u{200d}🚀", "x".repeat(MAX_NAME - 7)); // cut behind the joiner
        let cut_at_a_dash = format!("{}-1", "1".repeat(MAX_NAME - 6));
        let whole = ["\x1b]0;x\x07", "a\nb", "\u{85}", "x\u{200d}y", "\u{fe0f}"];
        let too_long = [&marks, &long, &worst, &joined, &cut_at_a_dash].map(String::as_str);
        for claimed in whole.into_iter().chain(too_long) {
            let name = clean(claimed);
            assert!(may_be_saved(&name), "{name:?}");
            assert!(!name.contains(char::is_whitespace), "{name:?}");
            assert_eq!(clean(&name), name);
        }
    }

    #[test]
    fn what_was_cut_or_changed_leaves_no_half_of_an_emoji() {
        // A joiner keeps its place between two others alone: not before a space that becomes a dash, not at a cut.
        let cut = format!("{}👩\u{200d}🚀", "x".repeat(MAX_NAME - 11));
        let keycap = format!("{}1\u{fe0f}\u{20e3}", "x".repeat(MAX_NAME - 7));
        for claimed in ["ö\u{200d}\u{2003}ö", &cut, &keycap] {
            let name = clean(claimed);
            assert!(may_be_saved(&name), "{name:?}");
            assert!((2..5000).map(|n| numbered(&name, n)).all(|name| may_be_saved(&name)), "{name:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_claimed_becomes_a_name_that_can_be_saved(
            claimed in vec(select(&TELLING[..]), 0..80),
            n in 2_usize..5000,
        ) {
            let name = clean(&claimed.concat());
            prop_assert!(may_be_saved(&name), "{:?}", name);
            prop_assert_eq!(clean(&name), &*name);
            let numbered = numbered(&name, n);
            prop_assert!(may_be_saved(&numbered), "{:?}", numbered);
        }
    }

    /// Characters that matter to each other.
    const TELLING: [&str; 22] = [
        "a",
        "1",
        "#",
        "-",
        "_",
        " ",
        ".",
        "\u{2003}",
        "\u{a0}",
        "é",
        "e\u{301}",
        "\u{301}",
        "\u{20e3}",
        "\u{200d}",
        "\u{fe0e}",
        "\u{fe0f}",
        "\u{202e}",
        "👩",
        "🚀",
        "\u{958}",
        "\n",
        "\u{1f1e9}",
    ];

    #[test]
    fn a_number_fits_behind_the_longest_name() {
        assert_eq!(numbered("bob", 2), "bob-2");
        let long = "é".repeat(MAX_NAME / 2);
        let name = numbered(&long, 4_096);
        assert!(name.len() <= MAX_NAME && name.ends_with("é-4096"), "{name}");
    }

    #[test]
    fn the_owner_may_have_written_any_name_that_can_be_shown() {
        assert!(may_be_saved("my friend"));
        for bad in ["", " ", "a\x1bb", "a\u{202e}b", &"x".repeat(MAX_NAME + 1)] {
            assert!(!may_be_saved(bad), "{bad:?}");
        }
    }
}

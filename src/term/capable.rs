//! What a terminal can show, by what the environment says of it.
//!
//! Owns: the decision. Must not know: where the variables come from, what is drawn.

/// Which characters the drawing may be made of. What people say is theirs, and is shown as they say it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Charset {
    /// All of them.
    #[default]
    Unicode,
    /// ASCII alone: anything else would be shown as rubbish.
    Ascii,
}

impl Charset {
    /// Decides by the variables `LC_ALL`, `LC_CTYPE` and `LANG`: the first that is set and not empty counts (POSIX,
    /// "Environment Variables", 8.2). Where none is, the locale is that of C, which has ASCII.
    pub fn decide(lc_all: Option<&str>, lc_ctype: Option<&str>, lang: Option<&str>) -> Self {
        let locale = [lc_all, lc_ctype, lang].into_iter().flatten().find(|locale| !locale.is_empty());
        let locale = locale.unwrap_or_default().to_ascii_lowercase();
        // Behind a dot as a rule (`de_DE.UTF-8`, `C.utf8@x`); some systems have it alone.
        if locale.contains("utf-8") || locale.contains("utf8") { Self::Unicode } else { Self::Ascii }
    }
}

/// Whether a terminal that calls itself this in `TERM` can only be given lines. One that says nothing is taken for one.
pub fn is_dumb(term: Option<&str>) -> bool {
    matches!(term, None | Some("" | "dumb" | "unknown"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fault_92_the_first_variable_that_says_something_decides() {
        for (lc_all, lc_ctype, lang, expected) in [
            (None, None, Some("en_US.UTF-8"), Charset::Unicode),
            (None, None, Some("C.utf8"), Charset::Unicode),
            (None, Some("UTF-8"), Some("C"), Charset::Unicode),
            (Some("C"), Some("UTF-8"), Some("en_US.UTF-8"), Charset::Ascii),
            (Some(""), Some(""), Some("de_DE.UTF-8@euro"), Charset::Unicode),
            (Some("de_DE.UTF-8"), Some("C"), Some("C"), Charset::Unicode),
            (None, None, Some("de_DE.ISO-8859-15"), Charset::Ascii),
            (None, None, Some("POSIX"), Charset::Ascii),
            (None, None, None, Charset::Ascii),
        ] {
            assert_eq!(Charset::decide(lc_all, lc_ctype, lang), expected, "{lc_all:?} {lc_ctype:?} {lang:?}");
        }
    }

    #[test]
    fn fault_89_a_terminal_that_is_dumb_or_unknown_gets_lines() {
        for term in [None, Some(""), Some("dumb"), Some("unknown")] {
            assert!(is_dumb(term), "{term:?}");
        }
        for term in ["xterm-256color", "linux", "vt100", "screen"] {
            assert!(!is_dumb(Some(term)), "{term}");
        }
    }
}

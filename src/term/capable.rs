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

/// What a terminal does with rows that are wider than it becomes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Narrowing {
    /// It cuts them off, or nobody knows.
    #[default]
    Cuts,
    /// It divides each into as many rows as it needs then.
    Flows,
}

/// Variables of what shows a terminal of its own within another, and leaves it the variables of that one.
const WITHIN: [&str; 4] = ["INSIDE_EMACS", "NVIM", "VIM_TERMINAL", "ZELLIJ"];

/// What terminals that divide rows call themselves in `TERM`, up to a minus sign.
const FLOWING: [&str; 6] = ["tmux", "alacritty", "contour", "foot", "ghostty", "wezterm"];
/// The same, of those that are an `xterm` first.
const FLOWING_XTERMS: [&str; 2] = ["xterm-kitty", "xterm-ghostty"];
/// The same in `TERM_PROGRAM`.
const FLOWING_PROGRAMS: [&str; 6] = ["tmux", "Apple_Terminal", "WezTerm", "ghostty", "iTerm.app", "vscode"];

impl Narrowing {
    /// Decides by the variables that terminals set. It says [`Flows`](Self::Flows) only where that is sure: whoever
    /// counts on it where it is not so erases what was said. Not all can be known by it, as nothing but `TERM` gets
    /// through SSH.
    pub fn decide(variable: impl Fn(&str) -> Option<String>) -> Self {
        let variable = |name: &str| variable(name).unwrap_or_default();
        let is_set = |name: &str| !variable(name).is_empty();
        let term = variable("TERM");
        let kind = term.split(['-', '.']).next().unwrap_or_default();
        let flows = match kind {
            _ if WITHIN.into_iter().any(is_set) => false,
            // GNU screen calls itself so too, and cuts.
            "screen" => is_set("TMUX") && !is_set("STY"),
            "xterm" if FLOWING_XTERMS.contains(&&*term) => true,
            // Begun from another terminal, XTerm has the variables of that one too.
            "xterm" if is_set("XTERM_VERSION") => false,
            "xterm" => {
                let number = |name| variable(name).parse().unwrap_or(0);
                // VTE does since 0.36, Konsole since 21.04.
                let is_new = number("VTE_VERSION") >= 3600 || number("KONSOLE_VERSION") >= 210_400;
                is_new || FLOWING_PROGRAMS.contains(&&*variable("TERM_PROGRAM"))
            }
            kind => FLOWING.contains(&kind),
        };
        if flows { Self::Flows } else { Self::Cuts }
    }
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

    #[test]
    fn a_terminal_divides_rows_only_if_that_is_sure() {
        use Narrowing::{Cuts, Flows};
        let cases: [(&[&str], Narrowing); 18] = [
            (&[], Cuts),
            (&["TERM=linux"], Cuts),
            (&["TERM=xterm-256color"], Cuts),
            (&["TERM=tmux-256color"], Flows),
            (&["TERM=foot"], Flows),
            (&["TERM=footsteps"], Cuts),
            (&["TERM=xterm-kitty"], Flows),
            (&["TERM=screen-256color"], Cuts),
            (&["TERM=screen-256color", "TMUX=/tmp/tmux-0/default,1,0"], Flows),
            (&["TERM=screen.tmux-256color", "TMUX=/tmp/tmux-0/default,1,0", "STY=12.pts-1"], Cuts),
            (&["TERM=xterm-256color", "VTE_VERSION=7600"], Flows),
            (&["TERM=xterm-256color", "VTE_VERSION=3409"], Cuts),
            (&["TERM=xterm-256color", "VTE_VERSION=7600", "XTERM_VERSION=XTerm(379)"], Cuts),
            (&["TERM=rxvt-unicode-256color", "VTE_VERSION=7600"], Cuts),
            (&["TERM=xterm-256color", "KONSOLE_VERSION=220401"], Flows),
            (&["TERM=xterm-256color", "TERM_PROGRAM=iTerm.app"], Flows),
            (&["TERM=xterm-256color", "TERM_PROGRAM=unheard of"], Cuts),
            (&["TERM=xterm-256color", "VTE_VERSION=7600", "NVIM=/run/nvim.1"], Cuts),
        ];
        for (variables, expected) in cases {
            let variable = |name: &str| {
                let mut pairs = variables.iter().filter_map(|pair| pair.split_once('='));
                pairs.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
            };
            assert_eq!(Narrowing::decide(variable), expected, "{variables:?}");
        }
    }
}

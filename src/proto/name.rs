//! Names of files that a peer chose, and what may become of them.
//!
//! Owns: which offered names are refused, which are changed, and the name under which a file is saved.
//! Must not know: folders, paths, whether a file exists. That nothing is overwritten is the disk's part.
//!
//! A name that could mean another place is refused; one that is merely awkward is changed, the same way on every
//! platform, so that a folder can be carried from one to another.

use std::fmt;

use unicode_normalization::UnicodeNormalization as _;

use super::text::{Verdict, judged};

/// Longest name in bytes. File systems end at 255; the rest is room for the prefix and the number.
pub const MAX_NAME: usize = 200;

/// Longest prefix in bytes: with [`MAX_NAME`], a `_` before and ` (4294967295)` behind, 255 are not exceeded.
pub const MAX_PREFIX: usize = 40;

/// Device names of Windows, reserved in every folder and with any extension. The superscripts count as digits there.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "conin$", "conout$"];

/// One path component that is safe to create: not empty, no separator, no control or invisible character, no device.
/// It may begin with a dot; [`saved_name`](Self::saved_name) never does.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SafeName(String);

/// What is wrong with a name or a prefix. Quotes nothing that a peer sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameError {
    /// It has no characters.
    Empty,
    /// It is `.` or `..`.
    Folder,
    /// It has a `/` or a `\` in it.
    Separator,
    /// It begins like `C:`.
    Drive,
    /// It has a NUL in it.
    Nul,
    /// It is longer than allowed.
    TooLong {
        /// Its length in bytes.
        bytes: usize,
        /// What is allowed.
        allowed: usize,
    },
    /// A prefix has a character that no file name should have.
    Character,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the name is empty"),
            Self::Folder => f.write_str("the name means a folder"),
            Self::Separator => f.write_str("the name has a / or \\ in it and could mean another folder"),
            Self::Drive => f.write_str("the name begins with a drive letter"),
            Self::Nul => f.write_str("the name has a NUL byte in it"),
            Self::TooLong { bytes, allowed } => {
                write!(f, "the name is too long: {bytes} bytes, at most {allowed} are possible")
            }
            Self::Character => f.write_str("it has a character in it that file names cannot have everywhere"),
        }
    }
}

impl std::error::Error for NameError {}

impl SafeName {
    /// Makes an offered name safe, or says why it cannot be: then nothing must be created for it.
    ///
    /// Bytes that are not UTF-8 become U+FFFD; control, bidirectional and invisible characters, `<>:"|?*`, and dots
    /// and spaces at the end become `_`; a device of Windows gets a `_` before it. All else is kept.
    pub fn check(offered: &[u8]) -> Result<Self, NameError> {
        match offered {
            [] => return Err(NameError::Empty),
            b"." | b".." => return Err(NameError::Folder),
            [letter, b':', ..] if letter.is_ascii_alphabetic() => return Err(NameError::Drive),
            _ if offered.contains(&0) => return Err(NameError::Nul),
            _ if offered.iter().any(|byte| is_separator(char::from(*byte))) => return Err(NameError::Separator),
            _ => {}
        }
        let name = guarded_device(replaced(&String::from_utf8_lossy(offered)));
        // Replacing may lengthen (U+FFFD has three bytes) or shorten: both the claim and the result are bounded.
        let bytes = name.len().max(offered.len());
        if bytes > MAX_NAME {
            return Err(NameError::TooLong { bytes, allowed: MAX_NAME });
        }
        Ok(Self(name))
    }

    /// The name, before any prefix. Harmless to show.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name under which the file is saved: with the user's prefix, and from `n` = 2 on with a number before its
    /// extension. Never hidden, never a device, whatever the prefix.
    ///
    /// ```
    /// # use tete::proto::name::SafeName;
    /// let name = SafeName::check(b"a.tar.gz")?;
    /// assert_eq!(name.saved_name("fetched_", 1), "fetched_a.tar.gz");
    /// assert_eq!(name.saved_name("fetched_", 2), "fetched_a (2).tar.gz");
    /// # Ok::<(), tete::proto::name::NameError>(())
    /// ```
    pub fn saved_name(&self, prefix: &str, n: u32) -> String {
        let (stem, extension) = split_extension(&self.0);
        let saved = match n {
            0 | 1 => format!("{prefix}{}", self.0),
            n => format!("{prefix}{stem} ({n}){extension}"),
        };
        if saved.starts_with('.') { format!("_{saved}") } else { guarded_device(saved) }
    }
}

/// Whether a prefix of the user's choice leaves every name what it is: one component. It may be empty.
pub fn check_prefix(prefix: &str) -> Result<(), NameError> {
    if prefix.len() > MAX_PREFIX {
        return Err(NameError::TooLong { bytes: prefix.len(), allowed: MAX_PREFIX });
    }
    if prefix.contains('\0') {
        return Err(NameError::Nul);
    }
    if prefix.contains(is_separator) {
        return Err(NameError::Separator);
    }
    if judged(prefix).any(|(c, verdict)| verdict == Verdict::Escape || is_windows_syntax(c)) {
        return Err(NameError::Character);
    }
    Ok(())
}

/// Equal for names that a person or a file system cannot tell apart: composed and decomposed accents, upper and
/// lower case (also `ß` and `SS`: some file systems fold them, and one twin too many only costs a number).
pub fn twin_key(name: &str) -> String {
    // Through upper case first: it unites letters that lower case alone keeps apart, as the two Greek sigmas.
    name.nfc().flat_map(char::to_uppercase).flat_map(char::to_lowercase).nfc().collect()
}

fn is_separator(c: char) -> bool {
    matches!(c, '/' | '\\')
}

/// Characters that no name on Windows can have; the colon would even write into another stream of the file.
fn is_windows_syntax(c: char) -> bool {
    matches!(c, '<' | '>' | ':' | '"' | '|' | '?' | '*')
}

fn replaced(name: &str) -> String {
    let allowed = |(c, verdict)| if verdict == Verdict::Escape || is_windows_syntax(c) { '_' } else { c };
    let mut name: String = judged(name).map(allowed).collect();
    // Windows drops dots and spaces at the end without a word: two names would be one file.
    let kept = name.trim_end_matches(['.', ' ']).len();
    let dropped = name.len() - kept;
    name.truncate(kept);
    name.extend(std::iter::repeat_n('_', dropped));
    name
}

fn guarded_device(name: String) -> String {
    if is_device(&name) { format!("_{name}") } else { name }
}

fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).trim_end_matches(' ').to_lowercase();
    let is_port =
        |digit: &str| matches!(digit, "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" | "¹" | "²" | "³");
    DEVICES.contains(&stem.as_str()) || ["com", "lpt"].iter().any(|port| stem.strip_prefix(port).is_some_and(is_port))
}

/// Cuts a name before its extension, which keeps its dot: `a` and `.tar.gz`. No extension: the second part is empty.
fn split_extension(name: &str) -> (&str, &str) {
    let Some(dot) = extension_dot(name) else { return (name, "") };
    let at = match extension_dot(&name[..dot]) {
        Some(tar) if name[tar..dot].eq_ignore_ascii_case(".tar") => tar,
        _ => dot,
    };
    name.split_at(at)
}

/// The dot of the last extension. A dot at the beginning makes a hidden file; behind a dot with spaces after it
/// goes a sentence on ("v1.2 of the plan").
fn extension_dot(name: &str) -> Option<usize> {
    name.rfind('.').filter(|dot| *dot > 0 && !name[*dot..].contains(' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn safe(offered: &str) -> String {
        SafeName::check(offered.as_bytes()).unwrap().as_str().to_owned()
    }

    fn saved(offered: &str, prefix: &str, n: u32) -> String {
        SafeName::check(offered.as_bytes()).unwrap().saved_name(prefix, n)
    }

    #[test]
    fn a_name_that_climbs_out_of_the_folder_is_refused() {
        for name in ["../../.ssh/authorized_keys", "a/b", "/", "..\\x", "a/"] {
            assert_eq!(SafeName::check(name.as_bytes()), Err(NameError::Separator), "{name}");
        }
        assert_eq!(SafeName::check(b"."), Err(NameError::Folder));
        assert_eq!(SafeName::check(b".."), Err(NameError::Folder));
        assert_eq!(SafeName::check(b""), Err(NameError::Empty));
    }

    #[test]
    fn an_absolute_name_is_refused_in_the_notation_of_every_system() {
        for (name, error) in [
            ("/etc/passwd", NameError::Separator),
            ("\\\\host\\x", NameError::Separator),
            ("C:\\x", NameError::Drive),
            ("c:x", NameError::Drive),
        ] {
            assert_eq!(SafeName::check(name.as_bytes()), Err(error), "{name}");
        }
    }

    #[test]
    fn a_nul_byte_is_refused() {
        assert_eq!(SafeName::check(b"a\0.txt"), Err(NameError::Nul));
    }

    #[test]
    fn newline_return_and_escape_are_replaced() {
        assert_eq!(safe("a\nb\rc\x1b[2J\u{85}.txt"), "a_b_c_[2J_.txt");
    }

    #[test]
    fn a_right_to_left_override_and_invisible_characters_are_marked() {
        assert_eq!(safe("cod\u{202e}txt.exe"), "cod_txt.exe");
        assert_eq!(safe("a\u{200b}b\u{feff}c"), "a_b_c");
        assert_eq!(safe(&format!("o{}", "\u{301}".repeat(9))), format!("o{}_", "\u{301}".repeat(8)));
    }

    #[test]
    fn devices_of_windows_are_renamed_with_any_extension() {
        for name in ["CON", "nul.txt", "Aux.tar.gz", "COM1", "lpt9.x", "COM¹", "con .txt", "CONIN$"] {
            assert_eq!(safe(name), format!("_{name}"));
        }
        for name in ["CONSOLE", "COM", "COM10", "nullable", "x.con"] {
            assert_eq!(safe(name), name);
        }
        assert_eq!(saved("n.txt", "co", 1), "_con.txt");
    }

    #[test]
    fn dots_and_spaces_at_the_end_are_renamed() {
        assert_eq!(safe("a."), "a_");
        assert_eq!(safe("a. ."), "a___");
        assert_eq!(safe("..."), "___");
        assert_eq!(safe(" "), "_");
    }

    #[test]
    fn characters_that_windows_cannot_store_are_replaced() {
        assert_eq!(safe("ab:c<d>e\"f|g?h*.txt"), "ab_c_d_e_f_g_h_.txt");
        assert_eq!(safe("1:2"), "1_2", "no drive is called 1");
    }

    #[test]
    fn three_hundred_bytes_are_refused_and_explained() {
        let error = SafeName::check(&[b'x'; 300]).unwrap_err();
        assert_eq!(error.to_string(), "the name is too long: 300 bytes, at most 200 are possible");
        assert!(SafeName::check(&[b'x'; MAX_NAME]).is_ok());
        assert!(SafeName::check(&[0xff; MAX_NAME]).is_err(), "three bytes each after replacing");
    }

    #[test]
    fn the_longest_name_with_everything_added_fits_a_file_system() {
        let name = SafeName::check(&[b'.'; MAX_NAME - 1].iter().chain(b"x").copied().collect::<Vec<_>>()).unwrap();
        assert!(name.saved_name(&".".repeat(MAX_PREFIX), u32::MAX).len() <= 255);
    }

    #[test]
    fn a_hidden_name_is_saved_where_everybody_sees_it() {
        assert_eq!(safe(".bashrc"), ".bashrc");
        assert_eq!(saved(".bashrc", "fetched_", 1), "fetched_.bashrc");
        assert_eq!(saved(".bashrc", "", 1), "_.bashrc");
        assert_eq!(saved(".bashrc", "", 2), "_.bashrc (2)");
        assert_eq!(saved("a", ".h", 1), "_.ha");
    }

    #[test]
    fn spaces_quotes_emoji_umlauts_and_chinese_are_kept() {
        for name in ["my file's name.txt", "Käse.txt", "你好.txt", "👩‍👩‍👧 ❤️.png", " lead", "-rf", "a~b#c%d&e", "-"]
        {
            assert_eq!(safe(name), name);
            assert_eq!(saved(name, "", 1), name);
        }
    }

    #[test]
    fn bytes_that_are_not_utf8_become_the_replacement_character() {
        assert_eq!(SafeName::check(b"caf\xe9.txt").unwrap().as_str(), "caf\u{fffd}.txt");
    }

    #[test]
    fn the_number_stands_before_the_whole_extension() {
        assert_eq!(saved("a.bin", "fetched_", 1), "fetched_a.bin");
        assert_eq!(saved("a.bin", "fetched_", 2), "fetched_a (2).bin");
        assert_eq!(saved("a.tar.gz", "", 2), "a (2).tar.gz");
        assert_eq!(saved("a.TAR.zst", "", 3), "a (3).TAR.zst");
        assert_eq!(saved("a.b.c", "", 2), "a.b (2).c");
        assert_eq!(saved("README", "", 2), "README (2)");
        assert_eq!(saved("v1.2 of the plan", "", 2), "v1.2 of the plan (2)");
    }

    #[test]
    fn names_that_look_alike_have_one_key() {
        assert_eq!(twin_key("Ä.txt"), twin_key("a\u{308}.TXT"));
        assert_eq!(twin_key("STRASSE"), twin_key("straße"));
        assert_eq!(twin_key("ΟΔΟΣ"), twin_key("οδος"));
        assert_ne!(twin_key("a"), twin_key("ä"));
    }

    #[test]
    fn a_prefix_must_keep_the_name_one_component() {
        assert_eq!(check_prefix(""), Ok(()));
        assert_eq!(check_prefix("von Jörg – "), Ok(()));
        assert_eq!(check_prefix("in/"), Err(NameError::Separator));
        assert_eq!(check_prefix("a\\"), Err(NameError::Separator));
        assert_eq!(check_prefix("a\n"), Err(NameError::Character));
        assert_eq!(check_prefix("C:"), Err(NameError::Character));
        assert_eq!(check_prefix("a\0"), Err(NameError::Nul));
        assert_eq!(check_prefix(&"x".repeat(MAX_PREFIX)), Ok(()));
        assert!(check_prefix(&"x".repeat(MAX_PREFIX + 1)).is_err());
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_offered_stays_one_visible_component(
            offered in proptest::collection::vec(proptest::num::u8::ANY, 0..210), n in 0..4u32,
        ) {
            let Ok(name) = SafeName::check(&offered) else { return Ok(()) };
            let saved = name.saved_name("", n);
            assert!(!saved.starts_with('.') && !saved.ends_with(['.', ' ']) && !saved.is_empty());
            assert!(!saved.contains(|c: char| is_separator(c) || is_windows_syntax(c) || c.is_control()));
            assert!(saved.len() <= 255);
            // What was made safe once is safe as it is.
            assert_eq!(SafeName::check(name.as_str().as_bytes()), Ok(name.clone()));
        }
    }
}

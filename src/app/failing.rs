//! Why a file was not sent or not received, as our user is told it.
//!
//! Owns: the words. Must not know: where they are shown, what was tried.

use crate::proto::text::Untrusted;

/// With what begins what is said of the folder that files are received into.
const FOLDER: &[u8] = b"the folder for received files: ";

/// The reason as it stands behind the file's name. What a disk says begins with that name: once is enough. `by`: on
/// whose side that disk is, if not on ours.
pub(super) fn reason(reason: &Untrusted, name: &Untrusted, by: Option<&str>) -> Untrusted {
    let all = reason.as_bytes();
    let words = all.strip_prefix(name.as_bytes()).and_then(|words| words.strip_prefix(b": "));
    match (words.or(Some(all).filter(|all| all.starts_with(FOLDER))), by) {
        (None, _) => reason.clone(),
        (Some(words), None) => Untrusted::new(words.to_vec()),
        (Some(words), Some(who)) => Untrusted::new([words, format!(" (on {who}'s side)").as_bytes()].concat()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(words: &str, by: Option<&str>) -> String {
        reason(&Untrusted::from(words), &Untrusted::from("f7"), by).shown().to_string()
    }

    #[test]
    fn a_disk_is_quoted_without_the_files_name_and_with_whose_it_is() {
        assert_eq!(told("f7: No space left on device", None), "No space left on device");
        assert_eq!(told("f7: No space left on device", Some("ann")), "No space left on device (on ann's side)");
    }

    #[test]
    fn a_folder_is_somebodys_too() {
        let words = "the folder for received files: Permission denied";
        assert_eq!(told(words, None), words);
        assert_eq!(told(words, Some("ann")), format!("{words} (on ann's side)"));
    }

    #[test]
    fn what_is_no_disks_word_stands_as_it_was_said() {
        for words in ["cancelled by the receiver", "f7 changed while it was sent", "f77: no", ""] {
            assert_eq!((told(words, None), told(words, Some("ann"))), (words.to_owned(), words.to_owned()));
        }
    }
}

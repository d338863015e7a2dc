//! The word that was probably meant.
//!
//! Owns: how far two words are from each other. Must not know: what the words are of.

/// Longest word that is compared, in letters: what compares takes the product of two.
pub const MAX_LENGTH: usize = 64;

/// How many letters have to be put in, taken out or exchanged to make one word the other (Levenshtein), whatever
/// their case; `None` for words too long to be compared.
pub fn distance(a: &str, b: &str) -> Option<usize> {
    let letters = |word: &str| word.chars().flat_map(char::to_lowercase).take(MAX_LENGTH + 1).collect::<Vec<_>>();
    let (a, b) = (letters(a), letters(b));
    if a.len().max(b.len()) > MAX_LENGTH {
        return None;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let exchanged = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = exchanged.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row.last().copied()
}

/// The candidate that is most like `word`, if it is like enough to be what was meant: a third of its letters may
/// differ, one at least and three at most.
pub fn nearest<T: AsRef<str> + Ord>(word: &str, candidates: impl IntoIterator<Item = T>) -> Option<T> {
    let near_enough = (word.chars().count() / 3).clamp(1, 3);
    candidates
        .into_iter()
        .filter_map(|candidate| Some((distance(word, candidate.as_ref())?, candidate)))
        .filter(|(distance, _)| *distance <= near_enough)
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_letters_whatever_their_case() {
        assert_eq!(distance("", "abc"), Some(3));
        assert_eq!(distance("kitten", "SITTING"), Some(3));
        for (a, b, letters) in
            [("abc", "", 3), ("saturday", "sunday", 3), ("intention", "execution", 5), ("ab", "ba", 2)]
        {
            assert_eq!((distance(a, b), distance(b, a)), (Some(letters), Some(letters)), "{a} {b}");
        }
        assert_eq!(distance("a", &"a".repeat(MAX_LENGTH)), Some(MAX_LENGTH - 1));
        assert_eq!(distance("a", &"a".repeat(MAX_LENGTH + 1)), None);
    }

    #[test]
    fn what_is_too_far_is_not_what_was_meant() {
        assert_eq!(nearest("bbo", ["anna", "bo", "bob"]), Some("bo"));
        assert_eq!(nearest("bob", ["anna", "zoë"]), None);
        assert_eq!(nearest::<&str>("bob", []), None);
        assert_eq!(nearest("transfers", ["transferred"]), Some("transferred"), "a third of nine letters may differ");
        assert_eq!(nearest("transfer", ["tanssfre"]), None);
    }
}

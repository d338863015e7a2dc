//! Questions of trust: who may come in, as our user is asked.
//!
//! Owns: which of them stands on the screen, which wait, and which line answers. Must not know: how they are shown, what
//! an answer leads to.
//!
//! One stands on the screen at a time, and an answer is for that one: whoever calls a moment earlier than the friend
//! that our user expects must not get the friend's yes. With NDJSON all are told at once and answered by number.

use std::collections::VecDeque;

/// A question that is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Names it in the answer to the reactor.
    pub id: u64,
    /// Who is there, as our user is told it.
    pub about: String,
    /// What is asked.
    pub prompt: String,
    /// Whom it is about, in a few words.
    pub who: String,
}

/// What has become of a question that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gone {
    /// It stood on the screen.
    Shown(Question),
    /// It did not, or there is none of that number.
    Unseen,
}

/// All that are open. The reactor has at most four at once.
#[derive(Debug, Default)]
pub struct Questions {
    open: VecDeque<Question>,
    /// Whether the first one stands on the screen.
    is_shown: bool,
    /// Whether it stands where another one stood that came to an end unanswered: a line that was begun for that one may
    /// still come.
    is_doubtful: bool,
}

impl Questions {
    /// One more.
    pub fn ask(&mut self, question: Question) {
        self.open.push_back(question);
    }

    /// The one to be put on the screen now, if none stands there.
    pub fn next_to_show(&mut self) -> Option<&Question> {
        if std::mem::replace(&mut self.is_shown, !self.open.is_empty()) {
            return None;
        }
        self.open.front()
    }

    /// The one on the screen.
    pub fn shown(&self) -> Option<u64> {
        self.open.front().filter(|_| self.is_shown).map(|question| question.id)
    }

    /// What is asked on the screen.
    pub fn prompt(&self) -> Option<&str> {
        self.open.front().filter(|_| self.is_shown).map(|question| question.prompt.as_str())
    }

    /// Whether any is open.
    pub fn are_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// The one that stood on the screen is over, and nobody has answered it: an answer may have been begun. The next line
    /// ends the doubt.
    pub fn doubt(&mut self) {
        self.is_doubtful = true;
    }

    /// Whether the next yes may be for another one. Told once: whoever says it again means this one.
    pub fn take_doubt(&mut self) -> bool {
        std::mem::take(&mut self.is_doubtful)
    }

    /// Whether this one is open.
    pub fn has(&self, id: u64) -> bool {
        self.open.iter().any(|question| question.id == id)
    }

    /// This one is over, answered or not.
    pub fn over(&mut self, id: u64) -> Gone {
        let was_shown = self.shown() == Some(id);
        let at = self.open.iter().position(|question| question.id == id);
        let question = at.and_then(|at| self.open.remove(at));
        match question.filter(|_| was_shown) {
            Some(question) => {
                (self.is_shown, self.is_doubtful) = (false, false);
                Gone::Shown(question)
            }
            None => Gone::Unseen,
        }
    }

    /// All are over.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

/// What a line says to the question on the screen; `None`: it is no answer. A key pressed by chance is no yes, and where
/// another prompt stands behind the question, an empty line is meant for that one.
pub fn answer(line: &str, alone: bool) -> Option<bool> {
    match line.trim() {
        word if word.eq_ignore_ascii_case("yes") => Some(true),
        word if word.eq_ignore_ascii_case("no") => Some(false),
        "n" | "N" | "" if alone => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(id: u64) -> Question {
        Question { id, about: String::new(), prompt: String::new(), who: format!("caller {id}") }
    }

    fn two() -> Questions {
        let mut questions = Questions::default();
        questions.ask(question(1));
        assert_eq!(questions.next_to_show().map(|question| question.id), Some(1));
        questions.ask(question(2));
        questions
    }

    #[test]
    fn one_question_stands_on_the_screen_and_the_rest_wait() {
        let mut questions = two();
        assert_eq!(questions.next_to_show(), None);
        assert_eq!(questions.shown(), Some(1));
        assert!(questions.has(2));
    }

    #[test]
    fn when_the_one_on_the_screen_is_over_nothing_is_asked_until_the_next_is_shown() {
        let mut questions = two();
        assert_eq!(questions.over(1), Gone::Shown(question(1)));
        assert_eq!(questions.shown(), None, "a yes that comes now is for nobody");
        assert_eq!(questions.next_to_show(), Some(&question(2)));
        assert_eq!(questions.shown(), Some(2));
    }

    #[test]
    fn the_first_yes_is_doubtful_where_another_question_stood() {
        let mut questions = two();
        questions.doubt();
        assert!(questions.take_doubt(), "the second one stands there");
        assert!(!questions.take_doubt(), "it is told once");
        questions.doubt();
        questions.over(1);
        assert!(!questions.take_doubt(), "the doubt was about another one");
        questions.doubt();
        assert_eq!(questions.next_to_show(), Some(&question(2)));
        assert!(questions.take_doubt(), "none stood there yet when the first one was over");
        assert!(questions.are_open());
        questions.clear();
        assert!(!questions.are_open());
    }

    #[test]
    fn one_that_was_not_seen_goes_without_a_word() {
        let mut questions = two();
        assert_eq!(questions.over(2), Gone::Unseen);
        assert_eq!(questions.over(7), Gone::Unseen);
        assert_eq!(questions.shown(), Some(1));
    }

    #[test]
    fn the_last_one_leaves_nothing_on_the_screen() {
        let mut questions = two();
        questions.over(2);
        questions.over(1);
        assert_eq!(questions.next_to_show(), None);
        assert_eq!(questions.shown(), None);
        questions.ask(question(3));
        assert_eq!(questions.next_to_show(), Some(&question(3)));
    }

    #[test]
    fn only_a_whole_yes_is_one() {
        for line in [" yes \n", "Yes", "YES"] {
            assert_eq!(answer(line, true), Some(true), "{line}");
        }
        for line in ["y", "Y", "Yes!", "yes please", "ja", "yesterday"] {
            assert_eq!(answer(line, true), None, "{line}");
        }
    }

    #[test]
    fn an_empty_line_says_no_only_where_nothing_else_is_asked() {
        for line in ["", "n", "N"] {
            assert_eq!((answer(line, true), answer(line, false)), (Some(false), None), "{line:?}");
        }
        for line in ["no", "No", "NO"] {
            assert_eq!(answer(line, false), Some(false), "{line}");
        }
    }
}

//! Words that are at hand for whoever guesses the password of one account: of the address, the person, the service.

use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use super::common::{folded, is_common};

/// Shorter words occur in good passwords by chance.
const LEAST_WORD: usize = 4;
/// Longer texts are no words; and so many are looked at, no more, since they may come out of a request.
const LONGEST_WORD: usize = 64;
const MOST_WORDS: usize = 64;
/// What stands beside the words must be a password by itself.
const LEAST_REST: usize = 8;

/// Folded words, longest first, so that a whole address goes before its parts.
#[derive(Default)]
pub(super) struct ContextWords(Vec<String>);

impl ContextWords {
    pub(super) fn new<'a>(
        emails: impl IntoIterator<Item = &'a str>,
        texts: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let mut words = Self::default();
        for email in emails {
            words.add(email);
            if let Some((local, domain)) = email.rsplit_once('@') {
                words.add_with_parts(local);
                // What is behind the last dot is in too many addresses to tell anything.
                words.add_with_parts(domain.rsplit_once('.').map_or(domain, |(labels, _)| labels));
            }
        }
        for text in texts {
            words.add_with_parts(text);
        }
        words.0.sort_by_key(|word| std::cmp::Reverse(word.len()));
        words
    }

    fn add_with_parts(&mut self, text: &str) {
        self.add(text);
        text.split(|letter: char| !letter.is_alphanumeric())
            .for_each(|part| self.add(part));
    }

    fn add(&mut self, word: &str) {
        let chars = word.chars().take(LONGEST_WORD + 1).count();
        if (LEAST_WORD..=LONGEST_WORD).contains(&chars) && self.0.len() < MOST_WORDS {
            let word = word.nfc().flat_map(char::to_lowercase).collect();
            if !self.0.contains(&word) {
                self.0.push(word);
            }
        }
    }

    #[cfg(feature = "strength")]
    pub(super) fn all(&self) -> &[String] {
        &self.0
    }

    /// Whether a folded password is little more than these words: cut out of it, they leave fewer than eight characters, or
    /// a common password.
    pub(super) fn make_up(&self, password: &str) -> bool {
        let mut rest = folded(password);
        for word in &self.0 {
            if rest.contains(word.as_str()) {
                rest = Zeroizing::new(rest.replace(word.as_str(), ""));
            }
        }
        rest.len() < password.len() && (rest.chars().count() < LEAST_REST || is_common(&rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words() -> ContextWords {
        ContextWords::new(["King.Arthur@camelot.bt"], ["Round Table", "Lancelot", "von"])
    }

    #[test]
    fn words_with_little_beside_them_are_no_password() {
        for password in [
            "king.arthur@camelot.bt",
            "king.arthur",
            "arthur1234",
            "camelot2026!",
            "1arthur-camelot1",
            "lancelotlancelot",
            "round table 1",
            "theround",
            "arthurpassword",
            "kingkingking12",
        ] {
            assert!(words().make_up(password), "{password}");
        }
    }

    #[test]
    fn a_passphrase_may_hold_a_word() {
        for password in [
            "arthur rides to the lake",
            "excalibur in the lake",
            "von hier bis dort",
            "camelotissuchasillyplace",
            "holy hand grenade",
            "12345678",
        ] {
            assert!(!words().make_up(password), "{password}");
        }
    }

    #[test]
    fn words_are_compared_in_one_form() {
        let words = ContextWords::new([], ["JOSE\u{301}PHINE"]);
        assert!(words.make_up("jos\u{e9}phine1"));
    }

    #[test]
    fn neither_many_nor_long_words_cost_much() {
        let many: Vec<String> = (0..10_000).map(|index| format!("word{index}")).collect();
        let words = ContextWords::new([], many.iter().map(String::as_str));
        assert_eq!(words.0.len(), MOST_WORDS);
        assert!(ContextWords::new([], ["x".repeat(65).as_str()]).0.is_empty());
    }
}

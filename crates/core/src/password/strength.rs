//! How many guesses a password would take, as zxcvbn estimates it.

use zxcvbn::{Score, zxcvbn};

use super::{Password, context::ContextWords};

/// How hard a password is to guess at the least, in the steps of
/// [zxcvbn](https://www.usenix.org/conference/usenixsecurity16/technical-sessions/presentation/wheeler).
///
/// ```
/// use axum_users_core::{PasswordPolicy, PasswordStrength};
///
/// let policy = PasswordPolicy::new().min_strength(PasswordStrength::SafelyUnguessable);
/// # let _ = policy;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum PasswordStrength {
    /// A million guesses, which a limit of attempts keeps off.
    SomewhatGuessable,
    /// 10⁸ guesses.
    SafelyUnguessable,
    /// 10¹⁰ guesses.
    VeryUnguessable,
}

/// How much of a password is looked at. The time of an estimate grows with more than the square of the length: a password
/// made for it takes 0.06 s at 32 characters, and 0.7 s at the 100 that the crate looks at by itself.
const MOST_CHARS: usize = 32;

/// Whether the password is at least as hard to guess. Takes as long as hashing does, so it is done where hashing is.
pub(super) fn is_at_least(password: &Password, words: &ContextWords, least: PasswordStrength) -> bool {
    let text = password.expose();
    let end = text
        .char_indices()
        .nth(MOST_CHARS)
        .map_or(text.len(), |(end, _)| end);
    let words: Vec<&str> = words.all().iter().map(String::as_str).collect();
    let score = zxcvbn(text.get(..end).unwrap_or_default(), &words).score();
    score
        >= match least {
            PasswordStrength::SomewhatGuessable => Score::Two,
            PasswordStrength::SafelyUnguessable => Score::Three,
            PasswordStrength::VeryUnguessable => Score::Four,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(password: &str, words: &[&str], least: PasswordStrength) -> bool {
        let words = ContextWords::new([], words.iter().copied());
        is_at_least(&Password::parse(password).unwrap(), &words, least)
    }

    #[test]
    fn guessable_passwords_are_found() {
        use PasswordStrength::{SafelyUnguessable, SomewhatGuessable, VeryUnguessable};
        for guessable in ["P@ssw0rd2", "qwerty12345", "19.11.1999"] {
            assert!(!passes(guessable, &[], SafelyUnguessable), "{guessable}");
        }
        for least in [SomewhatGuessable, SafelyUnguessable, VeryUnguessable] {
            assert!(passes("excalibur in the lake", &[], least));
        }
    }

    #[test]
    fn words_of_the_context_make_a_password_weaker() {
        let least = PasswordStrength::VeryUnguessable;
        assert!(passes("Zyprexanol77Quandor", &[], least));
        assert!(!passes("Zyprexanol77Quandor", &["zyprexanol", "quandor"], least));
    }

    #[test]
    fn no_more_of_a_password_is_looked_at_than_can_be_paid_for() {
        let hard = "x7!Kq".to_owned() + &"a".repeat(27);
        let least = PasswordStrength::SafelyUnguessable;
        let same = |rest: &str| passes(&format!("{hard}{rest}"), &[], least);
        assert_eq!(same(""), same(&"p$Zk39!q".repeat(100)));
        assert!(!passes(&("a".repeat(32) + "p$Zk39!q"), &[], least));
    }
}

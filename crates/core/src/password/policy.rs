//! What a new password must be.

use std::{fmt, sync::Arc};

#[cfg(feature = "strength")]
use super::strength::{self, PasswordStrength};
use super::{
    Password,
    breached::{BreachLookupError, BreachedPasswords, WhenUnavailable},
    common::{folded, is_common},
    context::ContextWords,
};
use crate::InvalidPassword;

/// What a new password must be, by NIST SP 800-63B-4, 3.1.1.2: asked where one is chosen, never at a login.
///
/// In this order, each with the code that the answer has as `reason_code`:
///
/// | code | refused |
/// | --- | --- |
/// | `too_short` | fewer than [`min_chars`](Self::min_chars) characters |
/// | `contains_email` | it holds the whole e-mail address of the account |
/// | `common` | it is one of 19 000 common passwords, in any case; or, up to 32 characters, a run (`12345678`), or a run, a common password or an ASCII character over and over |
/// | `context_word` | it is little more than words of the address, the person or the service |
/// | `too_guessable` | fewer guesses than `min_strength` would find it (feature `strength`) |
/// | the application's own | [`UserHooks::validate_password`](crate::UserHooks::validate_password) says no |
/// | `breached` | it is known from a breach, where [`breached`](Self::breached) has somebody to ask |
///
/// There are no rules of composition, and there will be none. A password is compared as a whole: one that merely holds a common
/// one is taken. Of context words the rest counts: cut out, they must leave eight characters that are no common password, so
/// `arthur1234` is refused for Arthur, and `arthur rides to the lake` is taken. The words are the address, its parts, names in
/// the body that registers (own fields such as `first_name`, whose name ends in `name`),
/// [`UserHooks::password_words`](crate::UserHooks::password_words) and [`context_words`](Self::context_words), each from four
/// characters on.
///
/// ```
/// use axum_users_core::PasswordPolicy;
///
/// let policy = PasswordPolicy::single_factor().context_words(["Camelot"]);
/// assert_eq!(policy.least_chars(), 15);
/// ```
#[derive(Clone)]
pub struct PasswordPolicy {
    min_chars: usize,
    refuse_common: bool,
    refuse_context: bool,
    words: Vec<String>,
    #[cfg(feature = "strength")]
    strength: Option<PasswordStrength>,
    breached: Option<(Arc<dyn BreachedPasswords>, WhenUnavailable)>,
}

impl PasswordPolicy {
    /// The fewest characters that NIST lets a password have beside another factor, and the default here.
    pub const LEAST_CHARS: usize = 8;
    /// The fewest where the password is the only factor.
    pub const SINGLE_FACTOR_CHARS: usize = 15;
    /// A password of so many characters is never too short, whatever the setting.
    pub const ALWAYS_ENOUGH_CHARS: usize = 64;

    /// At least 8 characters, no common password, no context words; nobody is asked for breaches.
    pub fn new() -> Self {
        Self {
            min_chars: Self::LEAST_CHARS,
            refuse_common: true,
            refuse_context: true,
            words: Vec::new(),
            #[cfg(feature = "strength")]
            strength: None,
            breached: None,
        }
    }

    /// The same with at least 15 characters, as NIST has it where the password is the only factor.
    pub fn single_factor() -> Self {
        Self::new().min_chars(Self::SINGLE_FACTOR_CHARS)
    }

    /// How many characters (Unicode code points, after NFC) a password has at least: 8 to 64, the nearest of them otherwise.
    #[must_use]
    pub fn min_chars(mut self, chars: usize) -> Self {
        self.min_chars = chars.clamp(Self::LEAST_CHARS, Self::ALWAYS_ENOUGH_CHARS);
        self
    }

    /// Fewer than eight characters at least.
    ///
    /// # Security
    /// Such passwords are guessed online. For applications that let their users have them before.
    #[must_use]
    pub fn insecure_min_chars(mut self, chars: usize) -> Self {
        self.min_chars = chars.min(Self::ALWAYS_ENOUGH_CHARS);
        self
    }

    /// More context words: the name of the service, of its company. Each text counts as a whole and by its words.
    #[must_use]
    pub fn context_words<W: Into<String>>(mut self, words: impl IntoIterator<Item = W>) -> Self {
        self.words.extend(words.into_iter().map(Into::into));
        self
    }

    /// Takes `password` and `12345678`.
    ///
    /// # Security
    /// These are what is tried first, on every account there is (ASVS 5.0, 6.2.4).
    #[must_use]
    pub fn insecure_allow_common(mut self) -> Self {
        self.refuse_common = false;
        self
    }

    /// Takes `arthur1234` from Arthur.
    ///
    /// # Security
    /// These are what is tried first on one account (ASVS 5.0, 6.2.11).
    #[must_use]
    pub fn insecure_allow_context_words(mut self) -> Self {
        self.refuse_context = false;
        self
    }

    /// Refuses what is guessed sooner, by the estimate of the crate `zxcvbn`. Off by default.
    ///
    /// An estimate looks at the first 32 characters and is made on the threads that hash passwords, since it takes as long as a
    /// hash. The first one loads dictionaries of some megabytes.
    #[cfg(feature = "strength")]
    #[must_use]
    pub fn min_strength(mut self, least: PasswordStrength) -> Self {
        self.strength = Some(least);
        self
    }

    /// Asks `passwords` last, and refuses what is known from a breach.
    #[must_use]
    pub fn breached(mut self, passwords: impl BreachedPasswords, when: WhenUnavailable) -> Self {
        self.breached = Some((Arc::new(passwords), when));
        self
    }

    /// How many characters a password has at least.
    pub fn least_chars(&self) -> usize {
        self.min_chars
    }

    /// What happens to a password that cannot be looked up; `None` where nobody is asked.
    pub fn when_unavailable(&self) -> Option<WhenUnavailable> {
        self.breached.as_ref().map(|(_, when)| *when)
    }

    /// The checks that need nothing but memory.
    pub(crate) fn check(&self, judged: &Judged<'_>) -> Result<(), InvalidPassword> {
        if judged.password.chars() < self.min_chars {
            let reason = format!("Password should be at least {} characters", self.min_chars);
            return Err(InvalidPassword::new("too_short", reason));
        }
        let text = folded(judged.password.expose());
        if !judged.email.is_empty() && text.contains(&judged.email.to_lowercase()) {
            return Err(InvalidPassword::new(
                "contains_email",
                "Password should not contain e-mail",
            ));
        }
        if self.refuse_common && is_common(&text) {
            return Err(InvalidPassword::new(
                "common",
                "Password is one of those that are tried first",
            ));
        }
        if self.refuse_context && self.words_of(judged).make_up(&text) {
            return Err(InvalidPassword::new(
                "context_word",
                "Password should be more than your name, your e-mail or the name of this service",
            ));
        }
        Ok(())
    }

    /// The estimate of strength, if one is wanted, as work for the threads that hash.
    #[cfg(feature = "strength")]
    pub(crate) fn estimate(&self, judged: &Judged<'_>) -> Option<impl FnOnce() -> bool + Send + use<>> {
        let least = self.strength?;
        let (words, password) = (self.words_of(judged), judged.password.copy());
        Some(move || strength::is_at_least(&password, &words, least))
    }

    /// Whether the password is known from a breach; not at all where nobody is asked.
    pub(crate) async fn is_breached(&self, password: &Password) -> Result<bool, BreachLookupError> {
        match &self.breached {
            None => Ok(false),
            Some((passwords, _)) => passwords.is_breached(password).await,
        }
    }

    fn words_of(&self, judged: &Judged<'_>) -> ContextWords {
        let emails = [judged.email, judged.old_email];
        let texts = self.words.iter().chain(judged.words).map(String::as_str);
        ContextWords::new(emails, texts)
    }
}

impl Default for PasswordPolicy {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for PasswordPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordPolicy")
            .field("min_chars", &self.min_chars)
            .field("refuse_common", &self.refuse_common)
            .field("refuse_context", &self.refuse_context)
            .field("when_unavailable", &self.when_unavailable())
            .finish_non_exhaustive()
    }
}

/// A new password, and what is known of the account that is to have it.
pub(crate) struct Judged<'a> {
    pub(crate) password: &'a Password,
    pub(crate) email: &'a str,
    /// The address up to now; empty where there is none.
    pub(crate) old_email: &'a str,
    pub(crate) words: &'a [String],
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(policy: &PasswordPolicy, password: &str) -> String {
        let password = Password::parse(password).unwrap();
        let judged = Judged {
            password: &password,
            email: "King.Arthur@camelot.bt",
            old_email: "",
            words: &["Pendragon".to_owned()],
        };
        match policy.check(&judged) {
            Ok(()) => "good".to_owned(),
            Err(invalid) => invalid.code.into_owned(),
        }
    }

    #[test]
    fn the_default_refuses_what_nist_has_refused() {
        let policy = PasswordPolicy::new().context_words(["Holy Grail Inc."]);
        for (password, expected) in [
            ("seven77", "too_short"),
            ("ééééééé", "too_short"),
            ("my king.arthur@CAMELOT.bt password", "contains_email"),
            ("PassWord123", "common"),
            ("        ", "common"),
            ("Pendragon-12", "context_word"),
            ("holy grail!", "context_word"),
            ("Arthur2026", "context_word"),
            ("x7 kq9 z", "good"),
            ("arthur rides to the lake", "good"),
            ("the password is swordfish", "good"),
        ] {
            assert_eq!(verdict(&policy, password), expected, "{password}");
        }
    }

    #[test]
    fn each_refusal_but_that_of_length_can_be_turned_off_by_name() {
        let policy = PasswordPolicy::new().insecure_allow_common();
        assert_eq!(verdict(&policy, "password123"), "good");
        assert_eq!(verdict(&policy, "arthur1234"), "context_word");
        let policy = PasswordPolicy::new().insecure_allow_context_words();
        assert_eq!(verdict(&policy, "arthur1234"), "good");
        assert_eq!(verdict(&policy, "password123"), "common");
        assert_eq!(verdict(&policy.insecure_min_chars(4), "x9kq"), "good");
    }

    #[test]
    fn lengths_are_from_eight_to_sixty_four() {
        for (asked, least) in [(0, 8), (8, 8), (15, 15), (64, 64), (1000, 64)] {
            assert_eq!(PasswordPolicy::new().min_chars(asked).least_chars(), least);
        }
        assert_eq!(PasswordPolicy::single_factor().least_chars(), 15);
        assert_eq!(PasswordPolicy::new().insecure_min_chars(1000).least_chars(), 64);
    }
}

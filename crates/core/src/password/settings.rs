//! How hard to hash, on how many threads, and how long to wait for one.

use std::{io, num::NonZero, sync::Arc, thread, time::Duration};

use argon2::Params;

use super::hash::is_affordable;
use crate::clock::{Random, SystemRandom};

/// How hard new passwords are hashed: Argon2id, version 19 (RFC 9106), with a salt of 16 and a tag of 32 bytes.
///
/// The default takes 19 MiB of memory, two passes and one lane: the first choice of the OWASP Password Storage Cheat
/// Sheet. A change takes effect at each user's next login, upwards and downwards.
///
/// ```
/// use axum_users_core::{Argon2Settings, HasherSettings};
///
/// let stronger = Argon2Settings::new().memory(65_536).iterations(3);
/// let settings = HasherSettings::new().argon2(stronger).threads(2); // 128 MiB at the most
/// # let _ = settings;
/// ```
///
/// # Security
/// What is weaker than all choices of that cheat sheet is refused at start-up.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Argon2Settings {
    memory: u32,
    iterations: u32,
    parallelism: u32,
    may_be_weak: bool,
}

impl Default for Argon2Settings {
    fn default() -> Self {
        Self::new()
    }
}

impl Argon2Settings {
    /// 19 456 KiB of memory, two passes, one lane.
    pub const fn new() -> Self {
        Self {
            memory: 19_456,
            iterations: 2,
            parallelism: 1,
            may_be_weak: false,
        }
    }

    /// The least that Argon2 can do, so that tests are quick: 8 KiB of memory, one pass, one lane.
    ///
    /// # Security
    /// Such a hash is worth next to nothing. The check for weak settings is off, also for what is set afterwards.
    pub const fn insecure_for_tests() -> Self {
        Self {
            memory: 8,
            iterations: 1,
            parallelism: 1,
            may_be_weak: true,
        }
    }

    /// The memory for one hash, in KiB; each hashing thread keeps that much.
    #[must_use]
    pub const fn memory(mut self, kibibytes: u32) -> Self {
        self.memory = kibibytes;
        self
    }

    /// How many passes are made over the memory.
    #[must_use]
    pub const fn iterations(mut self, passes: u32) -> Self {
        self.iterations = passes;
        self
    }

    /// Into how many lanes the memory is divided.
    ///
    /// # Security
    /// The lanes of one hash are computed one after the other, on one thread: more of them are of use only to an
    /// attacker, and to a system that shares its hashes with another.
    #[must_use]
    pub const fn parallelism(mut self, lanes: u32) -> Self {
        self.parallelism = lanes;
        self
    }

    /// OWASP Password Storage Cheat Sheet, "Argon2id": memory in KiB and passes that weigh the same.
    const LEAST: [(u32, u32); 5] = [(47_104, 1), (19_456, 2), (12_288, 3), (9_216, 4), (7_168, 5)];

    pub(super) fn params(&self) -> Result<Params, HasherError> {
        let params = Params::new(
            self.memory,
            self.iterations,
            self.parallelism,
            Some(super::engine::TAG_BYTES),
        )
        .map_err(|_| HasherError::Argon2)?;
        if !is_affordable(&params) {
            return Err(HasherError::TooStrong);
        }
        let is_strong = Self::LEAST
            .iter()
            .any(|&(memory, passes)| self.memory >= memory && self.iterations >= passes);
        if is_strong || self.may_be_weak {
            Ok(params)
        } else {
            Err(HasherError::TooWeak)
        }
    }
}

/// What a [`PasswordHasher`](super::PasswordHasher) is made of.
///
/// ```
/// use std::time::Duration;
/// use axum_users_core::{Argon2Settings, HasherSettings};
///
/// let settings = HasherSettings::new()
///     .argon2(Argon2Settings::new().memory(47_104).iterations(1))
///     .threads(4)
///     .deadline(Duration::from_secs(3));
/// # let _ = settings;
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HasherSettings {
    pub(super) argon2: Argon2Settings,
    threads: Option<usize>,
    queue: Option<usize>,
    deadline: Duration,
    pub(super) random: Arc<dyn Random>,
}

impl Default for HasherSettings {
    fn default() -> Self {
        Self::new()
    }
}

impl HasherSettings {
    /// As many threads as the machine has cores, 64 waiting jobs for each, a deadline of five seconds.
    pub fn new() -> Self {
        Self {
            argon2: Argon2Settings::new(),
            threads: None,
            queue: None,
            deadline: Duration::from_secs(5),
            random: Arc::new(SystemRandom),
        }
    }

    /// How hard new passwords are hashed.
    #[must_use]
    pub fn argon2(mut self, settings: Argon2Settings) -> Self {
        self.argon2 = settings;
        self
    }

    /// How many passwords are hashed at the same time; by default as many as the machine has cores.
    ///
    /// # Security
    /// Times [`Argon2Settings::memory`] this is the memory that hashing takes, however many log in (ASVS 5.0 2.4.1).
    #[must_use]
    pub fn threads(mut self, count: usize) -> Self {
        self.threads = Some(count);
        self
    }

    /// How many jobs may wait for a thread; by default 64 for each. One more is turned away at once.
    #[must_use]
    pub fn queue(mut self, jobs: usize) -> Self {
        self.queue = Some(jobs);
        self
    }

    /// How long a job may wait for a thread before it is turned away unhashed; by default five seconds.
    #[must_use]
    pub fn deadline(mut self, wait: Duration) -> Self {
        self.deadline = wait;
        self
    }

    /// Where salts come from; by default the operating system.
    #[must_use]
    pub fn random(mut self, random: Arc<dyn Random>) -> Self {
        self.random = random;
        self
    }

    pub(super) fn size(&self) -> Result<Size, HasherError> {
        let cores = || thread::available_parallelism().map_or(1, NonZero::get);
        let threads = self.threads.unwrap_or_else(cores);
        let queue = self.queue.unwrap_or_else(|| threads.saturating_mul(64));
        if threads == 0 || queue == 0 || self.deadline.is_zero() {
            return Err(HasherError::Size);
        }
        Ok(Size {
            threads,
            queue,
            deadline: self.deadline,
        })
    }
}

/// How large a pool of threads is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    pub(super) threads: usize,
    pub(super) queue: usize,
    pub(super) deadline: Duration,
}

/// Why no [`PasswordHasher`](super::PasswordHasher) can be made of these settings.
///
/// ```
/// use axum_users_core::{Argon2Settings, HasherError, HasherSettings, PasswordHasher};
///
/// let weak = HasherSettings::new().argon2(Argon2Settings::new().memory(1024));
/// assert!(matches!(PasswordHasher::new(&weak), Err(HasherError::TooWeak)));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HasherError {
    /// Argon2 is not defined for these settings.
    #[error("argon2 needs at least one pass, one lane, and 8 KiB of memory for each lane")]
    Argon2,
    /// The settings are weaker than any that the OWASP Password Storage Cheat Sheet names.
    #[error(
        "argon2 is set too weak: take at least 19456 KiB of memory with two passes, or 47104 KiB with one"
    )]
    TooWeak,
    /// One hash would take more than 2 GiB of memory, or more than 8 GiB times passes of work.
    #[error(
        "argon2 is set too strong: take at most 2 GiB of memory, and at most 8 GiB of memory times passes"
    )]
    TooStrong,
    /// No thread, no room to wait, or no time to wait.
    #[error("hashing needs at least one thread, a queue of one, and a deadline above zero")]
    Size,
    /// The operating system refused a thread.
    #[error("a hashing thread could not be started")]
    Spawn(#[source] io::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(memory: u32, iterations: u32, parallelism: u32) -> Result<Params, HasherError> {
        Argon2Settings::new()
            .memory(memory)
            .iterations(iterations)
            .parallelism(parallelism)
            .params()
    }

    #[test]
    fn default_is_the_first_choice_of_owasp() {
        let params = Argon2Settings::default().params().unwrap();
        assert_eq!(
            (params.m_cost(), params.t_cost(), params.p_cost()),
            (19_456, 2, 1)
        );
        assert_eq!(params.output_len(), Some(32));
    }

    #[test]
    fn every_choice_of_owasp_is_accepted_and_nothing_weaker() {
        for (memory, passes) in Argon2Settings::LEAST {
            assert!(outcome(memory, passes, 1).is_ok());
            assert!(matches!(
                outcome(memory - 1, passes, 1),
                Err(HasherError::TooWeak)
            ));
        }
        assert!(matches!(outcome(19_456, 1, 1), Err(HasherError::TooWeak)));
    }

    #[test]
    fn settings_of_rfc_9106_are_accepted_and_twice_as_much_is_not() {
        assert!(outcome(2 * 1024 * 1024, 1, 4).is_ok());
        assert!(outcome(64 * 1024, 3, 4).is_ok());
        assert!(matches!(
            outcome(4 * 1024 * 1024, 1, 4),
            Err(HasherError::TooStrong)
        ));
        assert!(matches!(outcome(64 * 1024, 1024, 4), Err(HasherError::TooStrong)));
    }

    #[test]
    fn impossible_settings_are_refused() {
        for (memory, passes, lanes) in [(0, 2, 1), (19_456, 0, 1), (19_456, 2, 0), (19_456, 2, 2_433)] {
            assert!(matches!(outcome(memory, passes, lanes), Err(HasherError::Argon2)));
        }
    }

    #[test]
    fn weak_settings_have_to_be_named_insecure() {
        assert!(Argon2Settings::insecure_for_tests().params().is_ok());
        assert!(
            Argon2Settings::insecure_for_tests()
                .iterations(2)
                .params()
                .is_ok()
        );
    }

    #[test]
    fn pool_without_threads_room_or_time_is_refused() {
        for settings in [
            HasherSettings::new().threads(0),
            HasherSettings::new().queue(0),
            HasherSettings::new().deadline(Duration::ZERO),
        ] {
            assert!(matches!(settings.size(), Err(HasherError::Size)));
        }
        let size = HasherSettings::new().threads(3).size().unwrap();
        assert_eq!(
            (size.threads, size.queue, size.deadline),
            (3, 192, Duration::from_secs(5))
        );
    }
}

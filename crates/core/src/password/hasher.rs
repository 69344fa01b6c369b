//! The handle that the rest of the library hashes through.

use std::{
    fmt, io,
    sync::{Arc, OnceLock},
    time::Duration,
};

use super::{
    Password,
    engine::{Engine, Recipe, Upgrade},
    hash::PasswordHash,
    pool::Pool,
    settings::{HasherError, HasherSettings, Size},
};

/// Hashes and verifies passwords on a few threads of its own; a clone is another handle to the same threads.
///
/// Hashing takes tens of milliseconds of processor time and megabytes of memory, on purpose. Here it never holds up a
/// thread of the async runtime, memory stays at [`threads`](HasherSettings::threads) times
/// [`memory`](super::Argon2Settings::memory) however many log in, and the threads run below normal priority where the
/// system allows it, so that other requests go first (ASVS 5.0 2.4.1). The threads end when the last handle is dropped.
///
/// ```
/// use axum_users_core::{Argon2Settings, HasherSettings, Password, PasswordHasher, Verdict};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let hasher = PasswordHasher::new(&HasherSettings::new().argon2(Argon2Settings::insecure_for_tests()))?;
///
/// let hash = hasher.hash(Password::parse("correct horse battery")?).await?;
/// let verdict = hasher.verify(Password::parse("correct horse battery")?, Some(hash.as_str())).await?;
/// assert!(verdict.is_right());
/// # Ok(())
/// # }
/// ```
///
/// # Panics
/// [`hash`](Self::hash) and [`verify`](Self::verify) need a tokio runtime whose timer is enabled, as `#[tokio::main]`
/// makes one.
///
/// # Security
/// A thread's work area is not wiped between jobs: who can read this process's memory can read the passwords in its
/// requests as well.
#[derive(Clone)]
pub struct PasswordHasher(Arc<Inner>);

struct Inner {
    pool: OnceLock<Pool<Engine>>,
    size: Size,
    recipe: Arc<Recipe>,
}

impl Inner {
    fn new(settings: &HasherSettings) -> Result<Self, HasherError> {
        Ok(Self {
            pool: OnceLock::new(),
            size: settings.size()?,
            recipe: Arc::new(Recipe::new(
                settings.argon2.params()?,
                Arc::clone(&settings.random),
            )),
        })
    }

    fn start(&self) -> io::Result<&Pool<Engine>> {
        if let Some(pool) = self.pool.get() {
            return Ok(pool);
        }
        let recipe = Arc::clone(&self.recipe);
        let fresh = Pool::start(self.size, move || Engine::new(Arc::clone(&recipe)))?;
        Ok(self.pool.get_or_init(|| fresh))
    }

    fn pool(&self) -> Result<&Pool<Engine>, HashError> {
        self.start().map_err(|error| {
            tracing::error!(%error, "no thread to hash passwords on could be started");
            HashError::Busy {
                retry_after: Duration::from_secs(1),
            }
        })
    }
}

impl PasswordHasher {
    /// Starts the threads.
    ///
    /// # Errors
    /// [`HasherError`] where the settings are impossible or too weak, or the system has no thread to give.
    pub fn new(settings: &HasherSettings) -> Result<Self, HasherError> {
        let inner = Inner::new(settings)?;
        inner.start().map_err(HasherError::Spawn)?;
        Ok(Self(Arc::new(inner)))
    }

    /// The one hasher of this process with the default [`HasherSettings`], kept until the end: several families of users
    /// share its threads, so together they take no more of the machine than one. The threads start with the first
    /// password.
    ///
    /// # Errors
    /// [`HasherError`] where the default settings do not suit this machine.
    pub fn shared() -> Result<Self, HasherError> {
        static SHARED: OnceLock<PasswordHasher> = OnceLock::new();
        if let Some(hasher) = SHARED.get() {
            return Ok(hasher.clone());
        }
        let fresh = Self::idle(&HasherSettings::new())?;
        Ok(SHARED.get_or_init(|| fresh).clone())
    }

    /// A hasher whose threads start with the first password.
    fn idle(settings: &HasherSettings) -> Result<Self, HasherError> {
        Ok(Self(Arc::new(Inner::new(settings)?)))
    }

    /// Hashes a new password with a fresh salt.
    ///
    /// Dropping the future gives up the place in the queue; a hash that has begun is finished and thrown away.
    ///
    /// # Errors
    /// [`HashError`].
    pub async fn hash(&self, password: Password) -> Result<PasswordHash, HashError> {
        self.0.pool()?.run(move |engine| engine.hash(&password)).await?
    }

    /// Does other work that takes as long as hashing where hashing is done.
    #[cfg(feature = "strength")]
    pub(crate) async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, HashError> {
        self.0.pool()?.run(move |_| work()).await
    }

    /// Verifies a typed password against the stored hash. `None` stands for "there is no such user" and for "this user
    /// has no password".
    ///
    /// Argon2id, Argon2i and Argon2d of any settings up to 2 GiB of memory are understood, and bcrypt (`2a`, `2b`, `2x`,
    /// `2y`) up to cost 17. All bcrypt is computed as `2b`: what the flaw behind `2x` made of characters beyond ASCII is
    /// wrong.
    ///
    /// # Errors
    /// [`HashError`]. A stored hash that is not understood is not one: it is [`Verdict::Wrong`], with a warning in the
    /// log.
    ///
    /// # Security
    /// Without a usable hash the same work is done as for one of the present settings, so that the time does not tell
    /// whether there is a user (OWASP Authentication Cheat Sheet, "Authentication Responses"). Tags are compared in
    /// constant time. bcrypt looks at 72 bytes only, so a longer password is wrong against it instead of being cut. A
    /// bcrypt hash takes the time of bcrypt until its owner's next login.
    pub async fn verify(&self, password: Password, stored: Option<&str>) -> Result<Verdict, HashError> {
        self.run_verify(password, stored, Upgrade::Unwanted).await
    }

    /// Like [`verify`](Self::verify), and makes a new hash of a right password where the stored one is not of the present
    /// settings.
    ///
    /// # Errors
    /// Like [`verify`](Self::verify).
    ///
    /// # Security
    /// The second hash takes time that can be measured: ask for it only where the answer tells that the password was
    /// right.
    pub async fn verify_and_upgrade(
        &self,
        password: Password,
        stored: Option<&str>,
    ) -> Result<Verdict, HashError> {
        self.run_verify(password, stored, Upgrade::Wanted).await
    }

    async fn run_verify(
        &self,
        password: Password,
        stored: Option<&str>,
        upgrade: Upgrade,
    ) -> Result<Verdict, HashError> {
        let stored = stored.map(str::to_owned);
        self.0
            .pool()?
            .run(move |engine| engine.verify(&password, stored.as_deref(), upgrade))
            .await?
    }

    /// How much has been hashed by this hasher, through all its handles.
    pub fn counts(&self) -> HashCounts {
        self.0.recipe.counts()
    }
}

impl fmt::Debug for PasswordHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let params = &self.0.recipe.params;
        f.debug_struct("PasswordHasher")
            .field("memory", &params.m_cost())
            .field("iterations", &params.t_cost())
            .field("parallelism", &params.p_cost())
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}

/// What became of a typed password.
///
/// ```
/// use axum_users_core::{Argon2Settings, HasherSettings, Password, PasswordHasher};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let settings = HasherSettings::new().argon2(Argon2Settings::insecure_for_tests());
/// let hasher = PasswordHasher::new(&settings)?;
/// let hash = hasher.hash(Password::parse("excalibur in the lake")?).await?;
/// let verdict = hasher.verify(Password::parse("excalibur in the lake")?, Some(hash.as_str())).await?;
/// assert!(verdict.is_right());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use]
#[non_exhaustive]
pub enum Verdict {
    /// It is not the user's, or there is nothing it could be.
    Wrong,
    /// It is the user's.
    Right {
        /// A hash of the same password with the present settings, to be stored in place of the old one (OWASP Password
        /// Storage Cheat Sheet, "Upgrading the Work Factor"); `None` where the stored one is up to date, or where
        /// [`PasswordHasher::verify`] did not look for one.
        upgrade: Option<PasswordHash>,
    },
}

impl Verdict {
    /// Whether the password is the user's.
    pub fn is_right(&self) -> bool {
        matches!(self, Self::Right { .. })
    }
}

/// How many hashes were computed since the hasher was made, by scheme: those of users that do not exist and those that
/// replace an old one among them. Work can be compared where time is too noisy, as in tests.
///
/// ```
/// use axum_users_core::{Argon2Settings, HasherSettings, Password, PasswordHasher};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let settings = HasherSettings::new().argon2(Argon2Settings::insecure_for_tests());
/// let hasher = PasswordHasher::new(&settings)?;
/// hasher.verify(Password::parse("whatever it is")?, None).await?; // nobody there: the same work
/// assert_eq!(hasher.counts().argon2, 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct HashCounts {
    /// Argon2, of whatever settings.
    pub argon2: u64,
    /// bcrypt, of whatever cost.
    pub bcrypt: u64,
}

/// Why a password was neither hashed nor verified.
///
/// ```
/// use axum_users_core::HashError;
///
/// fn status(error: &HashError) -> u16 {
///     match error {
///         HashError::Busy { .. } | HashError::Random => 503,
///         _ => 500,
///     }
/// }
/// # assert_eq!(status(&HashError::Random), 503);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HashError {
    /// Too many wait already, or no thread came free by the deadline; nothing was hashed. This is a 503.
    #[error("too many passwords are being hashed")]
    Busy {
        /// When it is worth trying again, for `Retry-After`; at least one second.
        retry_after: Duration,
    },
    /// No salt could be made.
    #[error("the source of randomness failed")]
    Random,
    /// The hashing itself failed, for want of memory or by a defect of ours.
    #[error("hashing failed")]
    Fault,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::{Random, RandomError},
        password::Argon2Settings,
    };

    fn settings() -> HasherSettings {
        HasherSettings::new()
            .argon2(Argon2Settings::insecure_for_tests())
            .threads(2)
    }

    fn password(text: &str) -> Password {
        Password::parse(text).unwrap()
    }

    #[tokio::test]
    async fn right_password_is_right_and_wrong_one_is_wrong() {
        let hasher = PasswordHasher::new(&settings()).unwrap();
        let hash = hasher.hash(password("correct horse")).await.unwrap();
        let right = hasher
            .verify(password("correct horse"), Some(hash.as_str()))
            .await
            .unwrap();
        let wrong = hasher
            .verify(password("wrong horse"), Some(hash.as_str()))
            .await
            .unwrap();
        assert!(matches!(right, Verdict::Right { upgrade: None }));
        assert!(matches!(wrong, Verdict::Wrong));
    }

    #[tokio::test]
    async fn unknown_user_costs_one_argon2() {
        let hasher = PasswordHasher::new(&settings()).unwrap();
        let verdict = hasher.verify(password("correct horse"), None).await.unwrap();
        assert!(!verdict.is_right());
        assert_eq!(hasher.counts(), HashCounts { argon2: 1, bcrypt: 0 });
    }

    #[tokio::test]
    async fn clones_share_threads_and_counts() {
        let hasher = PasswordHasher::new(&settings()).unwrap();
        let clone = hasher.clone();
        hasher.hash(password("correct horse")).await.unwrap();
        clone.hash(password("correct horse")).await.unwrap();
        drop(hasher);
        assert_eq!(clone.counts().argon2, 2);
        clone.hash(password("correct horse")).await.unwrap();
    }

    #[tokio::test]
    async fn many_at_once_are_all_answered() {
        let hasher = PasswordHasher::new(&settings().queue(64)).unwrap();
        let jobs: Vec<_> = (0..50)
            .map(|_| {
                let hasher = hasher.clone();
                tokio::spawn(async move { hasher.verify(password("correct horse"), None).await })
            })
            .collect();
        for job in jobs {
            assert!(!job.await.unwrap().unwrap().is_right());
        }
        assert_eq!(hasher.counts().argon2, 50);
    }

    #[derive(Debug)]
    struct Broken;

    impl Random for Broken {
        fn fill(&self, _: &mut [u8]) -> Result<(), RandomError> {
            panic!("on purpose")
        }
    }

    #[tokio::test]
    async fn panic_is_a_fault_and_the_hasher_lives_on() {
        let hasher = PasswordHasher::new(&settings().threads(1).random(Arc::new(Broken))).unwrap();
        for _ in 0..3 {
            assert_eq!(
                hasher.hash(password("correct horse")).await.unwrap_err(),
                HashError::Fault
            );
        }
        assert!(
            !hasher
                .verify(password("correct horse"), None)
                .await
                .unwrap()
                .is_right()
        );
    }

    #[test]
    fn weak_settings_do_not_start() {
        let weak = HasherSettings::new().argon2(Argon2Settings::new().iterations(1));
        assert!(matches!(PasswordHasher::new(&weak), Err(HasherError::TooWeak)));
    }

    #[tokio::test]
    async fn idle_hasher_starts_its_threads_with_the_first_password() {
        let hasher = PasswordHasher::idle(&settings()).unwrap();
        assert!(hasher.0.pool.get().is_none());
        let hash = hasher.hash(password("correct horse")).await.unwrap();
        assert!(hasher.0.pool.get().is_some());
        let verdict = hasher
            .verify(password("correct horse"), Some(hash.as_str()))
            .await;
        assert!(verdict.unwrap().is_right());
        assert_eq!(hasher.counts().argon2, 2);
    }

    #[tokio::test]
    async fn old_hash_is_made_anew_only_where_that_is_asked_for() {
        let hasher = PasswordHasher::new(&settings()).unwrap();
        let old = bcrypt::hash("correct horse", 4).unwrap();
        let plain = hasher.verify(password("correct horse"), Some(&old)).await;
        assert!(matches!(plain.unwrap(), Verdict::Right { upgrade: None }));
        let upgraded = hasher
            .verify_and_upgrade(password("correct horse"), Some(&old))
            .await;
        assert!(matches!(upgraded.unwrap(), Verdict::Right { upgrade: Some(_) }));
        assert_eq!(hasher.counts(), HashCounts { argon2: 1, bcrypt: 2 });
    }

    #[test]
    fn shared_hasher_is_one() {
        let first = PasswordHasher::shared().unwrap();
        let second = PasswordHasher::shared().unwrap();
        assert!(Arc::ptr_eq(&first.0, &second.0));
    }
}

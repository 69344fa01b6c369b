//! Hashing that tests do not wait for.

use std::{sync::OnceLock, time::Duration};

use axum_users_core::{Argon2Settings, HasherSettings, PasswordHasher};

/// A hasher that takes microseconds; all callers in the process share its threads.
///
/// ```
/// use axum_users_core::Password;
/// use axum_users_testing::fast_hasher;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let hash = fast_hasher().hash(Password::parse("excalibur in the lake")?).await?;
/// assert!(hash.as_str().starts_with("$argon2id$"));
/// # Ok(())
/// # }
/// ```
///
/// # Security
/// Its hashes are worth next to nothing.
pub fn fast_hasher() -> PasswordHasher {
    static SHARED: OnceLock<PasswordHasher> = OnceLock::new();
    SHARED
        .get_or_init(|| PasswordHasher::new(&fast_hasher_settings()).expect("the settings are sound"))
        .clone()
}

/// The settings of [`fast_hasher`], for a test that wants a hasher of its own, such as one that looks at
/// [`PasswordHasher::counts`].
pub fn fast_hasher_settings() -> HasherSettings {
    HasherSettings::new()
        .argon2(Argon2Settings::insecure_for_tests())
        .threads(2)
        .queue(4096)
        .deadline(Duration::from_mins(1))
}

//! Columns that `null` clears.

use serde::{Deserialize, Deserializer};

/// Reads a field of a patch whose column `null` clears: an absent field is `None`, `null` is `Some(None)`, a value is
/// `Some(Some(value))`.
///
/// ```
/// use axum_users_core::null_clears;
/// use serde::Deserialize;
///
/// #[derive(Deserialize)]
/// struct Patch {
///     #[serde(default, deserialize_with = "null_clears")]
///     nickname: Option<Option<String>>,
/// }
///
/// let read = |json| serde_json::from_str::<Patch>(json).map(|patch| patch.nickname);
/// assert_eq!(read("{}")?, None); // stays
/// assert_eq!(read(r#"{"nickname": null}"#)?, Some(None)); // is cleared
/// assert_eq!(read(r#"{"nickname": "Wart"}"#)?, Some(Some("Wart".to_owned())));
/// # Ok::<_, serde_json::Error>(())
/// ```
///
/// # Errors
/// Those of `T`.
pub fn null_clears<'de, T, D>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::deserialize(deserializer).map(Some)
}

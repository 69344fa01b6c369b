//! What a user name is.

use axum_users::validator::ValidationError;

/// How many characters a user name has at the most.
pub(crate) const MOST: u32 = 30;

const LEAST: usize = 3;

/// The normal form of a user name; `None` for what is no user name.
///
/// # Security
/// Without `@` it looks like nobody's e-mail address, and within ASCII it looks like nobody else's name.
pub(crate) fn normal(typed: &str) -> Option<String> {
    let name = typed.trim().to_ascii_lowercase();
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
    let length = LEAST..=MOST as usize;
    (length.contains(&name.len()) && name.bytes().all(allowed)).then_some(name)
}

/// Refuses in a body what is no user name.
pub(crate) fn validate(typed: &str) -> Result<(), ValidationError> {
    match normal(typed) {
        Some(_) => Ok(()),
        None => Err(ValidationError::new("invalid_username")
            .with_message("3 to 30 letters of a to z, digits, dots, hyphens and underscores".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_folded_and_nothing_else_is_one() {
        assert_eq!(normal(" King.Arthur ").as_deref(), Some("king.arthur"));
        let long = "x".repeat(31);
        for typed in [
            "",
            "ab",
            "arthur@camelot.bt",
            "ki ng",
            "kíng",
            "king\0",
            "＠arthur",
            &long,
        ] {
            assert_eq!(normal(typed), None, "{typed}");
        }
    }
}

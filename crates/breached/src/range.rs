//! Hashes, and the lists of them that the service sends.

use axum_users_core::Password;
use sha1::{Digest as _, Sha1};
use zeroize::Zeroizing;

use crate::Trouble;

const PREFIX: usize = 5;
const SUFFIX: usize = 35;

/// The SHA-1 of a password as 40 hexadecimal digits in capitals. SHA-1 protects nothing here: it is what the list is kept by.
pub(crate) struct Digest(Zeroizing<String>);

impl Digest {
    pub(crate) fn of(password: &Password) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
        let digit = |value: u8| char::from(DIGITS.get(usize::from(value)).copied().unwrap_or_default());
        let mut text = Zeroizing::new(String::with_capacity(PREFIX + SUFFIX));
        for byte in Sha1::digest(password.expose().as_bytes()) {
            text.push(digit(byte >> 4));
            text.push(digit(byte & 15));
        }
        Self(text)
    }

    /// What the service is told.
    pub(crate) fn prefix(&self) -> &str {
        self.0.get(..PREFIX).unwrap_or_default()
    }

    /// Whether the rest of the digest is in the list. Lines of padding have the count 0.
    pub(crate) fn is_in(&self, range: &str) -> Result<bool, Trouble> {
        let suffix = self.0.get(PREFIX..).unwrap_or_default();
        let mut lines = range.lines().filter(|line| !line.is_empty()).peekable();
        if lines.peek().is_none() {
            return Err(Trouble::Malformed);
        }
        let mut is_in = false;
        for line in lines {
            let (ending, count) = line.split_once(':').ok_or(Trouble::Malformed)?;
            let count: u64 = count.trim_end().parse().map_err(|_| Trouble::Malformed)?;
            if ending.len() != SUFFIX || !ending.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return Err(Trouble::Malformed);
            }
            is_in |= count > 0 && ending.eq_ignore_ascii_case(suffix);
        }
        Ok(is_in)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest() -> Digest {
        Digest::of(&Password::parse("password").unwrap())
    }

    const ENDING: &str = "1E4C9B93F3F0682250B6CF8331B7EE68FD8";
    const OTHER: &str = "1E4C9B93F3F0682250B6CF8331B7EE68FD9";

    #[test]
    fn a_password_is_known_by_its_digest() {
        assert_eq!(digest().prefix(), "5BAA6");
        assert!(
            digest()
                .is_in(&format!("{OTHER}:1\r\n{ENDING}:9545824\r\n"))
                .unwrap()
        );
        assert!(digest().is_in(&format!("{}:1", ENDING.to_lowercase())).unwrap());
        assert!(!digest().is_in(&format!("{OTHER}:9545824\r\n")).unwrap());
    }

    #[test]
    fn padding_is_no_password() {
        assert!(!digest().is_in(&format!("{ENDING}:0\r\n{OTHER}:3")).unwrap());
    }

    #[test]
    fn what_is_no_list_is_no_answer() {
        for range in [
            "",
            "\r\n",
            "<html>sign in to the wireless network</html>",
            ENDING,
            &format!("{ENDING}:"),
            &format!("{ENDING}:many"),
            &format!("{ENDING}:-1"),
            &format!("{ENDING}0:1"),
            &format!("{ENDING}:1\njunk"),
            "ZE4C9B93F3F0682250B6CF8331B7EE68FD8:1",
        ] {
            assert!(digest().is_in(range).is_err(), "{range:?}");
        }
    }
}

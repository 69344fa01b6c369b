//! Passwords that everybody tries first.

use std::cmp::Ordering;

use zeroize::Zeroizing;

/// One a line, in lower case and byte order; `data/README.md` says where they are from.
const COMMON: &str = include_str!("../../data/common-passwords.txt");

/// A copy in lower case that is wiped, for comparisons only.
pub(super) fn folded(text: &str) -> Zeroizing<String> {
    // No letter in lower case takes more than half as many bytes again, so the text is never moved.
    let mut folded = Zeroizing::new(String::with_capacity(text.len() * 2));
    folded.extend(text.chars().flat_map(char::to_lowercase));
    folded
}

/// Longer ones are no entries of a list of guesses, however dull.
const LONGEST_PATTERN: usize = 32;

/// Whether a folded password is listed; or, up to 32 characters, is a run such as `12345678`, or one of these or a single ASCII
/// character over and over.
pub(super) fn is_common(folded: &str) -> bool {
    if is_listed(folded) {
        return true;
    }
    let unit = unit(folded);
    folded.chars().nth(LONGEST_PATTERN).is_none()
        && (is_run(unit) || is_listed(unit) || (unit.len() == 1 && unit.len() < folded.len()))
}

fn is_listed(word: &str) -> bool {
    let mut lines = COMMON.as_bytes();
    while !lines.is_empty() {
        let half = lines.get(..lines.len() / 2).unwrap_or_default();
        let start = half
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |end| end + 1);
        let (before, from_middle) = lines.split_at(start);
        let mut parts = from_middle.splitn(2, |byte| *byte == b'\n');
        let middle = parts.next().unwrap_or_default();
        lines = match word.as_bytes().cmp(middle) {
            Ordering::Equal => return true,
            Ordering::Less => before,
            Ordering::Greater => parts.next().unwrap_or_default(),
        };
    }
    false
}

/// The shortest text that makes the whole one when it is repeated.
fn unit(text: &str) -> &str {
    let lengths = text.char_indices().map(|(index, _)| index).skip(1);
    lengths
        .filter(|length| text.len().is_multiple_of(*length))
        .find_map(|length| {
            let (unit, rest) = text.split_at_checked(length)?;
            let repeats = text.len() / length;
            (rest.len() == unit.len() * (repeats - 1)
                && rest.as_bytes().chunks(length).all(|part| part == unit.as_bytes()))
            .then_some(unit)
        })
        .unwrap_or(text)
}

/// Whether each letter or digit is the next one of the one before, or each the previous one; 0 follows 9.
fn is_run(text: &str) -> bool {
    let steps = |step: i64| {
        text.chars().zip(text.chars().skip(1)).all(|(one, other)| {
            let (one, other) = (i64::from(u32::from(one)), i64::from(u32::from(other)));
            let (zero, nine) = (i64::from(b'0'), i64::from(b'9'));
            one + step == other
                || (step == 1 && (one, other) == (nine, zero))
                || (step == -1 && (one, other) == (zero, nine))
        })
    };
    text.chars().nth(3).is_some() && text.chars().all(char::is_alphanumeric) && (steps(1) || steps(-1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_in_order_folded_and_long_enough() {
        let words: Vec<&str> = COMMON.lines().collect();
        assert!(words.is_sorted() && words.len() > 15_000, "{}", words.len());
        assert!(words.windows(2).all(|pair| pair[0] != pair[1]));
        assert!(
            words
                .iter()
                .all(|word| word.chars().count() >= 8 && **word == **folded(word))
        );
        assert!(COMMON.ends_with('\n'));
    }

    #[test]
    fn every_word_of_the_list_is_found_and_its_neighbours_are_not() {
        for word in COMMON.lines() {
            assert!(is_listed(word), "{word}");
            assert!(!is_listed(&format!("{word}\u{1}")), "{word}");
        }
        for word in [
            "",
            "\n",
            "zzzzzzzzzzzzzzzzz",
            "000",
            "password\n",
            "excalibur in the lake",
        ] {
            assert!(!is_listed(word), "{word:?}");
        }
    }

    #[test]
    fn the_commonest_passwords_are_common() {
        for word in [
            "password",
            "12345678",
            "123456789",
            "1234567890",
            "qwertyuiop",
            "password1",
            "password123",
            "iloveyou",
            "sunshine",
            "princess",
            "football",
            "baseball",
            "superman",
            "trustno1",
            "1q2w3e4r",
            "qwerty123",
            "jennifer",
            "elizabeth",
            "alexander",
        ] {
            assert!(is_common(word), "{word}");
        }
    }

    #[test]
    fn repetitions_and_runs_are_common() {
        for word in [
            "aaaaaaaa",
            "        ",
            "passwordpassword",
            "abcdefghijkl",
            "7890123456",
            "98765432109",
            "abcdabcd",
        ] {
            assert!(is_common(word), "{word}");
        }
        for word in [
            "abcabcabd",
            "excalibur in the lake",
            "correct horse battery",
            "ab12ab12",
            "password is not all",
            "éééééééé",
            " !\"#$%&'()",
            &"x".repeat(64),
        ] {
            assert!(!is_common(word), "{word}");
        }
    }

    #[test]
    fn folding_never_outgrows_the_room_made_for_it() {
        let all: String = (char::MIN..=char::MAX)
            .filter(|letter| letter.is_uppercase())
            .collect();
        for letter in all.chars() {
            let many = letter.to_string().repeat(16);
            let folded = folded(&many);
            assert!(folded.len() <= many.len() * 2, "{letter}");
        }
    }
}

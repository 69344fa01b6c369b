//! `docs/security-tests.md` names the tests that there are.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{files, quoted, read, rows};

const PAGE: &str = "docs/security-tests.md";

/// What a requirement may come from.
const SOURCES: [&str; 9] = [
    "ASVS ",
    "SP 800-63B-4 ",
    "RFC 6750 ",
    "RFC 8725 ",
    "RFC 9106 ",
    "RFC 9700 ",
    "RFC ",
    "rfc6265bis ",
    "OWASP ",
];

/// The names of the functions below `tests/http`, and whether each is run: under an attribute, or in a list of tests.
fn functions() -> BTreeMap<String, bool> {
    let mut found = BTreeMap::new();
    for path in files("tests/http", ".rs") {
        let text = read(&path);
        let lines: Vec<_> = text.lines().map(str::trim).collect();
        for (index, line) in lines.iter().enumerate() {
            let Some((before, rest)) = line.split_once("fn ") else {
                continue;
            };
            let is_head = before
                .split_whitespace()
                .all(|word| ["async", "pub(crate)"].contains(&word));
            let name = crate::source::word(rest);
            if !is_head || name.is_empty() {
                continue;
            }
            let above = lines.get(index.wrapping_sub(1)).copied().unwrap_or_default();
            let is_test = above.starts_with("#[test") || above.starts_with("#[tokio::test");
            let is_listed = lines.iter().any(|line| {
                let line = line.trim_end_matches([',', ';']);
                line == name || line.ends_with(&format!("{{ {name} }}"))
            });
            let run = found.entry(name.to_owned()).or_insert(false);
            *run |= is_test || is_listed;
        }
    }
    found
}

/// Whether a name begins with the number of an attack.
fn is_numbered(name: &str) -> bool {
    let digits = name.strip_prefix('a').and_then(|rest| rest.get(..4));
    digits.is_some_and(|digits| {
        let (number, end) = digits.split_at(3);
        number.bytes().all(|byte| byte.is_ascii_digit()) && end == "_"
    })
}

#[test]
fn every_requirement_names_tests_and_every_attack_has_a_requirement() {
    let functions = functions();
    let page = read(PAGE);
    let mut named = BTreeSet::new();
    let mut requirements = BTreeSet::new();
    for row in rows(&page) {
        let [requirement, source, tests] = row[..] else {
            panic!("a row has requirement, source and tests: {row:?}");
        };
        assert!(requirements.insert(requirement), "twice: {requirement}");
        for source in source.split("; ") {
            let known = SOURCES.iter().any(|known| source.starts_with(known));
            assert!(known, "{requirement}: {source:?} is no source");
        }
        let tests = quoted(tests);
        assert!(!tests.is_empty(), "nothing proves: {requirement}");
        for test in tests {
            let run = functions.get(test);
            assert!(run.is_some(), "there is no test {test}: {requirement}");
            assert_eq!(run, Some(&true), "{test} is not run: {requirement}");
            named.insert(test.to_owned());
        }
    }
    let missing: Vec<_> = functions
        .keys()
        .filter(|name| is_numbered(name) && !named.contains(*name))
        .collect();
    assert!(missing.is_empty(), "in no row of {PAGE}: {missing:#?}");
}

#[test]
fn numbers_are_told_from_words() {
    for numbered in ["a001_x", "a024_a025_x"] {
        assert!(is_numbered(numbered), "{numbered}");
    }
    for other in ["a_001", "a01_x", "attack", "a0012", "a001"] {
        assert!(!is_numbered(other), "{other}");
    }
}

//! `docs/settings.md` has every setter.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{CRATES, quoted, read, rows, sources, word};

/// Types whose setters fill a value that is passed on, and set nothing of the application.
const VALUES: [&str; 17] = [
    "BackendScheme",
    "Challenge",
    "Context",
    "ErrorDoc",
    "LimitCharge",
    "MailError",
    "Message",
    "OneTimeTokens",
    "OpaqueTokens",
    "Refusal",
    "Registration",
    "Route",
    "Session",
    "Stored",
    "Timestamp",
    "TokenPolicy",
    "TokenUse",
];

/// The type that an `impl` is for; `None` where it is one of a trait.
fn implemented(head: &str) -> Option<String> {
    let mut rest = head.strip_prefix("impl")?;
    if rest.starts_with('<') {
        let mut depth = 0_u32;
        let end = rest.char_indices().find(|(_, c)| {
            match c {
                '<' => depth += 1,
                '>' => depth -= 1,
                _ => {}
            }
            depth == 0
        })?;
        rest = &rest[end.0 + 1..];
    }
    (!head.contains(" for ")).then(|| word(rest.trim_start()).to_owned())
}

/// The setters of each type: public functions that take a value and give it back.
fn setters() -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for of in CRATES.into_iter().filter(|of| *of != "crates/testing") {
        for (_, lines) in sources(of) {
            let mut current = None;
            let mut lines = lines.iter();
            while let Some(line) = lines.next() {
                if line.starts_with("impl") {
                    current = implemented(line);
                }
                let plain = line.trim_start().replace("pub const fn", "pub fn");
                let (Some(name), Some(current)) = (plain.strip_prefix("pub fn "), &current) else {
                    continue;
                };
                let mut signature = plain.clone();
                while !signature.ends_with('{') {
                    signature.push_str(lines.next().expect("a body").trim());
                }
                let takes = ["(self", "(mut self"].iter().any(|text| signature.contains(text));
                let gives = ["-> Self", "-> Result<Self"]
                    .iter()
                    .any(|text| signature.contains(text));
                if takes && gives && !VALUES.contains(&current.as_str()) {
                    let of_type = found.entry(current.clone()).or_default();
                    of_type.insert(word(name).to_owned());
                }
            }
        }
    }
    found
}

#[test]
fn every_setter_is_on_the_page() {
    let page = read("docs/settings.md");
    let (library, _) = page
        .split_once("## The example application")
        .expect("the second part");
    let mut expected = setters();
    for section in library.split("\n## ").skip(1) {
        let (head, text) = section.split_once('\n').unwrap();
        let documented: BTreeSet<_> = rows(text)
            .iter()
            .flat_map(|row| quoted(row[0]))
            .map(str::to_owned)
            .collect();
        let mut of_source = BTreeSet::new();
        for name in quoted(head) {
            let setters = expected.remove(name);
            of_source.extend(setters.unwrap_or_else(|| panic!("`{name}` has no setters")));
        }
        assert_eq!(documented, of_source, "{head}: the page, and the source");
    }
    assert!(expected.is_empty(), "not in docs/settings.md: {expected:#?}");
}

#[test]
fn types_are_found_in_heads() {
    let of = |head| implemented(head);
    assert_eq!(
        of("impl<A: UserApi> AxumUsers<A> {").as_deref(),
        Some("AxumUsers")
    );
    assert_eq!(of("impl<A: X<B>, C> Both<A> {").as_deref(), Some("Both"));
    assert_eq!(of("impl Plain {").as_deref(), Some("Plain"));
    assert_eq!(of("impl Clone for Plain {"), None);
}

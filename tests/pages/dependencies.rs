//! The page of dependencies names every crate that is used, and where.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::read;

/// What the page calls our crates, and their manifests.
const CRATES: [(&str, &str); 9] = [
    ("core", "crates/core/Cargo.toml"),
    ("auth", "crates/auth/Cargo.toml"),
    ("routers", "crates/routers/Cargo.toml"),
    ("sea-orm", "crates/sea-orm/Cargo.toml"),
    ("mail", "crates/mail/Cargo.toml"),
    ("redis", "crates/redis/Cargo.toml"),
    ("breached", "crates/breached/Cargo.toml"),
    ("migrations", "migrations/Cargo.toml"),
    ("facade", "crates/axum-users/Cargo.toml"),
];

type Uses = BTreeMap<String, BTreeSet<String>>;

/// Which of our crates depend on each crate, by the manifests.
fn used() -> Uses {
    let mut uses = Uses::new();
    for (of, manifest) in CRATES {
        let mut listed = false;
        for line in read(manifest).lines() {
            if line.starts_with('[') {
                listed = line == "[dependencies]" || line.ends_with(".dependencies]");
                continue;
            }
            let name = line.split([' ', '.', '=']).next().unwrap_or_default();
            if listed && !name.is_empty() && !name.starts_with('#') && !name.starts_with("axum-users") {
                uses.entry(name.to_owned()).or_default().insert(of.to_owned());
            }
        }
    }
    uses
}

/// The same by the first table of the page.
fn stated() -> Uses {
    let page = read("docs/dependencies.md");
    let rows = page.lines().skip_while(|line| !line.starts_with("| ---")).skip(1);
    let mut uses = Uses::new();
    for row in rows.take_while(|line| line.starts_with('|')) {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let by = cells[2].split(" (").next().unwrap_or_default().split(", ");
        let by: BTreeSet<_> = by.map(str::to_owned).collect();
        for name in cells[1].trim_start_matches("● ").split(", ") {
            uses.insert(name.to_owned(), by.clone());
        }
    }
    uses
}

#[test]
fn every_dependency_is_on_the_page_with_those_that_use_it() {
    assert_eq!(stated(), used());
}

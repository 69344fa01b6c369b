//! The files of the repository.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The crates that applications name, and those behind the facade.
pub(crate) const CRATES: [&str; 10] = [
    "crates/core",
    "crates/auth",
    "crates/breached",
    "crates/routers",
    "crates/sea-orm",
    "crates/mail",
    "crates/redis",
    "crates/testing",
    "crates/axum-users",
    "migrations",
];

pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

pub(crate) fn read(path: &str) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The files below a folder with this ending, as paths from the root.
pub(crate) fn files(folder: &str, ending: &str) -> Vec<String> {
    let mut found = Vec::new();
    collect(&root().join(folder), ending, &mut found);
    found.sort();
    found
}

fn collect(folder: &Path, ending: &str, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, ending, found);
        } else if path.to_str().unwrap().ends_with(ending) {
            let path = path.strip_prefix(root()).unwrap();
            found.push(path.to_str().unwrap().to_owned());
        }
    }
}

/// The source of a crate without its tests: path and lines of each file.
pub(crate) fn sources(of: &str) -> Vec<(String, Vec<String>)> {
    files(&format!("{of}/src"), ".rs")
        .into_iter()
        .filter(|path| !path.ends_with("/tests.rs"))
        .map(|path| {
            let text = read(&path);
            let lines = text.split("#[cfg(test)]\n").next().unwrap().lines();
            (path, lines.map(str::to_owned).collect())
        })
        .collect()
}

/// The word at the start of a text.
pub(crate) fn word(text: &str) -> &str {
    let end = text
        .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .unwrap_or(text.len());
    &text[..end]
}

/// What stands between backticks.
pub(crate) fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// The cells of the rows of all tables in a text, without heads.
pub(crate) fn rows(text: &str) -> Vec<Vec<&str>> {
    let lines: Vec<_> = text.lines().collect();
    lines
        .iter()
        .enumerate()
        .filter(|(index, line)| {
            let is_rule = |line: &&str| line.starts_with("| ---");
            line.starts_with('|') && !is_rule(line) && !lines.get(index + 1).is_some_and(is_rule)
        })
        .map(|(_, line)| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect()
}

//! The book: `mdbook build docs`.

use std::collections::BTreeSet;

use crate::source::{files, quoted, read, root};

const REPOSITORY: &str = "https://github.com/axum-users/axum-users/";

fn pages() -> Vec<String> {
    let mut pages = files("docs", ".md");
    pages.retain(|page| page != "docs/SUMMARY.md");
    pages
}

/// A text without its blocks of code.
fn prose(text: &str) -> String {
    let mut code = false;
    let mut prose = String::new();
    for line in text.lines() {
        if line.starts_with("```") {
            code = !code;
        } else if !code {
            prose.push_str(line);
            prose.push('\n');
        }
    }
    prose
}

/// The targets of the links in a text.
fn links(text: &str) -> Vec<String> {
    let mut links = Vec::new();
    for line in prose(text).lines() {
        // What is quoted is no link.
        let plain: String = line.split('`').step_by(2).collect();
        links.extend(
            plain
                .split("](")
                .skip(1)
                .filter_map(|rest| rest.split(')').next())
                .map(str::to_owned),
        );
        if let Some((_, target)) = line.split_once("]: ")
            && line.starts_with('[')
        {
            links.push(target.to_owned());
        }
    }
    links
}

/// The anchors of a page, as GitHub and mdBook make them of its heads.
fn anchors(text: &str) -> BTreeSet<String> {
    prose(text)
        .lines()
        .filter_map(|line| line.strip_prefix('#'))
        .map(|head| {
            let head = head.trim_start_matches('#').trim().to_lowercase();
            head.chars()
                .filter_map(|c| match c {
                    ' ' => Some('-'),
                    c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
                    _ => None,
                })
                .collect()
        })
        .collect()
}

#[test]
fn every_page_is_a_chapter() {
    let summary = read("docs/SUMMARY.md");
    let chapters: BTreeSet<_> = links(&summary).into_iter().collect();
    let pages: BTreeSet<_> = pages()
        .iter()
        .map(|page| page.trim_start_matches("docs/").to_owned())
        .collect();
    assert_eq!(
        chapters, pages,
        "the left are in docs/SUMMARY.md, the right are there"
    );
}

#[test]
fn no_link_is_dead() {
    let mut all = pages();
    for folder in ["crates", "examples", "tests", "migrations"] {
        all.extend(files(folder, "README.md"));
    }
    for page in ["README.md", "CONTRIBUTING.md", "SECURITY.md"] {
        all.push(page.to_owned());
    }
    let mut dead = Vec::new();
    for page in &all {
        let text = read(page);
        let folder = page.rsplit_once('/').map_or("", |(folder, _)| folder);
        for link in links(&text) {
            let inside = link.strip_prefix(REPOSITORY).and_then(|rest| {
                rest.strip_prefix("blob/main/")
                    .or_else(|| rest.strip_prefix("tree/main/"))
            });
            let (base, target) = match inside {
                Some(target) => ("", target),
                // A path of Rust, for rustdoc.
                None if ["::", "://", "@"].iter().any(|mark| link.contains(mark)) => continue,
                None => (folder, link.as_str()),
            };
            if folder == "docs" && inside.is_none() && target.starts_with("..") {
                dead.push(format!(
                    "{page}: {link} leads out of the book; write {REPOSITORY}blob/main/…"
                ));
                continue;
            }
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            let path = match path {
                "" => page.clone(),
                path if base.is_empty() => path.to_owned(),
                path => format!("{base}/{path}"),
            };
            let file = root().join(&path);
            let known = file.exists()
                && (anchor.is_empty() || file.is_dir() || anchors(&read(&path)).contains(anchor));
            if !known {
                dead.push(format!("{page}: {link}"));
            }
        }
    }
    assert!(dead.is_empty(), "{dead:#?}");
}

#[test]
fn every_example_has_its_page() {
    // The application for tests from outside is described by `settings.md` and its own README.
    const WITHOUT: [&str; 1] = ["full-profile"];
    for manifest in files("examples", "Cargo.toml") {
        let name = manifest.split('/').nth(1).unwrap();
        if WITHOUT.contains(&name) {
            continue;
        }
        let page = read(&format!("docs/example-{name}.md"));
        assert!(
            page.contains(&format!("main/examples/{name}")),
            "docs/example-{name}.md does not lead to examples/{name}"
        );
    }
}

#[test]
fn every_page_with_rust_is_compiled() {
    let compiled = read("tests/src/lib.rs");
    for page in pages() {
        let included = compiled.contains(&format!("\"../../{page}\""));
        let has_rust = read(&page).contains("\n```rust");
        assert!(included || !has_rust, "{page} is to be in tests/src/lib.rs");
    }
}

#[test]
fn heads_become_anchors() {
    let anchors = anchors("# Two words\n## `code`: it's\n```sh\n# no head\n```\n");
    assert_eq!(
        anchors,
        BTreeSet::from(["two-words", "code-its"].map(str::to_owned))
    );
    assert_eq!(quoted("a `b` c `d`"), ["b", "d"]);
    assert_eq!(links("[a](b.md) `[c](d)`\n[e]: f\n"), ["b.md", "f"]);
}

/// Whether a line begins a handler that the macro can look at: it knows no generics.
fn is_handler(line: &str) -> bool {
    let head = line
        .strip_prefix("async fn ")
        .and_then(|rest| rest.split_once('('));
    head.is_some_and(|(name, rest)| {
        !name.contains('<')
            && ["CurrentUser", "State(", "Body("]
                .iter()
                .any(|taken| rest.contains(taken))
    })
}

#[test]
fn the_compiler_says_of_every_handler_in_the_pages_why_it_is_none() {
    let mut plain = Vec::new();
    for page in pages().into_iter().chain(["README.md".to_owned()]) {
        let text = read(&page);
        let mut attributes = Vec::new();
        for line in text.lines() {
            if line.starts_with("#[") {
                attributes.push(line);
                continue;
            }
            if is_handler(line)
                && !attributes
                    .iter()
                    .any(|line| line.starts_with("#[axum::debug_handler"))
            {
                plain.push(format!("{page}: {line}"));
            }
            attributes.clear();
        }
    }
    assert!(plain.is_empty(), "without `debug_handler`: {plain:#?}");
}

//! `docs/errors.md` has every code.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::StatusCode;
use serde_json::Value;

use crate::source::{quoted, read, rows, sources};

/// The routes that answer each status and code.
type Answers = BTreeMap<(String, String), BTreeSet<String>>;

/// What the document says, and all of its routes, without the prefixes of the mounts.
fn documented() -> (Answers, BTreeSet<String>) {
    let document: Value = serde_json::from_str(&read("tests/http/openapi.json")).unwrap();
    let mut codes = Answers::new();
    let mut routes = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let Some(responses) = operation["responses"].as_object() else {
                continue;
            };
            let route = format!("{} {}", method.to_uppercase(), bare(path));
            routes.insert(route.clone());
            for (status, response) in responses.iter().filter(|(status, _)| status.as_str() >= "400") {
                let examples = &response["content"]["application/json"]["examples"];
                let examples = examples.as_object().into_iter().flat_map(serde_json::Map::keys);
                let fields = (status == "422").then(|| "VALIDATION_ERROR".to_owned());
                for code in examples.cloned().chain(fields) {
                    codes
                        .entry((status.clone(), code))
                        .or_default()
                        .insert(route.clone());
                }
            }
        }
    }
    (codes, routes)
}

fn bare(path: &str) -> String {
    let path = path.strip_prefix("/auth").unwrap_or(path);
    let of_backend = ["/login", "/logout", "/logout-all"]
        .iter()
        .find(|end| path.ends_with(*end));
    of_backend.map_or(path.to_owned(), |end| (*end).to_owned())
}

/// The codes that the source spells, outside of tests and comments.
fn spelled() -> BTreeSet<String> {
    let mut codes = BTreeSet::new();
    for of in ["crates/auth", "crates/routers"] {
        for (_, lines) in sources(of) {
            for line in lines.iter().filter(|line| !line.trim_start().starts_with("//")) {
                let is_code = |text: &&str| {
                    text.starts_with(|c: char| c.is_ascii_uppercase())
                        && text.contains('_')
                        && text.chars().all(|c| c.is_ascii_uppercase() || c == '_')
                };
                codes.extend(
                    line.split('"')
                        .skip(1)
                        .step_by(2)
                        .filter(is_code)
                        .map(str::to_owned),
                );
            }
        }
    }
    // For a handler of the application that answers by the status alone.
    codes.remove("UNPROCESSABLE_ENTITY");
    codes
}

/// The code of a refusal with nothing to say beyond its status.
fn is_a_phrase(status: &str, code: &str) -> bool {
    let status = StatusCode::from_bytes(status.as_bytes()).unwrap();
    let phrase = status.canonical_reason().unwrap_or_default();
    phrase.to_uppercase().replace(' ', "_") == code
}

#[test]
fn every_code_is_on_the_page_with_its_status_and_routes() {
    let page = read("docs/errors.md");
    let (codes, routes) = documented();
    let spelled = spelled();
    let mut on_page = BTreeSet::new();
    for row in rows(&page) {
        let [status, code, route, cause, ..] = row[..] else {
            panic!("a row has status, code, route, cause and remedy: {row:?}");
        };
        let code = quoted(code)[0];
        assert!(!cause.is_empty(), "{code}");
        let key = (status.to_owned(), code.to_owned());
        let known = codes.contains_key(&key) || spelled.contains(code) || is_a_phrase(status, code);
        assert!(known, "nothing answers {status} {code}");
        let named: BTreeSet<_> = quoted(route).into_iter().map(str::to_owned).collect();
        let unknown: Vec<_> = named.difference(&routes).collect();
        assert!(unknown.is_empty(), "{code}: there is no {unknown:?}");
        if !named.is_empty()
            && let Some(answering) = codes.get(&key)
        {
            let missing: Vec<_> = answering.difference(&named).collect();
            assert!(missing.is_empty(), "{code} is answered by {missing:?} too");
        }
        assert!(on_page.insert(key), "{status} {code} is there twice");
    }
    let missing: Vec<_> = codes.keys().filter(|key| !on_page.contains(*key)).collect();
    assert!(missing.is_empty(), "not in docs/errors.md: {missing:?}");
    let missing: Vec<_> = spelled
        .iter()
        .filter(|code| !on_page.iter().any(|(_, known)| known == *code))
        .collect();
    assert!(missing.is_empty(), "not in docs/errors.md: {missing:?}");
}

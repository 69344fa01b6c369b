//! Every public type shows its typical use.

use crate::source::{CRATES, sources, word};

/// Types without an example of their own.
const WITHOUT: [&str; 11] = [
    // SeaORM asks for it with every entity; this one is empty.
    "Relation",
    // What is said of these is what the OpenAPI document says of them.
    "BearerResponse",
    "ErrorDetail",
    "ErrorModel",
    "FieldErrorModel",
    "Location",
    "NoExtra",
    "ValidationDetail",
    "ValidationErrorModel",
    // For the tests of this repository; not in the documentation.
    "Kind",
    "Watch",
];

/// The public types of a crate: where, name, and whether its documentation has an example.
fn types(of: &str) -> Vec<(String, String, bool)> {
    let mut found = Vec::new();
    for (path, lines) in sources(of) {
        for (index, line) in lines.iter().enumerate() {
            let kinds = ["pub struct ", "pub enum ", "pub trait "];
            let Some(rest) = kinds.iter().find_map(|kind| line.strip_prefix(kind)) else {
                continue;
            };
            let above: Vec<_> = lines[..index]
                .iter()
                .rev()
                .take_while(|line| !line.trim().is_empty())
                .collect();
            if above.iter().any(|line| *line == "#[doc(hidden)]") {
                continue;
            }
            let shown = above.iter().any(|line| line.starts_with("/// ```"));
            found.push((path.clone(), word(rest).to_owned(), shown));
        }
    }
    found
}

#[test]
fn every_public_type_has_an_example() {
    let mut lacking = Vec::new();
    for of in CRATES {
        for (path, name, shown) in types(of) {
            if !shown && !WITHOUT.contains(&name.as_str()) {
                lacking.push(format!("{path}: {name}"));
            }
        }
    }
    assert!(lacking.is_empty(), "without an example: {lacking:#?}");
}

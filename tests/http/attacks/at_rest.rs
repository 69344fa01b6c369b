//! What who reads the database has.

use std::fs;

use axum_users::{PasswordHasher, TokenDigest};
use serde_json::json;

use crate::harness::{App, Database, PASSWORD, Sqlite, Wiring, in_redis, on_every_database, run};

on_every_database! {
    ;
    a078_no_token_is_at_rest_in_the_clear,
    a145_passwords_are_at_rest_as_argon2id_of_their_own,
}

in_redis! { a078_no_token_is_at_rest_in_the_clear }

const EMAIL: &str = "arthur@camelot.bt";

fn holds(stored: &[u8], bytes: &[u8]) -> bool {
    stored.windows(bytes.len()).any(|window| window == bytes)
}

fn assert_hides(stored: &[u8], token: &str) {
    for part in [token, &token[..20], &token[token.len() - 20..]] {
        assert!(!holds(stored, part.as_bytes()), "{part} of {token} is at rest");
    }
}

async fn a078_no_token_is_at_rest_in_the_clear<D: Database>(app: &App<D>) {
    app.register(EMAIL).await;
    let tokens = app.login_everywhere(EMAIL).await;
    let personal = app.personal_token(&tokens[1].1, None).await;
    let gone = app.login("jwt", EMAIL).await;
    app.post("/auth/jwt/logout").by(&gone).await.is(204);
    let stored = app.db.dump().await;
    assert!(!stored.is_empty());
    for (_, token) in &tokens {
        assert_hides(&stored, token.text());
    }
    assert_hides(&stored, personal.text());
    assert_hides(&stored, gone.text());
    assert!(!holds(&stored, PASSWORD.as_bytes()));
    // Had they been there, they would have been seen.
    if app.db.redis().is_none() {
        for token in [&tokens[1].1, &tokens[2].1, &personal] {
            assert!(
                holds(&stored, TokenDigest::of(token.text()).as_bytes()),
                "{token:?}"
            );
        }
        assert!(holds(&stored, EMAIL.as_bytes()) && holds(&stored, b"$argon2id$v=19$"));
    }
}

#[test]
fn a078_no_token_is_in_the_file_of_the_database() {
    run::<Sqlite>(async |app: &App<Sqlite>| {
        app.register(EMAIL).await;
        let tokens = [app.login("token", EMAIL).await, app.login("cookie", EMAIL).await];
        let mut stored = Vec::new();
        for file in fs::read_dir(&app.db.folder).unwrap() {
            stored.extend(fs::read(file.unwrap().path()).unwrap());
        }
        for token in &tokens {
            assert!(holds(&stored, TokenDigest::of(token.text()).as_bytes()));
            assert_hides(&stored, token.text());
        }
        assert!(!holds(&stored, PASSWORD.as_bytes()));
        assert!(holds(&stored, b"$argon2id$v=19$"));
    });
}

async fn a145_passwords_are_at_rest_as_argon2id_of_their_own<D: Database>(app: &App<D>) {
    // The settings that an application gets that says nothing.
    let app = app.rewired(Wiring::usual().hasher(PasswordHasher::shared().unwrap()));
    for email in [EMAIL, "kay@camelot.bt"] {
        let body = json!({"email": email, "password": PASSWORD});
        app.post("/auth/register").json(body).await.is(201);
    }
    let stored = String::from_utf8_lossy(&app.db.dump().await).into_owned();
    let is_of_a_hash = |c: char| c.is_ascii_alphanumeric() || "+/$=,".contains(c);
    let hashes: Vec<Vec<&str>> = stored
        .match_indices("$argon2")
        .map(|(start, _)| {
            let rest = &stored[start..];
            let end = rest.find(|c| !is_of_a_hash(c)).unwrap_or(rest.len());
            rest[1..end].split('$').collect()
        })
        .collect();
    assert_eq!(hashes.len(), 2, "{hashes:?}");
    for hash in &hashes {
        let [kind, version, settings, salt, tag] = hash[..] else {
            panic!("no PHC string: {hash:?}");
        };
        // The first choice of the OWASP Password Storage Cheat Sheet.
        assert_eq!((kind, version, settings), ("argon2id", "v=19", "m=19456,t=2,p=1"));
        // Base64 of 16 and of 32 bytes.
        assert_eq!((salt.len(), tag.len()), (22, 43), "{hash:?}");
    }
    let [one, other] = &hashes[..] else { panic!("two") };
    assert!(
        one[3] != other[3] && one[4] != other[4],
        "the same password, another salt"
    );
}

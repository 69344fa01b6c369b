//! Passwords: what is taken, what is refused, and what nobody gets to see (NIST SP 800-63B-4, 3.1.1.2).

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use axum_users::{
    BreachLookup, BreachLookupError, BreachedPasswords, Password, PasswordHasher, PasswordPolicy,
    PasswordStrength, PwnedPasswords, WhenUnavailable,
};
use axum_users_testing::fast_hasher_settings;
use serde_json::{Value, json};

use crate::harness::{
    Answer, App, Database, OTHER_PASSWORD, PASSWORD, SqliteInMemory, Token, Wiring, app, wired,
};

const EMAIL: &str = "arthur@camelot.bt";
const KING: &str = "uther@camelot.bt";

fn register<D: Database>(app: &App<D>, email: &str, password: &str) -> crate::harness::Call {
    let body = json!({"email": email, "password": password});
    app.post("/auth/register").json(body)
}

/// The four ways by which a password is chosen: each with its code, and how it answers to `password`.
async fn chosen_everywhere(app: &App<SqliteInMemory>, password: &str) -> [(&'static str, Answer); 4] {
    let reset = app.reset_token(EMAIL).await;
    let owner = app.login("token", EMAIL).await;
    let king = app.login("token", KING).await;
    let id = app.get("/users/me").by(&owner).await.is(200).json()["id"].clone();
    let id = id.as_str().unwrap();
    let mine = json!({"password": password, "current_password": PASSWORD});
    let theirs = json!({ "password": password });
    [
        (
            "REGISTER_INVALID_PASSWORD",
            register(app, "kay@camelot.bt", password).await,
        ),
        (
            "RESET_PASSWORD_INVALID_PASSWORD",
            app.reset(&reset, password).await,
        ),
        (
            "UPDATE_USER_INVALID_PASSWORD",
            app.patch("/users/me").by(&owner).json(mine).await,
        ),
        (
            "UPDATE_USER_INVALID_PASSWORD",
            app.patch(&format!("/users/{id}")).by(&king).json(theirs).await,
        ),
    ]
}

async fn kingdom(policy: PasswordPolicy) -> App<SqliteInMemory> {
    // Others hash at the same time on the one that all tests share.
    let hasher = PasswordHasher::new(&fast_hasher_settings()).unwrap();
    let wiring = Wiring::usual().hasher(hasher);
    let app = wired(wiring.manager(|manager| manager.password_policy(policy))).await;
    app.register(EMAIL).await;
    app.superuser(KING).await;
    app
}

async fn refused_everywhere(app: &App<SqliteInMemory>, password: &str, reason: &str) {
    for (code, answer) in chosen_everywhere(app, password).await {
        let answer = answer.refused(400, code);
        assert_eq!(answer.json()["reason_code"], reason, "{code} {password:?}");
        assert!(answer.json()["detail"]["reason"].is_string());
        if password.len() > 3 {
            answer.hides(password);
        }
    }
    app.try_login("token", EMAIL, PASSWORD).await.is(200);
    if !password.is_empty() {
        app.try_login("token", EMAIL, password).await.is(400);
    }
}

#[tokio::test]
async fn a005_a_password_is_verified_to_its_last_character() {
    let app = app().await;
    let long: String = (0..100_u32)
        .map(|index| char::from_u32(0x21 + (index * 37) % 94).unwrap())
        .collect();
    register(&app, EMAIL, &long).await.is(201);
    for length in [55, 64, 72, 73, 99] {
        app.try_login("jwt", EMAIL, &long[..length]).await.is(400);
    }
    app.try_login("jwt", EMAIL, &format!("{long}x")).await.is(400);
    app.try_login("jwt", EMAIL, &long).await.is(200);
}

#[tokio::test]
async fn a007_a_password_is_neither_trimmed_nor_folded() {
    let app = app().await;
    let password = "  Excalibur in the Lake ";
    register(&app, EMAIL, password).await.is(201);
    for other in [
        password.trim().to_owned(),
        password.trim_start().to_owned(),
        password.trim_end().to_owned(),
        password.to_lowercase(),
        password.to_uppercase(),
        "  eXCALIBUR IN THE lAKE ".to_owned(),
        password.replace(' ', ""),
        password.replace("  ", " "),
        password.replace(' ', "\u{a0}"),
    ] {
        app.try_login("jwt", EMAIL, &other).await.is(400);
    }
    app.try_login("jwt", EMAIL, password).await.is(200);
}

#[tokio::test]
async fn one_password_in_two_forms_of_unicode_is_one_password() {
    let app = app().await;
    register(&app, EMAIL, "caf\u{e9} in the lake").await.is(201);
    app.try_login("jwt", EMAIL, "cafe\u{301} in the lake")
        .await
        .is(200);
    register(&app, "kay@camelot.bt", "cafe\u{301} in the lake")
        .await
        .is(201);
    app.try_login("jwt", "kay@camelot.bt", "caf\u{e9} in the lake")
        .await
        .is(200);
}

#[tokio::test]
async fn a008_huge_passwords_are_refused_before_they_cost_anything() {
    let app = kingdom(PasswordPolicy::new().min_strength(PasswordStrength::SafelyUnguessable)).await;
    let hasher = app.users.manager().hasher();
    let owner = app.login("token", EMAIL).await;
    let reset = app.reset_token(EMAIL).await;
    for size in [1_025, 10_000, 100_000, 1_000_000] {
        let huge = "x7!q".repeat(size / 4 + 1);
        let before = hasher.counts();
        let begun = Instant::now();
        for answer in [
            register(&app, "kay@camelot.bt", &huge).await,
            app.try_login("token", EMAIL, &huge).await,
            app.reset(&reset, &huge).await,
            app.patch("/users/me")
                .by(&owner)
                .json(json!({"password": huge, "current_password": huge}))
                .await,
        ] {
            assert!(matches!(answer.status, 413 | 422), "{}", answer.status);
            assert!(answer.body.len() < 1_000);
        }
        assert!(begun.elapsed().as_secs() < 2);
        assert_eq!(hasher.counts(), before, "nothing was hashed");
    }
    app.try_login("token", EMAIL, PASSWORD).await.is(200);
}

#[tokio::test]
async fn a035_short_passwords_are_refused_wherever_one_is_chosen() {
    let app = kingdom(PasswordPolicy::new()).await;
    for short in ["", "x", "five5", "seven77", "éèéè", "       ", "🗡🗡🗡🗡"] {
        refused_everywhere(&app, short, "too_short").await;
    }
    refused_everywhere(&app, "        ", "common").await;
}

#[tokio::test]
async fn fifteen_characters_are_asked_for_where_the_password_is_the_only_factor() {
    let app = kingdom(PasswordPolicy::single_factor()).await;
    for (password, taken) in [
        ("fourteen chars", false),
        ("fifteen letters", true),
        ("ééèéèèéèéèéèéè", false),
    ] {
        let answer = register(&app, "kay@camelot.bt", password).await;
        assert_eq!(answer.status == 201, taken, "{password}");
        if !taken {
            let reason = &answer.json()["detail"]["reason"];
            assert_eq!(reason, "Password should be at least 15 characters");
        }
    }
    // Who has a shorter one from before still logs in.
    let app = app.rewired(Wiring::usual().manager(|manager| manager.min_password_chars(64)));
    app.try_login("token", EMAIL, PASSWORD).await.is(200);
}

#[tokio::test]
async fn a036_common_passwords_are_refused_wherever_one_is_chosen() {
    let app = kingdom(PasswordPolicy::new()).await;
    for common in [
        "password",
        "12345678",
        "123456789",
        "1234567890",
        "qwertyuiop",
        "password1",
        "Password123",
        "iloveyou",
        "SUNSHINE",
        "football",
        "1q2w3e4r",
        "trustno1",
        "aaaaaaaaaaaa",
        "passwordpassword",
        "abcdefghijkl",
    ] {
        refused_everywhere(&app, common, "common").await;
    }
}

#[tokio::test]
async fn a037_long_and_foreign_passwords_are_taken() {
    let app = app().await;
    let ascii: String = (' '..='~').collect();
    for (index, password) in [
        "k7".to_owned() + &"correct horse battery staple ".repeat(3)[..62],
        "a passphrase with many blanks in it".to_owned(),
        "экскалибур в озере".to_owned(),
        "湖の中の剣エクスカリバー".to_owned(),
        "🗡🛡🐉🏰🤴🏻🧙🌊🪨".to_owned(),
        ascii,
        "the password is password123 today".to_owned(),
        "camelot has arthur for a king".to_owned(),
    ]
    .iter()
    .enumerate()
    {
        let email = format!("arthur{index}@camelot.bt");
        register(&app, &email, password).await.is(201);
        app.try_login("jwt", &email, password).await.is(200);
    }
}

#[tokio::test]
async fn a038_passwords_made_of_the_address_or_the_service_are_refused() {
    let app = kingdom(PasswordPolicy::new().context_words(["Round Table Ltd"])).await;
    for (password, reason) in [
        (EMAIL, "contains_email"),
        ("Arthur@Camelot.BT", "contains_email"),
        ("arthur2026", "context_word"),
        ("camelot-1!", "context_word"),
        ("ArthurArthur", "context_word"),
        ("arthurpassword", "context_word"),
        ("roundtable1", "context_word"),
        ("Round Table", "context_word"),
    ] {
        let owner = app.login("token", EMAIL).await;
        let mine = json!({"password": password, "current_password": PASSWORD});
        let answer = app.patch("/users/me").by(&owner).json(mine).await;
        let answer = answer.refused(400, "UPDATE_USER_INVALID_PASSWORD");
        assert_eq!(answer.json()["reason_code"], reason, "{password}");
    }
    // Of the new address as well as of the old one.
    let owner = app.login("token", EMAIL).await;
    for password in ["arthur2026", "pendragon1"] {
        let body =
            json!({"email": "pendragon@camelot.bt", "password": password, "current_password": PASSWORD});
        let answer = app.patch("/users/me").by(&owner).json(body).await;
        let answer = answer.refused(400, "UPDATE_USER_INVALID_PASSWORD");
        assert_eq!(answer.json()["reason_code"], "context_word", "{password}");
    }
    refused_everywhere(&app, "camelot2026", "context_word").await;
    register(&app, "kay@camelot.bt", "arthur2026 is here")
        .await
        .is(201);
}

#[tokio::test]
async fn names_in_the_body_that_registers_are_words_of_the_context() {
    let app = app().await;
    // What else is in the body is none: here the same password again.
    let body = |password: &str| {
        let again = password.to_owned();
        json!({"email": EMAIL, "first_name": "Guinevere", "password": password, "password_confirm": again})
    };
    let answer = app.post("/auth/register").json(body("guinevere1")).await;
    let answer = answer.refused(400, "REGISTER_INVALID_PASSWORD");
    assert_eq!(answer.json()["reason_code"], "context_word");
    app.post("/auth/register")
        .json(body("guinevere has a garden"))
        .await
        .is(201);
}

#[tokio::test]
async fn a_refused_password_does_not_spend_the_token_that_sets_one() {
    let app = kingdom(PasswordPolicy::new()).await;
    let token = app.reset_token(EMAIL).await;
    for weak in ["short", "password123", "arthur1234", "my arthur@camelot.bt"] {
        app.reset(&token, weak)
            .await
            .refused(400, "RESET_PASSWORD_INVALID_PASSWORD");
    }
    app.reset(&token, OTHER_PASSWORD).await.is(200);
    app.try_login("jwt", EMAIL, OTHER_PASSWORD).await.is(200);
    app.reset(&token, PASSWORD)
        .await
        .refused(400, "RESET_PASSWORD_BAD_TOKEN");
}

#[tokio::test]
async fn judging_a_password_asks_the_store_nothing_and_hashes_nothing() {
    let known = Known::of(&["holy hand grenade"]);
    let strength = PasswordStrength::SafelyUnguessable;
    let policy = PasswordPolicy::new()
        .min_strength(strength)
        .breached(known, WhenUnavailable::Refuse);
    let app = kingdom(policy).await;
    let (calls, hashes) = (app.store.calls(), app.users.manager().hasher().counts());
    app.db.statements().take();
    for (password, reason) in [
        ("short", "too_short"),
        ("kay@camelot.bt!", "contains_email"),
        ("password", "common"),
        ("camelot-17", "context_word"),
        ("zxcvbn098", "too_guessable"),
        ("the black knight", "beaten"),
        ("holy hand grenade", "breached"),
    ] {
        let answer = register(&app, "kay@camelot.bt", password)
            .await
            .refused(400, "REGISTER_INVALID_PASSWORD");
        assert_eq!(answer.json()["reason_code"], reason, "{password}");
    }
    assert_eq!(app.store.calls(), calls);
    assert_eq!(app.db.statements().take(), Vec::<String>::new());
    assert_eq!(app.users.manager().hasher().counts(), hashes);
}

/// Knows some passwords, and counts how often it is asked.
#[derive(Clone)]
struct Known {
    passwords: Arc<Mutex<Option<Vec<String>>>>,
    asked: Arc<AtomicUsize>,
}

impl Known {
    fn of(passwords: &[&str]) -> Self {
        let passwords = passwords.iter().map(|&password| password.to_owned()).collect();
        Self {
            passwords: Arc::new(Mutex::new(Some(passwords))),
            asked: Arc::default(),
        }
    }

    fn goes_down(&self) {
        *self.passwords.lock().unwrap() = None;
    }

    fn asked(&self) -> usize {
        self.asked.swap(0, Ordering::SeqCst)
    }
}

impl BreachedPasswords for Known {
    fn is_breached<'a>(&'a self, password: &'a Password) -> BreachLookup<'a> {
        Box::pin(async move {
            self.asked.fetch_add(1, Ordering::SeqCst);
            match &*self.passwords.lock().unwrap() {
                Some(known) => Ok(known.iter().any(|one| one == password.expose())),
                None => Err(BreachLookupError::new("nobody is there")),
            }
        })
    }
}

#[tokio::test]
async fn breached_passwords_are_looked_up_last_and_never_at_a_login() {
    let known = Known::of(&[OTHER_PASSWORD, PASSWORD]);
    let app = app().await;
    app.register(EMAIL).await;
    app.superuser(KING).await;
    let policy = PasswordPolicy::new().breached(known.clone(), WhenUnavailable::Refuse);
    let app = app.rewired(Wiring::usual().manager(|manager| manager.password_policy(policy)));
    app.try_login("jwt", EMAIL, PASSWORD).await.is(200);
    assert_eq!(known.asked(), 0, "a login is no new password");
    register(&app, "kay@camelot.bt", "password").await.is(400);
    register(&app, "kay@camelot.bt", "the black knight").await.is(400);
    assert_eq!(known.asked(), 0, "what is refused anyway is not looked up");
    refused_everywhere(&app, OTHER_PASSWORD, "breached").await;
    assert_eq!(known.asked(), 4);
    register(&app, "kay@camelot.bt", "a duck in the lake")
        .await
        .is(201);
    assert_eq!(known.asked(), 1);
}

#[tokio::test]
async fn what_cannot_be_looked_up_is_refused_or_taken_as_the_policy_says() {
    for (when, taken) in [(WhenUnavailable::Refuse, false), (WhenUnavailable::Accept, true)] {
        let known = Known::of(&[]);
        let app = kingdom(PasswordPolicy::new().breached(known.clone(), when)).await;
        known.goes_down();
        for (_, answer) in chosen_everywhere(&app, OTHER_PASSWORD).await {
            if !taken {
                let answer = answer.refused(503, "PASSWORD_CHECK_UNAVAILABLE");
                assert!(answer.header("retry-after").parse::<u32>().unwrap() > 0);
            } else if answer.status != 400 {
                // A reset before has ended the session of the owner, and spent the password they show.
                assert!(matches!(answer.status, 200 | 201 | 401), "{}", answer.status);
            }
        }
        let password = if taken { OTHER_PASSWORD } else { PASSWORD };
        app.try_login("jwt", EMAIL, password).await.is(200);
        let login = app.try_login("jwt", "kay@camelot.bt", OTHER_PASSWORD).await;
        assert_eq!(login.status == 200, taken);
    }
}

#[tokio::test]
async fn a_range_service_that_is_gone_is_503_and_its_prefix_is_in_no_log() {
    let events = axum_users_testing::captured_events();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let service = PwnedPasswords::insecure_plain_http(&url).unwrap();
    let app = wired(Wiring::usual().manager(|manager| {
        manager.password_policy(PasswordPolicy::new().breached(service, WhenUnavailable::Refuse))
    }))
    .await;
    register(&app, EMAIL, PASSWORD)
        .await
        .refused(503, "PASSWORD_CHECK_UNAVAILABLE");
    let text = events.text();
    assert!(text.contains("a password could not be looked up"), "{text}");
    assert!(!text.contains(PASSWORD) && !text.contains("/range/"), "{text}");
}

#[tokio::test]
async fn the_document_shows_503_of_the_look_up_where_it_may_happen() {
    let code_in = |app: &App<SqliteInMemory>, path: &str, method: &str| {
        let document = serde_json::to_value(&app.api).unwrap();
        let answers = &document["paths"][path][method]["responses"]["503"];
        answers.to_string().contains("PASSWORD_CHECK_UNAVAILABLE")
    };
    let with = |when| PasswordPolicy::new().breached(Known::of(&[]), when);
    for (policy, shown) in [
        (PasswordPolicy::new(), false),
        (with(WhenUnavailable::Accept), false),
        (with(WhenUnavailable::Refuse), true),
    ] {
        let app = kingdom(PasswordPolicy::new()).await;
        let app = app.rewired(Wiring::usual().manager(|manager| manager.password_policy(policy)));
        for (path, method) in [
            ("/auth/register", "post"),
            ("/auth/reset-password", "post"),
            ("/users/me", "patch"),
            ("/users/{id}", "patch"),
        ] {
            assert_eq!(code_in(&app, path, method), shown, "{method} {path}");
        }
        assert!(!code_in(&app, "/auth/jwt/login", "post"));
    }
}

#[tokio::test]
async fn a039_no_answer_about_a_user_has_a_password_or_a_hash() {
    let app = kingdom(PasswordPolicy::new()).await;
    let answer = register(&app, "kay@camelot.bt", PASSWORD).await.is(201);
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    let kay = app.login("token", "kay@camelot.bt").await;
    let king = app.login("token", KING).await;
    let by_id = format!("/users/{id}");
    let patch = |path: &str, by: &Token, body: Value| app.patch(path).by(by).json(body);
    let own = json!({"first_name": "Kay", "password": OTHER_PASSWORD, "current_password": PASSWORD});
    for answer in [
        answer,
        app.get("/users/me").by(&kay).await.is(200),
        patch("/users/me", &kay, own).await.is(200),
        app.get(&by_id).by(&king).await.is(200),
        patch(&by_id, &king, json!({"password": PASSWORD})).await.is(200),
        app.get("/users").by(&king).await.is(200),
    ] {
        for word in ["password", "hash", "salt", "argon2", PASSWORD, OTHER_PASSWORD] {
            assert!(
                !answer.body.to_lowercase().contains(word),
                "{word}: {}",
                answer.body
            );
        }
    }
}

#[tokio::test]
async fn strength_is_asked_for_only_where_it_is_set() {
    let guessable = "zxcvbn098";
    let app = kingdom(PasswordPolicy::new()).await;
    register(&app, "kay@camelot.bt", guessable).await.is(201);
    let strict = PasswordPolicy::new().min_strength(PasswordStrength::VeryUnguessable);
    refused_everywhere(&kingdom(strict).await, guessable, "too_guessable").await;
}

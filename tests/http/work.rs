//! What does not show in an answer must not show in its cost either.

use axum_users::{Argon2Settings, HashCounts, HasherSettings, Password, PasswordHash, PasswordHasher};
use axum_users_testing::fast_hasher_settings;
use serde_json::json;

use crate::harness::{
    App, BACKENDS, Call, Database, OTHER_PASSWORD, PASSWORD, Wiring, app, on_every_database,
};

on_every_database! {
    ;
    a004_a_login_that_fails_costs_the_same_for_whatever_reason,
    a104_asking_for_a_mail_costs_the_same_for_whatever_address,
}

const EMAIL: &str = "arthur@camelot.bt";
const IDLE: &str = "idle@camelot.bt";
const CONFIRMED: &str = "confirmed@camelot.bt";
const NOBODY: &str = "nobody@camelot.bt";

/// The application with a hasher of its own, whose counts nobody else changes.
pub(crate) fn counted<D: Database>(app: &App<D>) -> (App<D>, PasswordHasher) {
    let hasher = PasswordHasher::new(&fast_hasher_settings()).unwrap();
    (app.rewired(Wiring::usual().hasher(hasher.clone())), hasher)
}

/// What a request costs: hashes, and statements by their text.
pub(crate) async fn cost<D: Database>(
    app: &App<D>,
    hasher: &PasswordHasher,
    call: Call,
) -> (HashCounts, Vec<String>) {
    let before = hasher.counts();
    app.db.statements().take();
    call.await;
    let mut spent = hasher.counts();
    spent.argon2 -= before.argon2;
    spent.bcrypt -= before.bcrypt;
    (spent, app.db.statements().take())
}

async fn people<D: Database>(app: &App<D>) {
    for email in [EMAIL, IDLE, CONFIRMED] {
        app.register(email).await;
    }
    app.set_active(IDLE, false).await;
    app.set_verified(CONFIRMED).await;
}

async fn a004_a_login_that_fails_costs_the_same_for_whatever_reason<D: Database>(app: &App<D>) {
    let (app, hasher) = counted(app);
    people(&app).await;
    for backend in BACKENDS {
        let wrong = cost(&app, &hasher, app.try_login(backend, EMAIL, OTHER_PASSWORD)).await;
        assert_eq!((wrong.0.argon2, wrong.1.len()), (1, 1), "{:?}", wrong.1);
        let old = before_the_settings_changed(&app).await;
        for (email, password) in [
            (old, PASSWORD),
            (NOBODY, PASSWORD),
            (IDLE, PASSWORD),
            (IDLE, OTHER_PASSWORD),
        ] {
            let other = cost(&app, &hasher, app.try_login(backend, email, password)).await;
            assert_eq!(other, wrong, "{email}");
        }
    }
}

/// An inactive user whose hash a login would replace.
async fn before_the_settings_changed<D: Database>(app: &App<D>) -> &'static str {
    let settings = Argon2Settings::insecure_for_tests().memory(16);
    let hasher = PasswordHasher::new(&HasherSettings::new().argon2(settings).threads(1)).unwrap();
    let hash = hasher.hash(Password::parse(PASSWORD).unwrap()).await.unwrap();
    app.change(IDLE, |change| change.set.hashed_password = Some(hash))
        .await;
    IDLE
}

async fn a104_asking_for_a_mail_costs_the_same_for_whatever_address<D: Database>(app: &App<D>) {
    let (app, hasher) = counted(app);
    people(&app).await;
    for path in ["/auth/forgot-password", "/auth/request-verify-token"] {
        let ask = |email: &str| app.post(path).json(json!({ "email": email }));
        let known = cost(&app, &hasher, ask(EMAIL)).await;
        assert_eq!((known.0.argon2, known.1.len()), (0, 2), "{:?}", known.1);
        for email in [NOBODY, IDLE, CONFIRMED] {
            assert_eq!(cost(&app, &hasher, ask(email)).await, known, "{path} {email}");
        }
    }
    let messages = app.outbox.messages().await;
    assert_eq!(messages.len(), 8);
    // A decoy is as long as a mail, so that a full table tells nothing either.
    let length = |decoy: bool| {
        let found = messages
            .iter()
            .find(|message| message.is_decoy() == decoy)
            .unwrap();
        found.text.len()
    };
    let (mail, decoy) = (length(false), length(true));
    assert!(mail.abs_diff(decoy) < 64, "{mail} and {decoy} bytes");
}

#[tokio::test]
async fn registration_hashes_once_whether_the_address_is_free_or_not() {
    let (app, hasher) = counted(&app().await);
    for expected in [201, 400, 400] {
        let before = hasher.counts().argon2;
        let body = json!({"email": EMAIL, "password": PASSWORD});
        app.post("/auth/register").json(body).await.is(expected);
        assert_eq!(hasher.counts().argon2 - before, 1);
    }
}

#[tokio::test]
async fn an_older_hash_is_replaced_at_the_next_login_and_sessions_stay() {
    let app = app().await;
    app.register(EMAIL).await;
    let session = app.login("token", EMAIL).await;
    let reset = app.reset_token(EMAIL).await;
    let harder = HasherSettings::new()
        .argon2(Argon2Settings::insecure_for_tests().memory(16))
        .threads(1);
    let hasher = PasswordHasher::new(&harder).unwrap();
    let app = app.rewired(Wiring::usual().hasher(hasher.clone()));
    let spent_on = async |password: &str| {
        let before = hasher.counts().argon2;
        app.try_login("jwt", EMAIL, password).await;
        hasher.counts().argon2 - before
    };
    assert_eq!(
        spent_on(OTHER_PASSWORD).await,
        1,
        "a wrong password upgrades nothing"
    );
    assert_eq!(spent_on(PASSWORD).await, 2);
    assert_eq!(spent_on(PASSWORD).await, 1);
    assert_eq!(app.me(&session).await, 200);
    app.reset(&reset, "a new password")
        .await
        .refused(400, "RESET_PASSWORD_BAD_TOKEN");
}

#[tokio::test]
async fn a_password_of_another_scheme_still_signs_in() {
    let app = app().await;
    app.register(EMAIL).await;
    let set_hash = async |hash: &str| {
        let hash = PasswordHash::from_stored(hash);
        app.change(EMAIL, |change| change.set.hashed_password = Some(hash))
            .await;
    };
    // "hunter22 hunter22" by bcrypt at cost 4.
    set_hash("$2b$04$abcdefghijklmnopqrstuuvSCwyJF1JYShBc7Wtijaua6K.0jvUcC").await;
    for wrong in [PASSWORD, &"x".repeat(100)] {
        app.try_login("jwt", EMAIL, wrong)
            .await
            .refused(400, "LOGIN_BAD_CREDENTIALS");
    }
    for _ in 0..2 {
        app.try_login("jwt", EMAIL, "hunter22 hunter22").await.is(200);
    }
    for unknown in ["$unknown$hash", "plain text", ""] {
        set_hash(unknown).await;
        for password in [PASSWORD, unknown] {
            let answer = app.try_login("jwt", EMAIL, password).await;
            assert!([400, 422].contains(&answer.status), "{}", answer.body);
        }
    }
}

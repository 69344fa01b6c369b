//! What a security reviewer finds in the log.

use axum_users::{
    Argon2Settings, AxumUsers, BreachLookup, BreachLookupError, BreachedPasswords, HasherSettings,
    LimitPolicy, MessageKind, Password, PasswordHasher, PasswordPolicy, Quota, RateLimits, RedisLimits,
    RedisSessions, SecurityEvent, SecurityEvent as E, TokenOptions, WhenUnavailable,
};
use axum_users_testing::{CapturedEvents, captured_events};
use serde_json::json;

use crate::harness::{
    Answer, App, BACKENDS, Call, LIFETIME, OTHER_PASSWORD, PASSWORD, SqliteInMemory, Token, Wiring, app,
};

const EMAIL: &str = "arthur@camelot.bt";

/// Knows nothing of breaches.
struct Nobody;

impl BreachedPasswords for Nobody {
    fn is_breached<'a>(&'a self, _: &'a Password) -> BreachLookup<'a> {
        Box::pin(async { Err(BreachLookupError::new("nobody is there")) })
    }
}

/// Sends a request and looks which events it leaves, each about `user`.
struct Log {
    events: CapturedEvents,
    seen: Vec<SecurityEvent>,
    secrets: Vec<String>,
}

impl Log {
    async fn of(
        &mut self,
        call: Call,
        about: Option<&str>,
        actor: Option<&str>,
        expected: &[SecurityEvent],
    ) -> Answer {
        self.events.clear();
        let answer = call.header("x-request-id", "req-7").await;
        let names: Vec<_> = expected.iter().map(|event| event.name()).collect();
        assert_eq!(self.events.security(), names, "{answer:?}");
        for event in self.events.security_events() {
            assert_eq!(event.field("user"), about, "{event:?}");
            assert_eq!(event.field("request_id"), Some("req-7"), "{event:?}");
            assert_eq!(event.field("actor"), actor, "{event:?}");
        }
        self.hides_secrets();
        self.seen.extend(expected);
        answer
    }

    fn hides_secrets(&self) {
        let text = self.events.text();
        for secret in &self.secrets {
            assert!(!text.contains(secret.as_str()), "{secret} in {text}");
        }
    }

    fn hide(&mut self, token: &Token) {
        self.secrets.push(token.text().to_owned());
    }
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "the life of one user, in which each event has its place"
)]
async fn every_event_is_logged_once_and_without_addresses_or_secrets() {
    let app: App<SqliteInMemory> = app().await;
    let merlin = app.superuser("merlin@camelot.bt").await;
    let admin = app.login("token", "merlin@camelot.bt").await;
    let secrets = ["camelot.bt", PASSWORD, OTHER_PASSWORD, "wrong wrong", "argon2"];
    let mut log = Log {
        events: captured_events(),
        seen: Vec::new(),
        secrets: secrets.map(str::to_owned).to_vec(),
    };
    log.hide(&admin);

    let register = || {
        app.post("/auth/register")
            .json(json!({"email": EMAIL, "password": PASSWORD}))
    };
    log.events.clear();
    let answer = register().await.is(201);
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(log.events.security(), ["registered"]);
    assert_eq!(log.events.security_events()[0].field("user"), Some(id.as_str()));
    log.hides_secrets();
    log.seen.push(E::Registered);
    log.of(register(), None, None, &[]).await.is(400);
    let (me, by_id) = (Some(id.as_str()), format!("/users/{id}"));

    let login = |password| app.try_login("cookie", EMAIL, password);
    log.of(login("wrong wrong"), me, None, &[E::LoginFailed]).await;
    log.of(
        app.try_login("cookie", "nobody@camelot.bt", PASSWORD),
        None,
        None,
        &[E::LoginFailed],
    )
    .await;
    let token = log.of(login(PASSWORD), me, None, &[E::LoggedIn]).await.token();
    log.hide(&token);
    let confirmed_only = app.rewired(Wiring::usual().users(AxumUsers::verified_only));
    let unconfirmed = confirmed_only.try_login("cookie", EMAIL, PASSWORD);
    log.of(unconfirmed, me, None, &[E::LoginRefused]).await.is(400);
    let elsewhere = app.patch("/users/me").by(&token).json(json!({})).cross_site();
    log.of(elsewhere, None, None, &[E::CrossOriginRefused])
        .await
        .is(403);
    log.of(
        app.post("/auth/cookie/logout").by(&token),
        me,
        me,
        &[E::LoggedOut],
    )
    .await
    .is(204);
    log.of(app.get("/users/me").by(&token), None, None, &[])
        .await
        .is(401);

    let ask = |path: &str| app.post(path).json(json!({"email": EMAIL}));
    log.of(
        ask("/auth/request-verify-token"),
        me,
        None,
        &[E::VerificationRequested],
    )
    .await;
    let verify = app.verify_token(EMAIL).await;
    log.secrets.push(verify.clone());
    log.of(app.verify(&verify), me, None, &[E::Verified])
        .await
        .is(200);
    log.of(app.verify(&verify), me, None, &[E::TokenRefused])
        .await
        .is(400);
    log.of(app.verify("nonsense"), None, None, &[E::TokenRefused])
        .await
        .is(400);

    log.of(
        ask("/auth/forgot-password"),
        me,
        None,
        &[E::PasswordResetRequested],
    )
    .await;
    let nobody = app
        .post("/auth/forgot-password")
        .json(json!({"email": "nobody@camelot.bt"}));
    log.of(nobody, None, None, &[]).await;
    let reset = app.reset_token(EMAIL).await;
    log.secrets.push(reset.clone());
    log.of(
        app.reset(&reset, PASSWORD),
        me,
        None,
        &[E::PasswordReset, E::SessionsEnded],
    )
    .await
    .is(200);
    log.of(app.reset(&reset, PASSWORD), me, None, &[E::TokenRefused])
        .await
        .is(400);
    log.of(app.reset("nonsense", PASSWORD), None, None, &[E::TokenRefused])
        .await
        .is(400);

    let token = app.login("token", EMAIL).await;
    log.hide(&token);
    let patch = |body| app.patch("/users/me").by(&token).json(body);
    let wrong = json!({"password": OTHER_PASSWORD, "current_password": "wrong wrong"});
    log.of(patch(wrong), me, me, &[E::CurrentPasswordRefused])
        .await
        .is(400);
    let right = json!({"password": OTHER_PASSWORD, "current_password": PASSWORD});
    log.of(patch(right), me, me, &[E::PasswordChanged, E::SessionsEnded])
        .await
        .is(200);
    let moved = json!({"email": "king@camelot.bt", "current_password": OTHER_PASSWORD});
    log.of(patch(moved.clone()), me, me, &[E::EmailChangeRequested])
        .await
        .is(200);
    let mailed = async |to, kind| app.outbox.last_token_to(to, kind).await.unwrap();
    let undo = mailed(EMAIL, MessageKind::UndoEmailChange).await;
    log.secrets.push(undo.clone());
    log.of(app.undo_email(&undo), me, None, &[E::EmailChangeUndone])
        .await
        .is(200);
    log.of(app.undo_email(&undo), None, None, &[E::TokenRefused])
        .await
        .is(400);
    patch(moved).await.is(200);
    let confirm = mailed("king@camelot.bt", MessageKind::ConfirmEmailChange).await;
    log.secrets.push(confirm.clone());
    log.of(
        app.confirm_email(&confirm),
        me,
        None,
        &[E::EmailChanged, E::SessionsEnded],
    )
    .await
    .is(200);
    let token = app
        .try_login("token", "king@camelot.bt", OTHER_PASSWORD)
        .await
        .token();
    log.hide(&token);
    let patch = |body| app.patch("/users/me").by(&token).json(body);
    log.of(patch(json!({"first_name": "Wart"})), me, me, &[])
        .await
        .is(200);

    let create = app.post("/auth/tokens").by(&token);
    let create = create.json(json!({"name": "backup", "current_password": OTHER_PASSWORD}));
    let made = log
        .of(create, me, me, &[E::PersonalTokenCreated])
        .await
        .is(201)
        .json();
    log.secrets.push(made["token"].as_str().unwrap().to_owned());
    let end = app.delete(&format!("/auth/tokens/{}", made["id"].as_str().unwrap()));
    log.of(end.by(&token), me, me, &[E::PersonalTokenEnded])
        .await
        .is(204);
    let other = app
        .try_login("cookie", "king@camelot.bt", OTHER_PASSWORD)
        .await
        .token();
    log.hide(&other);
    let sessions = app.sessions(&token).await;
    let cookie = sessions
        .iter()
        .find(|session| session["backend"] == "cookie")
        .unwrap();
    let end = app.delete(&format!("/auth/sessions/{}", cookie["id"].as_str().unwrap()));
    log.of(end.by(&token), me, me, &[E::SessionEnded]).await.is(204);
    log.of(
        app.post("/auth/sessions/end-others").by(&token),
        me,
        me,
        &[E::SessionsEnded],
    )
    .await
    .is(204);
    let one = TokenOptions::new(LIFETIME).limit_per_user(1, LimitPolicy::Refuse);
    let full = app.rewired(Wiring::usual().tokens(one));
    log.of(
        full.try_login("token", "king@camelot.bt", OTHER_PASSWORD),
        me,
        None,
        &[E::TokenLimitReached],
    )
    .await
    .is(403);

    let change = |body| app.patch(&by_id).by(&admin).json(body);
    let by = Some(merlin.as_str());
    log.of(
        change(json!({"is_superuser": true})),
        me,
        by,
        &[E::SuperuserGranted],
    )
    .await
    .is(200);
    log.of(change(json!({"is_superuser": true})), me, by, &[])
        .await
        .is(200);
    log.of(
        change(json!({"is_superuser": false})),
        me,
        by,
        &[E::SuperuserWithdrawn],
    )
    .await
    .is(200);
    log.of(
        change(json!({"is_active": false})),
        me,
        by,
        &[E::Deactivated, E::SessionsEnded],
    )
    .await
    .is(200);
    log.of(change(json!({"is_active": true})), me, by, &[E::Reactivated])
        .await
        .is(200);
    log.of(
        change(json!({"password": PASSWORD})),
        me,
        by,
        &[E::PasswordChanged, E::SessionsEnded],
    )
    .await
    .is(200);

    let harder = HasherSettings::new()
        .argon2(Argon2Settings::insecure_for_tests().memory(16))
        .threads(1);
    let harder = app.rewired(Wiring::usual().hasher(PasswordHasher::new(&harder).unwrap()));
    let upgrade = harder.try_login("token", "king@camelot.bt", PASSWORD);
    log.of(upgrade, me, None, &[E::PasswordUpgraded, E::LoggedIn])
        .await
        .is(200);

    let blind = app.rewired(Wiring::usual().manager(|manager| {
        manager.password_policy(PasswordPolicy::new().breached(Nobody, WhenUnavailable::Accept))
    }));
    let unseen = blind
        .patch(&by_id)
        .by(&admin)
        .json(json!({"password": OTHER_PASSWORD}));
    let events = [E::PasswordCheckSkipped, E::PasswordChanged, E::SessionsEnded];
    log.of(unseen, me, by, &events).await.is(200);

    let delete = || app.delete(&by_id).by(&admin);
    log.of(delete(), me, by, &[E::Deleted]).await.is(204);
    log.of(delete(), None, None, &[]).await.is(404);

    // A mail to nobody leaves no event of its own.
    let gone = RedisSessions::from_url("redis://127.0.0.1:1").unwrap();
    let mut limits = RateLimits::new().counted_in(RedisLimits::new(&gone));
    limits.mails_to_target = Quota::per_hour(1);
    let strict = app.rewired(Wiring::usual().limits(limits));
    let ask = || {
        strict
            .post("/auth/forgot-password")
            .json(json!({"email": "nobody@camelot.bt"}))
    };
    log.of(ask(), None, None, &[E::RateLimitsUnshared]).await.is(202);
    log.of(ask(), None, None, &[E::RateLimited]).await.is(429);
    log.of(ask(), None, None, &[]).await.is(429);

    for event in SecurityEvent::ALL {
        assert!(log.seen.contains(event), "{event:?} was never caused");
    }
}

#[tokio::test]
async fn a_login_that_the_application_refuses_is_logged_where_the_password_was_right() {
    let app: App<SqliteInMemory> = app().await;
    app.register("barred@camelot.bt").await;
    let events = captured_events();
    for backend in BACKENDS {
        app.try_login(backend, "barred@camelot.bt", PASSWORD)
            .await
            .refused(403, "ACCOUNT_BARRED");
        assert_eq!(events.security(), ["login_refused"], "{backend}");
        events.clear();
        app.try_login(backend, "barred@camelot.bt", OTHER_PASSWORD)
            .await
            .refused(400, "LOGIN_BAD_CREDENTIALS");
        assert_eq!(events.security(), ["login_failed"], "{backend}");
        events.clear();
    }
}

#[tokio::test]
async fn a_store_that_is_down_is_logged_with_its_cause_and_nothing_else() {
    let app = app().await;
    app.register(EMAIL).await;
    let token = app.login("token", EMAIL).await;
    let events = captured_events();
    app.store.down(true);
    app.get("/users/me").by(&token).await.is(503);
    let text = events.text();
    assert!(text.contains("the database at db.internal is down"), "{text}");
    assert!(
        !text.contains(token.text()) && !text.contains("camelot"),
        "{text}"
    );
    assert_eq!(events.security(), [""; 0]);
}

#[tokio::test]
async fn a_request_id_that_is_no_plain_word_is_not_logged() {
    let app = app().await;
    let events = captured_events();
    for id in ["a b", "a\"b", "é", &"x".repeat(65)] {
        app.try_login("jwt", EMAIL, PASSWORD)
            .header("x-request-id", id)
            .await
            .is(400);
    }
    for event in events.security_events() {
        assert_eq!(event.field("request_id"), None, "{event:?}");
    }
}

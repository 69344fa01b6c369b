//! Every security event is written once, where it happens, and holds no secret.

use std::collections::BTreeSet;

use axum_users_core::{
    BreachLookup, BreachLookupError, BreachedPasswords, Context, LoginError, Password, PasswordPolicy,
    PersonalTokenRules, RevocationReason, Revoked, SecurityEvent, SecurityEvent as E, TokenDigest,
    UserManager, WhenUnavailable,
};
use axum_users_testing::{CapturedEvents, captured_events};
use serde_json::json;

use crate::stage::{
    ADA, NEW_PASSWORD, PASSWORD, Stage, body, email, hash, password, registration, signed_in,
};

/// The names since the last call.
fn news(events: &CapturedEvents) -> Vec<String> {
    let names = events.security();
    events.clear();
    names
}

/// Knows nothing of breaches.
struct Nobody;

impl BreachedPasswords for Nobody {
    fn is_breached<'a>(&'a self, _: &'a Password) -> BreachLookup<'a> {
        Box::pin(async { Err(BreachLookupError::new("nobody is there")) })
    }
}

/// What only the HTTP layer can see, and what needs limits.
const ELSEWHERE: [SecurityEvent; 5] = [
    SecurityEvent::CrossOriginRefused,
    SecurityEvent::RateLimited,
    SecurityEvent::RateLimitsUnshared,
    SecurityEvent::EmailChangeRequested,
    SecurityEvent::EmailChangeUndone,
];

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "the story of one user, from first to last")]
async fn each_event_is_written_once_where_it_happens() {
    let stage = Stage::new();
    let (manager, context) = (&stage.manager, stage.context());
    let events = captured_events();
    let mut seen = BTreeSet::new();
    let mut expect = |expected: &[SecurityEvent], what: &str| {
        let expected: Vec<_> = expected.iter().map(|event| event.name()).collect();
        assert_eq!(news(&events), expected, "{what}");
        seen.extend(expected);
    };

    let ada = stage.user(ADA).await;
    expect(&[E::Registered], "a registration");
    manager
        .register(registration(ADA, PASSWORD), &context)
        .await
        .unwrap_err();
    expect(&[], "a refused registration");

    stage.login(ADA, PASSWORD).await.unwrap();
    expect(&[], "a right password");
    let current = signed_in(&ada, None);
    manager.signed_in(&ada, &current.session, 0, &context).await;
    expect(&[E::LoggedIn], "a session");
    manager.signed_in(&ada, &current.session, 2, &context).await;
    expect(&[E::LoggedIn], "a session for which others ended");
    let refused = manager.too_many_sessions(&ada, &context);
    assert!(matches!(refused, LoginError::TokenLimitReached));
    expect(&[E::TokenLimitReached], "a session too many");
    manager.admit(&ada, true, &context).await.unwrap_err();
    expect(&[E::LoginRefused], "a right password with an unconfirmed address");
    manager.admit(&ada, false, &context).await.unwrap();
    expect(&[], "a login that nothing stands against");
    manager.signed_out(&ada, &current.session, &context).await;
    expect(&[E::LoggedOut], "the end of a session");
    let other = Revoked::Session {
        backend: "cookie",
        token_id: "2",
    };
    manager
        .session_ended(&ada.id, other, RevocationReason::ByOwner, &context)
        .await;
    expect(&[E::SessionEnded], "the end of another session");

    let rules = PersonalTokenRules::new("personal");
    let digest = TokenDigest::of("token");
    for (request, expected) in [
        (json!({ "name": "backup" }), E::CurrentPasswordRefused),
        (
            json!({ "name": "backup", "current_password": PASSWORD }),
            E::PersonalTokenCreated,
        ),
    ] {
        let what = request.to_string();
        let made = manager
            .create_personal_token(&current, body(request), digest, &rules, &context)
            .await;
        expect(&[expected], &what);
        if let Ok(token) = made {
            for expected in [vec![E::PersonalTokenEnded], vec![]] {
                manager
                    .end_personal_token(&ada, &token.id, &context)
                    .await
                    .unwrap();
                expect(&expected, "the end of a token, once");
            }
        }
    }

    stage.login(ADA, "wrong").await.unwrap_err();
    expect(&[E::LoginFailed], "a wrong password");
    stage.login("nobody@example.com", "wrong").await.unwrap_err();
    expect(&[E::LoginFailed], "an unknown user");

    let token = stage.verify_token(ADA).await;
    expect(&[E::VerificationRequested], "a mail to confirm");
    manager
        .request_verify(&email("nobody@example.com"), &context)
        .await
        .unwrap();
    expect(&[], "no mail to confirm");
    manager.verify(&token, &context).await.unwrap();
    expect(&[E::Verified], "a confirmation");
    manager.verify(&token, &context).await.unwrap_err();
    expect(&[E::TokenRefused], "a second confirmation");
    manager.verify("no token", &context).await.unwrap_err();
    expect(&[E::TokenRefused], "no token");

    let token = stage.reset_token(ADA).await;
    expect(&[E::PasswordResetRequested], "a mail to reset");
    manager
        .forgot_password(&email("nobody@example.com"), &context)
        .await
        .unwrap();
    expect(&[], "no mail to reset");
    manager
        .reset_password(&token, password("short"), &context)
        .await
        .unwrap_err();
    expect(&[], "a weak password");
    manager
        .reset_password(&token, password(NEW_PASSWORD), &context)
        .await
        .unwrap();
    expect(&[E::PasswordReset, E::SessionsEnded], "a reset");
    manager
        .reset_password(&token, password(PASSWORD), &context)
        .await
        .unwrap_err();
    expect(&[E::TokenRefused], "a second reset");

    let stored = stage.now(&ada).await;
    let ada = stored.user.clone();
    let mut current = signed_in(&ada, None);
    current.session.epoch = stored.epoch;
    manager
        .update_self(&current, body(json!({ "password": PASSWORD })), &context)
        .await
        .unwrap_err();
    expect(&[E::CurrentPasswordRefused], "no present password");
    let new = json!({ "password": PASSWORD, "current_password": NEW_PASSWORD });
    manager.update_self(&current, body(new), &context).await.unwrap();
    expect(&[E::PasswordChanged, E::SessionsEnded], "a new password");

    let ada = stage.now(&ada).await.user;
    for (new, expected) in [
        (json!({ "email": "ADA@example.com" }), vec![]),
        (json!({ "email": "new@example.com" }), vec![E::EmailChanged]),
        (json!({ "is_superuser": true }), vec![E::SuperuserGranted]),
        (json!({ "is_superuser": true }), vec![]),
        (json!({ "is_superuser": false }), vec![E::SuperuserWithdrawn]),
        (
            json!({ "is_active": false }),
            vec![E::Deactivated, E::SessionsEnded],
        ),
        (json!({ "is_active": true }), vec![E::Reactivated]),
        (json!({}), vec![]),
    ] {
        let now = stage.now(&ada).await.user;
        let what = new.to_string();
        manager.update(&now, body(new), &context).await.unwrap();
        expect(&expected, &what);
    }

    let old = bcrypt::hash(PASSWORD, 4).unwrap();
    stage
        .change(&ada, |change| change.set.hashed_password = Some(hash(&old)))
        .await;
    stage.login("new@example.com", PASSWORD).await.unwrap();
    expect(&[E::PasswordUpgraded], "a login with an old hash");

    let blind = manager
        .clone()
        .password_policy(PasswordPolicy::new().breached(Nobody, WhenUnavailable::Accept));
    let now = stage.now(&ada).await.user;
    let new = json!({ "password": PASSWORD });
    blind.update(&now, body(new), &context).await.unwrap();
    expect(
        &[E::PasswordCheckSkipped, E::PasswordChanged, E::SessionsEnded],
        "a password that nobody could look up",
    );

    manager.delete(&ada, &context).await.unwrap();
    expect(&[E::Deleted], "a deletion");
    manager.delete(&ada, &context).await.unwrap_err();
    expect(&[], "a second deletion");

    let all: BTreeSet<_> = E::ALL
        .iter()
        .filter(|event| !ELSEWHERE.contains(event))
        .map(|event| event.name())
        .collect();
    assert_eq!(seen, all, "every event happens in this test");
}

#[tokio::test]
async fn event_names_user_actor_and_request_and_no_secret() {
    let stage = Stage::new();
    let ada = stage.user(ADA).await;
    let events = captured_events();
    let context = Context::new(stage.context().now)
        .with_actor(&"the actor")
        .with_request_id("request-1");
    let token = {
        stage
            .manager
            .forgot_password(&email(ADA), &context)
            .await
            .unwrap();
        stage
            .outbox
            .last_token(axum_users_core::MessageKind::ResetPassword)
            .await
            .unwrap()
    };
    stage
        .manager
        .reset_password(&token, password(NEW_PASSWORD), &context)
        .await
        .unwrap();
    stage
        .manager
        .authenticate(ADA, password(PASSWORD), &context)
        .await
        .unwrap_err();
    stage
        .manager
        .reset_password(&token, password(PASSWORD), &context)
        .await
        .unwrap_err();
    let written = events.security_events();
    assert_eq!(written.len(), 5);
    for event in &written {
        assert_eq!(
            event.field("user"),
            Some(ada.id.to_string().as_str()),
            "{event:?}"
        );
        assert_eq!(event.field("actor"), Some("the actor"));
        assert_eq!(event.field("request_id"), Some("request-1"));
    }
    let text = events.text();
    let stored = stage.now(&ada).await.user.hashed_password.unwrap();
    for secret in [ADA, PASSWORD, NEW_PASSWORD, &token, &stored] {
        assert!(!text.contains(secret));
    }
}

#[tokio::test]
async fn confirmation_that_is_mailed_at_registration_is_an_event_of_its_own() {
    let stage = Stage::with(UserManager::verify_at_registration);
    let events = captured_events();
    stage.user(ADA).await;
    assert_eq!(events.security(), ["registered", "verification_requested"]);
}

#[tokio::test]
async fn failed_login_of_nobody_names_nobody() {
    let stage = Stage::new();
    let events = captured_events();
    stage.login("nobody@example.com", PASSWORD).await.unwrap_err();
    assert_eq!(events.security_events()[0].field("user"), None);
    assert!(!events.text().contains("nobody"));
}

#[test]
fn names_of_events_are_told_apart() {
    let names: BTreeSet<_> = SecurityEvent::ALL.iter().map(|event| event.name()).collect();
    assert_eq!(names.len(), SecurityEvent::ALL.len());
}

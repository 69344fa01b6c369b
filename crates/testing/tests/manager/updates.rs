//! Users are changed by themselves and by superusers.

use std::sync::Arc;

use axum_users_core::{
    Claim, Epoch, Failure, MemoryUser, MessageKind, NewToken, OpaqueClaim, SessionStore, TokenDigest,
    UpdateError, UserQuery, UserStore,
};
use axum_users_testing::captured_events;
use serde_json::{Value, json};

use crate::stage::{ADA, NEW_PASSWORD, PASSWORD, Stage, body, email, password, signed_in};

impl Stage {
    async fn update_self(&self, user: &MemoryUser, new: Value) -> Result<MemoryUser, UpdateError> {
        let current = signed_in(user, None);
        self.manager
            .update_self(&current, body(new), &self.context())
            .await
            .map(|stored| stored.user)
    }

    async fn update(&self, user: &MemoryUser, new: Value) -> Result<MemoryUser, UpdateError> {
        self.manager.update(user, body(new), &self.context()).await
    }

    async fn session(&self, user: &MemoryUser, text: &str) -> TokenDigest {
        let digest = TokenDigest::of(text);
        let epoch = self.now(user).await.epoch;
        let token = NewToken::new(user.id, "cookie", digest, epoch, self.context().now);
        self.store.insert_token(token).await.unwrap();
        digest
    }

    async fn is_alive(&self, digest: TokenDigest) -> bool {
        let claim = Claim::Digest(OpaqueClaim::new(digest, "cookie"));
        self.store
            .resolve(&claim, self.context().now)
            .await
            .unwrap()
            .is_some()
    }
}

#[tokio::test]
async fn users_change_their_address_by_their_password_and_it_is_unconfirmed_then() {
    let stage = Stage::new();
    let ada = stage
        .user_with(ADA, |change| change.set.is_verified = Some(true))
        .await;
    let new = json!({ "email": "New@example.com", "current_password": PASSWORD });
    let after = stage.update_self(&ada, new).await.unwrap();
    assert_eq!(
        (after.email.as_str(), after.is_verified),
        ("New@example.com", false)
    );
    assert!(stage.lets_in("new@example.com", PASSWORD).await);
    assert!(!stage.lets_in(ADA, PASSWORD).await);
}

#[tokio::test]
async fn another_case_of_ascii_letters_in_the_address_needs_no_password_and_stays_confirmed() {
    let stage = Stage::new();
    let ada = stage
        .user_with(ADA, |change| change.set.is_verified = Some(true))
        .await;
    let after = stage
        .update_self(&ada, json!({ "email": "ADA@example.com" }))
        .await
        .unwrap();
    assert_eq!(
        (after.email.as_str(), after.is_verified),
        ("ADA@example.com", true)
    );
}

/// Spellings of `kay@example.com` with the same normal form, to which a mail server may deliver elsewhere: a full-width
/// letter, a raised one, a mathematical one.
const TWINS: [&str; 3] = [
    "\u{ff4b}ay@example.com",
    "\u{1d4f}ay@example.com",
    "\u{1d424}ay@example.com",
];

#[tokio::test]
async fn kelvin_sign_is_the_letter_k_for_mail_too() {
    let stage = Stage::new();
    let kay = stage
        .user_with("kay@example.com", |change| change.set.is_verified = Some(true))
        .await;
    let new = json!({ "email": "\u{212a}ay@example.com" });
    let after = stage.update_self(&kay, new).await.unwrap();
    assert_eq!(
        (after.email.as_str(), after.is_verified),
        ("Kay@example.com", true),
        "NFC makes one of the two"
    );
}

#[tokio::test]
async fn address_of_the_same_normal_form_is_a_new_one_where_mail_may_go_elsewhere() {
    for twin in TWINS {
        let stage = Stage::new();
        let kay = stage
            .user_with("kay@example.com", |change| change.set.is_verified = Some(true))
            .await;
        let events = captured_events();
        let refused = stage.update_self(&kay, json!({ "email": twin })).await;
        assert!(
            matches!(refused, Err(UpdateError::InvalidCurrentPassword)),
            "{twin}"
        );
        assert_eq!(stage.now(&kay).await.user, kay);
        let new = json!({ "email": twin, "current_password": PASSWORD });
        let after = stage.update_self(&kay, new).await.unwrap();
        assert_eq!((after.email.as_str(), after.is_verified), (twin, false));
        assert_eq!(events.security(), ["current_password_refused", "email_changed"]);
    }
}

#[tokio::test]
async fn superuser_who_moves_the_mail_within_one_normal_form_unconfirms_the_address() {
    for twin in TWINS {
        let stage = Stage::new();
        let kay = stage
            .user_with("kay@example.com", |change| change.set.is_verified = Some(true))
            .await;
        let after = stage.update(&kay, json!({ "email": twin })).await.unwrap();
        assert!(!after.is_verified, "{twin}");
    }
}

#[tokio::test]
async fn mailed_tokens_die_where_mail_goes_elsewhere_though_the_normal_form_stays() {
    for twin in TWINS {
        let stage = Stage::new();
        let kay = stage.user("kay@example.com").await;
        let verify = stage.verify_token("kay@example.com").await;
        let reset = stage.reset_token("kay@example.com").await;
        let new = json!({ "email": twin, "current_password": PASSWORD });
        stage.update_self(&kay, new).await.unwrap();
        let context = stage.context();
        stage.manager.verify(&verify, &context).await.unwrap_err();
        let new = password(NEW_PASSWORD);
        stage
            .manager
            .reset_password(&reset, new, &context)
            .await
            .unwrap_err();
        assert!(!stage.now(&kay).await.is_verified, "{twin}");
        assert!(stage.lets_in("kay@example.com", PASSWORD).await, "{twin}");
    }
}

#[tokio::test]
async fn users_cannot_change_address_or_password_without_their_present_password() {
    let stage = Stage::new();
    let ada = stage.user(ADA).await;
    for new in [
        json!({ "email": "new@example.com" }),
        json!({ "password": NEW_PASSWORD }),
        json!({ "email": "new@example.com", "current_password": "wrong password" }),
        json!({ "password": NEW_PASSWORD, "current_password": NEW_PASSWORD }),
    ] {
        let refused = stage.update_self(&ada, new).await;
        assert!(matches!(refused, Err(UpdateError::InvalidCurrentPassword)));
    }
    assert_eq!(stage.now(&ada).await.user, ada);
}

#[tokio::test]
async fn present_password_is_not_asked_for_where_that_is_chosen_by_name() {
    let stage = Stage::with(axum_users_core::UserManager::insecure_no_current_password);
    let ada = stage.user(ADA).await;
    stage
        .update_self(&ada, json!({ "password": NEW_PASSWORD }))
        .await
        .unwrap();
    assert!(stage.lets_in(ADA, NEW_PASSWORD).await);
}

#[tokio::test]
async fn users_cannot_give_themselves_privileges() {
    let stage = Stage::new();
    let ada = stage.user(ADA).await;
    let all = json!({ "is_superuser": true, "is_verified": true, "is_active": false });
    assert_eq!(stage.update_self(&ada, all).await.unwrap(), ada);
    assert_eq!(stage.now(&ada).await.user, ada);
}

#[tokio::test]
async fn new_password_ends_all_sessions_but_the_one_that_asked() {
    let stage = Stage::new();
    let ada = stage.user(ADA).await;
    let (mine, stolen) = (
        stage.session(&ada, "mine").await,
        stage.session(&ada, "stolen").await,
    );
    let current = signed_in(&ada, Some(mine));
    let new = json!({ "password": NEW_PASSWORD, "current_password": PASSWORD });
    stage
        .manager
        .update_self(&current, body(new), &stage.context())
        .await
        .unwrap();
    assert!(stage.is_alive(mine).await);
    assert!(!stage.is_alive(stolen).await);
    assert_eq!(stage.now(&ada).await.epoch, Epoch(1), "self-contained tokens end");
}

#[tokio::test]
async fn new_password_by_a_superuser_and_deactivation_end_all_sessions() {
    let stage = Stage::new();
    for new in [json!({ "password": NEW_PASSWORD }), json!({ "is_active": false })] {
        let ada = stage.user(ADA).await;
        let session = stage.session(&ada, "session").await;
        stage.update(&ada, new).await.unwrap();
        assert!(!stage.is_alive(session).await);
        stage.manager.delete(&ada, &stage.context()).await.unwrap();
    }
}

#[tokio::test]
async fn deactivation_ends_sessions_even_where_passwords_keep_them() {
    let stage = Stage::with(axum_users_core::UserManager::insecure_keep_sessions);
    let ada = stage.user(ADA).await;
    let session = stage.session(&ada, "session").await;
    stage
        .update(&ada, json!({ "password": NEW_PASSWORD }))
        .await
        .unwrap();
    assert!(stage.is_alive(session).await);
    stage.update(&ada, json!({ "is_active": false })).await.unwrap();
    assert!(!stage.is_alive(session).await);
}

#[tokio::test]
async fn superuser_sets_every_field() {
    let stage = Stage::new();
    let ada = stage.user(ADA).await;
    let all = json!({
        "email": "new@example.com", "password": NEW_PASSWORD,
        "is_active": true, "is_superuser": true, "is_verified": true,
    });
    let after = stage.update(&ada, all).await.unwrap();
    assert_eq!(
        (after.is_active, after.is_superuser, after.is_verified),
        (true, true, true)
    );
    assert!(stage.lets_in("new@example.com", NEW_PASSWORD).await);
}

#[tokio::test]
async fn taken_address_is_refused_in_every_spelling_and_nothing_is_written() {
    let stage = Stage::new();
    let ada = stage.user(ADA).await;
    stage.user("jos\u{e9}@example.com").await;
    for taken in ["jos\u{e9}@example.com", "JOSE\u{301}@example.com"] {
        let all = json!({ "email": taken, "password": NEW_PASSWORD, "is_superuser": true });
        let refused = stage.update(&ada, all).await;
        assert!(matches!(refused, Err(UpdateError::EmailAlreadyExists)));
        let own = json!({ "email": taken, "current_password": PASSWORD });
        let refused = stage.update_self(&ada, own).await;
        assert!(matches!(refused, Err(UpdateError::EmailAlreadyExists)));
    }
    assert_eq!(stage.now(&ada).await.user, ada);
}

#[tokio::test]
async fn weak_password_is_refused_with_a_code_and_nothing_is_written() {
    let stage = Stage::new();
    let ada = stage.user(ADA).await;
    for (new, code) in [
        (json!({ "password": "short" }), "too_short"),
        (json!({ "password": "my ada@example.com" }), "contains_email"),
        (
            json!({ "password": "my new@example.com", "email": "new@example.com" }),
            "contains_email",
        ),
    ] {
        let Err(UpdateError::InvalidPassword(invalid)) = stage.update(&ada, new).await else {
            panic!("the password is refused")
        };
        assert_eq!(invalid.code, code);
    }
    assert_eq!(stage.now(&ada).await.user, ada);
}

#[tokio::test]
async fn change_of_somebody_who_is_gone_is_missing() {
    let stage = Stage::new();
    let ada = stage.user(ADA).await;
    stage.manager.delete(&ada, &stage.context()).await.unwrap();
    let refused = stage.update(&ada, json!({ "is_superuser": true })).await;
    assert!(matches!(refused, Err(UpdateError::Missing)));
}

#[tokio::test]
async fn present_password_that_was_changed_meanwhile_is_wrong() {
    let stage = Stage::new();
    let ada = stage.user(ADA).await;
    stage
        .update(&ada, json!({ "password": "meanwhile another" }))
        .await
        .unwrap();
    let late = json!({ "password": NEW_PASSWORD, "current_password": PASSWORD });
    let refused = stage.update_self(&ada, late).await;
    assert!(matches!(refused, Err(UpdateError::InvalidCurrentPassword)));
    assert!(stage.lets_in(ADA, "meanwhile another").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_eight_parallel_changes_of_a_password_exactly_one_wins() {
    let stage = Arc::new(Stage::new());
    let ada = stage.user(ADA).await;
    let tasks: Vec<_> = (0..8)
        .map(|n| {
            let (stage, ada) = (Arc::clone(&stage), ada.clone());
            tokio::spawn(async move {
                let new = json!({ "password": format!("new password {n}"), "current_password": PASSWORD });
                stage.update_self(&ada, new).await
            })
        })
        .collect();
    let mut winners = Vec::new();
    for (n, task) in tasks.into_iter().enumerate() {
        match task.await.unwrap() {
            Ok(_) => winners.push(n),
            Err(UpdateError::InvalidCurrentPassword) => {}
            Err(error) => panic!("{error}"),
        }
    }
    let [winner] = winners.as_slice() else {
        panic!("one wins, not {winners:?}")
    };
    assert!(stage.lets_in(ADA, &format!("new password {winner}")).await);
}

#[tokio::test]
async fn confirmation_of_the_old_address_does_not_confirm_the_new_one() {
    let stage = Stage::new();
    let ada = stage.user(ADA).await;
    let token = stage.verify_token(ADA).await;
    let new = json!({ "email": "new@example.com", "current_password": PASSWORD });
    stage.update_self(&ada, new).await.unwrap();
    stage.manager.verify(&token, &stage.context()).await.unwrap_err();
    assert!(!stage.now(&ada).await.is_verified);
    stage.verify_token("new@example.com").await;
    assert_eq!(stage.outbox.mails_to("new@example.com").await.len(), 1);
    assert_eq!(stage.outbox.mails_to(ADA).await[0].kind, MessageKind::Verify);
}

#[tokio::test]
async fn superuser_confirms_the_address_they_saw_and_no_other() {
    let stage = Stage::new();
    let ada = stage.user(ADA).await;
    let new = json!({ "email": "new@example.com", "current_password": PASSWORD });
    stage.update_self(&ada, new).await.unwrap();
    let refused = stage.update(&ada, json!({ "is_verified": true })).await;
    assert!(matches!(
        refused,
        Err(UpdateError::Failed(Failure::Unavailable { .. }))
    ));
    let seen = stage.now(&ada).await.user;
    assert!(!seen.is_verified);
    assert!(
        stage
            .update(&seen, json!({ "is_verified": true }))
            .await
            .unwrap()
            .is_verified
    );
}

#[tokio::test]
async fn superusers_change_their_own_address_and_password_by_their_present_password_only() {
    let stage = Stage::new();
    let ada = stage
        .user_with(ADA, |change| change.set.is_superuser = Some(true))
        .await;
    let bob = stage.user("bob@example.com").await;
    let by_ada = stage.context().with_actor(&ada.id);
    let update = |user: &MemoryUser, new: Value| {
        let (stage, user, by_ada) = (&stage, user.clone(), &by_ada);
        async move { stage.manager.update(&user, body(new), by_ada).await }
    };
    for new in [
        json!({ "password": NEW_PASSWORD }),
        json!({ "email": "new@example.com" }),
        json!({ "password": NEW_PASSWORD, "current_password": "wrong password" }),
    ] {
        let refused = update(&ada, new).await;
        assert!(matches!(refused, Err(UpdateError::InvalidCurrentPassword)));
    }
    assert_eq!(stage.now(&ada).await.user, ada);
    update(&ada, json!({ "is_verified": true, "email": "ADA@example.com" }))
        .await
        .unwrap();
    update(&bob, json!({ "password": NEW_PASSWORD })).await.unwrap();
    let new = json!({ "password": NEW_PASSWORD, "current_password": PASSWORD });
    let ada = stage.now(&ada).await.user;
    update(&ada, new).await.unwrap();
    assert!(stage.lets_in(ADA, NEW_PASSWORD).await);

    let lax = Stage::with(axum_users_core::UserManager::insecure_no_current_password);
    let ada = lax.user(ADA).await;
    let by_ada = lax.context().with_actor(&ada.id);
    lax.manager
        .update(&ada, body(json!({ "password": NEW_PASSWORD })), &by_ada)
        .await
        .unwrap();
}

#[tokio::test]
async fn change_that_another_one_overtakes_blames_the_password_only_where_that_is_another_one() {
    for (overtaking, blamed) in [("email", false), ("password", true)] {
        let stage = Stage::new();
        let ada = stage.user(ADA).await;
        let other = stage.manager.hasher().hash(password(NEW_PASSWORD)).await.unwrap();
        stage
            .change(&ada, |change| {
                if overtaking == "email" {
                    change.set.email = Some(email("first@example.com"));
                } else {
                    change.set.hashed_password = Some(other);
                }
            })
            .await;
        let new = json!({ "email": "second@example.com", "current_password": PASSWORD });
        match stage.update_self(&ada, new).await {
            Err(UpdateError::InvalidCurrentPassword) => assert!(blamed, "{overtaking}"),
            Err(UpdateError::Failed(Failure::Unavailable { .. })) => assert!(!blamed, "{overtaking}"),
            other => panic!("{overtaking}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn users_are_found_and_listed_by_plain_functions() {
    let stage = Stage::new();
    let ada = stage.user(ADA).await;
    stage.user("bob@example.com").await;
    stage.user("Cleo@example.com").await;
    let manager = &stage.manager;
    assert_eq!(manager.find(&ada.id).await.unwrap(), Some(ada.clone()));
    assert_eq!(
        manager.find_by_text(&ada.id.to_string()).await.unwrap(),
        Some(ada)
    );
    for no_id in ["", "1", "me", "\0"] {
        assert_eq!(manager.find_by_text(no_id).await.unwrap(), None);
    }
    let mut query = UserQuery::new(2);
    let first = manager.list(query.clone()).await.unwrap();
    let emails = |page: &axum_users_core::Page<MemoryUser>| -> Vec<String> {
        page.items.iter().map(|user| user.email.clone()).collect()
    };
    assert_eq!(emails(&first), [ADA, "bob@example.com"]);
    query.after = first.next;
    assert!(query.after.is_some());
    let last = manager.list(query).await.unwrap();
    assert_eq!(
        (emails(&last), last.next),
        (vec!["Cleo@example.com".to_owned()], None)
    );
    assert_eq!(
        manager.list(UserQuery::new(0)).await.unwrap().items.len(),
        1,
        "a page has at least one"
    );
    assert_eq!(
        manager.list(UserQuery::new(u32::MAX)).await.unwrap().items.len(),
        3
    );
}

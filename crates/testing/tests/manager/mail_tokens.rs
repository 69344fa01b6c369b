//! Tokens that are mailed: good once, for a while, for one purpose and one person.

use std::sync::Arc;

use axum_users_core::{
    Change, Claim, EndSessions, Epoch, MemoryUser, MessageKind, NewToken, OpaqueClaim, ResetPasswordError,
    SessionStore, TokenDigest, UserStore, VerifyError,
};
use axum_users_testing::captured_events;
use serde_json::json;

use crate::stage::{ADA, HOUR, NEW_PASSWORD, PASSWORD, Stage, body, email, hash, password};

const MILLISECOND: std::time::Duration = std::time::Duration::from_millis(1);

impl Stage {
    async fn reset(&self, token: &str, typed: &str) -> Result<MemoryUser, ResetPasswordError> {
        self.manager
            .reset_password(token, password(typed), &self.context())
            .await
    }

    async fn verify(&self, token: &str) -> Result<MemoryUser, VerifyError> {
        self.manager.verify(token, &self.context()).await
    }

    async fn refuses_to_reset(&self, token: &str) -> bool {
        matches!(
            self.reset(token, NEW_PASSWORD).await,
            Err(ResetPasswordError::BadToken)
        )
    }

    async fn refuses_to_verify(&self, token: &str) -> bool {
        matches!(self.verify(token).await, Err(VerifyError::BadToken))
    }
}

#[tokio::test]
async fn forgotten_password_is_replaced_by_a_mailed_token() {
    let stage = Stage::new();
    let ada = stage.user("Ada@example.com").await;
    let token = stage.reset_token("ADA@EXAMPLE.COM").await;
    let mails = stage.outbox.mails_to("Ada@example.com").await;
    assert_eq!(
        mails.len(),
        1,
        "the mail goes to the address as it was registered"
    );
    let after = stage.reset(&token, NEW_PASSWORD).await.unwrap();
    assert_eq!((after.id, after.is_verified), (ada.id, false));
    assert!(stage.lets_in(ADA, NEW_PASSWORD).await);
    assert!(!stage.lets_in(ADA, PASSWORD).await);
}

#[tokio::test]
async fn reset_ends_all_sessions() {
    let stage = Stage::new();
    let ada = stage.user(ADA).await;
    let digest = TokenDigest::of("session");
    let now = stage.context().now;
    let session = NewToken::new(ada.id, "cookie", digest, Epoch(0), now);
    stage.store.insert_token(session).await.unwrap();
    let token = stage.reset_token(ADA).await;
    stage.reset(&token, NEW_PASSWORD).await.unwrap();
    assert_eq!(stage.now(&ada).await.epoch, Epoch(1));
    let claim = Claim::Digest(OpaqueClaim::new(digest, "cookie"));
    assert!(stage.store.resolve(&claim, now).await.unwrap().is_none());
}

#[tokio::test]
async fn reset_leaves_sessions_alive_where_that_is_chosen_by_name() {
    let stage = Stage::with(axum_users_core::UserManager::insecure_keep_sessions);
    let ada = stage.user(ADA).await;
    let token = stage.reset_token(ADA).await;
    stage.reset(&token, NEW_PASSWORD).await.unwrap();
    assert_eq!(stage.now(&ada).await.epoch, Epoch(0));
}

#[tokio::test]
async fn reset_token_is_good_once() {
    let stage = Stage::new();
    stage.user(ADA).await;
    let token = stage.reset_token(ADA).await;
    stage.reset(&token, NEW_PASSWORD).await.unwrap();
    assert!(stage.refuses_to_reset(&token).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_ten_parallel_resets_exactly_one_wins() {
    for _ in 0..5 {
        let stage = Arc::new(Stage::new());
        stage.user(ADA).await;
        let token = stage.reset_token(ADA).await;
        let tasks: Vec<_> = (0..10)
            .map(|n| {
                let (stage, token) = (Arc::clone(&stage), token.clone());
                tokio::spawn(async move { stage.reset(&token, &format!("new password {n}")).await })
            })
            .collect();
        let mut winners = Vec::new();
        for (n, task) in tasks.into_iter().enumerate() {
            match task.await.unwrap() {
                Ok(_) => winners.push(n),
                Err(ResetPasswordError::BadToken) => {}
                Err(error) => panic!("{error}"),
            }
        }
        let [winner] = winners.as_slice() else {
            panic!("one wins, not {winners:?}")
        };
        assert!(stage.lets_in(ADA, &format!("new password {winner}")).await);
    }
}

#[tokio::test]
async fn weak_password_does_not_spend_a_reset_token() {
    let stage = Stage::new();
    stage.user(ADA).await;
    let token = stage.reset_token(ADA).await;
    for weak in ["short", "my ada@example.com"] {
        let refused = stage.reset(&token, weak).await;
        assert!(matches!(refused, Err(ResetPasswordError::InvalidPassword(_))));
    }
    stage.reset(&token, NEW_PASSWORD).await.unwrap();
}

#[tokio::test]
async fn reset_token_dies_with_the_password_it_replaces() {
    let stage = Stage::new();
    let ada = stage.user(ADA).await;
    let token = stage.reset_token(ADA).await;
    let new = json!({ "password": "changed by hand" });
    stage
        .manager
        .update(&ada, body(new), &stage.context())
        .await
        .unwrap();
    assert!(stage.refuses_to_reset(&token).await);
    assert!(stage.lets_in(ADA, "changed by hand").await);
}

#[tokio::test]
async fn reset_token_dies_with_the_address_it_was_mailed_to() {
    let stage = Stage::new();
    let ada = stage.user(ADA).await;
    let token = stage.reset_token(ADA).await;
    let new = json!({ "email": "new@example.com" });
    stage
        .manager
        .update(&ada, body(new), &stage.context())
        .await
        .unwrap();
    assert!(stage.refuses_to_reset(&token).await);
}

#[tokio::test]
async fn reset_token_outlives_another_spelling_and_a_confirmation_of_the_address() {
    let stage = Stage::new();
    let ada = stage.user(ADA).await;
    let token = stage.reset_token(ADA).await;
    let new = json!({ "email": "ADA@example.com", "is_verified": true });
    stage
        .manager
        .update(&ada, body(new), &stage.context())
        .await
        .unwrap();
    stage.reset(&token, NEW_PASSWORD).await.unwrap();
}

#[tokio::test]
async fn reset_token_is_good_to_the_end_of_its_hour_and_no_longer() {
    let stage = Stage::new();
    stage.user(ADA).await;
    let token = stage.reset_token(ADA).await;
    stage.clock.advance(HOUR);
    assert!(stage.refuses_to_reset(&token).await);
    stage.clock.set(stage.manager.clock().now().minus(MILLISECOND));
    stage.reset(&token, NEW_PASSWORD).await.unwrap();
}

#[tokio::test]
async fn verification_token_is_good_to_the_end_of_its_hour_and_no_longer() {
    let stage = Stage::new();
    stage.user(ADA).await;
    let token = stage.verify_token(ADA).await;
    stage.clock.advance(HOUR);
    assert!(stage.refuses_to_verify(&token).await);
    stage.clock.set(stage.manager.clock().now().minus(MILLISECOND));
    stage.verify(&token).await.unwrap();
}

#[tokio::test]
async fn lifetimes_are_settings() {
    let stage = Stage::with(|manager| {
        manager
            .reset_lifetime(HOUR * 2)
            .unwrap()
            .verify_lifetime(HOUR * 3)
            .unwrap()
    });
    stage.user(ADA).await;
    let (reset, verify) = (stage.reset_token(ADA).await, stage.verify_token(ADA).await);
    stage.clock.advance(HOUR * 2);
    assert!(stage.refuses_to_reset(&reset).await);
    stage.verify(&verify).await.unwrap();
}

#[tokio::test]
async fn reset_is_refused_for_a_user_who_was_deactivated_or_deleted_meanwhile() {
    let stage = Stage::new();
    let ada = stage.user(ADA).await;
    let token = stage.reset_token(ADA).await;
    stage
        .change(&ada, |change| change.set.is_active = Some(false))
        .await;
    assert!(stage.refuses_to_reset(&token).await);
    stage
        .change(&ada, |change| change.set.is_active = Some(true))
        .await;
    stage.manager.delete(&ada, &stage.context()).await.unwrap();
    assert!(stage.refuses_to_reset(&token).await);
}

#[tokio::test]
async fn user_without_password_sets_the_first_one_by_a_reset() {
    let stage = Stage::new();
    let new = axum_users_core::NewUser::new(email(ADA), None, (), stage.context().now);
    stage.store.insert(new, &|_| Vec::new()).await.unwrap();
    let token = stage.reset_token(ADA).await;
    stage.reset(&token, NEW_PASSWORD).await.unwrap();
    assert!(stage.lets_in(ADA, NEW_PASSWORD).await);
    assert!(stage.refuses_to_reset(&token).await, "good once here as well");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_ten_parallel_first_passwords_exactly_one_wins() {
    let stage = Arc::new(Stage::new());
    let new = axum_users_core::NewUser::new(email(ADA), None, (), stage.context().now);
    stage.store.insert(new, &|_| Vec::new()).await.unwrap();
    let token = stage.reset_token(ADA).await;
    let tasks: Vec<_> = (0..10)
        .map(|n| {
            let (stage, token) = (Arc::clone(&stage), token.clone());
            tokio::spawn(async move { stage.reset(&token, &format!("new password {n}")).await.is_ok() })
        })
        .collect();
    let mut winners = 0;
    for task in tasks {
        winners += usize::from(task.await.unwrap());
    }
    assert_eq!(winners, 1);
}

#[tokio::test]
async fn address_is_confirmed_by_a_mailed_token() {
    let stage = Stage::new();
    let ada = stage.user(ADA).await;
    let token = stage.verify_token("ADA@example.com").await;
    let after = stage.verify(&token).await.unwrap();
    assert_eq!((after.id, after.is_verified), (ada.id, true));
    assert!(stage.now(&ada).await.is_verified);
    assert_eq!(stage.now(&ada).await.epoch, Epoch(0), "no session ends");
}

#[tokio::test]
async fn verification_token_is_good_once() {
    let stage = Stage::new();
    stage.user(ADA).await;
    let token = stage.verify_token(ADA).await;
    stage.verify(&token).await.unwrap();
    let again = stage.verify(&token).await;
    assert!(matches!(again, Err(VerifyError::AlreadyVerified)), "and says why");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_ten_parallel_verifications_exactly_one_wins() {
    let stage = Arc::new(Stage::new());
    stage.user(ADA).await;
    let token = stage.verify_token(ADA).await;
    let tasks: Vec<_> = (0..10)
        .map(|_| {
            let (stage, token) = (Arc::clone(&stage), token.clone());
            tokio::spawn(async move { stage.verify(&token).await })
        })
        .collect();
    let mut winners = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => winners += 1,
            Err(VerifyError::AlreadyVerified) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(winners, 1);
}

#[tokio::test]
async fn verification_token_dies_with_the_address_and_with_the_password() {
    for new in [
        json!({ "email": "new@example.com" }),
        json!({ "password": NEW_PASSWORD }),
    ] {
        let stage = Stage::new();
        let ada = stage.user(ADA).await;
        let token = stage.verify_token(ADA).await;
        stage
            .manager
            .update(&ada, body(new), &stage.context())
            .await
            .unwrap();
        assert!(stage.refuses_to_verify(&token).await);
        assert!(!stage.now(&ada).await.is_verified);
    }
}

#[tokio::test]
async fn verification_token_of_an_unconfirmed_account_is_dead_once_a_superuser_confirmed_it() {
    let stage = Stage::new();
    let ada = stage.user(ADA).await;
    let token = stage.verify_token(ADA).await;
    let new = json!({ "is_verified": true });
    stage
        .manager
        .update(&ada, body(new), &stage.context())
        .await
        .unwrap();
    let again = stage.verify(&token).await;
    assert!(matches!(again, Err(VerifyError::AlreadyVerified)));
}

#[tokio::test]
async fn inactive_user_learns_nothing_from_a_verification_token() {
    let stage = Stage::new();
    let ada = stage.user(ADA).await;
    let token = stage.verify_token(ADA).await;
    stage.verify(&token).await.unwrap();
    stage
        .change(&ada, |change| change.set.is_active = Some(false))
        .await;
    assert!(stage.refuses_to_verify(&token).await);
}

#[tokio::test]
async fn token_of_one_purpose_is_refused_for_the_other() {
    let stage = Stage::new();
    let ada = stage.user(ADA).await;
    let (reset, verify) = (stage.reset_token(ADA).await, stage.verify_token(ADA).await);
    assert!(stage.refuses_to_reset(&verify).await);
    assert!(stage.refuses_to_verify(&reset).await);
    assert_eq!(stage.now(&ada).await.user, ada);
}

#[tokio::test]
async fn token_of_one_user_does_nothing_for_another() {
    let stage = Stage::new();
    let ada = stage.user(ADA).await;
    let bob = stage.user("bob@example.com").await;
    let token = stage.reset_token(ADA).await;
    stage.reset(&token, NEW_PASSWORD).await.unwrap();
    assert_ne!(stage.now(&ada).await.user, ada);
    assert_eq!(stage.now(&bob).await.user, bob);
}

#[tokio::test]
async fn token_that_was_tampered_with_is_refused() {
    let stage = Stage::new();
    let ada = stage.user(ADA).await;
    let token = stage.reset_token(ADA).await;
    let (start, signature) = token.rsplit_once('.').unwrap();
    let flipped: String = signature.chars().rev().collect();
    for bad in [
        String::new(),
        ".".into(),
        "a.b.c".into(),
        start.into(),
        format!("{start}."),
        format!("{start}.{flipped}"),
        format!("{token}x"),
    ] {
        assert!(stage.refuses_to_reset(&bad).await, "{bad:?}");
        assert!(stage.refuses_to_verify(&bad).await, "{bad:?}");
    }
    assert_eq!(stage.now(&ada).await.user, ada);
}

#[tokio::test]
async fn unknown_inactive_and_confirmed_users_cost_a_decoy_of_the_same_kind() {
    let stage = Stage::new();
    stage
        .user_with("inactive@example.com", |change| {
            change.set.is_active = Some(false);
        })
        .await;
    stage
        .user_with("done@example.com", |change| change.set.is_verified = Some(true))
        .await;
    let context = stage.context();
    for address in ["nobody@example.com", "inactive@example.com"] {
        stage
            .manager
            .forgot_password(&email(address), &context)
            .await
            .unwrap();
    }
    for address in ["nobody@example.com", "inactive@example.com", "done@example.com"] {
        stage
            .manager
            .request_verify(&email(address), &context)
            .await
            .unwrap();
    }
    assert!(stage.outbox.mails().await.is_empty());
    let kinds: Vec<_> = stage
        .outbox
        .messages()
        .await
        .iter()
        .map(|decoy| decoy.kind)
        .collect();
    let (reset, verify) = (MessageKind::ResetPassword, MessageKind::Verify);
    assert_eq!(kinds, [reset, reset, verify, verify, verify]);
}

#[tokio::test]
async fn reset_is_decided_by_the_store_where_the_address_changes_in_between() {
    let stage = Stage::new();
    let ada = stage.user(ADA).await;
    let token = stage.reset_token(ADA).await;
    let (store, id) = (stage.store.clone(), ada.id);
    // The hook that judges the new password runs between the check of the token and the write.
    let meanwhile = async {
        let mut change = Change::new(stage.context().now);
        change.set.email = Some(email("new@example.com"));
        change.end_sessions = EndSessions::All;
        store.update(&id, change).await.unwrap();
    };
    let events = captured_events();
    let (outcome, ()) = tokio::join!(stage.reset(&token, NEW_PASSWORD), meanwhile);
    assert!(matches!(outcome, Err(ResetPasswordError::BadToken)));
    assert_eq!(events.security(), ["token_refused"]);
    assert!(stage.lets_in("new@example.com", PASSWORD).await);
}

#[tokio::test]
async fn verification_that_loses_to_a_change_of_address_confirms_nothing() {
    let stage = Stage::new();
    let ada = stage.user(ADA).await;
    let token = stage.verify_token(ADA).await;
    stage
        .change(&ada, |change| {
            change.set.email = Some(email("new@example.com"));
            change.set.hashed_password = Some(hash("other"));
        })
        .await;
    assert!(stage.refuses_to_verify(&token).await);
    assert!(!stage.now(&ada).await.is_verified);
}

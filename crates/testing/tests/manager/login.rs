//! Who may begin a session.

use axum_users_core::{
    Applied, Argon2Settings, Authentication, Change, EndSessions, Epoch, HasherSettings, LoginError,
    PasswordHash, PasswordHasher, UserStore,
};
use axum_users_testing::{captured_events, fast_hasher_settings};

use crate::stage::{ADA, NEW_PASSWORD, PASSWORD, Stage, hash, password, signed_in};

#[tokio::test]
async fn right_password_signs_in_with_the_epoch_of_that_moment() {
    let stage = Stage::new();
    let ada = stage.user(ADA).await;
    stage
        .change(&ada, |change| change.end_sessions = EndSessions::All)
        .await;
    let Ok(Authentication::SignedIn(stored)) = stage.login(" ADA@Example.com ", PASSWORD).await else {
        panic!("the password is right")
    };
    assert_eq!((stored.id, stored.epoch), (ada.id, Epoch(1)));
}

#[tokio::test]
async fn unknown_user_inactive_user_and_wrong_password_get_one_answer_for_the_same_work() {
    let hasher = PasswordHasher::new(&fast_hasher_settings()).unwrap();
    let stage = Stage::with(|manager| manager.with_hasher(hasher.clone()));
    stage.user(ADA).await;
    stage
        .user_with("inactive@example.com", |change| {
            change.set.is_active = Some(false);
        })
        .await;
    // With a hash of older settings the right password must not cost a second hash, or it could be told by its time.
    let harder = HasherSettings::new()
        .argon2(Argon2Settings::insecure_for_tests().memory(16))
        .threads(1);
    let harder = PasswordHasher::new(&harder).unwrap();
    let old = harder.hash(password(PASSWORD)).await.unwrap();
    stage
        .user_with("inactive.long.ago@example.com", |change| {
            change.set.is_active = Some(false);
            change.set.hashed_password = Some(old);
        })
        .await;
    let mut work = Vec::new();
    for (login, typed) in [
        (ADA, "wrong password"),
        ("inactive.long.ago@example.com", PASSWORD),
        ("inactive.long.ago@example.com", "wrong password"),
        ("inactive@example.com", PASSWORD),
        ("inactive@example.com", "wrong password"),
        ("nobody@example.com", PASSWORD),
        ("no address", PASSWORD),
        ("", ""),
    ] {
        let before = hasher.counts();
        let refused = stage.login(login, typed).await;
        assert!(matches!(refused, Err(LoginError::BadCredentials)), "{login:?}");
        let after = hasher.counts();
        work.push((after.argon2 - before.argon2, after.bcrypt - before.bcrypt));
    }
    assert!(work.iter().all(|work| *work == (1, 0)), "{work:?}");
}

#[tokio::test]
async fn old_hash_is_replaced_at_a_login_and_only_then() {
    let stage = Stage::new();
    let old = bcrypt::hash(PASSWORD, 4).unwrap();
    let ada = stage
        .user_with(ADA, |change| change.set.hashed_password = Some(hash(&old)))
        .await;
    let events = captured_events();
    assert!(!stage.lets_in(ADA, "wrong password").await);
    assert_eq!(stage.now(&ada).await.hashed_password.as_ref(), Some(&old));
    assert!(stage.lets_in(ADA, PASSWORD).await);
    let upgraded = stage.now(&ada).await.user.hashed_password.unwrap();
    assert!(upgraded.starts_with("$argon2id$"));
    assert_eq!(stage.now(&ada).await.epoch, Epoch(0), "no session ends by it");
    assert!(stage.lets_in(ADA, PASSWORD).await);
    assert_eq!(
        stage.now(&ada).await.user.hashed_password.unwrap(),
        upgraded,
        "once is enough"
    );
    assert_eq!(events.security(), ["login_failed", "password_upgraded"]);
}

#[tokio::test]
async fn old_hash_of_an_inactive_user_is_not_replaced() {
    let stage = Stage::new();
    let old = bcrypt::hash(PASSWORD, 4).unwrap();
    let ada = stage
        .user_with(ADA, |change| {
            change.set.hashed_password = Some(hash(&old));
            change.set.is_active = Some(false);
        })
        .await;
    assert!(!stage.lets_in(ADA, PASSWORD).await);
    assert_eq!(stage.now(&ada).await.user.hashed_password, Some(old));
}

#[tokio::test(flavor = "multi_thread")]
async fn upgrade_at_a_login_never_undoes_a_new_password() {
    for _ in 0..20 {
        let stage = std::sync::Arc::new(Stage::new());
        let old = bcrypt::hash(PASSWORD, 4).unwrap();
        let ada = stage
            .user_with(ADA, |change| change.set.hashed_password = Some(hash(&old)))
            .await;
        let logins: Vec<_> = (0..4)
            .map(|_| {
                let stage = std::sync::Arc::clone(&stage);
                tokio::spawn(async move { stage.lets_in(ADA, PASSWORD).await })
            })
            .collect();
        let new = stage.manager.hasher().hash(password(NEW_PASSWORD)).await.unwrap();
        stage
            .change(&ada, |change| change.set.hashed_password = Some(new))
            .await;
        for login in logins {
            login.await.unwrap();
        }
        assert!(stage.lets_in(ADA, NEW_PASSWORD).await);
        assert!(!stage.lets_in(ADA, PASSWORD).await);
    }
}

#[tokio::test]
async fn user_without_password_cannot_log_in_with_any() {
    let stage = Stage::new();
    let new = axum_users_core::NewUser::new(crate::stage::email(ADA), None, (), stage.context().now);
    stage.store.insert(new, &|_| Vec::new()).await.unwrap();
    for typed in ["", PASSWORD] {
        assert!(!stage.lets_in(ADA, typed).await);
    }
}

#[tokio::test]
async fn unconfirmed_user_is_admitted_unless_confirmation_is_required() {
    let stage = Stage::new();
    let ada = stage.user(ADA).await;
    stage.manager.admit(&ada, false, &stage.context()).await.unwrap();
    let refused = stage.manager.admit(&ada, true, &stage.context()).await;
    assert!(matches!(refused, Err(LoginError::NotVerified)));
    let bob = stage
        .user_with("bob@example.com", |change| change.set.is_verified = Some(true))
        .await;
    stage.manager.admit(&bob, true, &stage.context()).await.unwrap();
}

#[tokio::test]
async fn present_password_is_checked_by_one_hash_even_where_the_stored_one_is_old() {
    let hasher = PasswordHasher::new(&fast_hasher_settings()).unwrap();
    let stage = Stage::with(|manager| manager.with_hasher(hasher.clone()));
    let old = bcrypt::hash(PASSWORD, 4).unwrap();
    let ada = stage
        .user_with(ADA, |change| change.set.hashed_password = Some(hash(&old)))
        .await;
    let before = hasher.counts();
    let current = signed_in(&ada, None);
    stage
        .manager
        .delete_self(&current, Some(password(PASSWORD)), &stage.context())
        .await
        .unwrap();
    let after = hasher.counts();
    assert_eq!(
        (after.argon2 - before.argon2, after.bcrypt - before.bcrypt),
        (0, 1)
    );
}

#[tokio::test]
async fn session_for_a_password_that_was_changed_meanwhile_is_of_the_old_epoch() {
    let stage = Stage::new();
    let ada = stage.user(ADA).await;
    let Ok(Authentication::SignedIn(stored)) = stage.login(ADA, PASSWORD).await else {
        panic!("the password is right")
    };
    let mut change = Change::new(stage.context().now);
    change.expect.hashed_password = ada.hashed_password.map(PasswordHash::from_stored);
    change.set.hashed_password = Some(hash("new"));
    change.end_sessions = EndSessions::All;
    let Applied::Applied(now) = stage.store.update(&ada.id, change).await.unwrap() else {
        panic!("nothing stands against it")
    };
    assert!(stored.epoch < now.epoch);
}

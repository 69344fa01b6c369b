//! Accounts are made, and removed.

use axum_users_core::{DeleteError, Message, MessageKind, RegisterError, Registration, User};
use axum_users_testing::captured_events;

use crate::stage::{ADA, NEW_PASSWORD, PASSWORD, Stage, email, password, registration, signed_in};

#[tokio::test]
async fn new_account_is_active_unconfirmed_and_ordinary() {
    let stage = Stage::new();
    let ada = stage.user("Ada@Example.com").await;
    assert_eq!(ada.email(), "Ada@example.com");
    assert_eq!(
        (ada.is_active, ada.is_verified, ada.is_superuser),
        (true, false, false)
    );
    assert!(stage.lets_in("ADA@EXAMPLE.COM", PASSWORD).await);
    assert!(
        stage.outbox.messages().await.is_empty(),
        "no mail unless it is asked for"
    );
}

#[tokio::test]
async fn password_is_stored_as_a_hash_alone() {
    let stage = Stage::new();
    let ada = stage.user(ADA).await;
    let hash = ada.hashed_password.unwrap();
    assert!(hash.starts_with("$argon2id$") && !hash.contains(PASSWORD));
}

#[tokio::test]
async fn address_is_taken_in_every_spelling_and_the_first_account_stays() {
    let stage = Stage::new();
    let ada = stage.user("jos\u{e9}@example.com").await;
    for spelling in ["JOSE\u{301}@example.com", " jos\u{e9}@EXAMPLE.com "] {
        let taken = stage
            .manager
            .register(registration(spelling, NEW_PASSWORD), &stage.context())
            .await;
        assert!(matches!(taken, Err(RegisterError::AlreadyExists)), "{spelling:?}");
    }
    assert_eq!(stage.now(&ada).await.user, ada);
}

#[tokio::test]
async fn taken_address_costs_a_hash_like_a_free_one() {
    let hasher = axum_users_core::PasswordHasher::new(&axum_users_testing::fast_hasher_settings()).unwrap();
    let stage = Stage::with(|manager| manager.with_hasher(hasher.clone()));
    stage.user(ADA).await;
    let free = hasher.counts().argon2;
    let taken = stage
        .manager
        .register(registration(ADA, PASSWORD), &stage.context())
        .await;
    assert!(taken.is_err());
    assert_eq!(hasher.counts().argon2, free * 2);
}

#[tokio::test]
async fn weak_password_is_refused_with_a_code_before_the_address_is_looked_at() {
    let stage = Stage::new();
    stage.user(ADA).await;
    for (typed, code) in [
        ("short", "too_short"),
        (
            "\u{1f98a}\u{1f98a}\u{1f98a}\u{1f98a}\u{1f98a}\u{1f98a}\u{1f98a}",
            "too_short",
        ),
        ("my ADA@example.com", "contains_email"),
    ] {
        let refused = stage
            .manager
            .register(registration(ADA, typed), &stage.context())
            .await;
        let Err(RegisterError::InvalidPassword(invalid)) = refused else {
            panic!("{typed:?} is refused for itself")
        };
        assert_eq!(invalid.code, code);
        assert!(!invalid.reason.contains(typed));
    }
}

#[tokio::test]
async fn length_of_passwords_is_a_setting_and_counts_characters() {
    let stage = Stage::with(|manager| manager.min_password_chars(10));
    for (typed, is_long_enough) in [
        ("\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}", false),
        ("0123456798", true),
    ] {
        let made = stage
            .manager
            .register(registration(ADA, typed), &stage.context())
            .await;
        assert_eq!(made.is_ok(), is_long_enough, "{typed:?}");
    }
}

#[tokio::test]
async fn confirmation_is_mailed_at_registration_where_that_is_set() {
    let stage = Stage::with(axum_users_core::UserManager::verify_at_registration);
    let ada = stage.user("Ada@example.com").await;
    let mails = stage.outbox.mails_to("Ada@example.com").await;
    assert_eq!(
        mails.iter().map(|mail: &Message| mail.kind).collect::<Vec<_>>(),
        [MessageKind::Verify]
    );
    let token = stage.outbox.last_token(MessageKind::Verify).await.unwrap();
    let verified = stage.manager.verify(&token, &stage.context()).await.unwrap();
    assert_eq!((verified.id, verified.is_verified), (ada.id, true));
}

#[tokio::test]
async fn refused_registration_mails_nobody() {
    let stage = Stage::with(axum_users_core::UserManager::verify_at_registration);
    stage.user(ADA).await;
    stage.outbox.clear().await;
    stage
        .manager
        .register(registration(ADA, PASSWORD), &stage.context())
        .await
        .unwrap_err();
    assert!(stage.outbox.messages().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_registrations_of_one_address_make_one_account() {
    let stage = std::sync::Arc::new(Stage::new());
    let tasks: Vec<_> = (0..8)
        .map(|n| {
            let stage = std::sync::Arc::clone(&stage);
            let spelling = if n % 2 == 0 {
                "jos\u{e9}@example.com"
            } else {
                "JOSE\u{301}@example.com"
            };
            tokio::spawn(async move {
                stage
                    .manager
                    .register(registration(spelling, PASSWORD), &stage.context())
                    .await
            })
        })
        .collect();
    let (mut made, mut taken) = (0, 0);
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => made += 1,
            Err(RegisterError::AlreadyExists) => taken += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!((made, taken), (1, 7));
}

#[tokio::test]
async fn superuser_is_made_by_a_plain_function() {
    let stage = Stage::new();
    let new = Registration::new(email(ADA), password(PASSWORD));
    let ada = stage
        .manager
        .create_superuser(new, (), &stage.context())
        .await
        .unwrap();
    assert_eq!(
        (ada.is_active, ada.is_verified, ada.is_superuser),
        (true, true, true)
    );
    let weak = Registration::new(email("bob@example.com"), password("short"));
    let refused = stage.manager.create_superuser(weak, (), &stage.context()).await;
    assert!(
        matches!(refused, Err(RegisterError::InvalidPassword(_))),
        "with the same checks"
    );
}

#[tokio::test]
async fn account_is_deleted_once() {
    let stage = Stage::new();
    let ada = stage.user(ADA).await;
    stage.manager.delete(&ada, &stage.context()).await.unwrap();
    assert!(stage.manager.find(&ada.id).await.unwrap().is_none());
    let again = stage.manager.delete(&ada, &stage.context()).await;
    assert!(matches!(again, Err(DeleteError::Missing)));
}

#[tokio::test]
async fn users_delete_themselves_by_their_present_password() {
    let stage = Stage::new();
    let ada = stage.user(ADA).await;
    let (current, context) = (signed_in(&ada, None), stage.context());
    let events = captured_events();
    for wrong in [None, Some(password("wrong"))] {
        let refused = stage.manager.delete_self(&current, wrong, &context).await;
        assert!(matches!(refused, Err(DeleteError::InvalidCurrentPassword)));
    }
    assert_eq!(
        events.security(),
        ["current_password_refused", "current_password_refused"]
    );
    stage
        .manager
        .delete_self(&current, Some(password(PASSWORD)), &context)
        .await
        .unwrap();
    assert!(stage.manager.find(&ada.id).await.unwrap().is_none());
}

//! Tokens sign their user in, until they end.

use std::sync::Arc;

use axum_users_auth::strategy::{Grant, Issue, Strategy, TokenOptions};
use axum_users_core::{Context, EndSessions, Epoch, Expected, Removed, SessionKind, User, UserStore};

use super::{
    StrategyFixture,
    stage::{BACKEND, HOUR, KeyOf, MILLISECOND, MINUTE, NOW, ROUNDS, Stage, issue, issued, race, signed_in},
};

/// A token gives its user, and the session it began.
pub async fn issued_tokens_sign_in_their_user<F: StrategyFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture, HOUR).await else {
        return;
    };
    let (ada, bob) = (stage.user("ada").await, stage.user("bob").await);
    let (of_ada, of_bob) = (stage.login(&ada).await, stage.login(&bob).await);
    for (token, user) in [(&of_ada, &ada), (&of_bob, &bob)] {
        let found = stage.signed_in(token.expose(), BACKEND, NOW).await;
        let found = found.expect("the token is good");
        assert_eq!(found.user.id(), *user);
        assert_eq!(found.session.token_id, token.session.token_id);
        assert_eq!(
            (found.session.backend.as_str(), found.session.kind),
            (BACKEND, SessionKind::Login)
        );
        assert_eq!((found.session.epoch, found.session.scopes), (Epoch(0), None));
        assert_eq!(found.session.created_at, Some(NOW), "to the millisecond");
        assert_eq!(
            found.session.expires_at,
            Some(NOW.plus(HOUR)),
            "to the millisecond"
        );
    }
    assert_eq!(of_ada.lifetime(), Some(HOUR));
    assert_ne!(of_ada.expose(), of_bob.expose());
    stage.clear().await;
}

/// A token that was changed, cut, or made up is nobody's.
pub async fn nothing_else_signs_anybody_in<F: StrategyFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture, HOUR).await else {
        return;
    };
    let ada = stage.user("ada").await;
    let token = stage.login(&ada).await;
    let text = token.expose();
    let others = [
        String::new(),
        text.chars().skip(1).collect(),
        text.chars().take(text.len() - 1).collect(),
        text.chars().rev().collect(),
        text.to_ascii_lowercase(),
        text.to_ascii_uppercase(),
        format!("{text}a"),
        format!(" {text}"),
        format!("{text}\0"),
        format!("{text}*"),
        "%".repeat(text.len()),
        "\u{1f98a}".repeat(5000),
        // What may be stored of it is no token.
        token.session.token_id.clone(),
    ];
    for other in others {
        let found = stage.signed_in(&other, BACKEND, NOW).await;
        assert!(found.is_none(), "{other:?}");
    }
    assert!(stage.is_good(&token).await);
    stage.clear().await;
}

/// A token that is presented to another backend is no token there.
pub async fn issued_tokens_are_good_for_their_own_backend_only<F: StrategyFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture, HOUR).await else {
        return;
    };
    let ada = stage.user("ada").await;
    let token = stage.login(&ada).await;
    for backend in ["", "bearer", "Cookie", "cooki", "cookies"] {
        let found = stage.signed_in(token.expose(), backend, NOW).await;
        assert!(found.is_none(), "{backend:?}");
    }
    assert!(stage.is_good(&token).await);
    stage.clear().await;
}

/// A token is good one millisecond before its expiry and dead at it.
pub async fn issued_tokens_end_exactly_at_their_expiry<F: StrategyFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture, HOUR).await else {
        return;
    };
    let ada = stage.user("ada").await;
    let token = stage.login(&ada).await;
    let end = NOW.plus(HOUR);
    assert!(stage.is_good_at(&token, end.minus(MILLISECOND)).await);
    assert!(!stage.is_good_at(&token, end).await);
    assert!(!stage.is_good_at(&token, end.plus(MILLISECOND)).await);
    stage.clear().await;
}

/// A token without lifetime is good at any time.
pub async fn issued_tokens_without_lifetime_do_not_end<F: StrategyFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture, TokenOptions::insecure_without_end()).await else {
        return;
    };
    let ada = stage.user("ada").await;
    let token = stage.login(&ada).await;
    assert_eq!((token.lifetime(), token.keep), (None, None));
    assert!(stage.is_good_at(&token, NOW.plus(HOUR * 24 * 365 * 50)).await);
    stage.clear().await;
}

/// The longest lifetime holds from the login on, also where the first one is longer, or there is none.
pub async fn a_longest_lifetime_caps_the_first_one<F: StrategyFixture>(fixture: &F) {
    for options in [TokenOptions::new(HOUR * 9), TokenOptions::insecure_without_end()] {
        let Some(stage) = Stage::set(fixture, options.max_lifetime(HOUR)).await else {
            return;
        };
        let ada = stage.user("ada").await;
        let token = stage.login(&ada).await;
        assert_eq!(token.lifetime(), Some(HOUR));
        assert!(!stage.is_good_at(&token, NOW.plus(HOUR)).await);
        stage.clear().await;
    }
}

/// Logout ends one token, and once more is no error.
pub async fn logged_out_tokens_are_dead_and_stay_dead<F: StrategyFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture, HOUR).await else {
        return;
    };
    let ada = stage.user("ada").await;
    let (token, other) = (stage.login(&ada).await, stage.login(&ada).await);
    for _ in 0..2 {
        stage.logout(&token).await;
        assert!(!stage.is_good(&token).await);
        assert!(stage.is_good(&other).await);
    }
    stage.clear().await;
}

/// A new prefix, or none, leaves the tokens of earlier ones as they are.
pub async fn tokens_of_an_earlier_prefix_stay_good<F: StrategyFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture, HOUR).await else {
        return;
    };
    let ada = stage.user("ada").await;
    let prefixed = |prefix: &str| TokenOptions::new(HOUR).prefix(prefix).expect("a prefix");
    let options = [
        TokenOptions::new(HOUR),
        prefixed("shop_"),
        prefixed("sixteen_letters_"),
    ];
    let strategies = options.map(|options| stage.with(options));
    for (issuer, prefix) in strategies.iter().zip(["", "shop_", "sixteen_letters_"]) {
        let token = issued(issue::<KeyOf<F>>(issuer, &ada, Epoch(0), BACKEND, NOW).await);
        assert!(token.expose().starts_with(prefix), "{prefix}");
        for reader in &strategies {
            let found = signed_in::<F>(&stage.users, reader, token.expose(), BACKEND, NOW).await;
            assert!(found.is_some(), "{prefix}");
        }
    }
    drop(strategies);
    stage.clear().await;
}

/// Whatever ends all sessions of a user ends these, and those of others live on.
pub async fn ending_all_sessions_ends_issued_tokens<F: StrategyFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture, HOUR).await else {
        return;
    };
    let (ada, bob) = (stage.user("ada").await, stage.user("bob").await);
    let of_bob = stage.login(&bob).await;
    for which in [EndSessions::All, EndSessions::Everything] {
        let token = stage.login(&ada).await;
        assert!(stage.is_good(&token).await);
        stage.end_sessions(&ada, which).await;
        assert!(!stage.is_good(&token).await, "{which:?}");
        assert!(stage.listed(&ada, BACKEND, NOW).await.is_empty());
    }
    assert!(stage.is_good(&of_bob).await);
    stage.clear().await;
}

/// Who was found right before all sessions were ended, and is given a token after it, is not signed in.
pub async fn tokens_issued_after_the_end_of_their_epoch_sign_nobody_in<F: StrategyFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture, HOUR).await else {
        return;
    };
    let ada = stage.user("ada").await;
    stage.end_sessions(&ada, EndSessions::All).await;
    if let Issue::Issued(late) = issue(&*stage.strategy, &ada, Epoch(0), BACKEND, NOW).await {
        assert!(!stage.is_good(&late).await);
    }
    let fresh = stage.login(&ada).await;
    assert!(stage.is_good(&fresh).await);
    stage.clear().await;
}

/// The session that ends all others lives on by the same token, and is the only one.
pub async fn the_session_that_asks_for_it_lives_on_alone<F: StrategyFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture, HOUR).await else {
        return;
    };
    let ada = stage.user("ada").await;
    let (kept, other) = (stage.login(&ada).await, stage.login(&ada).await);
    let digest = kept.session.digest.expect("an opaque token has a digest");
    let epoch = stage.end_sessions(&ada, EndSessions::AllExcept(digest)).await;
    let context = Context::new(NOW);
    let grant = Grant::new(&ada, epoch, BACKEND, &context);
    let carried = stage.strategy.carry(kept.expose(), &kept.session, grant).await;
    assert!(carried.expect("carry").is_none(), "the token itself stays");
    assert!(stage.is_good(&kept).await);
    assert!(!stage.is_good(&other).await);
    let listed = stage.listed(&ada, BACKEND, NOW).await;
    let ids: Vec<_> = listed.iter().map(|record| record.id.as_str()).collect();
    assert_eq!(ids, [kept.session.token_id.as_str()]);
    stage.clear().await;
}

/// A token of a user who is gone signs nobody in.
pub async fn issued_tokens_of_deleted_users_are_dead<F: StrategyFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture, HOUR).await else {
        return;
    };
    let ada = stage.user("ada").await;
    let token = stage.login(&ada).await;
    assert_eq!(
        stage.users.delete(&ada, Expected::new()).await.expect("delete"),
        Removed::Removed
    );
    assert!(!stage.is_good(&token).await);
    stage.clear().await;
}

/// A token that is logged out while it is used is dead afterwards, whichever comes first, and no command fails.
pub async fn logout_wins_against_use<F: StrategyFixture>(fixture: &F) {
    let options = TokenOptions::new(HOUR).auto_refresh(MINUTE);
    let Some(stage) = Stage::set(fixture, options).await else {
        return;
    };
    let later = NOW.plus(MINUTE * 30);
    for round in 0..ROUNDS {
        let ada = stage.user(&format!("ada{round}")).await;
        let token = Arc::new(stage.login(&ada).await);
        let racers = (0..8).map(|n| {
            let (strategy, token) = (Arc::clone(&stage.strategy), Arc::clone(&token));
            async move {
                let strategy: &dyn Strategy<KeyOf<F>> = &*strategy;
                if n == 4 {
                    strategy.end(token.expose(), &token.session).await.expect("end");
                } else if let Some(due) = strategy.due(&token.session, later) {
                    strategy.note_use(&token.session, due).await.expect("note_use");
                }
            }
        });
        race(racers).await;
        assert!(!stage.is_good_at(&token, later).await);
    }
    stage.clear().await;
}

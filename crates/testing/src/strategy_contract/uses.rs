//! What the use of a token changes.

use axum_users_auth::strategy::{Strategy, TokenOptions};
use axum_users_core::TokenUse;

use super::{
    StrategyFixture,
    stage::{BACKEND, HOUR, MILLISECOND, MINUTE, NOW, Stage},
};

/// The last use is written a minute after the login and after the one before it, and not sooner.
pub async fn uses_are_due_once_a_minute<F: StrategyFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture, HOUR).await else {
        return;
    };
    let ada = stage.user("ada").await;
    let token = stage.login(&ada).await;
    let seen = async || stage.listed(&ada, BACKEND, NOW).await[0].last_seen_at;
    let minute = NOW.plus(MINUTE);
    assert_eq!(stage.use_at(&token, minute.minus(MILLISECOND)).await, None);
    assert_eq!(seen().await, None);
    let noted = stage.use_at(&token, minute).await;
    assert_eq!(noted.map(|noted| noted.expires_at), Some(None), "its end stays");
    assert_eq!(seen().await, Some(minute), "to the millisecond");
    assert_eq!(
        stage.use_at(&token, minute.plus(MINUTE).minus(MILLISECOND)).await,
        None
    );
    assert!(stage.use_at(&token, minute.plus(MINUTE)).await.is_some());
    assert_eq!(seen().await, Some(minute.plus(MINUTE)));
    assert!(!stage.is_good_at(&token, NOW.plus(HOUR)).await);
    stage.clear().await;
}

/// Where ends slide, each use moves the end to a lifetime from then, as soon as that is worth a write.
pub async fn uses_move_the_end_of_tokens_that_slide<F: StrategyFixture>(fixture: &F) {
    let options = TokenOptions::new(HOUR).auto_refresh(MINUTE * 5);
    let Some(stage) = Stage::set(fixture, options).await else {
        return;
    };
    let ada = stage.user("ada").await;
    let token = stage.login(&ada).await;
    let soon = NOW.plus(MINUTE * 5).minus(MILLISECOND);
    let noted = stage.use_at(&token, soon).await.expect("its use is due");
    assert_eq!(noted.expires_at, None, "not worth it");
    let later = NOW.plus(MINUTE * 30);
    let noted = stage.use_at(&token, later).await.expect("its use is due");
    assert_eq!(noted.expires_at, Some(later.plus(HOUR)));
    let end = later.plus(HOUR);
    assert!(stage.is_good_at(&token, end.minus(MILLISECOND)).await);
    assert!(!stage.is_good_at(&token, end).await);
    stage.clear().await;
}

/// However much a token is used, it ends a longest lifetime after its login.
pub async fn the_end_never_slides_past_the_longest_lifetime<F: StrategyFixture>(fixture: &F) {
    let options = TokenOptions::new(HOUR)
        .auto_refresh(MINUTE)
        .max_lifetime(HOUR * 2);
    let Some(stage) = Stage::set(fixture, options).await else {
        return;
    };
    let ada = stage.user("ada").await;
    let token = stage.login(&ada).await;
    assert_eq!(token.keep, Some(HOUR * 2), "a cookie outlives what it may become");
    let end = NOW.plus(HOUR * 2);
    for minutes in [50, 100, 119] {
        stage.use_at(&token, NOW.plus(MINUTE * minutes)).await;
    }
    assert!(stage.is_good_at(&token, end.minus(MILLISECOND)).await);
    stage.use_at(&token, end.minus(MILLISECOND)).await;
    assert!(!stage.is_good_at(&token, end).await);
    stage.clear().await;
}

/// Notes that arrive in another order than the uses they are of move neither the last use nor the end back.
pub async fn late_notes_move_nothing_back<F: StrategyFixture>(fixture: &F) {
    let options = TokenOptions::new(HOUR).auto_refresh(MINUTE);
    let Some(stage) = Stage::set(fixture, options).await else {
        return;
    };
    let ada = stage.user("ada").await;
    let token = stage.login(&ada).await;
    let digest = token.session.digest.expect("an opaque token has a digest");
    for minutes in [30, 10] {
        let seen = NOW.plus(MINUTE * minutes);
        let noted = TokenUse::new(digest, seen).renewed_until(seen.plus(HOUR));
        let written = stage.strategy.note_use(&token.session, noted).await;
        assert!(written.expect("note_use"));
    }
    let listed = stage.listed(&ada, BACKEND, NOW).await;
    assert_eq!(listed[0].last_seen_at, Some(NOW.plus(MINUTE * 30)));
    assert_eq!(listed[0].expires_at, Some(NOW.plus(MINUTE * 90)));
    stage.clear().await;
}

/// A note about a token that was over or logged out brings it back in no way.
pub async fn late_notes_revive_nothing<F: StrategyFixture>(fixture: &F) {
    let options = TokenOptions::new(HOUR).auto_refresh(MINUTE);
    let Some(stage) = Stage::set(fixture, options).await else {
        return;
    };
    let ada = stage.user("ada").await;
    let (over, ended) = (stage.login(&ada).await, stage.login(&ada).await);
    stage.logout(&ended).await;
    for (token, seen) in [(&over, NOW.plus(HOUR)), (&ended, NOW.plus(MINUTE))] {
        let digest = token.session.digest.expect("an opaque token has a digest");
        let noted = TokenUse::new(digest, seen).renewed_until(seen.plus(HOUR));
        let written = stage.strategy.note_use(&token.session, noted).await;
        assert!(!written.expect("note_use"));
        assert!(!stage.is_good_at(token, seen).await);
    }
    stage.clear().await;
}

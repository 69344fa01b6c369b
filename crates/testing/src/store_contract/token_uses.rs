//! What is noted of the use of tokens.

use axum_users_core::{EndSessions, Epoch, SessionStore, Timestamp, TokenDigest, TokenUse, User};

use super::{
    StoreFixture,
    stage::{BACKEND, HOUR, MILLISECOND, NOW, RACERS, ROUNDS, Stage, opaque, race},
};

/// A use is noted to the millisecond, and nothing else changes with it.
pub async fn noted_uses_are_kept<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let ada = stage.user("ada@example.com").await.id();
    let end = NOW.plus(HOUR);
    let used = stage.token_until(&ada, "used", end).await;
    let other = stage.token_until(&ada, "other", end).await;
    assert_eq!(stage.session(used).await.last_seen_at, None);
    let seen = NOW.plus(MILLISECOND);
    assert!(stage.note_use(TokenUse::new(used, seen)).await);
    let session = stage.session(used).await;
    assert_eq!(
        (session.last_seen_at, session.expires_at),
        (Some(seen), Some(end))
    );
    assert_eq!(session.created_at, Some(NOW));
    let session = stage.session(other).await;
    assert_eq!((session.last_seen_at, session.expires_at), (None, Some(end)));
    stage.clear().await;
}

/// Uses are noted off the path of requests, in any order: the latest counts.
pub async fn noted_uses_never_go_back<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let ada = stage.user("ada@example.com").await.id();
    let token = stage.token(&ada, "token", Epoch(0)).await;
    let latest = NOW.plus(MILLISECOND * 2);
    for (later, expected) in [(0, NOW), (2, latest), (1, latest), (2, latest)] {
        let seen = NOW.plus(MILLISECOND * later);
        assert!(stage.note_use(TokenUse::new(token, seen)).await, "it is alive");
        assert_eq!(stage.session(token).await.last_seen_at, Some(expected));
    }
    stage.clear().await;
}

/// A renewed token lives exactly until its new end; an earlier end changes nothing.
pub async fn renewed_tokens_end_later_and_never_earlier<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let ada = stage.user("ada@example.com").await.id();
    let token = stage.token_until(&ada, "token", NOW.plus(HOUR)).await;
    let later = NOW.plus(HOUR * 2);
    let renewal = |end: Timestamp| TokenUse::new(token, NOW).renewed_until(end);
    assert!(stage.note_use(renewal(later)).await);
    for earlier in [
        later.minus(MILLISECOND),
        NOW.plus(MILLISECOND),
        NOW.minus(HOUR),
        later,
    ] {
        assert!(stage.note_use(renewal(earlier)).await, "it is alive");
        assert_eq!(stage.session(token).await.expires_at, Some(later));
    }
    let claim = opaque::<F>(token);
    assert_eq!(stage.resolve(&claim, later.minus(MILLISECOND)).await, Some(ada));
    assert_eq!(stage.resolve(&claim, later).await, None);
    stage.clear().await;
}

/// A token that lives for ever does not get an end by being renewed.
pub async fn renewed_tokens_without_expiry_stay_without<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let ada = stage.user("ada@example.com").await.id();
    let token = stage.token(&ada, "token", Epoch(0)).await;
    let renewal = TokenUse::new(token, NOW).renewed_until(NOW.plus(HOUR));
    assert!(stage.note_use(renewal).await);
    let session = stage.session(token).await;
    assert_eq!((session.last_seen_at, session.expires_at), (Some(NOW), None));
    stage.clear().await;
}

/// A token is over at its expiry: a use or a renewal that comes then comes too late, and one millisecond earlier it does not.
pub async fn uses_of_expired_tokens_are_not_noted<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let ada = stage.user("ada@example.com").await.id();
    let end = NOW.plus(HOUR);
    let token = stage.token_until(&ada, "token", end).await;
    for late in [end, end.plus(MILLISECOND)] {
        let renewal = TokenUse::new(token, late).renewed_until(late.plus(HOUR));
        assert!(!stage.note_use(renewal).await);
    }
    let session = stage.session(token).await;
    assert_eq!((session.last_seen_at, session.expires_at), (None, Some(end)));
    let in_time = TokenUse::new(token, end.minus(MILLISECOND)).renewed_until(end.plus(HOUR));
    assert!(stage.note_use(in_time).await);
    let found = stage.resolve(&opaque::<F>(token), end).await;
    assert_eq!(found, Some(ada));
    stage.clear().await;
}

/// A use of a token that was never there, or that has ended, is nothing to note.
pub async fn uses_of_ended_tokens_are_not_noted<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let ada = stage.user("ada@example.com").await.id();
    let renewal = |token| TokenUse::new(token, NOW).renewed_until(NOW.plus(HOUR));
    assert!(!stage.note_use(renewal(TokenDigest::of("never there"))).await);
    let one = stage.token(&ada, "one", Epoch(0)).await;
    let other = stage.token(&ada, "other", Epoch(0)).await;
    stage.end_token(&one).await;
    assert!(!stage.note_use(renewal(one)).await);
    assert!(stage.note_use(renewal(other)).await);
    stage.end_sessions(&ada, EndSessions::All).await;
    assert!(!stage.note_use(renewal(other)).await);
    assert!(!stage.is_alive(one).await && !stage.is_alive(other).await);
    stage.clear().await;
}

/// Of eight uses that are noted at the same moment the latest stays, and the latest end.
pub async fn racing_uses_keep_the_latest<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let ada = stage.user("ada@example.com").await.id();
    for round in 0..ROUNDS {
        let token = stage.token_until(&ada, &round.to_string(), NOW.plus(HOUR)).await;
        let racers = (0_u32..).take(RACERS).map(|n| {
            let store = stage.store.clone();
            let noted = TokenUse::new(token, NOW.plus(MILLISECOND * n))
                .renewed_until(NOW.plus(HOUR + MILLISECOND * (8 - n)));
            async move { store.note_use(noted).await.expect("note_use") }
        });
        assert!(race(racers).await.into_iter().all(|noted| noted));
        let session = stage.session(token).await;
        assert_eq!(session.last_seen_at, Some(NOW.plus(MILLISECOND * 7)));
        assert_eq!(session.expires_at, Some(NOW.plus(HOUR + MILLISECOND * 8)));
    }
    stage.clear().await;
}

/// A token that ends at the moment of its renewal stays ended, and neither command fails.
pub async fn uses_noted_while_a_token_ends_bring_nothing_back<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let ada = stage.user("ada@example.com").await.id();
    for round in 0..ROUNDS {
        let token = stage.token_until(&ada, &round.to_string(), NOW.plus(HOUR)).await;
        let racers = (0..RACERS).map(|n| {
            let store = stage.store.clone();
            async move {
                if n == RACERS / 2 {
                    assert!(store.end_token(&token, BACKEND).await.expect("end_token"));
                } else {
                    let noted = TokenUse::new(token, NOW).renewed_until(NOW.plus(HOUR * 2));
                    store.note_use(noted).await.expect("note_use");
                }
            }
        });
        race(racers).await;
        assert!(!stage.is_alive(token).await);
        assert!(!stage.note_use(TokenUse::new(token, NOW)).await);
    }
    assert_eq!(stage.listed(&ada, NOW).await, []);
    stage.clear().await;
}

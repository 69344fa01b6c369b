//! Use moves the end of a token, where that is wanted.

use axum_users_auth::strategy::{IssuedToken, TokenOptions};
use axum_users_core::{Timestamp, TokenUse};
use redis::Commands;

use crate::harness::{BACKEND, HOUR, MILLISECOND, MINUTE, START, Stage};

fn sliding() -> TokenOptions {
    TokenOptions::new(HOUR).auto_refresh(MINUTE * 5)
}

async fn use_at(stage: &Stage, moment: Timestamp, token: &str) -> bool {
    stage.clock.set(moment);
    let status = stage.get_me(token).await.status();
    stage.users.settle().await;
    status.is_success()
}

#[tokio::test]
async fn use_moves_the_end_up_to_the_longest_lifetime() {
    let Some(stage) = Stage::set(sliding().max_lifetime(MINUTE * 100)) else {
        return;
    };
    let ada = stage.user("ada").await;
    let token = stage.login(&ada).await;
    let end = async || stage.list(&ada).await[0].expires_at;
    assert!(use_at(&stage, START.plus(MINUTE * 4), token.expose()).await);
    assert_eq!(end().await, Some(START.plus(HOUR)), "not worth a write");
    assert!(use_at(&stage, START.plus(MINUTE * 30), token.expose()).await);
    assert_eq!(end().await, Some(START.plus(MINUTE * 90)));
    assert!(use_at(&stage, START.plus(MINUTE * 80), token.expose()).await);
    assert_eq!(end().await, Some(START.plus(MINUTE * 100)));
    assert!(
        use_at(
            &stage,
            START.plus(MINUTE * 100).minus(MILLISECOND),
            token.expose()
        )
        .await
    );
    assert!(!use_at(&stage, START.plus(MINUTE * 100), token.expose()).await);
}

#[tokio::test]
async fn redis_keeps_a_renewed_token_longer_and_its_index_too() {
    let Some(stage) = Stage::set(sliding()) else {
        return;
    };
    let ada = stage.user("ada").await;
    let token = stage.login(&ada).await;
    let keys = [stage.keys_of("token"), stage.keys_of("user")].concat();
    let mut raw = stage.raw();
    for key in &keys {
        let () = raw.pexpire(key, 10_000).expect("redis answers");
    }
    assert!(use_at(&stage, START.plus(MINUTE * 30), token.expose()).await);
    for key in &keys {
        let kept: i64 = raw.pttl(key).expect("redis answers");
        assert!(kept > 24 * 60 * 60 * 1000, "{key}: {kept}");
    }
}

#[tokio::test]
async fn an_ended_or_expired_token_is_not_revived_by_a_late_note() {
    let Some(stage) = Stage::set(sliding()) else {
        return;
    };
    let ada = stage.user("ada").await;
    let strategy = stage.strategy(BACKEND);
    let note = async |token: &IssuedToken, seen: Timestamp| {
        let digest = token.session.digest.expect("the token is opaque");
        let noted = TokenUse::new(digest, seen).renewed_until(seen.plus(HOUR));
        let written = strategy.note_use(&token.session, noted).await;
        written.expect("redis answers")
    };
    let ended = stage.login(&ada).await;
    strategy
        .end(ended.expose(), &ended.session)
        .await
        .expect("redis answers");
    assert!(!note(&ended, START).await);
    assert!(stage.keys_of("token").is_empty());
    assert!(stage.keys_of("user").is_empty());
    let expired = stage.login(&ada).await;
    assert!(!note(&expired, START.plus(HOUR)).await);
    stage.clock.set(START.plus(HOUR));
    assert!(!stage.is_good(&expired).await);
    assert!(note(&expired, START.plus(HOUR).minus(MILLISECOND)).await);
}

#[tokio::test]
async fn notes_that_arrive_late_move_nothing_back() {
    let Some(stage) = Stage::set(sliding()) else {
        return;
    };
    let ada = stage.user("ada").await;
    let token = stage.login(&ada).await;
    let digest = token.session.digest.expect("the token is opaque");
    let (early, late) = (START.plus(MINUTE * 10), START.plus(MINUTE * 20));
    for seen in [late, early] {
        let noted = TokenUse::new(digest, seen).renewed_until(seen.plus(HOUR));
        let written = stage.strategy(BACKEND).note_use(&token.session, noted).await;
        assert!(written.expect("redis answers"));
    }
    let noted = TokenUse::new(digest, early);
    let written = stage.strategy(BACKEND).note_use(&token.session, noted).await;
    assert!(written.expect("redis answers"));
    let record = &stage.list(&ada).await[0];
    assert_eq!(record.last_seen_at, Some(late));
    assert_eq!(record.expires_at, Some(late.plus(HOUR)));
}

#[tokio::test]
async fn a_token_without_end_is_given_none_by_its_use() {
    let Some(stage) = Stage::set(TokenOptions::insecure_without_end()) else {
        return;
    };
    let ada = stage.user("ada").await;
    let token = stage.login(&ada).await;
    let digest = token.session.digest.expect("the token is opaque");
    let noted = TokenUse::new(digest, START).renewed_until(START.plus(HOUR));
    let written = stage.strategy(BACKEND).note_use(&token.session, noted).await;
    assert!(written.expect("redis answers"));
    assert_eq!(stage.list(&ada).await[0].expires_at, None);
    stage.clock.advance(HOUR * 2);
    assert!(stage.is_good(&token).await);
}

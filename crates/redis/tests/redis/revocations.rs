//! JWTs whose logout is noted in Redis.

use axum::http::StatusCode;
use axum_users_auth::{
    Backend,
    strategy::{JwtStrategy, Revocations},
    transport::BearerTransport,
};
use axum_users_core::{EndSessions, Timestamp};
use redis::Commands;

use crate::harness::{BACKEND, HOUR, OwnServer, START, Stage, secrets};

fn stage_on(url: &str) -> Stage {
    Stage::with(url, |redis| {
        let strategy = JwtStrategy::with_revocations(secrets().access(), HOUR, redis.clone());
        [Backend::new(BACKEND, BearerTransport::new(), strategy)]
    })
}

#[tokio::test]
async fn a_jwt_that_was_logged_out_is_dead() {
    let Some(shared) = Stage::set(HOUR) else { return };
    let stage = stage_on(&shared.url);
    let ada = stage.user("ada").await;
    let (token, other) = (stage.login(&ada).await, stage.login(&ada).await);
    assert!(stage.is_good(&token).await);
    let logout = stage.call("POST", "/logout", token.expose()).await;
    assert!(logout.status().is_success());
    assert!(!stage.is_good(&token).await);
    assert!(stage.is_good(&other).await);
    stage.end_sessions(&ada, EndSessions::All).await;
    assert!(!stage.is_good(&other).await);
}

#[tokio::test]
async fn a_mark_outlives_its_token_by_a_day_whatever_the_clocks_say() {
    let Some(stage) = Stage::set(HOUR) else { return };
    let day = 24 * 60 * 60 * 1000;
    let mut raw = stage.raw();
    let time: (i64, i64) = redis::cmd("TIME").query(&mut raw).expect("redis answers");
    let there = Timestamp::from_secs(time.0);
    for (id, until, least) in [
        ("behind", START.minus(HOUR * 24 * 365), day),
        ("ahead", there.plus(HOUR * 24), 2 * day),
        ("for-ever", Timestamp::from_millis(i64::MAX), 1000 * day),
    ] {
        stage.redis.revoke(id, until).await.expect("redis answers");
        assert!(stage.redis.is_revoked(id).await.expect("redis answers"));
        let key = format!("{}:revoked:{id}", stage.prefix);
        let kept: i64 = raw.pttl(key).expect("redis answers");
        assert!(kept > least - 60_000, "{id}: {kept}");
    }
    assert!(!stage.redis.is_revoked("unknown").await.expect("redis answers"));
}

#[tokio::test]
async fn a_jwt_is_not_believed_while_nobody_knows_whether_it_was_logged_out() {
    let Some(mut server) = OwnServer::start(&[]) else {
        return;
    };
    let stage = stage_on(&server.url());
    let ada = stage.user("ada").await;
    let token = stage.login(&ada).await;
    assert!(stage.is_good(&token).await);
    server.kill();
    let answer = stage.get_me(token.expose()).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    server.run();
    assert!(stage.is_good(&token).await);
}

//! What is kept, and what is said.

use axum_users_auth::strategy::TokenOptions;
use axum_users_core::LimitPolicy;
use axum_users_redis::{RedisSessions, RedisStrategy};
use redis::{Commands, Connection};

use crate::harness::{BACKEND, HOUR, OwnServer, Stage};

/// All that stands at a key, as text.
fn contents(raw: &mut Connection, key: &str) -> String {
    let kind: String = redis::cmd("TYPE").arg(key).query(raw).expect("redis answers");
    let parts: Vec<String> = match &*kind {
        "hash" => redis::cmd("HGETALL").arg(key).query(raw),
        "zset" => raw.zrange_withscores(key, 0, -1),
        _ => raw.get(key).map(|text: String| vec![text]),
    }
    .expect("redis answers");
    parts.join("\n")
}

#[tokio::test]
async fn redis_holds_digests_and_never_a_token() {
    let options = TokenOptions::new(HOUR)
        .prefix("shop_")
        .unwrap()
        .auto_refresh(HOUR / 4);
    let Some(stage) = Stage::set(options.limit_per_user(5, LimitPolicy::EndOldest)) else {
        return;
    };
    let ada = stage.user("ada").await;
    let token = stage.login(&ada).await;
    stage.clock.advance(HOUR / 2);
    assert!(stage.is_good(&token).await);
    stage.users.settle().await;
    let random = &token.expose()["shop_".len()..][..43];
    let mut raw = stage.raw();
    let keys = stage.keys();
    assert!(keys.len() >= 3, "{keys:?}");
    for key in &keys {
        let text = format!("{key}\n{}", contents(&mut raw, key));
        assert!(!text.contains(token.expose()) && !text.contains(random), "{text}");
    }
    let digest = keys
        .iter()
        .find_map(|key| key.split_once(":token:"))
        .expect("a token")
        .1;
    assert_eq!(digest.len(), 64);
    let id = &token.session.token_id;
    assert_eq!(id.len(), 22);
    assert!(!digest.contains(&id.to_lowercase()));
}

#[tokio::test]
async fn the_password_of_the_server_is_in_no_text() {
    let Some(server) = OwnServer::start(&["--requirepass", "right"]) else {
        return;
    };
    let url = |password: &str| format!("redis://:{password}@127.0.0.1:{}", server.port());
    let right = RedisSessions::from_url(&url("right")).unwrap();
    right.check().await.expect("the password is right");
    let wrong = RedisSessions::from_url(&url("s3cr3t")).unwrap();
    let error = wrong.check().await.expect_err("the password is wrong");
    let texts = format!(
        "{error:?} {error} {wrong:?} {:?} {:?}",
        RedisStrategy::new(&wrong, HOUR),
        RedisSessions::from_url("redis://:s3cr3t@").expect_err("there is no host"),
    );
    assert!(!texts.contains("s3cr3t"), "{texts}");
    assert!(texts.contains("authentication failed"), "{texts}");
}

#[tokio::test]
async fn debug_shows_no_token() {
    let Some(stage) = Stage::set(HOUR) else { return };
    let ada = stage.user("ada").await;
    let token = stage.login(&ada).await;
    let texts = format!("{token:?} {:?} {:?}", stage.users, stage.strategy(BACKEND));
    assert!(!texts.contains(token.expose()));
}

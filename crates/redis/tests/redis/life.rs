//! A token signs its user in, until it ends.

use axum::http::StatusCode;
use axum_users_auth::strategy::{Grant, Issue, Strategy, TokenOptions};
use axum_users_core::{Claim, Clock, Context, EndSessions, Epoch, UserStore};
use axum_users_redis::{RedisSessions, RedisStrategy};
use redis::Commands;
use uuid::Uuid;

use crate::harness::{BACKEND, HOUR, MILLISECOND, MINUTE, OTHER, OwnServer, START, Stage, issued};

#[tokio::test]
async fn a_token_signs_in_until_its_logout() {
    let Some(stage) = Stage::set(HOUR) else { return };
    let ada = stage.user("ada").await;
    let token = stage.login(&ada).await;
    let other = stage.login(&ada).await;
    assert_eq!(stage.get_me(token.expose()).await.status(), StatusCode::OK);
    let logout = stage.call("POST", "/logout", token.expose()).await;
    assert!(logout.status().is_success(), "{}", logout.status());
    assert!(!stage.is_good(&token).await);
    assert!(stage.is_good(&other).await, "a logout ends one session");
    let again = stage.call("POST", "/logout", token.expose()).await;
    assert_eq!(again.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(
        stage.keys_of("token").len(),
        1,
        "nothing is left of an ended token"
    );
}

#[tokio::test]
async fn a_claim_has_all_that_is_known_of_the_session() {
    let Some(stage) = Stage::set(HOUR) else { return };
    let ada = stage.user("ada").await;
    let token = stage.login(&ada).await;
    stage.clock.advance(MINUTE);
    assert!(stage.is_good(&token).await);
    stage.users.settle().await;
    let claim = stage
        .strategy(BACKEND)
        .read(token.expose(), BACKEND, stage.clock.now())
        .await
        .expect("redis answers");
    let Some(Claim::Subject(subject)) = claim else {
        panic!("the claim is {claim:?}");
    };
    assert_eq!(subject.user_id, ada);
    let session = subject.session;
    assert_eq!(session.backend, BACKEND);
    assert_eq!(session.token_id, token.session.token_id);
    assert_eq!(session.digest, token.session.digest);
    assert!(session.digest.is_some());
    assert_eq!(session.epoch, Epoch(0));
    assert_eq!(session.created_at, Some(START));
    assert_eq!(session.last_seen_at, Some(START.plus(MINUTE)));
    assert_eq!(session.expires_at, Some(START.plus(HOUR)));
}

#[tokio::test]
async fn our_clock_says_when_a_token_is_over_and_not_that_of_redis() {
    let Some(stage) = Stage::set(HOUR) else { return };
    let ada = stage.user("ada").await;
    let token = stage.login(&ada).await;
    stage.clock.set(START.plus(HOUR).minus(MILLISECOND));
    assert!(stage.is_good(&token).await);
    stage.clock.set(START.plus(HOUR));
    assert!(!stage.is_good(&token).await, "its end is no part of its life");
    let claim = stage
        .strategy(BACKEND)
        .read(token.expose(), BACKEND, stage.clock.now())
        .await;
    assert!(
        claim.expect("redis answers").is_none(),
        "the store need not be asked"
    );
    let [key] = &*stage.keys_of("token") else {
        panic!("redis dropped the token")
    };
    let kept: i64 = stage.raw().pttl(key).expect("redis answers");
    let day = 24 * HOUR.as_millis();
    let expected = (day + HOUR.as_millis() - MINUTE.as_millis())..=(day + HOUR.as_millis());
    assert!(expected.contains(&u128::try_from(kept).unwrap()), "{kept}");
    stage.clock.set(START);
    assert!(stage.is_good(&token).await);
}

#[tokio::test]
async fn a_token_without_end_stays_until_it_is_ended() {
    let Some(stage) = Stage::set(TokenOptions::insecure_without_end()) else {
        return;
    };
    let ada = stage.user("ada").await;
    let token = stage.login(&ada).await;
    for key in [stage.keys_of("token"), stage.keys_of("user")].concat() {
        let kept: i64 = stage.raw().pttl(&key).expect("redis answers");
        assert_eq!(kept, -1, "{key}");
    }
    stage.clock.advance(HOUR * 24 * 365 * 50);
    assert!(stage.is_good(&token).await);
    let later = stage.login(&ada).await;
    let ids: Vec<_> = stage
        .list(&ada)
        .await
        .into_iter()
        .map(|record| record.id)
        .collect();
    assert_eq!(
        ids,
        [later.session.token_id.clone(), token.session.token_id.clone()]
    );
}

#[tokio::test]
async fn the_longest_lifetimes_can_be_stored() {
    let Some(stage) = Stage::set(std::time::Duration::MAX) else {
        return;
    };
    let ada = stage.user("ada").await;
    let token = stage.login(&ada).await;
    assert!(stage.is_good(&token).await);
    assert_eq!(stage.list(&ada).await.len(), 1);
}

#[tokio::test]
async fn what_ends_all_sessions_of_a_user_ends_those_in_redis() {
    let Some(stage) = Stage::set(HOUR) else { return };
    let (ada, bob) = (stage.user("ada").await, stage.user("bob").await);
    let (of_ada, of_bob) = (stage.login(&ada).await, stage.login(&bob).await);
    stage.end_sessions(&ada, EndSessions::All).await;
    assert!(!stage.is_good(&of_ada).await);
    assert!(stage.is_good(&of_bob).await);
    assert!(stage.is_good(&stage.login(&ada).await).await);
    stage.end_sessions(&ada, EndSessions::Everything).await;
    assert!(stage.list(&ada).await.is_empty());
}

#[tokio::test]
async fn a_token_for_an_epoch_that_has_passed_is_dead_on_arrival() {
    let Some(stage) = Stage::set(HOUR) else { return };
    let ada = stage.user("ada").await;
    stage.end_sessions(&ada, EndSessions::All).await;
    let token = issued(stage.issue_by(BACKEND, &ada, Epoch(0), &stage.context()).await);
    assert!(!stage.is_good(&token).await);
    assert!(stage.list(&ada).await.is_empty());
}

#[tokio::test]
async fn a_deleted_user_is_not_signed_in() {
    let Some(stage) = Stage::set(HOUR) else { return };
    let ada = stage.user("ada").await;
    let token = stage.login(&ada).await;
    stage
        .users
        .manager()
        .store()
        .delete(&ada, axum_users_core::Expected::new())
        .await
        .expect("the store answers");
    assert!(!stage.is_good(&token).await);
}

#[tokio::test]
async fn the_session_that_asks_for_it_lives_on_alone() {
    let Some(stage) = Stage::set(HOUR) else { return };
    let ada = stage.user("ada").await;
    let (kept, other) = (stage.login(&ada).await, stage.login(&ada).await);
    let answer = stage.call("POST", "/keep", kept.expose()).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(stage.is_good(&kept).await, "the same token stays good");
    assert!(!stage.is_good(&other).await);
    let ids: Vec<_> = stage
        .list(&ada)
        .await
        .into_iter()
        .map(|record| record.id)
        .collect();
    assert_eq!(ids, [kept.session.token_id.as_str()]);
}

#[tokio::test]
async fn only_a_live_session_of_that_user_and_epoch_is_carried() {
    let Some(stage) = Stage::set(HOUR) else { return };
    let (ada, bob) = (stage.user("ada").await, stage.user("bob").await);
    let token = stage.login(&ada).await;
    let epoch = stage.end_sessions(&ada, EndSessions::All).await;
    let strategy = stage.strategy(BACKEND);
    let carry = async |user: &Uuid, backend: &str, from: Epoch, context: &Context| {
        let mut session = token.session.clone();
        session.epoch = from;
        let grant = Grant::new(user, epoch, backend, context);
        let new = strategy.carry(token.expose(), &session, grant).await;
        assert!(new.expect("redis answers").is_none(), "the token itself is moved");
        stage.is_good(&token).await
    };
    let now = stage.context();
    assert!(!carry(&bob, BACKEND, Epoch(0), &now).await);
    assert!(!carry(&ada, OTHER, Epoch(0), &now).await);
    assert!(!carry(&ada, BACKEND, Epoch(7), &now).await);
    assert!(!carry(&ada, BACKEND, Epoch(0), &Context::new(START.plus(HOUR))).await);
    assert!(carry(&ada, BACKEND, Epoch(0), &now).await);
}

#[tokio::test]
async fn a_token_is_good_at_its_backend_only() {
    let Some(stage) = Stage::set(HOUR) else { return };
    let ada = stage.user("ada").await;
    let token = stage.login(&ada).await;
    let at = async |backend: &str| {
        let claim = stage.strategy(backend).read(token.expose(), backend, START).await;
        claim.expect("redis answers").is_some()
    };
    assert!(at(BACKEND).await);
    assert!(!at(OTHER).await);
    let mut session = token.session.clone();
    session.backend = OTHER.to_owned();
    let ended = stage.strategy(OTHER).end(token.expose(), &session).await;
    ended.expect("redis answers");
    assert!(at(BACKEND).await, "another backend cannot end it");
}

#[tokio::test]
async fn another_prefix_is_another_world() {
    let Some(stage) = Stage::set(HOUR) else { return };
    let ada = stage.user("ada").await;
    let token = stage.login(&ada).await;
    let other = stage
        .redis
        .clone()
        .prefix(format!("{}-staff", stage.prefix))
        .unwrap();
    let other = RedisStrategy::new(&other, HOUR);
    let other: &dyn Strategy<Uuid> = &other;
    let claim = other.read(token.expose(), BACKEND, START).await;
    assert!(claim.expect("redis answers").is_none());
}

#[tokio::test]
async fn users_have_keys_of_any_type() {
    let Some(stage) = Stage::set(HOUR) else { return };
    let strategy = RedisStrategy::new(&stage.redis, HOUR);
    let of_numbers: &dyn Strategy<i64> = &strategy;
    let of_uuids: &dyn Strategy<Uuid> = &strategy;
    let context = stage.context();
    let grant = Grant::new(&-7, Epoch(3), BACKEND, &context);
    let Ok(Issue::Issued(token)) = of_numbers.issue(grant).await else {
        panic!("no token");
    };
    let claim = of_numbers.read(token.expose(), BACKEND, START).await;
    let Ok(Some(Claim::Subject(subject))) = claim else {
        panic!("the claim is {claim:?}");
    };
    assert_eq!((subject.user_id, subject.session.epoch), (-7, Epoch(3)));
    let claim = of_uuids.read(token.expose(), BACKEND, START).await;
    assert!(claim.expect("redis answers").is_none(), "-7 is no UUID");
}

#[tokio::test]
async fn a_check_costs_one_question_and_junk_none() {
    let Some(server) = OwnServer::start(&[]) else {
        return;
    };
    let stage = Stage::on(&server.url(), HOUR);
    let ada = stage.user("ada").await;
    let token = stage.login(&ada).await;
    let strategy = stage.strategy(BACKEND);
    let cost = async |token: &str, good: bool| {
        // The question for the number is one itself.
        let idle = server.commands();
        let idle = server.commands() - idle;
        let before = server.commands();
        let claim = strategy.read(token, BACKEND, START).await.expect("redis answers");
        assert_eq!(claim.is_some(), good);
        server.commands() - before - idle
    };
    assert_eq!(cost(token.expose(), true).await, 1);
    let unknown = TokenOptions::new(HOUR).generate(BACKEND).expect("chance");
    assert_eq!(cost(&unknown, false).await, 1);
    for junk in ["", "junk", &token.expose()[1..], &format!("{}x", token.expose())] {
        assert_eq!(cost(junk, false).await, 0, "{junk}");
    }
}

#[test]
fn wrong_options_are_told_at_the_start() {
    let redis = RedisSessions::from_url("redis://127.0.0.1:1").unwrap();
    let strategy = RedisStrategy::new(&redis, std::time::Duration::ZERO);
    let strategy: &dyn Strategy<Uuid> = &strategy;
    assert!(strategy.check().is_err());
}

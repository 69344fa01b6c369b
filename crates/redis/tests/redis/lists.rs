//! Users see, name and end their sessions.

use std::net::{IpAddr, Ipv6Addr};

use axum_users_auth::strategy::TokenOptions;
use axum_users_core::{Context, EndSessions, Epoch};
use redis::Commands;

use crate::harness::{BACKEND, HOUR, MILLISECOND, MINUTE, OTHER, START, Stage, issued};

#[tokio::test]
async fn a_list_shows_the_live_sessions_the_latest_first() {
    let Some(stage) = Stage::set(TokenOptions::new(HOUR).keep_client_address()) else {
        return;
    };
    let (ada, bob) = (stage.user("ada").await, stage.user("bob").await);
    let address = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 1, 2, 3, 4, 5, 6));
    let context = Context::new(START)
        .with_user_agent("Firefox \u{1f98a}")
        .with_client_address(address);
    let first = issued(stage.issue_by(BACKEND, &ada, Epoch(0), &context).await);
    let second = stage.login(&ada).await;
    stage.clock.advance(MINUTE);
    let third = stage.login(&ada).await;
    assert!(stage.is_good(&first).await);
    stage.users.settle().await;
    stage.login(&bob).await;
    issued(stage.issue_by(OTHER, &ada, Epoch(0), &stage.context()).await);
    let list = stage.list(&ada).await;
    let ids: Vec<_> = list.iter().map(|record| &record.id).collect();
    assert_eq!(
        ids,
        [&third, &second, &first].map(|token| &token.session.token_id)
    );
    let record = &list[2];
    assert_eq!((&*record.backend, record.created_at), (BACKEND, START));
    assert_eq!(record.user_agent.as_deref(), Some("Firefox \u{1f98a}"));
    assert_eq!(record.client_address, Some(address));
    assert_eq!(record.last_seen_at, Some(START.plus(MINUTE)));
    assert_eq!(record.expires_at, Some(START.plus(HOUR)));
    assert_eq!((record.name.as_deref(), list[1].last_seen_at), (None, None));
    stage.clock.set(START.plus(HOUR));
    assert_eq!(stage.list(&ada).await.len(), 1);
}

#[tokio::test]
async fn the_address_is_kept_only_where_that_is_wanted() {
    let Some(stage) = Stage::set(HOUR) else { return };
    let ada = stage.user("ada").await;
    let context = Context::new(START).with_client_address(IpAddr::V6(Ipv6Addr::LOCALHOST));
    issued(stage.issue_by(BACKEND, &ada, Epoch(0), &context).await);
    assert_eq!(stage.list(&ada).await[0].client_address, None);
}

#[tokio::test]
async fn a_session_is_given_a_name_and_loses_it() {
    let Some(stage) = Stage::set(HOUR) else { return };
    let (ada, bob) = (stage.user("ada").await, stage.user("bob").await);
    let token = stage.login(&ada).await;
    let id = &*token.session.token_id;
    let rename = async |user, id: &str, name: Option<&str>| {
        let owner = stage.owner(user).await;
        let renamed = stage.sessions().rename(owner, id, name).await;
        renamed.expect("redis answers")
    };
    assert!(rename(&ada, id, Some("my phone")).await);
    assert_eq!(stage.list(&ada).await[0].name.as_deref(), Some("my phone"));
    assert!(rename(&ada, id, None).await);
    assert_eq!(stage.list(&ada).await[0].name, None);
    for wrong in ["", "1", "*", &id[1..], &format!("{id}x"), &id.to_lowercase()] {
        assert!(!rename(&ada, wrong, Some("x")).await, "{wrong}");
    }
    assert!(!rename(&bob, id, Some("not his")).await);
    stage.clock.set(START.plus(HOUR));
    assert!(!rename(&ada, id, Some("over")).await);
    stage.clock.set(START);
    let later = stage.login(&ada).await;
    stage.end_sessions(&ada, EndSessions::All).await;
    assert!(!rename(&ada, &later.session.token_id, Some("dead")).await);
}

#[tokio::test]
async fn a_session_is_ended_by_its_owner_alone() {
    let Some(stage) = Stage::set(HOUR) else { return };
    let (ada, bob) = (stage.user("ada").await, stage.user("bob").await);
    let (token, other) = (stage.login(&ada).await, stage.login(&ada).await);
    let id = &*token.session.token_id;
    let end = async |user| {
        let owner = stage.owner(user).await;
        stage.sessions().end(owner, id).await.expect("redis answers")
    };
    assert!(!end(&bob).await);
    assert!(stage.is_good(&token).await);
    assert!(end(&ada).await);
    assert!(!stage.is_good(&token).await);
    assert!(!end(&ada).await, "it is ended already");
    assert!(stage.is_good(&other).await);
    assert_eq!(stage.keys_of("token").len(), 1);
}

#[tokio::test]
async fn what_is_over_leaves_the_index() {
    let Some(stage) = Stage::set(HOUR) else { return };
    let ada = stage.user("ada").await;
    for _ in 0..3 {
        stage.login(&ada).await;
    }
    let [index] = &*stage.keys_of("user") else {
        panic!("one user, one index")
    };
    let mut raw = stage.raw();
    let mut indexed = || -> usize { raw.zcard(index).expect("redis answers") };
    assert_eq!(indexed(), 3);
    stage.clock.advance(HOUR);
    stage.login(&ada).await;
    assert_eq!(indexed(), 1);
    stage.end_sessions(&ada, EndSessions::All).await;
    stage.login(&ada).await;
    assert_eq!(stage.list(&ada).await.len(), 1);
    assert_eq!(indexed(), 1);
    assert_eq!(
        stage.keys_of("token").len(),
        4,
        "an expired one is left to Redis, a dead one is not"
    );
}

#[tokio::test]
async fn a_look_from_before_the_last_epoch_sees_nothing_and_breaks_nothing() {
    let Some(stage) = Stage::set(HOUR) else { return };
    let ada = stage.user("ada").await;
    let before = stage.owner(&ada).await;
    stage.end_sessions(&ada, EndSessions::All).await;
    let token = stage.login(&ada).await;
    let list = stage.sessions().list(before).await.expect("redis answers");
    assert!(list.is_empty(), "{list:?}");
    assert!(stage.is_good(&token).await);
    assert_eq!(stage.list(&ada).await.len(), 1);
}

#[tokio::test]
async fn a_long_list_is_cut() {
    let Some(stage) = Stage::set(HOUR) else { return };
    let ada = stage.user("ada").await;
    for _ in 0..205 {
        stage.clock.advance(MILLISECOND);
        stage.login(&ada).await;
    }
    let list = stage.list(&ada).await;
    assert_eq!(list.len(), 200);
    assert_eq!(list[0].created_at, START.plus(MILLISECOND * 205));
    assert_eq!(list[199].created_at, START.plus(MILLISECOND * 6));
}

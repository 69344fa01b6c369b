//! Users see their sessions, name them and end them.

use std::net::{IpAddr, Ipv4Addr};

use axum_users_auth::strategy::{Grant, SessionOwner, Strategy, TokenOptions};
use axum_users_core::{Context, Epoch};

use super::{
    StrategyFixture,
    stage::{BACKEND, HOUR, MILLISECOND, NOW, Stage, issue, issued},
};

const AGENT: &str = "Reynard/1.0 \u{1f98a}";

/// A list shows the live sessions of one user and backend, the latest first, with all that is known of them.
pub async fn lists_show_live_sessions_with_their_facts<F: StrategyFixture>(fixture: &F) {
    for keeps in [false, true] {
        let mut options = TokenOptions::new(HOUR);
        if keeps {
            options = options.keep_client_address();
        }
        let Some(stage) = Stage::set(fixture, options).await else {
            return;
        };
        let (ada, bob) = (stage.user("ada").await, stage.user("bob").await);
        stage.login(&bob).await;
        issued(issue(&*stage.strategy, &ada, Epoch(0), "elsewhere", NOW).await);
        let over = issued(stage.issue_at(&ada, NOW.minus(HOUR)).await);
        let ended = stage.login(&ada).await;
        stage.logout(&ended).await;
        let first = issued(stage.issue_at(&ada, NOW).await);
        let address = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));
        let context = Context::new(NOW.plus(MILLISECOND))
            .with_user_agent(AGENT)
            .with_client_address(address);
        let grant = Grant::new(&ada, Epoch(0), BACKEND, &context);
        let second = issued(stage.strategy.issue(grant).await.expect("issue"));
        let listed = stage.listed(&ada, BACKEND, NOW.plus(MILLISECOND)).await;
        let ids: Vec<_> = listed.iter().map(|record| &record.id).collect();
        assert_eq!(ids, [&second.session.token_id, &first.session.token_id]);
        assert!(!ids.contains(&&over.session.token_id));
        let [latest, ..] = &*listed else { unreachable!() };
        assert_eq!(latest.backend, BACKEND);
        assert_eq!((latest.user_agent.as_deref(), &latest.name), (Some(AGENT), &None));
        assert_eq!(latest.client_address, keeps.then_some(address));
        assert_eq!(latest.created_at, NOW.plus(MILLISECOND));
        assert_eq!(latest.expires_at, Some(NOW.plus(MILLISECOND).plus(HOUR)));
        assert_eq!(latest.last_seen_at, None);
        stage.clear().await;
    }
}

/// A session is given a name, another one, and none again; only by its owner, and only while it lives.
pub async fn sessions_get_and_lose_their_name<F: StrategyFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture, HOUR).await else {
        return;
    };
    let (ada, bob) = (stage.user("ada").await, stage.user("bob").await);
    let token = stage.login(&ada).await;
    let id = token.session.token_id.as_str();
    let owner = |user, backend, now| SessionOwner::new(user, Epoch(0), backend, now);
    let own = owner(&ada, BACKEND, NOW);
    for name in [Some("the den"), Some("der B\u{f6}se \u{1f98a}"), None] {
        assert!(stage.list().rename(own, id, name).await.expect("rename"));
        assert_eq!(stage.listed(&ada, BACKEND, NOW).await[0].name.as_deref(), name);
    }
    let others = [
        (owner(&bob, BACKEND, NOW), id),
        (owner(&ada, "elsewhere", NOW), id),
        (own, "0"),
        (own, "no id"),
        (own, ""),
    ];
    for (owner, id) in others {
        let renamed = stage.list().rename(owner, id, Some("stolen")).await;
        assert!(!renamed.expect("rename"), "{owner:?} {id}");
    }
    assert_eq!(stage.listed(&ada, BACKEND, NOW).await[0].name, None);
    let over = owner(&ada, BACKEND, NOW.plus(HOUR));
    assert!(!stage.list().rename(over, id, Some("late")).await.expect("rename"));
    stage.clear().await;
}

/// A session is ended by its owner, at its backend, once.
pub async fn sessions_are_ended_by_their_owner_only<F: StrategyFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture, HOUR).await else {
        return;
    };
    let (ada, bob) = (stage.user("ada").await, stage.user("bob").await);
    let (token, other) = (stage.login(&ada).await, stage.login(&ada).await);
    let id = token.session.token_id.as_str();
    let own = SessionOwner::new(&ada, Epoch(0), BACKEND, NOW);
    let others = [
        (SessionOwner::new(&bob, Epoch(0), BACKEND, NOW), id),
        (SessionOwner::new(&ada, Epoch(0), "elsewhere", NOW), id),
        (own, "0"),
        (own, "no id"),
    ];
    for (owner, id) in others {
        assert!(!stage.list().end(owner, id).await.expect("end"), "{owner:?} {id}");
        assert!(stage.is_good(&token).await);
    }
    assert!(stage.list().end(own, id).await.expect("end"));
    assert!(!stage.is_good(&token).await && stage.is_good(&other).await);
    assert!(
        !stage.list().end(own, id).await.expect("end"),
        "it is gone already"
    );
    stage.clear().await;
}

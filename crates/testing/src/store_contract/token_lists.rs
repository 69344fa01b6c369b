//! Users see their tokens, name them and end them.

use std::net::{IpAddr, Ipv4Addr};

use axum_users_core::{EndSessions, Epoch, NewToken, SessionStore, TokenDigest, TokenRecord, TokenUse, User};

use super::{
    StoreFixture,
    stage::{BACKEND, HOUR, KeyOf, MILLISECOND, NOW, Stage},
};

fn ids(records: &[TokenRecord]) -> Vec<&str> {
    records.iter().map(|record| record.id.as_str()).collect()
}

/// A list says of a token all that is known of it.
pub async fn listed_tokens_have_all_their_facts<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let ada = stage.user("ada@example.com").await.id();
    let digest = TokenDigest::of("token");
    let mut token = NewToken::new(ada.clone(), BACKEND, digest, Epoch(0), NOW);
    token.expires_at = Some(NOW.plus(HOUR));
    token.user_agent = Some("Reynard/1.0 \u{1f98a}".to_owned());
    token.client_address = Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)));
    let row = stage.store_token(token.clone()).await;
    let mut expected = TokenRecord::new(row.to_string(), BACKEND, NOW);
    expected.expires_at = token.expires_at;
    expected.user_agent = token.user_agent;
    expected.client_address = token.client_address;
    assert_eq!(stage.listed(&ada, NOW).await, [expected.clone()]);
    let seen = NOW.plus(MILLISECOND);
    stage
        .note_use(TokenUse::new(digest, seen).renewed_until(NOW.plus(HOUR * 2)))
        .await;
    stage.name(&ada, &expected.id, Some("the den")).await;
    expected.last_seen_at = Some(seen);
    expected.expires_at = Some(NOW.plus(HOUR * 2));
    expected.name = Some("the den".to_owned());
    assert_eq!(stage.listed(&ada, NOW).await, [expected]);

    let bare = stage
        .store_token(NewToken::new(
            ada.clone(),
            "bearer",
            TokenDigest::of("bare"),
            Epoch(0),
            NOW,
        ))
        .await;
    let listed = stage.store.list_tokens(&ada, "bearer", NOW, 9).await;
    let expected = TokenRecord::new(bare.to_string(), "bearer", NOW);
    assert_eq!(listed.expect("list_tokens"), [expected]);
    stage.clear().await;
}

/// A list holds the live tokens of one user and backend: none that is over, none of an earlier epoch, none of others.
pub async fn lists_of_tokens_hold_live_ones_alone<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let ada = stage.user("ada@example.com").await.id();
    let bob = stage.user("bob@example.com").await.id();
    assert_eq!(stage.listed(&ada, NOW).await, []);
    let end = NOW.plus(HOUR);
    stage.token_until(&ada, "token", end).await;
    stage.token(&bob, "token of bob", Epoch(0)).await;
    let elsewhere = NewToken::new(ada.clone(), "bearer", TokenDigest::of("else"), Epoch(0), NOW);
    stage.store_token(elsewhere).await;
    assert_eq!(stage.listed(&ada, end.minus(MILLISECOND)).await.len(), 1);
    assert_eq!(stage.listed(&ada, end).await, [], "over at its expiry");
    let of_another = stage.store.list_tokens(&ada, "Cookie", NOW, 9).await;
    assert_eq!(
        of_another.expect("list_tokens"),
        [],
        "names are compared byte by byte"
    );
    stage.end_sessions(&ada, EndSessions::All).await;
    stage.token(&ada, "late", Epoch(0)).await;
    assert_eq!(stage.listed(&ada, NOW).await, []);
    assert_eq!(stage.listed(&bob, NOW).await.len(), 1);
    stage.clear().await;
}

/// A list begins with the token that was issued last, the last stored among those of one moment, and is no longer than it
/// may be.
pub async fn tokens_are_listed_the_latest_first<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let ada = stage.user("ada@example.com").await.id();
    let mut stored = Vec::new();
    for later in [1, 3, 0, 2, 2] {
        let digest = TokenDigest::of(&stored.len().to_string());
        let now = NOW.plus(MILLISECOND * later);
        let token = NewToken::new(ada.clone(), BACKEND, digest, Epoch(0), now);
        stored.push(stage.store_token(token).await.to_string());
    }
    let expected: Vec<_> = [1, 4, 3, 0, 2]
        .iter()
        .filter_map(|n| stored.get(*n))
        .map(String::as_str)
        .collect();
    for most in 0..7_u32 {
        let listed = stage.store.list_tokens(&ada, BACKEND, NOW, most).await;
        let listed = listed.expect("list_tokens");
        let shown = expected.iter().take(most as usize).copied();
        assert_eq!(ids(&listed), shown.collect::<Vec<_>>(), "at most {most}");
    }
    stage.clear().await;
}

/// A name is given, replaced and taken away.
pub async fn tokens_get_and_lose_their_name<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let ada = stage.user("ada@example.com").await.id();
    let digest = stage.token(&ada, "token", Epoch(0)).await;
    let other = stage.token(&ada, "other", Epoch(0)).await;
    let (id, other) = (
        stage.session(digest).await.token_id,
        stage.session(other).await.token_id,
    );
    for name in [
        Some("Ada\u{2019}s phone \u{1f98a}"),
        Some("'; --"),
        None,
        None,
        Some("again"),
    ] {
        assert!(stage.name(&ada, &id, name).await, "{name:?}");
        // The same again finds the token, although it changes nothing.
        assert!(stage.name(&ada, &id, name).await, "{name:?}");
        let listed = stage.listed(&ada, NOW).await;
        let named = |id: &str| {
            let record = listed.iter().find(|record| record.id == id);
            record.expect("it is listed").name.clone()
        };
        assert_eq!(named(&id).as_deref(), name);
        assert_eq!(named(&other), None);
    }
    assert!(stage.is_alive(digest).await);
    stage.clear().await;
}

/// Tokens of others, of other backends, dead ones, and ids that are none get no name.
pub async fn names_are_for_own_live_tokens<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let ada = stage.user("ada@example.com").await.id();
    let bob = stage.user("bob@example.com").await.id();
    let of_bob = stage.token(&bob, "token of bob", Epoch(0)).await;
    let of_bob = stage.session(of_bob).await.token_id;
    let elsewhere = NewToken::new(ada.clone(), "bearer", TokenDigest::of("else"), Epoch(0), NOW);
    let elsewhere = stage.store_token(elsewhere).await.to_string();
    for id in [&of_bob, &elsewhere] {
        assert!(!stage.name(&ada, id, Some("mine")).await);
    }
    for id in WRONG_IDS {
        assert!(!stage.name(&ada, id, Some("mine")).await, "{id:?}");
    }
    let end = NOW.plus(HOUR);
    let mut ending = NewToken::new(ada.clone(), BACKEND, TokenDigest::of("ending"), Epoch(0), NOW);
    ending.expires_at = Some(end);
    let ending = stage.store_token(ending).await.to_string();
    let named = stage
        .store
        .name_token(&ada, BACKEND, &ending, Some("late"), end)
        .await;
    assert!(!named.expect("name_token"), "it is over");
    stage.end_sessions(&ada, EndSessions::All).await;
    let late = NewToken::new(ada.clone(), BACKEND, TokenDigest::of("late"), Epoch(0), NOW);
    let late = stage.store_token(late).await.to_string();
    assert!(
        !stage.name(&ada, &late, Some("late")).await,
        "it is of an earlier epoch"
    );
    for (user, backend) in [(&bob, BACKEND), (&ada, "bearer")] {
        let listed = stage.store.list_tokens(user, backend, NOW, 9).await;
        let listed = listed.expect("list_tokens");
        assert!(listed.iter().all(|record| record.name.is_none()));
    }
    stage.clear().await;
}

/// What somebody may send in place of an id.
const WRONG_IDS: [&str; 6] = [
    "",
    "x",
    "1 OR 1=1",
    "0",
    "9223372036854775807",
    "9223372036854775808",
];

async fn end<F: StoreFixture>(stage: &Stage<'_, F>, user: &KeyOf<F>, backend: &str, id: &str) -> bool {
    let ended = stage.store.end_token_by_id(user, backend, id).await;
    ended.expect("end_token_by_id")
}

/// Users end their own tokens one by one, and nobody else's.
pub async fn tokens_are_ended_by_id_for_their_user_and_backend_only<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let ada = stage.user("ada@example.com").await.id();
    let bob = stage.user("bob@example.com").await.id();
    let token = stage.token(&ada, "token", Epoch(0)).await;
    let other = stage.token(&ada, "other", Epoch(0)).await;
    let of_bob = stage.token(&bob, "token of bob", Epoch(0)).await;
    let id = stage.session(token).await.token_id;
    assert!(!end(&stage, &bob, BACKEND, &id).await, "it is of somebody else");
    for backend in ["bearer", "Cookie", ""] {
        assert!(!end(&stage, &ada, backend, &id).await, "{backend:?}");
    }
    for wrong in WRONG_IDS {
        assert!(!end(&stage, &ada, BACKEND, wrong).await, "{wrong:?}");
    }
    assert!(stage.is_alive(token).await);
    assert!(end(&stage, &ada, BACKEND, &id).await);
    assert!(!end(&stage, &ada, BACKEND, &id).await, "it has ended already");
    assert!(!stage.is_alive(token).await);
    assert!(stage.is_alive(other).await && stage.is_alive(of_bob).await);
    stage.clear().await;
}

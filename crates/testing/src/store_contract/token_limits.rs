//! How many tokens of one backend a user may have.

use axum_users_core::{
    Change, EndSessions, Epoch, Expected, LimitPolicy, NewToken, SessionStore, TokenDigest, TokenLimit,
    TokenStored, User, UserStore,
};

use super::{
    StoreFixture,
    stage::{BACKEND, HOUR, KeyOf, MILLISECOND, NOW, ROUNDS, Stage, race, stored},
};

/// How many logins race for the last places.
const LOGINS: usize = 16;
const MOST: u32 = 5;

fn within<Id>(mut token: NewToken<Id>, most: u32, policy: LimitPolicy) -> NewToken<Id> {
    token.limit = Some(TokenLimit { most, policy });
    token
}

fn token<F: StoreFixture>(id: &KeyOf<F>, text: &str) -> NewToken<KeyOf<F>> {
    NewToken::new(id.clone(), BACKEND, TokenDigest::of(text), Epoch(0), NOW)
}

/// A user who has as many tokens as may be gets no other one, until one of them ends.
pub async fn limits_refuse_one_token_too_many<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let ada = stage.user("ada@example.com").await.id();
    let refused = |text| within(token::<F>(&ada, text), 2, LimitPolicy::Refuse);
    for text in ["one", "two"] {
        assert_eq!(stage.ended_for(refused(text)).await, Some(0), "{text}");
    }
    assert_eq!(stage.ended_for(refused("three")).await, None);
    assert!(
        !stage.is_alive(TokenDigest::of("three")).await,
        "nothing is stored"
    );
    assert!(stage.is_alive(TokenDigest::of("one")).await && stage.is_alive(TokenDigest::of("two")).await);
    stage.end_token(&TokenDigest::of("one")).await;
    assert_eq!(stage.ended_for(refused("three")).await, Some(0));
    assert_eq!(stage.ended_for(refused("four")).await, None);
    stage.clear().await;
}

/// The oldest token by the moment of its issue ends for a new one, the first stored among those of one moment; all that are
/// too many end where the limit was lowered.
pub async fn limits_end_the_oldest_tokens<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let ada = stage.user("ada@example.com").await.id();
    let issued = |text: &str, later, most| {
        let mut token = token::<F>(&ada, text);
        token.created_at = NOW.plus(MILLISECOND * later);
        within(token, most, LimitPolicy::EndOldest)
    };
    for (text, later) in [("late", 2), ("first", 0), ("second", 0)] {
        assert_eq!(stage.ended_for(issued(text, later, 3)).await, Some(0), "{text}");
    }
    assert_eq!(stage.ended_for(issued("fourth", 3, 3)).await, Some(1));
    assert_eq!(stage.listed(&ada, NOW).await.len(), 3);
    assert!(!stage.is_alive(TokenDigest::of("first")).await);
    assert_eq!(stage.ended_for(issued("fifth", 4, 3)).await, Some(1));
    assert!(!stage.is_alive(TokenDigest::of("second")).await);
    assert!(
        stage.is_alive(TokenDigest::of("late")).await,
        "stored first, issued later"
    );
    assert_eq!(stage.ended_for(issued("last", 5, 1)).await, Some(3));
    for text in ["late", "fourth", "fifth"] {
        assert!(!stage.is_alive(TokenDigest::of(text)).await, "{text}");
    }
    assert!(stage.is_alive(TokenDigest::of("last")).await);
    stage.clear().await;
}

/// Where none may be, none is stored, whatever the policy.
pub async fn limits_of_no_token_refuse_all<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let ada = stage.user("ada@example.com").await.id();
    let before = stage.token(&ada, "before", Epoch(0)).await;
    for policy in [LimitPolicy::Refuse, LimitPolicy::EndOldest] {
        let refused = within(token::<F>(&ada, "token"), 0, policy);
        assert_eq!(stage.ended_for(refused).await, None, "{policy:?}");
    }
    assert!(!stage.is_alive(TokenDigest::of("token")).await);
    assert!(stage.is_alive(before).await, "none ends for one that is refused");
    stage.clear().await;
}

/// A token is over at its expiry, and takes no place from then on; one millisecond earlier it does.
pub async fn expired_tokens_do_not_count_to_a_limit<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let end = NOW.plus(HOUR);
    for policy in [LimitPolicy::Refuse, LimitPolicy::EndOldest] {
        let ada = stage.user(&format!("{policy:?}@example.com")).await.id();
        stage.token_until(&ada, &format!("{policy:?} old"), end).await;
        let issued = |text: &str, now| {
            let mut token = token::<F>(&ada, &format!("{policy:?} {text}"));
            token.created_at = now;
            token.expires_at = Some(now.plus(MILLISECOND));
            within(token, 1, policy)
        };
        let before = stage.ended_for(issued("before", end.minus(MILLISECOND))).await;
        let expected = (policy == LimitPolicy::EndOldest).then_some(1);
        assert_eq!(before, expected, "{policy:?}: the old one is not over yet");
        assert_eq!(stage.ended_for(issued("at", end)).await, Some(0), "{policy:?}");
    }
    stage.clear().await;
}

/// What the end of all sessions has ended takes no place, also where its row was written after it.
pub async fn tokens_of_an_earlier_epoch_do_not_count_to_a_limit<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    for policy in [LimitPolicy::Refuse, LimitPolicy::EndOldest] {
        let ada = stage.user(&format!("{policy:?}@example.com")).await.id();
        stage.token(&ada, &format!("{policy:?} early"), Epoch(0)).await;
        let epoch = stage.end_sessions(&ada, EndSessions::All).await;
        stage.token(&ada, &format!("{policy:?} late"), Epoch(0)).await;
        let issued = |text: &str| {
            let mut token = token::<F>(&ada, &format!("{policy:?} {text}"));
            token.epoch = epoch;
            within(token, 1, policy)
        };
        assert_eq!(stage.ended_for(issued("fresh")).await, Some(0), "{policy:?}");
        let expected = (policy == LimitPolicy::EndOldest).then_some(1);
        assert_eq!(stage.ended_for(issued("second")).await, expected, "{policy:?}");
    }
    stage.clear().await;
}

/// A token that was asked for before all sessions were ended is not stored, and ends none of those that live.
pub async fn tokens_of_an_earlier_epoch_take_no_place<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let ada = stage.user("ada@example.com").await.id();
    let epoch = stage.end_sessions(&ada, EndSessions::All).await;
    let living = stage.token(&ada, "living", epoch).await;
    for most in [1, 9] {
        let late = within(token::<F>(&ada, "late"), most, LimitPolicy::EndOldest);
        let outcome = stage.store.insert_token(late).await.expect("insert_token");
        assert_eq!(outcome, TokenStored::Stale);
    }
    assert!(stage.is_alive(living).await);
    assert!(!stage.is_alive(TokenDigest::of("late")).await);
    stage.clear().await;
}

/// Tokens of other users and of other backends take no place, and none of them ends.
pub async fn limits_count_each_user_and_backend_alone<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    let ada = stage.user("ada@example.com").await.id();
    let bob = stage.user("bob@example.com").await.id();
    let of_bob = stage.token(&bob, "token of bob", Epoch(0)).await;
    let digest = TokenDigest::of("elsewhere");
    stage
        .store_token(NewToken::new(ada.clone(), "bearer", digest, Epoch(0), NOW))
        .await;
    for (text, ended) in [("one", 0), ("two", 1)] {
        let issued = within(token::<F>(&ada, text), 1, LimitPolicy::EndOldest);
        assert_eq!(stage.ended_for(issued).await, Some(ended), "{text}");
    }
    assert!(stage.is_alive(of_bob).await);
    let elsewhere = stage.store.list_tokens(&ada, "bearer", NOW, 9).await;
    assert_eq!(elsewhere.expect("list_tokens").len(), 1);
    stage.clear().await;
}

/// Sixteen logins at the same moment get no more than the five places there are, and no fewer.
pub async fn racing_tokens_are_refused_beyond_the_limit<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    for round in 0..ROUNDS {
        let ada = stage.user(&format!("ada{round}@example.com")).await.id();
        let outcomes = race_for(&stage, &ada, round, LimitPolicy::Refuse).await;
        let in_time = outcomes.iter().filter(|outcome| **outcome == Some(0)).count();
        let refused = outcomes.iter().filter(|outcome| outcome.is_none()).count();
        assert_eq!((in_time, refused), (MOST as usize, LOGINS - MOST as usize));
        assert_eq!(stage.listed(&ada, NOW).await.len(), MOST as usize);
    }
    stage.clear().await;
}

/// Sixteen logins at the same moment all succeed, and leave the five tokens that may be.
pub async fn racing_tokens_end_the_oldest_beyond_the_limit<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    for round in 0..ROUNDS {
        let ada = stage.user(&format!("ada{round}@example.com")).await.id();
        let outcomes = race_for(&stage, &ada, round, LimitPolicy::EndOldest).await;
        let ended = outcomes.into_iter().map(|outcome| outcome.expect("stored"));
        assert_eq!(ended.sum::<u64>(), LOGINS as u64 - u64::from(MOST));
        assert_eq!(stage.listed(&ada, NOW).await.len(), MOST as usize);
    }
    stage.clear().await;
}

async fn race_for<F: StoreFixture>(
    stage: &Stage<'_, F>,
    id: &KeyOf<F>,
    round: usize,
    policy: LimitPolicy,
) -> Vec<Option<u64>> {
    let racers = (0..LOGINS).map(|n| {
        let store = stage.store.clone();
        let token = within(token::<F>(id, &format!("{round} {n}")), MOST, policy);
        async move { stored(&store.insert_token(token).await.expect("insert_token")) }
    });
    race(racers).await
}

/// Logins within a limit, the end of all sessions and the deletion of their user at the same moment leave neither a session
/// nor an error.
pub async fn limited_tokens_stored_while_their_user_ends_are_dead<F: StoreFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture).await else {
        return;
    };
    for round in 0..ROUNDS {
        let ada = stage.user("ada@example.com").await.id();
        let racers = (0..LOGINS).map(|n| {
            let (store, id) = (stage.store.clone(), ada.clone());
            let token = within(
                token::<F>(&ada, &format!("{round} {n}")),
                2,
                LimitPolicy::EndOldest,
            );
            async move {
                match n {
                    0 => assert_eq!(
                        store.delete(&id, Expected::new()).await.expect("delete"),
                        axum_users_core::Removed::Removed
                    ),
                    1 | 2 => {
                        let mut change = Change::new(NOW);
                        change.end_sessions = EndSessions::All;
                        store.update(&id, change).await.expect("update");
                    }
                    _ => {
                        let outcome = store.insert_token(token).await.expect("insert_token");
                        assert_ne!(outcome, TokenStored::LimitReached);
                    }
                }
            }
        });
        race(racers).await;
        for n in 0..LOGINS {
            assert!(!stage.is_alive(TokenDigest::of(&format!("{round} {n}"))).await);
        }
    }
    stage.clear().await;
}

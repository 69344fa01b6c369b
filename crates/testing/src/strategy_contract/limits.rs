//! How many tokens of one backend a user may have.

use std::sync::Arc;

use axum_users_auth::strategy::{Issue, IssuedToken, Strategy, TokenOptions};
use axum_users_core::{EndSessions, Epoch, LimitPolicy, Timestamp};

use super::{
    StrategyFixture,
    stage::{BACKEND, HOUR, KeyOf, MILLISECOND, NOW, ROUNDS, Stage, issue, issued, race},
};

/// How many logins race for the last places.
const LOGINS: usize = 16;
const MOST: u32 = 5;

fn limited(most: u32, policy: LimitPolicy) -> TokenOptions {
    TokenOptions::new(HOUR).limit_per_user(most, policy)
}

impl<F: StrategyFixture> Stage<'_, F> {
    async fn is_refused_at(&self, user: &KeyOf<F>, now: Timestamp) -> bool {
        matches!(self.issue_at(user, now).await, Issue::LimitReached)
    }
}

/// Who has as many as may be gets no other one, until one of them ends.
pub async fn one_token_too_many_is_refused<F: StrategyFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture, limited(2, LimitPolicy::Refuse)).await else {
        return;
    };
    assert!(stage.strategy.refuses_at_limit());
    let ada = stage.user("ada").await;
    let (first, second) = (stage.login(&ada).await, stage.login(&ada).await);
    assert!(stage.is_refused_at(&ada, NOW).await);
    assert!(stage.is_good(&first).await && stage.is_good(&second).await);
    stage.logout(&first).await;
    let third = stage.login(&ada).await;
    assert!(stage.is_refused_at(&ada, NOW).await);
    assert!(stage.is_good(&second).await && stage.is_good(&third).await);
    stage.clear().await;
}

/// Where the oldest ends, it is the one issued first, and as many as are too many.
pub async fn one_token_too_many_ends_the_oldest<F: StrategyFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture, limited(3, LimitPolicy::EndOldest)).await else {
        return;
    };
    assert!(!stage.strategy.refuses_at_limit());
    let ada = stage.user("ada").await;
    let mut tokens = Vec::new();
    for n in 0..5 {
        let token = issued(stage.issue_at(&ada, NOW.plus(MILLISECOND * n)).await);
        assert_eq!(token.ended, u64::from(n >= 3), "login {n}");
        tokens.push(token);
    }
    let mut good = Vec::new();
    for token in &tokens {
        good.push(stage.is_good(token).await);
    }
    assert_eq!(good, [false, false, true, true, true]);
    let lower = stage.with(limited(1, LimitPolicy::EndOldest));
    let last = issued(issue::<KeyOf<F>>(&lower, &ada, Epoch(0), BACKEND, NOW.plus(HOUR / 2)).await);
    assert_eq!(last.ended, 3, "a lower limit ends all that are too many");
    drop(lower);
    stage.clear().await;
}

/// Tokens that are over, or were ended with all others, take no place.
pub async fn tokens_that_are_over_take_no_place<F: StrategyFixture>(fixture: &F) {
    for policy in [LimitPolicy::Refuse, LimitPolicy::EndOldest] {
        let Some(stage) = Stage::set(fixture, limited(1, policy)).await else {
            return;
        };
        let ada = stage.user("ada").await;
        stage.login(&ada).await;
        let end = NOW.plus(HOUR);
        if policy == LimitPolicy::Refuse {
            assert!(stage.is_refused_at(&ada, end.minus(MILLISECOND)).await);
        }
        let next = issued(stage.issue_at(&ada, end).await);
        assert_eq!(next.ended, 0, "what is over was not ended by this login");
        stage.end_sessions(&ada, EndSessions::All).await;
        let last = issued(stage.issue_at(&ada, end).await);
        assert_eq!(
            last.ended, 0,
            "what another event ended was not ended by this login"
        );
        assert!(stage.is_good_at(&last, end).await);
        stage.clear().await;
    }
}

/// Tokens of other users and of other backends take no place, and none of them ends.
pub async fn limits_are_for_each_user_and_backend_alone<F: StrategyFixture>(fixture: &F) {
    let Some(stage) = Stage::set(fixture, limited(1, LimitPolicy::EndOldest)).await else {
        return;
    };
    let (ada, bob) = (stage.user("ada").await, stage.user("bob").await);
    let of_bob = stage.login(&bob).await;
    let elsewhere = issued(issue(&*stage.strategy, &ada, Epoch(0), "elsewhere", NOW).await);
    let (first, second) = (stage.login(&ada).await, stage.login(&ada).await);
    assert_eq!((first.ended, second.ended), (0, 1));
    assert!(stage.is_good(&of_bob).await);
    let elsewhere = stage.signed_in(elsewhere.expose(), "elsewhere", NOW).await;
    assert!(elsewhere.is_some());
    stage.clear().await;
}

/// The logins of one user at the same moment.
async fn logins<F: StrategyFixture>(stage: &Stage<'_, F>, user: &KeyOf<F>) -> Vec<Issue> {
    let racers = (0..LOGINS).map(|_| {
        let (strategy, user) = (Arc::clone(&stage.strategy), user.clone());
        async move {
            let strategy: &dyn Strategy<KeyOf<F>> = &*strategy;
            issue(strategy, &user, Epoch(0), BACKEND, NOW).await
        }
    });
    race(racers).await
}

async fn race_for_places<F: StrategyFixture>(fixture: &F, policy: LimitPolicy, issued: usize, ended: u64) {
    let Some(stage) = Stage::set(fixture, limited(MOST, policy)).await else {
        return;
    };
    for round in 0..ROUNDS {
        let ada = stage.user(&format!("ada{round}")).await;
        let tokens: Vec<IssuedToken> = logins(&stage, &ada)
            .await
            .into_iter()
            .filter_map(|issue| match issue {
                Issue::Issued(token) => Some(token),
                Issue::LimitReached => None,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(tokens.len(), issued);
        assert_eq!(tokens.iter().map(|token| token.ended).sum::<u64>(), ended);
        let mut good = 0;
        for token in &tokens {
            good += u32::from(stage.is_good(token).await);
        }
        assert_eq!(good, MOST);
        assert_eq!(stage.listed(&ada, BACKEND, NOW).await.len(), MOST as usize);
    }
    stage.clear().await;
}

/// Sixteen logins at the same moment take no more than the five places there are, and no fewer.
pub async fn racing_logins_are_refused_beyond_the_limit<F: StrategyFixture>(fixture: &F) {
    race_for_places(fixture, LimitPolicy::Refuse, MOST as usize, 0).await;
}

/// Sixteen logins at the same moment all succeed, and five of them live.
pub async fn racing_logins_end_the_oldest_beyond_the_limit<F: StrategyFixture>(fixture: &F) {
    race_for_places(fixture, LimitPolicy::EndOldest, LOGINS, 11).await;
}

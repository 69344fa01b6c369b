//! A user has as many tokens as may be, and not one more.

use axum_users_auth::strategy::{Grant, Issue, IssuedToken, Strategy, TokenOptions};
use axum_users_core::{EndSessions, LimitPolicy};
use axum_users_redis::RedisStrategy;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::harness::{BACKEND, HOUR, MILLISECOND, OTHER, START, Stage, issued};

const RACERS: usize = 16;
const ROUNDS: usize = 8;

fn limited(most: u32, policy: LimitPolicy) -> TokenOptions {
    TokenOptions::new(HOUR).limit_per_user(most, policy)
}

async fn good(stage: &Stage, tokens: &[IssuedToken]) -> Vec<bool> {
    let mut good = Vec::new();
    for token in tokens {
        good.push(stage.is_good(token).await);
    }
    good
}

async fn is_refused(stage: &Stage, user: &Uuid) -> bool {
    matches!(stage.issue(user).await, Issue::LimitReached)
}

#[tokio::test]
async fn one_token_too_many_is_refused() {
    let Some(stage) = Stage::set(limited(2, LimitPolicy::Refuse)) else {
        return;
    };
    let (ada, bob) = (stage.user("ada").await, stage.user("bob").await);
    let tokens = [stage.login(&ada).await, stage.login(&ada).await];
    assert!(is_refused(&stage, &ada).await);
    assert_eq!(good(&stage, &tokens).await, [true, true]);
    assert_eq!(
        stage.keys_of("token").len(),
        2,
        "nothing is left of the refused one"
    );
    stage.login(&bob).await;
    let epoch = stage.epoch(&ada).await;
    issued(stage.issue_by(OTHER, &ada, epoch, &stage.context()).await);
    stage.call("POST", "/logout", tokens[0].expose()).await;
    stage.login(&ada).await;
    assert!(is_refused(&stage, &ada).await);
}

#[tokio::test]
async fn one_token_too_many_ends_the_oldest() {
    let Some(stage) = Stage::set(limited(2, LimitPolicy::EndOldest)) else {
        return;
    };
    let ada = stage.user("ada").await;
    // At one and the same moment the order of logins counts.
    let mut tokens = vec![stage.login(&ada).await, stage.login(&ada).await];
    assert_eq!(tokens.iter().map(|token| token.ended).sum::<u64>(), 0);
    tokens.push(stage.login(&ada).await);
    assert_eq!(tokens[2].ended, 1);
    assert_eq!(good(&stage, &tokens).await, [false, true, true]);
    stage.clock.advance(MILLISECOND);
    tokens.push(stage.login(&ada).await);
    assert_eq!(good(&stage, &tokens).await, [false, false, true, true]);
    assert_eq!(stage.keys_of("token").len(), 2);
}

#[tokio::test]
async fn the_oldest_is_the_first_issued_and_not_the_first_to_end() {
    let options = limited(2, LimitPolicy::EndOldest).auto_refresh(MILLISECOND);
    let Some(stage) = Stage::set(options) else { return };
    let ada = stage.user("ada").await;
    let first = stage.login(&ada).await;
    stage.clock.advance(MILLISECOND);
    let second = stage.login(&ada).await;
    stage.clock.advance(MILLISECOND);
    assert!(stage.is_good(&first).await);
    stage.users.settle().await;
    let third = stage.login(&ada).await;
    assert_eq!(good(&stage, &[first, second, third]).await, [false, true, true]);
}

#[tokio::test]
async fn a_lower_limit_ends_all_that_are_too_many() {
    let Some(stage) = Stage::set(HOUR) else { return };
    let ada = stage.user("ada").await;
    let mut tokens = Vec::new();
    for _ in 0..5 {
        tokens.push(stage.login(&ada).await);
    }
    let strategy = RedisStrategy::new(&stage.redis, limited(2, LimitPolicy::EndOldest));
    let context = stage.context();
    let grant = Grant::new(&ada, tokens[0].session.epoch, BACKEND, &context);
    let issue = Strategy::issue(&strategy, grant).await;
    assert_eq!(issued(issue.expect("redis answers")).ended, 4);
    assert_eq!(good(&stage, &tokens).await, [false, false, false, false, true]);
}

#[tokio::test]
async fn what_is_over_does_not_count() {
    let Some(stage) = Stage::set(limited(1, LimitPolicy::Refuse)) else {
        return;
    };
    let ada = stage.user("ada").await;
    stage.login(&ada).await;
    stage.clock.set(START.plus(HOUR).minus(MILLISECOND));
    assert!(is_refused(&stage, &ada).await);
    stage.clock.set(START.plus(HOUR));
    stage.login(&ada).await;
    assert!(is_refused(&stage, &ada).await);
    stage.end_sessions(&ada, EndSessions::All).await;
    let last = stage.login(&ada).await;
    assert_eq!(
        last.ended, 0,
        "what another event ended was not ended by this login"
    );
    assert!(stage.is_good(&last).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn logins_at_once_do_not_pass_the_limit() {
    for policy in [LimitPolicy::Refuse, LimitPolicy::EndOldest] {
        let Some(stage) = Stage::set(limited(3, policy)) else {
            return;
        };
        for round in 0..ROUNDS {
            let user = stage.user(&format!("racer{round}")).await;
            let (mut tokens, mut refused) = (Vec::new(), 0);
            for issue in race(&stage, &user).await {
                match issue {
                    Issue::Issued(token) => tokens.push(token),
                    Issue::LimitReached => refused += 1,
                    other => panic!("{other:?}"),
                }
            }
            let alive = good(&stage, &tokens)
                .await
                .into_iter()
                .filter(|good| *good)
                .count();
            assert_eq!(alive, 3, "{policy:?}, round {round}");
            assert_eq!(stage.list(&user).await.len(), 3);
            let ended: u64 = tokens.iter().map(|token| token.ended).sum();
            match policy {
                LimitPolicy::Refuse => assert_eq!((tokens.len(), refused, ended), (3, RACERS - 3, 0)),
                _ => assert_eq!((tokens.len(), refused, ended), (RACERS, 0, 13)),
            }
        }
    }
}

/// The logins of one user, each from a process of its own, as far as Redis can tell.
async fn race(stage: &Stage, user: &Uuid) -> Vec<Issue> {
    let epoch = stage.epoch(user).await;
    let backend = stage.users.backends()[0].clone();
    let mut racers = JoinSet::new();
    for _ in 0..RACERS {
        let (backend, user, context) = (backend.clone(), *user, stage.context());
        racers.spawn(async move {
            let grant = Grant::new(&user, epoch, BACKEND, &context);
            backend.strategy().issue(grant).await.expect("redis answers")
        });
    }
    racers.join_all().await
}

//! Several processes on one database: what ends through one of them is over for all.

use std::{net::TcpStream, process::Command, sync::mpsc, thread};

use axum_users_testing::Skipped;

use crate::harness::{Client, Place, Process, count, token_in};

const REDIS: &str = "redis://127.0.0.1:6379";

async fn place() -> Option<Place> {
    if TcpStream::connect("127.0.0.1:6379").is_err() {
        Skipped::because("there is no Redis at 127.0.0.1:6379").report();
        return None;
    }
    Place::postgres().await
}

fn serve(place: &Place, settings: &[(&str, &str)]) -> Process {
    let settings = [settings, &[("REDIS_URL", REDIS), ("RUST_LOG", "warn")]].concat();
    place.serve(&settings)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ends_through_one_process_is_over_for_the_other_at_once() {
    let Some(place) = place().await else {
        return;
    };
    {
        let (a, b) = (serve(&place, &[]), serve(&place, &[]));
        a.register();
        for backend in ["db", "redis", "jwt"] {
            let (here, there) = (a.login(backend), b.login(backend));
            assert_eq!((a.me(&there), b.me(&here)), (200, 200), "{backend}");
            assert_eq!(a.with("POST", &format!("/auth/{backend}/logout"), &here), 204);
            assert_eq!((b.me(&here), b.me(&there)), (401, 200), "{backend}");
            assert_eq!(
                a.with("POST", &format!("/auth/{backend}/logout-all"), &there),
                204
            );
            assert_eq!(b.me(&there), 401, "{backend}");
        }
    }
    place.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_holds_over_both_processes() {
    let Some(place) = place().await else {
        return;
    };
    let limit = [("TOKEN_LIMIT_PER_USER", "2"), ("HASH_THREADS", "2")];
    {
        let (a, b) = (serve(&place, &limit), serve(&place, &limit));
        a.register();
        for backend in ["db", "redis"] {
            let answers: Vec<(u16, String)> = thread::scope(|scope| {
                let logins: Vec<_> = (0..8)
                    .map(|index| {
                        let process: &Client = if index % 2 == 0 { &a } else { &b };
                        scope.spawn(move || process.try_login(backend).expect("the process answers"))
                    })
                    .collect();
                logins
                    .into_iter()
                    .map(|login| login.join().expect("no panic"))
                    .collect()
            });
            let in_: Vec<_> = answers.iter().filter(|(status, _)| *status == 200).collect();
            assert_eq!(in_.len(), 2, "{backend}: {answers:?}");
            for (status, body) in &answers {
                assert!(
                    *status == 200 || (*status == 403 && body.contains("TOKEN_LIMIT_REACHED")),
                    "{body}"
                );
            }
            for (_, body) in in_ {
                assert_eq!(b.me(&token_in(body)), 200);
            }
        }
    }
    place.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_killed_in_the_middle_of_logins_leaves_nothing_half_made() {
    let Some(place) = place().await else {
        return;
    };
    let limit = [
        ("TOKEN_LIMIT_PER_USER", "3"),
        ("TOKEN_LIMIT_POLICY", "end-oldest"),
    ];
    {
        let mut a = serve(&place, &limit);
        a.register();
        // As soon as one login is answered, with others under way, the process is killed.
        let (sender, answers) = mpsc::channel();
        let answered: Vec<(u16, String)> = thread::scope(|scope| {
            for _ in 0..12 {
                let (running, sender): (&Client, _) = (&a, sender.clone());
                scope.spawn(move || {
                    if let Some(answer) = running.try_login("db") {
                        let _ = sender.send(answer);
                    }
                });
            }
            drop(sender);
            let first = answers.recv().expect("a login is answered");
            let victim = a.child.id().to_string();
            let killed = Command::new("/bin/kill").args(["-KILL", &victim]).status();
            assert!(killed.expect("there is a kill").success());
            [first].into_iter().chain(answers.iter()).collect()
        });
        assert!(
            answered.len() < 12,
            "all logins were answered before the process was killed"
        );
        let tokens: Vec<String> = answered
            .iter()
            .filter(|(status, _)| *status == 200)
            .map(|(_, body)| token_in(body))
            .collect();
        a.kill();
        let b = serve(&place, &limit);
        let db = place.db().await;
        let sessions = async || count(&db, "account_tokens").await;
        let left = sessions().await;
        assert!(left <= 3, "{left} sessions, and three may be");
        let alive = tokens.iter().filter(|token| b.me(token) == 200).count();
        assert!(
            i64::try_from(alive).is_ok_and(|alive| alive <= left),
            "{alive} of {left}"
        );
        // The user is not locked, and the limit still counts right.
        for _ in 0..4 {
            let token = b.login("db");
            assert_eq!(b.me(&token), 200);
        }
        assert_eq!(sessions().await, 3);
        db.close().await.expect("it closes");
    }
    place.drop().await;
}

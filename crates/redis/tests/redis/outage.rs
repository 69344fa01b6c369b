//! Redis goes and comes back, and the application stays.

use std::time::{Duration, Instant};

use axum::http::{StatusCode, header};
use axum_users_auth::strategy::Grant;
use axum_users_core::{Failure, SetupError};
use axum_users_faults::Proxy;
use axum_users_redis::RedisSessions;
use redis::cmd;
use tokio::net::TcpListener;

use crate::harness::{BACKEND, HOUR, OwnServer, Stage, raw};

#[tokio::test]
async fn requests_are_put_off_while_redis_is_gone_and_served_when_it_is_back() {
    let Some(mut server) = OwnServer::start(&[]) else {
        return;
    };
    let stage = Stage::on(&server.url(), HOUR);
    let ada = stage.user("ada").await;
    let token = stage.login(&ada).await;
    assert!(stage.is_good(&token).await);
    for _ in 0..2 {
        server.kill();
        for _ in 0..3 {
            let answer = stage.get_me(token.expose()).await;
            assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(answer.headers()[header::RETRY_AFTER], "1");
            let logout = stage.call("POST", "/logout", token.expose()).await;
            assert_eq!(logout.status(), StatusCode::SERVICE_UNAVAILABLE);
        }
        // Whatever is tried beside the requests has failed too by now.
        tokio::time::sleep(Duration::from_millis(100)).await;
        let junk = stage.get_me("junk").await;
        assert_eq!(junk.status(), StatusCode::UNAUTHORIZED, "junk needs no Redis");
        server.run();
        assert!(stage.is_good(&token).await, "at the first request");
    }
}

#[tokio::test]
async fn a_restart_between_two_requests_is_not_noticed() {
    let Some(mut server) = OwnServer::start(&[]) else {
        return;
    };
    let stage = Stage::on(&server.url(), HOUR);
    let ada = stage.user("ada").await;
    let token = stage.login(&ada).await;
    for _ in 0..3 {
        server.kill();
        server.run();
        assert!(stage.is_good(&token).await);
        // The new process knows none of the scripts.
        stage.login(&ada).await;
    }
}

#[tokio::test]
async fn an_application_starts_without_redis() {
    let mut server = OwnServer::stopped(&[]);
    let stage = Stage::on(&server.url(), HOUR);
    let ada = stage.user("ada").await;
    let error = stage.redis.check().await.expect_err("nobody listens");
    assert!(matches!(error, SetupError::Store(_)), "{error:?}");
    if !server.run() {
        return;
    }
    stage.redis.check().await.expect("redis is there");
    assert!(stage.keys().is_empty(), "a check leaves nothing");
    let token = stage.login(&ada).await;
    assert!(stage.is_good(&token).await);
}

#[tokio::test]
async fn a_server_that_says_nothing_is_not_waited_for() {
    let silent = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("redis://{}", silent.local_addr().unwrap());
    let redis = RedisSessions::from_url(&url)
        .unwrap()
        .timeout(Duration::from_millis(200));
    let begin = Instant::now();
    let error = redis.check().await.expect_err("nobody answers");
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
    assert!(format!("{error:?}").contains("no answer in time"), "{error:?}");
}

#[tokio::test]
async fn a_server_without_tls_is_no_server_where_tls_is_wanted() {
    let Some(server) = OwnServer::start(&[]) else {
        return;
    };
    let url = server.url().replace("redis://", "rediss://");
    let redis = RedisSessions::from_url(&url).unwrap();
    let error = redis.check().await.expect_err("there is no TLS");
    assert!(matches!(error, SetupError::Store(_)), "{error:?}");
}

#[tokio::test]
async fn a_server_that_cannot_write_puts_logins_off_and_serves_who_is_signed_in() {
    let Some(server) = OwnServer::start(&[]) else {
        return;
    };
    let stage = Stage::on(&server.url(), HOUR);
    let ada = stage.user("ada").await;
    let token = stage.login(&ada).await;
    let mut raw = raw(&server.url()).expect("redis is there");
    let mut set = |command: &str, arguments: &[&str]| {
        let () = cmd(command).arg(arguments).query(&mut raw).expect("redis obeys");
    };
    let full = [
        ("CONFIG", ["SET", "maxmemory", "1"].as_slice()),
        ("CONFIG", &["SET", "maxmemory", "0"]),
    ];
    // As the one that wrote is after a failover.
    let demoted = [
        ("REPLICAOF", ["127.0.0.1", "1"].as_slice()),
        ("REPLICAOF", &["NO", "ONE"]),
    ];
    for [(begin, begin_with), (end, end_with)] in [full, demoted] {
        set(begin, begin_with);
        let context = stage.context();
        let grant = Grant::new(&ada, token.session.epoch, BACKEND, &context);
        let refused = stage.strategy(BACKEND).issue(grant).await;
        assert!(
            matches!(refused, Err(Failure::Unavailable { .. })),
            "{begin_with:?}: {refused:?}"
        );
        assert!(stage.is_good(&token).await, "{begin_with:?}");
        set(end, end_with);
        stage.login(&ada).await;
    }
}

#[tokio::test]
async fn a_connection_that_fell_silent_is_given_up() {
    let Some(server) = OwnServer::start(&[]) else {
        return;
    };
    let proxy = Proxy::before(&server.address()).await;
    let redis = RedisSessions::from_url(&format!("redis://{}", proxy.address()))
        .unwrap()
        .timeout(Duration::from_millis(500));
    redis.check().await.expect("redis is there");
    proxy.silence();
    redis.check().await.expect_err("nothing comes back");
    assert_ne!(proxy.struck(), 0);
    redis.check().await.expect("another connection is not silent");
}

#[tokio::test]
async fn a_failover_is_followed() {
    let (Some(old), Some(new)) = (OwnServer::start(&[]), OwnServer::start(&[])) else {
        return;
    };
    let proxy = Proxy::before(&old.address()).await;
    let redis = RedisSessions::from_url(&format!("redis://{}", proxy.address())).unwrap();
    redis.check().await.expect("redis is there");
    let mut raw = raw(&old.url()).expect("redis is there");
    let () = cmd("REPLICAOF")
        .arg(&["127.0.0.1", &new.port().to_string()])
        .query(&mut raw)
        .expect("redis obeys");
    proxy.turn_to(&new.address());
    redis.check().await.expect_err("the old one does not write");
    redis.check().await.expect("the new one does");
}

//! Redis over TLS.

use std::{
    env, fs,
    process::{Command, Output},
};

use axum_users_redis::RedisSessions;

use crate::harness::{OwnServer, free_port};

/// Names the server to the process that trusts its certificate: what a process trusts is set when it starts.
const URL: &str = "AXUM_USERS_TLS_URL";

#[tokio::test]
async fn a_server_is_believed_whose_certificate_is_trusted_and_has_its_name() {
    if let Ok(url) = env::var(URL) {
        let redis = RedisSessions::from_url(&url).unwrap();
        redis.check().await.expect("the certificate is good");
        return;
    }
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let path = |what: &str| env::temp_dir().join(format!("axum-users-redis-{}-{what}.pem", free_port()));
    let (certificate, key) = (path("certificate"), path("key"));
    fs::write(&certificate, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let port = free_port();
    let settings = [
        ("--tls-port", &*port.to_string()),
        ("--tls-cert-file", certificate.to_str().unwrap()),
        ("--tls-key-file", key.to_str().unwrap()),
        ("--tls-auth-clients", "no"),
    ];
    let Some(_server) = OwnServer::start(&settings.map(<[&str; 2]>::from).concat()) else {
        return;
    };
    let trusting = |url: String| -> Output {
        let name = "tls::a_server_is_believed_whose_certificate_is_trusted_and_has_its_name";
        let mut test = Command::new(env::current_exe().unwrap());
        test.args([name, "--exact"])
            .env(URL, url)
            .env("SSL_CERT_FILE", &certificate);
        test.output().unwrap()
    };
    let right = trusting(format!("rediss://localhost:{port}"));
    assert!(right.status.success(), "{right:?}");
    let wrong_name = trusting(format!("rediss://127.0.0.1:{port}"));
    assert!(!wrong_name.status.success(), "{wrong_name:?}");
    let stranger = RedisSessions::from_url(&format!("rediss://localhost:{port}")).unwrap();
    stranger.check().await.expect_err("nobody trusts the certificate");
    for file in [certificate, key] {
        fs::remove_file(file).unwrap();
    }
}

//! Mails as files.

use std::{fs, path::PathBuf};

use axum_users_mail::{MailTransport as _, Mailer};
use mailparse::MailHeaderMap as _;

use crate::kit::message;

fn directory(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&path);
    path
}

#[tokio::test]
async fn each_mail_is_a_file_that_parses() {
    let path = directory("mailbox/inner");
    let url = format!("file:{}", path.display());
    let mailer = Mailer::from_url(&url, "Example <no-reply@example.com>").unwrap();
    for to in ["ada@example.org", "bob@example.org"] {
        mailer.send(&message(to)).await.unwrap();
    }
    let mut recipients = Vec::new();
    for entry in fs::read_dir(&path).unwrap() {
        let file = entry.unwrap().path();
        assert_eq!(file.extension().unwrap(), "eml");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(&file).unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0);
        }
        let bytes = fs::read(file).unwrap();
        let mail = mailparse::parse_mail(&bytes).unwrap();
        assert_eq!(mail.subparts.len(), 2);
        recipients.push(mail.headers.get_first_value("To").unwrap());
    }
    recipients.sort();
    assert_eq!(recipients, ["ada@example.org", "bob@example.org"]);
}

#[tokio::test]
async fn lost_directory_is_worth_another_try() {
    let path = directory("lost");
    let mailer = Mailer::from_url(&format!("file://{}", path.display()), "a@b.example").unwrap();
    fs::remove_dir(&path).unwrap();
    let error = mailer.send(&message("ada@example.org")).await.unwrap_err();
    assert!(!error.is_permanent());
    assert_eq!(error.class(), "file");
}

#[test]
fn odd_urls_and_senders_are_refused_at_the_start() {
    for url in [
        "",
        "mail.example.com",
        "http://u:hunter2@mail.example.com",
        "file:",
        "smtp:",
    ] {
        let text = Mailer::from_url(url, "a@b.example").unwrap_err().to_string();
        assert!(!text.contains("hunter2"));
    }
    for from in [
        "",
        "nobody",
        "a@b.example\r\nBcc: c@d.example",
        "a@b.example, c@d.example",
    ] {
        assert!(
            Mailer::from_url("smtps://mail.example.com", from).is_err(),
            "{from:?}"
        );
    }
}

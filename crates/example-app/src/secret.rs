//! The root secret.

use std::{
    fs::{self, OpenOptions},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
};

use axum_users::Secret;

use crate::{Failed, settings::Settings};

/// The secret that all others come from: the one that is set or, in a debug build, one that is made once and kept.
pub(crate) fn root(settings: &Settings) -> Result<Secret, Failed> {
    root_of(settings, cfg!(debug_assertions))
}

fn root_of(settings: &Settings, debug_build: bool) -> Result<Secret, Failed> {
    match &settings.auth_secret {
        Some(secret) => Ok(Secret::new(secret.as_str())),
        None if debug_build => kept(&beside(&settings.database_url)),
        None => Err("AUTH_SECRET is required: set it to the output of `openssl rand -hex 32`".into()),
    }
}

/// A secret for one run, where nothing outlives it.
pub(crate) fn of_chance() -> Result<Secret, Failed> {
    Ok(Secret::new(chance()?))
}

fn beside(database_url: &str) -> PathBuf {
    let file = database_url
        .strip_prefix("sqlite:")
        .map(|rest| rest.strip_prefix("//").unwrap_or(rest))
        .map(|rest| rest.split_once('?').map_or(rest, |(path, _)| path))
        .filter(|path| !path.is_empty() && !path.contains(":memory:"));
    PathBuf::from(format!("{}.secret", file.unwrap_or("axum-users")))
}

fn kept(path: &Path) -> Result<Secret, Failed> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(mut file) => {
            let secret = chance()?;
            file.write_all(secret.as_bytes())?;
            tracing::info!(file = %path.display(), "made a secret for development");
            Ok(Secret::new(secret))
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            Ok(Secret::new(fs::read_to_string(path)?.trim()))
        }
        Err(error) => Err(error.into()),
    }
}

fn chance() -> Result<String, Failed> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes
        .iter()
        .fold(String::new(), |hex, byte| hex + &format!("{byte:02x}")))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn settings(secret: Option<&str>, database_url: &str) -> Settings {
        let mut settings = Settings::parse_from(["example", "--database-url", database_url]);
        settings.auth_secret = secret.map(str::to_owned);
        settings
    }

    fn folder() -> PathBuf {
        let folder = std::env::temp_dir().join(format!("axum-users-example-{}", uuid::Uuid::new_v4()));
        fs::create_dir(&folder).unwrap();
        folder
    }

    #[test]
    fn a_release_build_makes_no_secret_of_its_own() {
        let folder = folder();
        let url = format!("sqlite://{}/app.sqlite", folder.display());
        let refused = root_of(&settings(None, &url), false).unwrap_err().to_string();
        assert!(refused.starts_with("AUTH_SECRET is required"), "{refused}");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
        let given = root_of(&settings(Some("of the owner"), &url), false).unwrap();
        assert_eq!(given.expose(), b"of the owner");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_debug_build_makes_a_secret_once_and_keeps_it() {
        let folder = folder();
        let url = format!("sqlite://{}/app.sqlite", folder.display());
        let made = root_of(&settings(None, &url), true).unwrap();
        assert_eq!(made.expose().len(), 64);
        let kept = root_of(&settings(None, &url), true).unwrap();
        assert_eq!(kept.expose(), made.expose());
        let given = root_of(&settings(Some("of the owner"), &url), true).unwrap();
        assert_eq!(given.expose(), b"of the owner");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn the_secret_lies_beside_the_file_of_the_database() {
        for (url, path) in [
            ("sqlite://data/app.sqlite?mode=rwc", "data/app.sqlite.secret"),
            ("sqlite:///var/app.db", "/var/app.db.secret"),
            ("sqlite::memory:", "axum-users.secret"),
            ("postgres://localhost/app", "axum-users.secret"),
        ] {
            assert_eq!(beside(url), Path::new(path));
        }
    }
}

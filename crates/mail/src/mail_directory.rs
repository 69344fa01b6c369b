//! Mails as files, for development.

use std::{
    io,
    path::{Path, PathBuf},
};

use axum_users_core::SetupError;
use tokio::{
    fs::{OpenOptions, remove_file, rename},
    io::AsyncWriteExt,
};
use uuid::Uuid;

use crate::MailError;

#[derive(Debug)]
pub(crate) struct MailDirectory(PathBuf);

impl MailDirectory {
    pub(crate) fn create(path: PathBuf) -> Result<Self, SetupError> {
        match std::fs::create_dir_all(&path) {
            Ok(()) => Ok(Self(path)),
            Err(error) => Err(SetupError::Invalid(format!(
                "the directory for mails, {}, cannot be made: {}",
                path.display(),
                error.kind()
            ))),
        }
    }

    pub(crate) async fn write(&self, mail: &[u8]) -> Result<(), MailError> {
        let name = Uuid::new_v4().to_string();
        let part = self.0.join(format!("{name}.part"));
        // Under another name until it is whole, so that nobody reads half a mail.
        let written = match write_private(&part, mail).await {
            Ok(()) => rename(&part, self.0.join(format!("{name}.eml"))).await,
            Err(error) => Err(error),
        };
        if written.is_err() {
            let _ = remove_file(&part).await;
        }
        written.map_err(|_| MailError::temporary("file"))
    }
}

async fn write_private(path: &Path, mail: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    options.mode(0o600);
    let mut file = options.open(path).await?;
    file.write_all(mail).await?;
    file.flush().await
}

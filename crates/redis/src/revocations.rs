//! JWTs that were logged out.

use axum_users_auth::strategy::{BoxFuture, Revocations};
use axum_users_core::{Failure, Timestamp};
use redis::cmd;

use crate::{
    RedisSessions,
    scripts::SCRIPTS,
    token::{GRACE, LONGEST, millis},
};

/// # Security
/// A mark that Redis loses makes a token good again until it expires: let it write to disk, and let it evict nothing
/// (`maxmemory-policy noeviction`).
impl Revocations for RedisSessions {
    fn revoke<'a>(&'a self, token_id: &'a str, until: Timestamp) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let key = self.key("revoked", token_id);
            let [grace, longest] = [GRACE, LONGEST].map(|span| span.as_millis().to_string());
            let arguments = [&*millis(until), &*grace, &*longest];
            let () = self.run(&SCRIPTS.revoke, &[&key], &arguments).await?;
            Ok(())
        })
    }

    fn is_revoked<'a>(&'a self, token_id: &'a str) -> BoxFuture<'a, Result<bool, Failure>> {
        Box::pin(async move {
            let key = self.key("revoked", token_id);
            Ok(self.ask(cmd("EXISTS").arg(key)).await?)
        })
    }
}

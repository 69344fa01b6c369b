//! The one connection to Redis.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum_users_core::StoreError;
use redis::{
    Client, Cmd, ErrorKind, FromRedisValue, Pipeline, RedisError, RedisResult, ScriptInvocation,
    ServerErrorKind,
    aio::{ConnectionManager, ConnectionManagerConfig},
};

use crate::failure::{is_cut_off, store_error};

/// What Redis is asked.
pub(crate) enum Question<'a> {
    Command(&'a Cmd),
    Commands(&'a Pipeline),
    Script(&'a ScriptInvocation<'a>),
}

impl Question<'_> {
    async fn put<T: FromRedisValue>(&self, link: &mut ConnectionManager) -> RedisResult<T> {
        match self {
            Self::Command(command) => command.query_async(link).await,
            Self::Commands(commands) => commands.query_async(link).await,
            Self::Script(script) => script.invoke_async(link).await,
        }
    }
}

/// A server, and the connection to it that all requests share. It is made when it is first needed, and made anew after it
/// failed, so a server that comes back is found at once.
pub(crate) struct Server {
    client: Client,
    timeout: Duration,
    link: Mutex<Option<Arc<ConnectionManager>>>,
}

impl Server {
    pub(crate) fn new(client: Client, timeout: Duration) -> Self {
        Self {
            client,
            timeout,
            link: Mutex::new(None),
        }
    }

    pub(crate) fn with_timeout(&self, timeout: Duration) -> Self {
        Self::new(self.client.clone(), timeout)
    }

    /// Asks, once more where the connection turns out to be lost: nothing that is asked here does harm twice.
    pub(crate) async fn ask<T: FromRedisValue>(&self, question: Question<'_>) -> Result<T, StoreError> {
        let answer = match self.ask_once(&question).await {
            Err(error) if is_cut_off(&error) => self.ask_once(&question).await,
            answer => answer,
        };
        answer.map_err(|error| store_error(&error))
    }

    async fn ask_once<T: FromRedisValue>(&self, question: &Question<'_>) -> Result<T, RedisError> {
        let link = self.link()?;
        let answer = question.put(&mut ConnectionManager::clone(&link)).await;
        if let Err(error) = &answer
            && is_of_the_connection(error)
        {
            self.drop_link(&link);
        }
        answer
    }

    fn link(&self) -> Result<Arc<ConnectionManager>, RedisError> {
        let mut link = self.link.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(link) = &*link {
            return Ok(Arc::clone(link));
        }
        // A failed attempt is told at once, to all who waited for it; whoever comes next makes the next one.
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(0)
            .set_connection_timeout(Some(self.timeout))
            .set_response_timeout(Some(self.timeout));
        let new = ConnectionManager::new_lazy_with_config(self.client.clone(), config)?;
        Ok(Arc::clone(link.insert(Arc::new(new))))
    }

    fn drop_link(&self, broken: &Arc<ConnectionManager>) {
        let mut link = self.link.lock().unwrap_or_else(PoisonError::into_inner);
        if link.as_ref().is_some_and(|link| Arc::ptr_eq(link, broken)) {
            *link = None;
        }
    }
}

/// Whether another connection may do better: to a server that answers, or to the one that writes since a failover.
fn is_of_the_connection(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_unrecoverable_error()
        || error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly)
}

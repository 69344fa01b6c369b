//! One request over one connection, as little HTTP as that takes.

use std::sync::Arc;

use axum_users_core::SetupError;
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::{
    Request, StatusCode, Uri,
    body::Bytes,
    client::conn::http1,
    header::{ACCEPT, HOST, USER_AGENT},
};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::JoinSet,
};
use tokio_rustls::TlsConnector;

use crate::Trouble;

/// A padded range has some 1000 lines of 40 to 50 bytes.
const LONGEST: usize = 256 * 1024;
const US: &str = concat!("axum-users/", env!("CARGO_PKG_VERSION"));

/// Where ranges are fetched from.
#[derive(Clone)]
pub(crate) struct Server {
    host: String,
    port: u16,
    /// As the `Host` header has it.
    authority: String,
    /// Before `/range/`.
    path: String,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
}

impl Server {
    pub(crate) fn new(base: &Uri, tls: Option<Arc<ClientConfig>>) -> Result<Self, SetupError> {
        let invalid = || SetupError::Invalid("the URL of the breach service has no host".to_owned());
        let authority = base.authority().ok_or_else(invalid)?;
        let host = authority
            .host()
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let default = if tls.is_some() { 443 } else { 80 };
        let tls = match tls {
            None => None,
            Some(config) => Some((config, ServerName::try_from(host.clone()).map_err(|_| invalid())?)),
        };
        Ok(Self {
            host,
            port: authority.port_u16().unwrap_or(default),
            authority: authority.to_string(),
            path: base.path().trim_end_matches('/').to_owned(),
            tls,
        })
    }

    pub(crate) fn with_tls(mut self, config: Arc<ClientConfig>) -> Self {
        self.tls = self.tls.map(|(_, name)| (config, name));
        self
    }

    /// The lines for these five digits.
    pub(crate) async fn fetch(&self, prefix: &str) -> Result<String, Trouble> {
        let connect = |error: std::io::Error| Trouble::Connect(error.kind());
        let stream = TcpStream::connect((self.host.as_str(), self.port))
            .await
            .map_err(connect)?;
        match &self.tls {
            None => self.ask(stream, prefix).await,
            Some((config, name)) => {
                let tls = TlsConnector::from(Arc::clone(config)).connect(name.clone(), stream);
                self.ask(tls.await.map_err(connect)?, prefix).await
            }
        }
    }

    async fn ask<T>(&self, stream: T, prefix: &str) -> Result<String, Trouble>
    where
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(Trouble::Http)?;
        // Ends with this function, however it ends.
        let mut driver = JoinSet::new();
        driver.spawn(connection);
        let request = Request::get(format!("{}/range/{prefix}", self.path))
            .header(HOST, &self.authority)
            .header(USER_AGENT, US)
            .header(ACCEPT, "text/plain")
            .header("add-padding", "true")
            .body(Empty::<Bytes>::new())
            .map_err(|_| Trouble::Malformed)?;
        let response = sender.send_request(request).await.map_err(Trouble::Http)?;
        if response.status() != StatusCode::OK {
            return Err(Trouble::Status(response.status()));
        }
        let body = Limited::new(response.into_body(), LONGEST).collect().await;
        let body = body.map_err(|error| match error.downcast::<hyper::Error>() {
            Ok(error) => Trouble::Http(*error),
            Err(other) if other.is::<LengthLimitError>() => Trouble::TooLong,
            Err(_) => Trouble::Malformed,
        })?;
        String::from_utf8(body.to_bytes().into()).map_err(|_| Trouble::Malformed)
    }
}

#![doc = include_str!("../README.md")]

mod fetch;
mod range;

use std::{fmt, sync::Arc, time::Duration};

use axum_users_core::{BreachLookup, BreachLookupError, BreachedPasswords, Password, SetupError};
use hyper::Uri;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use tokio::time::timeout;

use crate::{fetch::Server, range::Digest};

/// Asks the range API of Have I Been Pwned, or a mirror of it, by the first five digits of a password's SHA-1.
///
/// ```
/// use axum_users_breached::PwnedPasswords;
/// use axum_users_core::{PasswordPolicy, WhenUnavailable};
///
/// let policy = PasswordPolicy::new().breached(PwnedPasswords::new()?, WhenUnavailable::Accept);
/// # Ok::<_, axum_users_core::SetupError>(())
/// ```
///
/// # Security
/// The service learns when somebody chooses a password, and that it is one of about a millionth of all. See
/// [the page of the crate](crate).
#[derive(Clone)]
pub struct PwnedPasswords {
    server: Server,
    roots: RootCertStore,
    timeout: Duration,
}

/// The service of Have I Been Pwned.
const SERVICE: &str = "https://api.pwnedpasswords.com";
const TIMEOUT: Duration = Duration::from_secs(2);

impl PwnedPasswords {
    /// Asks api.pwnedpasswords.com over HTTPS, and waits two seconds for an answer.
    ///
    /// # Errors
    /// [`SetupError`] where TLS cannot be set up.
    pub fn new() -> Result<Self, SetupError> {
        Self::at(SERVICE)
    }

    /// Asks a mirror below this `https://` URL, which may have a path: `/range/` and five digits are put behind it.
    ///
    /// # Errors
    /// [`SetupError`] for another scheme, a user, a query, or no URL at all.
    pub fn at(url: &str) -> Result<Self, SetupError> {
        let base = base(url, "https")?;
        let roots = RootCertStore {
            roots: webpki_roots::TLS_SERVER_ROOTS.into(),
        };
        let server = Server::new(&base, Some(tls(&roots)?))?;
        Ok(Self {
            server,
            roots,
            timeout: TIMEOUT,
        })
    }

    /// Asks a mirror below this `http://` URL.
    ///
    /// # Security
    /// Who is on the way reads the five digits, and can say of every password that it is known, or of none. For a mirror on
    /// the same machine.
    ///
    /// # Errors
    /// As [`at`](Self::at).
    pub fn insecure_plain_http(url: &str) -> Result<Self, SetupError> {
        Ok(Self {
            server: Server::new(&base(url, "http")?, None)?,
            roots: RootCertStore::empty(),
            timeout: TIMEOUT,
        })
    }

    /// Trusts these certificates (PEM) as well, for a mirror whose authority is your own.
    ///
    /// # Errors
    /// [`SetupError`] where there is none in the text, or one is none.
    pub fn also_trust(mut self, pem: &str) -> Result<Self, SetupError> {
        let invalid = || SetupError::Invalid("not a certificate in PEM".to_owned());
        let known = self.roots.len();
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let certificate = certificate.map_err(|_| invalid())?;
            self.roots.add(certificate).map_err(|_| invalid())?;
        }
        if self.roots.len() == known {
            return Err(invalid());
        }
        self.server = self.server.with_tls(tls(&self.roots)?);
        Ok(self)
    }

    /// How long an answer may take, from the first look at the name of the server to the last byte; two seconds by default.
    /// A request that chooses a password waits as long.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}

impl BreachedPasswords for PwnedPasswords {
    fn is_breached<'a>(&'a self, password: &'a Password) -> BreachLookup<'a> {
        Box::pin(async move {
            let digest = Digest::of(password);
            let answer = timeout(self.timeout, self.server.fetch(digest.prefix()))
                .await
                .map_err(|_| BreachLookupError::new(Trouble::Late))?;
            let range = answer.map_err(BreachLookupError::new)?;
            digest.is_in(&range).map_err(BreachLookupError::new)
        })
    }
}

impl fmt::Debug for PwnedPasswords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PwnedPasswords")
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// Why there is no answer. Nothing of the password is in it.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("no answer in time")]
    Late,
    #[error("no connection: {0}")]
    Connect(std::io::ErrorKind),
    #[error("the conversation failed")]
    Http(#[source] hyper::Error),
    #[error("the answer is {0}")]
    Status(hyper::StatusCode),
    #[error("the answer is too long")]
    TooLong,
    #[error("the answer is not a range of hashes")]
    Malformed,
}

fn base(url: &str, scheme: &str) -> Result<Uri, SetupError> {
    let invalid = || {
        SetupError::Invalid(format!(
            "the URL of the breach service is not `{scheme}://HOST[/PATH]`"
        ))
    };
    let url: Uri = url.parse().map_err(|_| invalid())?;
    let is_plain = url.scheme_str() == Some(scheme)
        && url.query().is_none()
        && url
            .authority()
            .is_some_and(|authority| !authority.as_str().contains('@'));
    if is_plain { Ok(url) } else { Err(invalid()) }
}

fn tls(roots: &RootCertStore) -> Result<Arc<ClientConfig>, SetupError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| SetupError::Invalid(error.to_string()))?
        .with_root_certificates(roots.clone())
        .with_no_client_auth();
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_url_of_the_right_scheme_is_taken() {
        for url in ["https://mirror.example", "https://mirror.example:8443/hibp/"] {
            assert!(PwnedPasswords::at(url).is_ok(), "{url}");
        }
        for url in [
            "",
            "mirror.example",
            "/range",
            "http://mirror.example",
            "https://user:pass@mirror.example",
            "https://mirror.example/?a=b",
            "ftp://mirror.example",
        ] {
            assert!(PwnedPasswords::at(url).is_err(), "{url}");
        }
        assert!(PwnedPasswords::insecure_plain_http("http://127.0.0.1:1").is_ok());
        assert!(PwnedPasswords::insecure_plain_http("https://127.0.0.1").is_err());
        assert!(PwnedPasswords::new().is_ok());
    }

    #[test]
    fn what_is_no_certificate_is_refused() {
        for pem in [
            "",
            "junk",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        ] {
            assert!(PwnedPasswords::new().unwrap().also_trust(pem).is_err(), "{pem}");
        }
    }
}

//! The conversation with a mail server.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use axum_users_core::SetupError;
use lettre::{
    address::Envelope,
    transport::smtp::{
        Error,
        authentication::Mechanism,
        client::{AsyncSmtpConnection, Certificate, TlsParameters, TlsParametersBuilder},
        commands::{Data, Mail, Rcpt},
        extension::{ClientId, Extension, MailBodyParameter, MailParameter},
    },
};
use tokio::{
    net::TcpStream,
    time::{Instant, timeout},
};

use crate::{
    MailError,
    line_by_line::LineByLine,
    smtp_url::{Protection, SmtpUrl},
};

/// Servers close a connection that is silent for a few minutes; one younger than this is still there.
const KEPT_FOR: Duration = Duration::from_secs(30);

/// One server, and a connection to it that is kept for the next mail.
///
/// A connection is taken out while a mail is sent and put back only once the server has answered the mail. Whatever happens
/// in between, even a cancelled future, drops it: an answer that was not waited for would be read as the answer to the next
/// mail. That is why lettre's own pool, which puts it back, is not used.
pub(crate) struct Smtp {
    server: SmtpUrl,
    pub(crate) timeout: Duration,
    trusted: Vec<Certificate>,
    tls: TlsParameters,
    hello: ClientId,
    kept: Mutex<Option<Kept>>,
}

struct Kept {
    connection: AsyncSmtpConnection,
    since: Instant,
}

impl fmt::Debug for Smtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Smtp")
            .field("server", &self.server)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl Smtp {
    pub(crate) fn new(server: SmtpUrl) -> Result<Self, SetupError> {
        Ok(Self {
            tls: tls(&server, &[])?,
            server,
            timeout: Duration::from_secs(10),
            trusted: Vec::new(),
            hello: ClientId::default(),
            kept: Mutex::new(None),
        })
    }

    pub(crate) fn trust(&mut self, pem: &str) -> Result<(), SetupError> {
        // An unreadable text would give a certificate of no certificates.
        if !pem.contains("-----BEGIN CERTIFICATE-----") {
            return Err(invalid_certificate());
        }
        let certificate = Certificate::from_pem(pem.as_bytes());
        self.trusted.push(certificate.map_err(|_| invalid_certificate())?);
        self.tls = tls(&self.server, &self.trusted)?;
        Ok(())
    }

    pub(crate) async fn send(&self, envelope: &Envelope, mail: &[u8]) -> Result<(), MailError> {
        let mut connection = match self.kept().await {
            Some(connection) => connection,
            None => within(self.timeout, self.connect()).await?,
        };
        let sent = within(self.timeout, hand_over(&mut connection, envelope, mail)).await;
        match sent {
            Ok(()) => self.keep(connection),
            Err(error) if error.status().is_some() => {
                // The server said no and waits: leave politely. It does not matter whether it hears.
                let _ = timeout(Duration::from_secs(1), connection.abort()).await;
            }
            Err(_) => {}
        }
        sent
    }

    async fn kept(&self) -> Option<AsyncSmtpConnection> {
        let kept = {
            let mut slot = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            slot.take()
        };
        let kept = kept.filter(|kept| kept.since.elapsed() < KEPT_FOR)?;
        let mut connection = kept.connection;
        let alive = timeout(self.timeout, connection.test_connected()).await;
        (alive == Ok(true)).then_some(connection)
    }

    fn keep(&self, connection: AsyncSmtpConnection) {
        let mut slot = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        *slot = Some(Kept {
            connection,
            since: Instant::now(),
        });
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, MailError> {
        let address = (self.server.host.as_str(), self.server.port);
        let mut connection = match self.server.protection {
            Protection::Implicit => AsyncSmtpConnection::connect_tokio1(
                address,
                Some(self.timeout),
                &self.hello,
                Some(self.tls.clone()),
                None,
            )
            .await
            .map_err(|error| ours("connection", &error))?,
            Protection::StartTls | Protection::PlainText => {
                let stream = TcpStream::connect(address)
                    .await
                    .map_err(|_| MailError::temporary("connection"))?;
                let stream = Box::new(LineByLine::new(stream));
                AsyncSmtpConnection::connect_with_transport(stream, &self.hello)
                    .await
                    .map_err(|error| ours("greeting", &error))?
            }
        };
        if self.server.protection == Protection::StartTls {
            let started = connection.starttls(self.tls.clone(), &self.hello).await;
            started.map_err(|error| ours("starttls", &error))?;
        }
        if let Some(login) = &self.server.login {
            let login = connection.auth(&[Mechanism::Plain, Mechanism::Login], login);
            login.await.map_err(|error| ours("login", &error))?;
        }
        Ok(connection)
    }
}

async fn hand_over(
    connection: &mut AsyncSmtpConnection,
    envelope: &Envelope,
    mail: &[u8],
) -> Result<(), MailError> {
    let mut parameters = Vec::new();
    let plain = envelope.to().iter().chain(envelope.from());
    if !plain.fold(mail.is_ascii(), |plain, address| {
        plain && AsRef::<str>::as_ref(address).is_ascii()
    }) {
        let server = connection.server_info();
        if !server.supports_feature(Extension::SmtpUtfEight) {
            return Err(MailError::permanent("smtputf8"));
        }
        parameters.push(MailParameter::SmtpUtfEight);
        parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
    }
    // Until the recipient is named, a refusal is about this application and not about the mail.
    let from = Mail::new(envelope.from().cloned(), parameters);
    let answer = connection.command(from).await;
    answer.map_err(|error| ours("sender", &error))?;
    for to in envelope.to() {
        let answer = connection.command(Rcpt::new(to.clone(), Vec::new())).await;
        answer.map_err(|error| theirs("recipient", &error))?;
    }
    let answer = connection.command(Data).await;
    answer.map_err(|error| theirs("data", &error))?;
    let answer = connection.message(mail).await;
    answer.map_err(|error| theirs("content", &error))?;
    Ok(())
}

async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, MailError>>,
) -> Result<T, MailError> {
    let done = timeout(limit, work).await;
    done.unwrap_or(Err(MailError::temporary("timeout")))
}

/// A failure that the next mail would meet too: never a reason to give a mail up.
fn ours(class: &'static str, error: &Error) -> MailError {
    with_status(MailError::temporary(class), error)
}

/// A failure that is for good where the server says so.
fn theirs(class: &'static str, error: &Error) -> MailError {
    let error_of = if error.is_permanent() {
        MailError::permanent
    } else {
        MailError::temporary
    };
    with_status(error_of(class), error)
}

fn with_status(mail_error: MailError, error: &Error) -> MailError {
    match error.status() {
        Some(code) => mail_error.with_status(u16::from(code)),
        None => mail_error,
    }
}

fn tls(server: &SmtpUrl, trusted: &[Certificate]) -> Result<TlsParameters, SetupError> {
    let builder = TlsParametersBuilder::new(server.host.clone());
    trusted
        .iter()
        .cloned()
        .fold(builder, TlsParametersBuilder::add_root_certificate)
        .build()
        .map_err(|_| invalid_certificate())
}

fn invalid_certificate() -> SetupError {
    SetupError::Invalid("the certificate to trust for mails must be a pem certificate".into())
}

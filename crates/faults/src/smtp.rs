//! A small SMTP server that does as it is told and remembers what it heard.

use std::{
    collections::VecDeque,
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

/// What happens to one mail.
#[derive(Debug, Clone, Copy)]
pub enum Fate {
    /// The recipient is answered with this line.
    Recipient(&'static str),
    /// The whole mail is answered with this line.
    Content(&'static str),
    /// The connection ends in the middle of the mail.
    Cut,
    /// The mail is never answered.
    Silence,
}

/// How a server behaves.
#[derive(Default)]
#[expect(missing_debug_implementations, reason = "what accepts TLS has none")]
pub struct Settings {
    /// Encrypts, after `STARTTLS`.
    pub tls: Option<TlsAcceptor>,
    /// TLS from the first byte instead of by `STARTTLS`.
    pub implicit: bool,
    /// Sent in one piece with the answer to `STARTTLS`, as somebody on the way would.
    pub injected: &'static str,
    /// Whether no login is right.
    pub refuses_login: bool,
    /// Whether it knows addresses of other letters.
    pub smtputf8: bool,
    /// What happens to the first mails; later ones are taken.
    pub fates: Vec<Fate>,
}

/// A mail as it came, with the dots that SMTP adds taken away again.
#[derive(Debug, Clone)]
pub struct Received {
    /// The line that named the sender.
    pub from: String,
    /// The lines that named the recipients.
    pub to: Vec<String>,
    /// Head and body.
    pub data: Vec<u8>,
}

/// A mail server at a port of this machine; clones are the same one.
#[derive(Clone)]
#[expect(missing_debug_implementations, reason = "its settings have none")]
pub struct Server(Arc<Inner>);

struct Inner {
    settings: Settings,
    port: u16,
    fates: Mutex<VecDeque<Fate>>,
    received: Mutex<Vec<Received>>,
    heard: Mutex<Vec<(bool, String)>>,
    connections: AtomicUsize,
}

enum End {
    Closed,
    StartTls,
}

impl Server {
    /// Starts to listen.
    pub async fn start(settings: Settings) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self(Arc::new(Inner {
            port: listener.local_addr().unwrap().port(),
            fates: Mutex::new(settings.fates.iter().copied().collect()),
            settings,
            received: Mutex::default(),
            heard: Mutex::default(),
            connections: AtomicUsize::new(0),
        }));
        let accepting = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                accepting.0.connections.fetch_add(1, Ordering::SeqCst);
                let serving = accepting.clone();
                tokio::spawn(async move {
                    let _ = serving.serve(stream).await;
                });
            }
        });
        server
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.0.port
    }

    /// The mails that it took.
    pub fn received(&self) -> Vec<Received> {
        self.0.received.lock().unwrap().clone()
    }

    /// How many connections there were.
    pub fn connections(&self) -> usize {
        self.0.connections.load(Ordering::SeqCst)
    }

    /// The first words of the commands that came, encrypted or not.
    pub fn commands(&self, encrypted: bool) -> Vec<String> {
        let heard = self.0.heard.lock().unwrap();
        heard
            .iter()
            .filter(|(was_encrypted, _)| *was_encrypted == encrypted)
            .map(|(_, line)| line.split(' ').next().unwrap_or_default().to_owned())
            .collect()
    }

    /// Whether this line came.
    pub fn heard(&self, line: &str) -> bool {
        let heard = self.0.heard.lock().unwrap();
        heard.iter().any(|(_, said)| said == line)
    }

    async fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        let settings = &self.0.settings;
        if settings.implicit {
            let acceptor = settings.tls.clone().unwrap();
            let mut tls = acceptor.accept(stream).await?;
            self.talk(&mut tls, true, true).await?;
            return Ok(());
        }
        if let End::StartTls = self.talk(&mut stream, false, true).await? {
            let answer = format!("220 go ahead\r\n{}", settings.injected);
            stream.write_all(answer.as_bytes()).await?;
            let acceptor = settings.tls.clone().unwrap();
            let mut tls = acceptor.accept(stream).await?;
            self.talk(&mut tls, true, false).await?;
        }
        Ok(())
    }

    async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut S,
        encrypted: bool,
        greet: bool,
    ) -> io::Result<End> {
        if greet {
            say(stream, "220 test.example ESMTP").await?;
        }
        let mut from = String::new();
        let mut to = Vec::new();
        let mut fate = None;
        while let Some(line) = read_line(stream).await? {
            self.0.heard.lock().unwrap().push((encrypted, line.clone()));
            let command = line.split([' ', ':']).next().unwrap_or_default();
            match command {
                "EHLO" => say(stream, &self.extensions(encrypted)).await?,
                "STARTTLS" => return Ok(End::StartTls),
                "AUTH" if self.0.settings.refuses_login => {
                    say(stream, "535 5.7.8 no such login as ada@example.org").await?;
                }
                "AUTH" => say(stream, "235 welcome").await?,
                "MAIL" => {
                    from.clone_from(&line);
                    to.clear();
                    fate = self.0.fates.lock().unwrap().pop_front();
                    say(stream, "250 ok").await?;
                }
                "RCPT" => {
                    to.push(line);
                    match fate {
                        Some(Fate::Recipient(answer)) => say(stream, answer).await?,
                        _ => say(stream, "250 ok").await?,
                    }
                }
                "DATA" => {
                    say(stream, "354 go on").await?;
                    if let Some(Fate::Cut) = fate {
                        read_line(stream).await?;
                        return Ok(End::Closed);
                    }
                    let data = read_data(stream).await?;
                    match fate {
                        Some(Fate::Content(answer)) => say(stream, answer).await?,
                        Some(Fate::Silence) => std::future::pending().await,
                        _ => {
                            let received = Received {
                                from: from.clone(),
                                to: to.clone(),
                                data,
                            };
                            self.0.received.lock().unwrap().push(received);
                            say(stream, "250 taken").await?;
                        }
                    }
                }
                "QUIT" => {
                    say(stream, "221 bye").await?;
                    break;
                }
                "NOOP" => say(stream, "250 ok").await?,
                _ => say(stream, "500 what?").await?,
            }
        }
        Ok(End::Closed)
    }

    fn extensions(&self, encrypted: bool) -> String {
        let settings = &self.0.settings;
        let mut lines = vec!["test.example", "8BITMIME"];
        if settings.tls.is_some() && !encrypted {
            lines.push("STARTTLS");
        }
        if settings.smtputf8 {
            lines.push("SMTPUTF8");
        }
        let lines = lines.into_iter().map(|line| format!("250-{line}\r\n"));
        lines.collect::<String>() + "250 AUTH PLAIN LOGIN"
    }
}

async fn say<S: AsyncWrite + Unpin>(stream: &mut S, line: &str) -> io::Result<()> {
    stream.write_all(format!("{line}\r\n").as_bytes()).await?;
    stream.flush().await
}

/// One byte at a time: what follows `STARTTLS` belongs to TLS.
async fn read_line<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).await? == 0 {
            return Ok(None);
        }
        line.extend(byte);
    }
    Ok(Some(String::from_utf8_lossy(&line).trim_end().to_owned()))
}

async fn read_data<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Vec<u8>> {
    let mut data = Vec::new();
    loop {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            line.push(stream.read_u8().await?);
        }
        if line == b".\r\n" {
            return Ok(data);
        }
        data.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
    }
}

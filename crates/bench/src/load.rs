//! A small client: HTTP/1.1 over connections that are kept, nothing else.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::{sleep_until, timeout},
};

use crate::Result;

const PATIENCE: Duration = Duration::from_secs(20);
const LONGEST_ANSWER: usize = 64 * 1024;

/// Requests as they go over the wire.
pub(crate) type Requests = Arc<[Vec<u8>]>;

/// A request without a body.
pub(crate) fn get(path: &str, token: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n\r\n").into_bytes()
}

/// A request without a body that changes something.
pub(crate) fn post(path: &str, token: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\nContent-Length: 0\r\n\r\n"
    )
    .into_bytes()
}

/// A request with a body of JSON.
pub(crate) fn json(path: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// A login by form.
pub(crate) fn login(path: &str, email: &str, password: &str) -> Vec<u8> {
    // Neither holds a character that a form would escape, but for the `@`.
    let body = format!("username={}&password={password}", email.replace('@', "%40"));
    format!(
        "POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    pub(crate) body: &'a [u8],
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: Vec::with_capacity(4096),
        })
    }

    pub(crate) async fn send(&mut self, request: &[u8]) -> Result<Answer<'_>> {
        timeout(PATIENCE, self.exchange(request)).await?
    }

    async fn exchange(&mut self, request: &[u8]) -> Result<Answer<'_>> {
        self.buffer.clear();
        self.stream.write_all(request).await?;
        loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err("the server hung up".into());
            }
            if let Some((status, start, end)) = complete(&self.buffer)? {
                let body = self.buffer.get(start..end).unwrap_or_default();
                return Ok(Answer { status, body });
            }
            if self.buffer.len() > LONGEST_ANSWER {
                return Err("the answer is too long".into());
            }
        }
    }
}

/// Status, start and end of the body, once all of it is there.
fn complete(bytes: &[u8]) -> Result<Option<(u16, usize, usize)>> {
    let Some(head) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let text = std::str::from_utf8(bytes.get(..head).unwrap_or_default())?;
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1));
    let status = status.ok_or("no status line")?.parse()?;
    let length = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .map_or(Ok(0), |(_, value)| value.trim().parse::<usize>())?;
    let end = head + 4 + length;
    Ok((bytes.len() >= end).then_some((status, head + 4, end)))
}

/// What a run of requests saw.
#[derive(Debug, Default)]
pub(crate) struct Run {
    pub(crate) elapsed: Duration,
    pub(crate) latencies: Vec<Duration>,
    pub(crate) refused: usize,
}

impl Run {
    pub(crate) fn rate(&self) -> f64 {
        count(self.latencies.len()) / self.elapsed.as_secs_f64()
    }

    fn take(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.refused += other.refused;
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts here are far below 2^52")]
pub(crate) fn count(number: usize) -> f64 {
    number as f64
}

/// Sends `total` requests over a few connections, each as soon as the one before it was answered.
///
/// # Errors
/// Anything but a 200.
pub(crate) async fn run(
    address: SocketAddr,
    requests: &Requests,
    first: usize,
    total: usize,
    connections: usize,
) -> Result<Run> {
    let next = Arc::new(AtomicUsize::new(0));
    let begin = Instant::now();
    let mut clients = JoinSet::new();
    for _ in 0..connections {
        let (next, requests) = (next.clone(), requests.clone());
        clients.spawn(async move {
            let mut run = Run::default();
            let mut connection = Connection::open(address).await?;
            loop {
                let turn = next.fetch_add(1, Ordering::Relaxed);
                if turn >= total {
                    return Ok(run);
                }
                let sent = Instant::now();
                let answer = connection.send(pick(&requests, first + turn)?).await?;
                expect_ok(&answer)?;
                run.latencies.push(sent.elapsed());
            }
        });
    }
    let mut run = gather(clients).await?;
    run.elapsed = begin.elapsed();
    Ok(run)
}

/// Sends about `rate` requests a second for `span`, over a few connections that take turns.
///
/// # Errors
/// Anything but a 200.
pub(crate) async fn paced(
    address: SocketAddr,
    requests: &Requests,
    rate: u32,
    span: Duration,
    connections: u32,
) -> Result<Run> {
    let begin = tokio::time::Instant::now();
    let step = Duration::from_secs(1) / rate;
    let mut clients = JoinSet::new();
    for client in 0..connections {
        let requests = requests.clone();
        clients.spawn(async move {
            let mut run = Run::default();
            let mut connection = Connection::open(address).await?;
            let mut due = begin + step * client;
            let mut turn = client as usize;
            while due < begin + span {
                sleep_until(due).await;
                let sent = Instant::now();
                let answer = connection.send(pick(&requests, turn)?).await?;
                expect_ok(&answer)?;
                run.latencies.push(sent.elapsed());
                turn += connections as usize;
                due += step * connections;
            }
            Ok(run)
        });
    }
    let mut run = gather(clients).await?;
    run.elapsed = begin.elapsed();
    Ok(run)
}

/// Clients that log in without pause until told to stop.
pub(crate) struct Flood {
    stop: Arc<AtomicBool>,
    clients: JoinSet<Result<Run>>,
    begin: Instant,
}

impl Flood {
    pub(crate) fn begin(address: SocketAddr, requests: &Requests, clients: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut loggers = JoinSet::new();
        for client in 0..clients {
            let (stop, requests) = (stop.clone(), requests.clone());
            loggers.spawn(async move {
                let mut run = Run::default();
                let mut connection = Connection::open(address).await?;
                let mut turn = client;
                while !stop.load(Ordering::Relaxed) {
                    let sent = Instant::now();
                    match connection.send(pick(&requests, turn)?).await?.status {
                        200 => run.latencies.push(sent.elapsed()),
                        // Turned away by a full queue, as it should be.
                        503 => run.refused += 1,
                        status => return Err(format!("a login was answered with {status}").into()),
                    }
                    turn += clients;
                }
                Ok(run)
            });
        }
        Self {
            stop,
            clients: loggers,
            begin: Instant::now(),
        }
    }

    pub(crate) async fn end(self) -> Result<Run> {
        self.stop.store(true, Ordering::Relaxed);
        let elapsed = self.begin.elapsed();
        let mut run = gather(self.clients).await?;
        run.elapsed = elapsed;
        Ok(run)
    }
}

async fn gather(mut clients: JoinSet<Result<Run>>) -> Result<Run> {
    let mut all = Run::default();
    while let Some(run) = clients.join_next().await {
        all.take(run??);
    }
    all.latencies.sort_unstable();
    Ok(all)
}

fn pick(requests: &Requests, turn: usize) -> Result<&[u8]> {
    let request = requests.get(turn % requests.len().max(1));
    Ok(request.ok_or("no requests to send")?)
}

pub(crate) fn expect_ok(answer: &Answer<'_>) -> Result<()> {
    if answer.status == 200 {
        return Ok(());
    }
    let body = String::from_utf8_lossy(answer.body);
    Err(format!("answered with {}: {body}", answer.status).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_complete_with_the_last_byte_of_its_body() {
        let text = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";
        assert!(complete(&text[..text.len() - 1]).unwrap().is_none());
        let (status, start, end) = complete(text).unwrap().unwrap();
        assert_eq!((status, &text[start..end]), (200, &b"hi"[..]));
    }

    #[test]
    fn an_answer_without_a_length_has_no_body() {
        let head = b"HTTP/1.1 204 No Content\r\n\r\n";
        assert_eq!(complete(head).unwrap(), Some((204, head.len(), head.len())));
    }
}

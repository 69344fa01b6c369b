//! A relay before PostgreSQL that counts what is asked, by the messages of its protocol.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::JoinHandle,
};

use crate::Result;

/// How often each statement was run.
pub(crate) type Counts = BTreeMap<String, usize>;

pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    counts: Arc<Mutex<Counts>>,
    task: JoinHandle<()>,
}

impl Relay {
    pub(crate) async fn before(postgres: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let counts = Arc::new(Mutex::new(Counts::new()));
        let shared = counts.clone();
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(relay(client, postgres, shared.clone()));
            }
        });
        Ok(Self {
            address,
            counts,
            task,
        })
    }

    /// What was run since the last call.
    pub(crate) fn take(&self) -> Counts {
        std::mem::take(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn relay(client: TcpStream, postgres: SocketAddr, counts: Arc<Mutex<Counts>>) -> Result<()> {
    let server = TcpStream::connect(postgres).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, mut to_client) = client.into_split();
    let (mut from_server, to_server) = server.into_split();
    let back = async {
        tokio::io::copy(&mut from_server, &mut to_client).await?;
        to_client.shutdown().await?;
        Ok(())
    };
    tokio::try_join!(forth(from_client, to_server, counts), back)?;
    Ok(())
}

async fn forth(
    mut client: OwnedReadHalf,
    mut server: OwnedWriteHalf,
    counts: Arc<Mutex<Counts>>,
) -> Result<()> {
    let mut frontend = Frontend::default();
    let mut buffer = Vec::with_capacity(4096);
    loop {
        buffer.clear();
        if client.read_buf(&mut buffer).await? == 0 {
            server.shutdown().await?;
            return Ok(());
        }
        frontend.read(&buffer, |statement| {
            let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
            *counts.entry(statement.to_owned()).or_default() += 1;
        });
        server.write_all(&buffer).await?;
    }
}

/// The messages of one client.
#[derive(Default)]
struct Frontend {
    begun: bool,
    bytes: Vec<u8>,
    prepared: BTreeMap<Vec<u8>, String>,
}

impl Frontend {
    fn read(&mut self, bytes: &[u8], mut run: impl FnMut(&str)) {
        self.bytes.extend_from_slice(bytes);
        let mut bytes = std::mem::take(&mut self.bytes);
        let mut used = 0;
        loop {
            let rest = bytes.get(used..).unwrap_or_default();
            // The first message has no type; of the others the length counts all but the type.
            let kind = usize::from(self.begun);
            let length = rest.get(kind..kind + 4).and_then(|four| four.try_into().ok());
            let Some(length) = length.map(u32::from_be_bytes) else {
                break;
            };
            let end = kind + length as usize;
            let Some(body) = rest.get(kind + 4..end) else {
                break;
            };
            if self.begun {
                self.message(rest.first().copied().unwrap_or_default(), body, &mut run);
            }
            self.begun = true;
            used += end;
        }
        bytes.drain(..used);
        self.bytes = bytes;
    }

    fn message(&mut self, kind: u8, body: &[u8], run: &mut impl FnMut(&str)) {
        let mut texts = body.split(|byte| *byte == 0);
        let mut text = || texts.next().unwrap_or_default();
        match kind {
            b'P' => {
                let name = text().to_vec();
                let sql = String::from_utf8_lossy(text()).into_owned();
                self.prepared.insert(name, sql);
            }
            b'B' => {
                let _portal = text();
                run(self.prepared.get(text()).map_or("unknown", String::as_str));
            }
            b'Q' => run(&String::from_utf8_lossy(text())),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap();
        [&[kind], length.to_be_bytes().as_slice(), body].concat()
    }

    #[test]
    fn prepared_statements_count_each_time_they_are_bound_however_the_bytes_arrive() {
        let mut wire = vec![0, 0, 0, 8, 0, 3, 0, 0];
        wire.extend(message(b'P', b"s1\0SELECT 1\0\0\0"));
        for _ in 0..2 {
            wire.extend(message(b'B', b"\0s1\0\0\0\0\0\0\0"));
            wire.extend(message(b'E', b"\0\0\0\0\0"));
            wire.extend(message(b'S', b""));
        }
        wire.extend(message(b'Q', b"BEGIN\0"));
        for size in [1, 3, 1000] {
            let mut frontend = Frontend::default();
            let mut seen = Vec::new();
            for bytes in wire.chunks(size) {
                frontend.read(bytes, |sql| seen.push(sql.to_owned()));
            }
            assert_eq!(seen, ["SELECT 1", "SELECT 1", "BEGIN"]);
        }
    }
}

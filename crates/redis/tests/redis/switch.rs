//! Stands between an application and its servers.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU16, Ordering},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{TcpListener, TcpStream},
};

/// An address behind which the server can change, and connections can fall silent without an end.
pub(crate) struct Switch {
    port: u16,
    server: Arc<AtomicU16>,
    first_is_silent: Arc<AtomicBool>,
}

impl Switch {
    pub(crate) async fn to(server: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let port = listener.local_addr().expect("a port").port();
        let server = Arc::new(AtomicU16::new(server));
        let first_is_silent = Arc::new(AtomicBool::new(false));
        let (present, mut silent) = (server.clone(), first_is_silent.clone());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(("127.0.0.1", present.load(Ordering::SeqCst))).await;
                tokio::spawn(join(client, server.expect("the server is there"), silent));
                silent = Arc::default();
            }
        });
        Self {
            port,
            server,
            first_is_silent,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Leads connections to another server from now on.
    pub(crate) fn turn_to(&self, server: u16) {
        self.server.store(server, Ordering::SeqCst);
    }

    /// Lets nothing come back over the first connection any more.
    pub(crate) fn silence(&self) {
        self.first_is_silent.store(true, Ordering::SeqCst);
    }
}

async fn join(client: TcpStream, server: TcpStream, silent: Arc<AtomicBool>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    tokio::spawn(async move { copy(&mut from_client, &mut to_server).await });
    let mut answer = [0; 4096];
    while let Ok(length @ 1..) = from_server.read(&mut answer).await {
        if !silent.load(Ordering::SeqCst) && to_client.write_all(&answer[..length]).await.is_err() {
            break;
        }
    }
}

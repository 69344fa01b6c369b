//! A way to a server that a test can break.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{Mutex as Door, watch},
    task::JoinHandle,
};

/// What happens to one request, once.
#[derive(Debug, Clone, Copy)]
pub enum Fault {
    /// The connection ends before the server has the request.
    LoseRequest,
    /// The connection ends so many bytes into the reply; the server has done what it was asked.
    CutReply(usize),
}

/// Which request a [`Fault`] happens to.
#[derive(Debug, Clone, Copy)]
pub enum At {
    /// The one after so many others, from now on.
    Request(usize),
    /// The first with this text in it.
    Text(&'static str),
}

/// An address behind which there is a server, as long as the test wants it so.
///
/// What a client writes at once is a request here, and what comes back after it the reply. Connections that are not to be broken
/// are carried as they are.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    way: Arc<Way>,
    entrance: Door<Entrance>,
}

#[derive(Debug)]
struct Entrance {
    accepting: JoinHandle<()>,
    /// Keeps the port while nobody listens at it.
    shut: Option<TcpSocket>,
}

#[derive(Debug)]
struct Way {
    server: Mutex<String>,
    planned: Mutex<Option<(Fault, At)>>,
    hanging: watch::Sender<bool>,
    accepted: AtomicUsize,
    /// How many of those that were accepted first are silent.
    silent: AtomicUsize,
    struck: watch::Sender<usize>,
    cut: watch::Sender<()>,
    connections: watch::Sender<usize>,
}

impl Proxy {
    /// A way to the server at this address: `127.0.0.1:5432`.
    pub async fn before(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let way = Arc::new(Way {
            server: Mutex::new(server.to_owned()),
            planned: Mutex::default(),
            hanging: watch::Sender::new(false),
            accepted: AtomicUsize::new(0),
            silent: AtomicUsize::new(0),
            struck: watch::Sender::new(0),
            cut: watch::Sender::new(()),
            connections: watch::Sender::new(0),
        });
        Self {
            address: listener.local_addr().expect("an address"),
            entrance: Door::new(Entrance {
                accepting: tokio::spawn(accept(listener, Arc::clone(&way))),
                shut: None,
            }),
            way,
        }
    }

    /// Where clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Leads new connections to another server.
    pub fn turn_to(&self, server: &str) {
        server.clone_into(&mut lock(&self.way.server));
    }

    /// Ends every connection and refuses new ones.
    pub async fn refuse(&self) {
        let mut entrance = self.entrance.lock().await;
        if entrance.shut.is_none() {
            entrance.accepting.abort();
            let _ = (&mut entrance.accepting).await;
            let socket = TcpSocket::new_v4().expect("a socket");
            socket.set_reuseaddr(true).expect("a socket");
            socket.bind(self.address).expect("the port is free again");
            entrance.shut = Some(socket);
        }
        self.cut().await;
        let refused = TcpStream::connect(self.address).await;
        assert!(refused.is_err(), "nobody listens");
    }

    /// Holds back all replies until the way is [restored](Self::restore).
    pub fn hang(&self) {
        self.way.struck.send_replace(0);
        self.way.hanging.send_replace(true);
    }

    /// Lets nothing come back over the present connections, ever; they stay open, and new ones are carried.
    pub fn silence(&self) {
        self.way.struck.send_replace(0);
        let accepted = self.way.accepted.load(Ordering::SeqCst);
        self.way.silent.store(accepted, Ordering::SeqCst);
    }

    /// Breaks one request from now on.
    pub fn plan(&self, fault: Fault, at: At) {
        self.way.struck.send_replace(0);
        *lock(&self.way.planned) = Some((fault, at));
    }

    /// Ends every connection; new ones are carried.
    pub async fn cut(&self) {
        self.way.cut.send_replace(());
        let mut connections = self.way.connections.subscribe();
        let gone = connections.wait_for(|count| *count == 0).await;
        gone.expect("the proxy is there");
    }

    /// Ends all faults: connections are taken again, and replies that were held back are delivered.
    pub async fn restore(&self) {
        *lock(&self.way.planned) = None;
        self.way.hanging.send_replace(false);
        let mut entrance = self.entrance.lock().await;
        if let Some(socket) = entrance.shut.take() {
            let listener = socket.listen(1024).expect("the port is ours");
            entrance.accepting = tokio::spawn(accept(listener, Arc::clone(&self.way)));
        }
    }

    /// How often the last fault has struck.
    pub fn struck(&self) -> usize {
        *self.way.struck.borrow()
    }

    /// Waits until the last fault has struck.
    pub async fn has_struck(&self) {
        let mut struck = self.way.struck.subscribe();
        struck
            .wait_for(|count| *count > 0)
            .await
            .expect("the proxy is there");
    }
}

impl Way {
    fn hit(&self) {
        self.struck.send_modify(|count| *count += 1);
    }

    /// The fault that this request meets.
    fn fault_of(&self, request: &[u8]) -> Option<Fault> {
        let mut planned = lock(&self.planned);
        let fault = match &mut *planned {
            None => return None,
            Some((_, At::Request(before @ 1..))) => {
                *before -= 1;
                return None;
            }
            Some((_, At::Text(text))) if !request.windows(text.len()).any(|part| part == text.as_bytes()) => {
                return None;
            }
            Some((fault, _)) => *fault,
        };
        *planned = None;
        Some(fault)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, way: Arc<Way>) {
    while let Ok((client, _)) = listener.accept().await {
        let way = Arc::clone(&way);
        let number = way.accepted.fetch_add(1, Ordering::SeqCst);
        let mut cut = way.cut.subscribe();
        way.connections.send_modify(|count| *count += 1);
        tokio::spawn(async move {
            tokio::select! {
                _ = carry(client, &way, number) => {}
                _ = cut.changed() => {}
            }
            way.connections.send_modify(|count| *count -= 1);
        });
    }
}

async fn carry(client: TcpStream, way: &Way, number: usize) -> io::Result<()> {
    let server = lock(&way.server).clone();
    let server = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let met = Mutex::new(None);
    let forth = async {
        let mut request = vec![0; 64 * 1024];
        while let length @ 1.. = from_client.read(&mut request).await? {
            let fault = way.fault_of(&request[..length]);
            if let Some(Fault::LoseRequest) = fault {
                way.hit();
                return Ok(());
            }
            if fault.is_some() {
                *lock(&met) = fault;
            }
            to_server.write_all(&request[..length]).await?;
        }
        io::Result::Ok(())
    };
    let back = async {
        let mut reply = vec![0; 64 * 1024];
        let mut hanging = way.hanging.subscribe();
        while let length @ 1.. = from_server.read(&mut reply).await? {
            if number < way.silent.load(Ordering::SeqCst) {
                way.hit();
                continue;
            }
            let fault = *lock(&met);
            if let Some(Fault::CutReply(after)) = fault {
                way.hit();
                to_client.write_all(&reply[..length.min(after)]).await?;
                return Ok(());
            }
            if *hanging.borrow_and_update() {
                way.hit();
                let _ = hanging.wait_for(|hanging| !hanging).await;
            }
            to_client.write_all(&reply[..length]).await?;
        }
        Ok(())
    };
    tokio::select! {
        done = forth => done,
        done = back => done,
    }
}

//! A stream that is read one line at a time.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::{
    io::{AsyncBufRead, AsyncRead, AsyncWrite, BufReader, ReadBuf},
    net::TcpStream,
};

/// Hands out bytes up to the next line end and no further.
///
/// The SMTP client reads through a buffer of its own and keeps what it has when TLS begins. Whatever somebody on the way
/// put behind the answer to `STARTTLS` would thus count as the first answer inside of TLS. Read line by line, those bytes
/// are still here when TLS begins, and make the handshake fail.
#[derive(Debug)]
pub(crate) struct LineByLine(BufReader<TcpStream>);

impl LineByLine {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self(BufReader::new(stream))
    }
}

impl AsyncRead for LineByLine {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let ready = ready!(Pin::new(&mut self.0).poll_fill_buf(cx))?;
        let line = ready
            .split_inclusive(|byte| *byte == b'\n')
            .next()
            .unwrap_or_default();
        let taken = line.get(..out.remaining()).unwrap_or(line);
        out.put_slice(taken);
        let count = taken.len();
        Pin::new(&mut self.0).consume(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for LineByLine {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

impl AsyncTokioStream for LineByLine {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.get_ref().peer_addr()
    }
}

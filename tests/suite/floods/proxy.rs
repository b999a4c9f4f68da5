//! A way to a Postgres on which statements are counted, and which can be blocked.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use url::Url;

/// How long an answer of the database takes on this way: as if it were in the next building.
const WAY: Duration = Duration::from_millis(2);

/// A way to a Postgres. Nothing gets through while it is blocked, and nothing is lost: the database just is silent.
pub(super) struct Proxy {
    /// The address of the database by this way.
    pub(super) address: String,
    statements: Arc<AtomicU64>,
    open: watch::Sender<bool>,
}

impl Proxy {
    /// A way to the database of this address.
    pub(super) async fn to(database: &str) -> Self {
        let mut address = Url::parse(database).unwrap();
        let target = format!("{}:{}", address.host_str().unwrap(), address.port().unwrap_or(5432));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        address.set_host(Some("127.0.0.1")).unwrap();
        address.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
        let (open, is_open) = watch::channel(true);
        let statements = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&statements);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = TcpStream::connect(&target).await.unwrap().into_split();
                tokio::spawn(there(from_client, to_server, Arc::clone(&counted), is_open.clone()));
                tokio::spawn(back(from_server, to_client, is_open.clone()));
            }
        });
        Self { address: address.into(), statements, open }
    }

    /// How many statements were sent on this way.
    pub(super) fn statements(&self) -> u64 {
        self.statements.load(Ordering::Relaxed)
    }

    /// From now on the database is silent.
    pub(super) fn block(&self) {
        self.open.send_replace(false);
    }

    /// It speaks again.
    pub(super) fn unblock(&self) {
        self.open.send_replace(true);
    }
}

/// Passes messages on, one by one: <https://www.postgresql.org/docs/current/protocol-message-formats.html>.
async fn there(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    statements: Arc<AtomicU64>,
    mut open: watch::Receiver<bool>,
) {
    // The first message has no type, and neither has the question for TLS before it, of 8 bytes.
    let mut kind: Option<u8> = None;
    loop {
        let Ok(length) = from.read_u32().await else { return };
        let mut message: Vec<u8> = kind.into_iter().chain(length.to_be_bytes()).collect();
        let start = message.len();
        message.resize(start + length as usize - 4, 0);
        if from.read_exact(&mut message[start..]).await.is_err() || open.wait_for(|open| *open).await.is_err() {
            return;
        }
        // A simple query, or the execution of a prepared one.
        if matches!(kind, Some(b'Q' | b'E')) {
            statements.fetch_add(1, Ordering::Relaxed);
        }
        if to.write_all(&message).await.is_err() {
            return;
        }
        if kind.is_some() || length != 8 {
            let Ok(next) = from.read_u8().await else { return };
            kind = Some(next);
        }
    }
}

async fn back(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut open: watch::Receiver<bool>) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let Ok(length @ 1..) = from.read(&mut buffer).await else { return };
        tokio::time::sleep(WAY).await;
        if open.wait_for(|open| *open).await.is_err() || to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

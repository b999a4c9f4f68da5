//! A proxy between a server and its database that fails on command and counts what passes.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use url::Url;

use super::postgres::free_port;

/// The state of the connections through a proxy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Line {
    /// Everything passes.
    #[default]
    Whole,
    /// Database notifications are lost and everything else passes, as behind a pooler.
    WithoutNotifications,
    /// Connections stay open and new ones are accepted, but nothing passes until the proxy is healed.
    Silent,
    /// Connections are closed and new ones refused.
    Cut,
}

/// Listens on its own port until the test's runtime ends.
pub(crate) struct Proxy(Arc<State>);

#[derive(Default)]
struct State {
    port: u16,
    to: AtomicU16,
    /// The extra delay of each database answer, in milliseconds.
    way: AtomicU64,
    line: watch::Sender<Line>,
    /// How often all open connections have fallen silent for good.
    forgotten: AtomicUsize,
    swallowed: AtomicUsize,
    statements: AtomicU64,
}

impl Proxy {
    /// A proxy to a Postgres on this machine.
    pub(crate) async fn to(database: &str) -> Self {
        Self::far_from(database, Duration::ZERO).await
    }

    /// A proxy that delays each answer, as if the database were in another building.
    pub(crate) async fn far_from(database: &str, way: Duration) -> Self {
        let state = Arc::new(State { port: free_port(), ..State::default() });
        state.to.store(port_of(database), Ordering::Relaxed);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, state.port)).await.unwrap();
        tokio::spawn(listen(listener, Arc::clone(&state)));
        let proxy = Self(state);
        proxy.delay(way);
        proxy
    }

    /// Delays each answer from now on.
    pub(crate) fn delay(&self, way: Duration) {
        self.0.way.store(way.as_millis().try_into().unwrap(), Ordering::Relaxed);
    }

    /// Leads new connections to this database from now on.
    pub(crate) fn lead_to(&self, database: &str) {
        self.0.to.store(port_of(database), Ordering::Relaxed);
    }

    /// The address of this database through the proxy.
    pub(crate) fn address_of(&self, database: &str) -> String {
        let mut url = Url::parse(database).unwrap();
        url.set_port(Some(self.0.port)).unwrap();
        url.into()
    }

    pub(crate) fn cut(&self) {
        self.0.line.send_replace(Line::Cut);
    }

    pub(crate) fn silence(&self) {
        self.0.line.send_replace(Line::Silent);
    }

    pub(crate) fn lose_notifications(&self) {
        self.0.line.send_replace(Line::WithoutNotifications);
    }

    pub(crate) fn heal(&self) {
        self.0.line.send_replace(Line::Whole);
    }

    /// Heals it for new connections; old ones stay open and silent, as if a firewall had forgotten them.
    pub(crate) fn heal_for_new_connections(&self) {
        self.0.forgotten.fetch_add(1, Ordering::Relaxed);
        self.heal();
    }

    /// How many chunks with notifications were lost.
    pub(crate) fn swallowed(&self) -> usize {
        self.0.swallowed.load(Ordering::Relaxed)
    }

    /// How many statements have passed.
    pub(crate) fn statements(&self) -> u64 {
        self.0.statements.load(Ordering::Relaxed)
    }
}

fn port_of(database: &str) -> u16 {
    Url::parse(database).unwrap().port().unwrap()
}

async fn listen(listener: TcpListener, state: Arc<State>) {
    let mut listener = Some(listener);
    let mut line = state.line.subscribe();
    loop {
        if *line.borrow_and_update() == Line::Cut {
            listener = None;
        } else if listener.is_none() {
            listener = TcpListener::bind((Ipv4Addr::LOCALHOST, state.port)).await.ok();
        }
        let accept = async {
            match &listener {
                Some(listener) => listener.accept().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = line.changed() => {}
            Ok((near, _)) = accept => drop(tokio::spawn(connect(near, Arc::clone(&state)))),
        }
    }
}

async fn connect(near: TcpStream, state: Arc<State>) {
    let Ok(far) = TcpStream::connect((Ipv4Addr::LOCALHOST, state.to.load(Ordering::Relaxed))).await else { return };
    let ((from_near, to_near), (from_far, to_far)) = (near.into_split(), far.into_split());
    let (listens, mut messages) = (AtomicBool::new(false), Messages::default());
    let there = pass(from_near, to_far, &state, false, |piece| {
        listens.fetch_or(has(piece, b"LISTEN "), Ordering::Relaxed);
        state.statements.fetch_add(messages.statements_in(piece), Ordering::Relaxed);
        true
    });
    let back = pass(from_far, to_near, &state, true, |piece| {
        let lost = *state.line.borrow() == Line::WithoutNotifications
            && listens.load(Ordering::Relaxed)
            && has(piece, b"jeton_changes");
        state.swallowed.fetch_add(usize::from(lost), Ordering::Relaxed);
        !lost
    });
    let mut line = state.line.subscribe();
    tokio::select! {
        () = there => {}
        () = back => {}
        _ = line.wait_for(|line| *line == Line::Cut) => {}
    }
}

async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    state: &State,
    is_answer: bool,
    mut passes: impl FnMut(&[u8]) -> bool,
) {
    let (mut line, forgotten) = (state.line.subscribe(), state.forgotten.load(Ordering::Relaxed));
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let Ok(length @ 1..) = from.read(&mut buffer).await else { return };
        let way = Duration::from_millis(state.way.load(Ordering::Relaxed));
        if is_answer && !way.is_zero() {
            tokio::time::sleep(way).await;
        }
        // What was read meanwhile passes once the proxy is healed, unless the connection was forgotten.
        let _ = line.wait_for(|line| *line != Line::Silent).await;
        if state.forgotten.load(Ordering::Relaxed) != forgotten {
            std::future::pending::<()>().await;
        }
        if passes(&buffer[..length]) && to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

/// Follows the messages to a database: <https://www.postgresql.org/docs/current/protocol-message-formats.html>.
#[derive(Default)]
struct Messages {
    /// Whether messages have a type: neither the first one nor the TLS request before it has one.
    are_typed: bool,
    /// The bytes received so far of the type and length of the next message.
    head: Vec<u8>,
    /// The bytes still missing from the current message.
    rest: usize,
}

impl Messages {
    /// How many statements begin in the next chunk: simple queries, and executions of prepared ones.
    fn statements_in(&mut self, piece: &[u8]) -> u64 {
        let mut statements = 0;
        for byte in piece {
            if self.rest > 0 {
                self.rest -= 1;
                continue;
            }
            self.head.push(*byte);
            let Some(length) = self.head[usize::from(self.are_typed)..].first_chunk() else { continue };
            // The length includes itself.
            let length = u32::from_be_bytes(*length);
            statements += u64::from(self.are_typed && matches!(self.head[0], b'Q' | b'E'));
            // The TLS request has 8 bytes.
            self.are_typed |= length != 8;
            self.rest = length as usize - 4;
            self.head.clear();
        }
        statements
    }
}

fn has(piece: &[u8], word: &[u8]) -> bool {
    piece.windows(word.len()).any(|part| part == word)
}

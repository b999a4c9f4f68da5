//! A connection that fails on command: a proxy between a server and its database.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use url::Url;

use super::postgres::free_port;

/// How the connections through a proxy are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    /// Everything passes.
    Whole,
    /// Notifications of the database are lost, everything else passes, as behind a pooler.
    WithoutNotifications,
    /// Connections stay open and new ones are accepted, but nothing passes until it is whole again.
    Silent,
    /// Connections are closed, new ones refused.
    Cut,
}

/// Listens on a port of its own until the runtime of the test ends.
pub(crate) struct Proxy {
    port: u16,
    state: Arc<State>,
}

struct State {
    to: u16,
    line: watch::Sender<Line>,
    /// Counts the times at which all connections there were fell silent for ever.
    forgotten: watch::Sender<usize>,
    swallowed: AtomicUsize,
}

impl Proxy {
    /// A proxy to a Postgres on this machine.
    pub(crate) async fn to(database: &str) -> Self {
        let to = Url::parse(database).unwrap().port().unwrap();
        let state = State {
            to,
            line: watch::Sender::new(Line::Whole),
            forgotten: watch::Sender::new(0),
            swallowed: AtomicUsize::new(0),
        };
        let proxy = Self { port: free_port(), state: Arc::new(state) };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, proxy.port)).await.unwrap();
        tokio::spawn(listen(listener, proxy.port, Arc::clone(&proxy.state)));
        proxy
    }

    /// The address of this database through the proxy.
    pub(crate) fn address_of(&self, database: &str) -> String {
        let mut url = Url::parse(database).unwrap();
        url.set_port(Some(self.port)).unwrap();
        url.into()
    }

    pub(crate) fn cut(&self) {
        self.state.line.send_replace(Line::Cut);
    }

    pub(crate) fn silence(&self) {
        self.state.line.send_replace(Line::Silent);
    }

    pub(crate) fn lose_notifications(&self) {
        self.state.line.send_replace(Line::WithoutNotifications);
    }

    pub(crate) fn heal(&self) {
        self.state.line.send_replace(Line::Whole);
    }

    /// Heals it for new connections; those that are open stay open and silent, as when a firewall has forgotten them.
    pub(crate) fn heal_for_new_connections(&self) {
        self.state.forgotten.send_modify(|times| *times += 1);
        self.heal();
    }

    /// How many pieces with notifications were lost.
    pub(crate) fn swallowed(&self) -> usize {
        self.state.swallowed.load(Ordering::Relaxed)
    }
}

async fn listen(listener: TcpListener, port: u16, state: Arc<State>) {
    let mut listener = Some(listener);
    let mut line = state.line.subscribe();
    loop {
        if *line.borrow_and_update() == Line::Cut {
            listener = None;
        } else if listener.is_none() {
            listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.ok();
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
    let Ok(far) = TcpStream::connect((Ipv4Addr::LOCALHOST, state.to)).await else { return };
    let ((from_near, to_near), (from_far, to_far)) = (near.into_split(), far.into_split());
    let listens = Arc::new(AtomicBool::new(false));
    let mut line = state.line.subscribe();
    tokio::select! {
        () = pass(from_near, to_far, &state, |piece| { listens.fetch_or(has(piece, b"LISTEN "), Ordering::Relaxed); true }) => {}
        () = pass(from_far, to_near, &state, |piece| {
            let lost = *state.line.borrow() == Line::WithoutNotifications
                && listens.load(Ordering::Relaxed) && has(piece, b"jeton_log");
            state.swallowed.fetch_add(usize::from(lost), Ordering::Relaxed);
            !lost
        }) => {}
        _ = line.wait_for(|line| *line == Line::Cut) => {}
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, state: &State, passes: impl Fn(&[u8]) -> bool) {
    let (mut line, mut forgotten) = (state.line.subscribe(), state.forgotten.subscribe());
    let mut buffer = [0; 8192];
    loop {
        let Ok(length @ 1..) = from.read(&mut buffer).await else { return };
        // What was read meanwhile passes when the line is whole again, unless the connection was forgotten.
        let _ = line.wait_for(|line| *line != Line::Silent).await;
        if forgotten.has_changed().unwrap_or(true) {
            let _ = forgotten.wait_for(|times| *times == usize::MAX).await;
        }
        if passes(&buffer[..length]) && to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

fn has(piece: &[u8], word: &[u8]) -> bool {
    piece.windows(word.len()).any(|part| part == word)
}

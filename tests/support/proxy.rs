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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Line {
    /// Everything passes.
    #[default]
    Whole,
    /// Notifications of the database are lost, everything else passes, as behind a pooler.
    WithoutNotifications,
    /// Connections stay open and new ones are accepted, but nothing passes until it is whole again.
    Silent,
    /// Connections are closed, new ones refused.
    Cut,
}

/// Listens on a port of its own until the runtime of the test ends.
pub(crate) struct Proxy(Arc<State>);

#[derive(Default)]
struct State {
    port: u16,
    to: u16,
    line: watch::Sender<Line>,
    /// Counts the times at which all connections there were fell silent for ever.
    forgotten: AtomicUsize,
    swallowed: AtomicUsize,
}

impl Proxy {
    /// A proxy to a Postgres on this machine.
    pub(crate) async fn to(database: &str) -> Self {
        let to = Url::parse(database).unwrap().port().unwrap();
        let state = Arc::new(State { port: free_port(), to, ..State::default() });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, state.port)).await.unwrap();
        tokio::spawn(listen(listener, Arc::clone(&state)));
        Self(state)
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

    /// Heals it for new connections; those that are open stay open and silent, as when a firewall has forgotten them.
    pub(crate) fn heal_for_new_connections(&self) {
        self.0.forgotten.fetch_add(1, Ordering::Relaxed);
        self.heal();
    }

    /// How many pieces with notifications were lost.
    pub(crate) fn swallowed(&self) -> usize {
        self.0.swallowed.load(Ordering::Relaxed)
    }
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
    let Ok(far) = TcpStream::connect((Ipv4Addr::LOCALHOST, state.to)).await else { return };
    let ((from_near, to_near), (from_far, to_far)) = (near.into_split(), far.into_split());
    let listens = AtomicBool::new(false);
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
    let (mut line, forgotten) = (state.line.subscribe(), state.forgotten.load(Ordering::Relaxed));
    let mut buffer = [0; 8192];
    loop {
        let Ok(length @ 1..) = from.read(&mut buffer).await else { return };
        // What was read meanwhile passes when the line is whole again, unless the connection was forgotten.
        let _ = line.wait_for(|line| *line != Line::Silent).await;
        if state.forgotten.load(Ordering::Relaxed) != forgotten {
            std::future::pending::<()>().await;
        }
        if passes(&buffer[..length]) && to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

fn has(piece: &[u8], word: &[u8]) -> bool {
    piece.windows(word.len()).any(|part| part == word)
}

//! Inserts into the table of client assertions that were used, by nothing but a database. All that wait share a statement and its
//! commit, as in Jeton, and go on when it is on the disk.

use std::error::Error;
use std::fmt::Write;
use std::str::FromStr;

use aws_lc_rs::rand;
use sqlx::sqlite::{SqliteConnectOptions, SqliteSynchronous};
use sqlx::{Connection, PgConnection, SqliteConnection};
use tokio::sync::{mpsc, oneshot};

/// The most inserts in one statement.
const MOST: usize = 128;

type Waiting = oneshot::Sender<()>;

/// Where requests wait for their insert.
#[derive(Clone)]
pub struct Inserts(mpsc::Sender<Waiting>);

enum Database {
    Postgres(PgConnection),
    Sqlite(SqliteConnection),
}

impl Inserts {
    /// Connects to the database with this URL, which has Jeton's schema.
    pub async fn open(url: &str) -> Result<Self, Box<dyn Error>> {
        let mut database = if url.starts_with("sqlite:") {
            let options = SqliteConnectOptions::from_str(url)?.synchronous(SqliteSynchronous::Full);
            Database::Sqlite(SqliteConnection::connect_with(&options).await?)
        } else {
            Database::Postgres(PgConnection::connect(url).await?)
        };
        let (sender, mut queue) = mpsc::channel::<Waiting>(MOST);
        tokio::spawn(async move {
            let mut waiting = Vec::with_capacity(MOST);
            while queue.recv_many(&mut waiting, MOST).await > 0 {
                // Nobody is told of what failed, and so the load generator counts it.
                if let Err(error) = database.insert(waiting.len()).await {
                    eprintln!("{error}");
                    return;
                }
                for each in waiting.drain(..) {
                    // A client that has left does not matter.
                    let _ = each.send(());
                }
            }
        });
        Ok(Self(sender))
    }

    /// Inserts a row, and waits until it is committed.
    pub async fn one(&self) -> Result<(), Box<dyn Error>> {
        let (done, is_done) = oneshot::channel();
        self.0.send(done).await?;
        Ok(is_done.await?)
    }
}

impl Database {
    async fn insert(&mut self, count: usize) -> Result<(), Box<dyn Error>> {
        let mut hashes = vec![[0_u8; 32]; count];
        for hash in &mut hashes {
            rand::fill(hash)?;
        }
        let (now, later) = (1_795_327_251_000_i64, 1_795_327_611_000_i64);
        match self {
            Self::Postgres(connection) => {
                let sql = "INSERT INTO client_assertions (hash, used_at, expires_at) \
                           SELECT hash, $2, $3 FROM unnest($1) AS asked(hash) ON CONFLICT (hash) DO NOTHING";
                let hashes: Vec<Vec<u8>> = hashes.into_iter().map(Vec::from).collect();
                sqlx::query(sql).bind(hashes).bind(now).bind(later).execute(connection).await?;
            }
            Self::Sqlite(connection) => {
                let sql = "INSERT INTO client_assertions (hash, used_at, expires_at) \
                           SELECT unhex(value), $2, $3 FROM json_each($1) WHERE TRUE ON CONFLICT (hash) DO NOTHING";
                let mut json = String::from("[");
                for hash in hashes {
                    json.push_str(if json.len() > 1 { ",\"" } else { "\"" });
                    for byte in hash {
                        write!(json, "{byte:02x}")?;
                    }
                    json.push('"');
                }
                json.push(']');
                sqlx::query(sql).bind(json).bind(now).bind(later).execute(connection).await?;
            }
        }
        Ok(())
    }
}

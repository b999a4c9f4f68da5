//! The only SQL. Each table has its file or folder; each public method is one atomic operation that returns a domain
//! type.
//!
//! One text of a statement serves both databases. Where a dialect needs its own, the code branches at that place.

mod applied;
mod assertions;
mod audit;
mod batch;
mod browser_sessions;
mod changes;
mod cleanup;
mod client_blocks;
mod client_documents;
mod clients;
mod consents;
mod database;
mod device_requests;
mod dpop_proofs;
mod events;
mod figures;
mod file;
mod issuers;
mod keys;
mod listen;
mod login_failures;
mod logout_notices;
mod migrate;
mod new_users;
mod nodes;
mod outbox;
mod password_links;
mod registrations;
mod resources;
mod roles;
mod row;
mod second_factors;
mod sessions;
mod settings;
mod subjects;
mod users;
mod verdicts;
mod webhooks;

pub use applied::{SetChanges, SetOwner, SetRefusal, SetWrite};
pub(crate) use applied::{has_credential, is_administrator};
pub use assertions::UsedAssertion;
pub use audit::{AuditFilter, AuditRecord, Audited};
pub use batch::Pace;
pub use browser_sessions::{BrowserSessionRecord, Ending};
pub use changes::{LogEntry, LogEvent, LogPage, Logged, Revocable};
pub use cleanup::Round;
pub(crate) use cleanup::swept_kinds;
pub use client_blocks::ClientBlock;
pub use client_documents::{ClientDocument, ExpiredDocuments, FetchedDocument};
pub use clients::{ClientUses, ClientsInUse};
pub use consents::{Access, Consent};
pub use database::{Dialect, Location};
pub use dpop_proofs::ProofBatch;
pub use events::Numbered;
pub use figures::NodeFigures;
pub use keys::Added;
pub use listen::Listener;
pub use login_failures::account_digest;
pub use migrate::SchemaReport;
pub use nodes::NodeRecord;
pub(crate) use nodes::SILENCE;
pub use second_factors::{SecondFactor, SecondFactorRecord};
pub use sessions::{Ended, NewSession, Rotation, SessionFilter, SessionRecord};
pub use subjects::SubOwner;
pub use users::{LoginRecord, UserFilter};
pub use verdicts::{KeptVerdict, VerdictLimits};
pub use webhooks::SecretRetired;

use std::time::Duration;

use batch::Batcher;
use database::Database;
use uuid::Uuid;

use crate::protocol::revocation::SequenceNumber;

/// Statements of one kind that run at the same time on Postgres, each for all queries that wait.
const POSTGRES_STATEMENTS: usize = 3;

/// Connections for following the log and for the list of nodes.
const CONNECTIONS_FOR_NODES: usize = 2;
/// The longest that a statement on them may take.
const LIMIT_FOR_NODES: Duration = Duration::from_secs(1);

/// The least time between two statements that look up clients for unauthenticated callers.
const BETWEEN_CLIENT_FINDS: Duration = Duration::from_millis(10);

/// The time of Postgres, in milliseconds since the epoch.
const DATABASE_CLOCK: &str = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now";

/// Why a store method failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The database did not answer as it should. Whether it did what it was asked is unknown.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// What was to be created exists already.
    #[error("it exists already")]
    Exists,
    /// A user or a client already has the `sub` or `client_id` of what was to be created.
    #[error("it is the sub of a user or a client_id already")]
    SubTaken(SubOwner),
    /// A text would lead to two users.
    #[error("another user is found by it already: no sub or username equals the id, sub or username of another user")]
    Ambiguous,
    /// What was to be a resource or an audience is a `client_id`.
    #[error("{0} is a client_id: no client_id is a resource or an audience")]
    IsClientId(String),
    /// What was to be a `client_id` is a resource or an audience.
    #[error("{0} is a resource or an audience: no client_id is one")]
    IsAudience(String),
    /// No administrator who can log in would be left.
    #[error(
        "this user is the last enabled administrator with a password: give another one who has a password the role admin first"
    )]
    LastAdministrator,
    /// A client that was named does not exist.
    #[error("there is no client {0}")]
    NoSuchClient(String),
    /// There are as many as there may be.
    #[error("there are {0} already, which is the most")]
    TooMany(i64),
    /// A feature was to be used that a live node does not know.
    #[error("the node {node:?}, which runs Jeton {version}, does not know {member}: upgrade it first")]
    UnknownFeature {
        /// The member of the client's settings, or the name of the feature.
        member: &'static str,
        /// The name of the node.
        node: String,
        /// The version of its program.
        version: String,
    },
}

/// The result of a store method.
pub type Result<T> = std::result::Result<T, StoreError>;

/// A page of a list: at most `limit` items that follow `after`.
#[derive(Clone, Debug)]
pub struct Page {
    /// The most items.
    pub limit: i64,
    /// The key of the last item of the previous page.
    pub after: Option<String>,
}

/// What was found of a list for which no index has what is asked for, so that only so many rows are looked at.
#[derive(Clone, Debug)]
pub struct Looked<T> {
    /// At most as many as the page may have.
    pub found: Vec<T>,
    /// The key to go on after, if the page is not full and not every row was looked at.
    pub looked_to: Option<String>,
}

/// The database, Postgres or SQLite.
#[derive(Clone, Debug)]
pub struct Store {
    database: Database,
    /// The same database on connections of its own, because following the log must not wait for logins.
    for_nodes: Database,
    client_finds: Batcher<String, clients::Found>,
    finds: Batcher<Uuid, Option<SessionRecord>>,
    rotations: Batcher<Rotation, Option<SessionRecord>>,
    begun_codes: Batcher<NewSession, Option<SequenceNumber>>,
    limit_checks: Batcher<sessions::Limit, bool>,
    cookie_finds: Batcher<browser_sessions::CookieFind, Option<BrowserSessionRecord>>,
    consent_finds: Batcher<consents::ConsentKey, Option<Consent>>,
    assertion_uses: Batcher<UsedAssertion, assertions::Use>,
}

impl Store {
    /// Connects. Reads and writes nothing yet.
    pub async fn connect(location: &Location) -> Result<Self> {
        let database = Database::connect(location).await?;
        let for_nodes = database.with_connections_of_its_own(CONNECTIONS_FOR_NODES, LIMIT_FOR_NODES)?;
        let at_once = if location.dialect() == Dialect::Postgres { POSTGRES_STATEMENTS } else { 1 };
        let for_clients = database.clone();
        let pace = Pace::new(BETWEEN_CLIENT_FINDS);
        let client_finds = Batcher::start(at_once, move |ids| {
            let (database, pace) = (for_clients.clone(), pace.clone());
            async move {
                pace.turn().await;
                clients::find_all(&database, ids).await
            }
        });
        /// Starts a batcher whose statements this function runs.
        macro_rules! batcher {
            ($run:path) => {{
                let database = database.clone();
                Batcher::start(at_once, move |asked| {
                    let database = database.clone();
                    async move { $run(&database, asked).await }
                })
            }};
        }
        Ok(Self {
            client_finds,
            finds: batcher!(sessions::find_all),
            rotations: batcher!(sessions::rotate_all),
            begun_codes: batcher!(sessions::begin_all_codes),
            limit_checks: batcher!(sessions::exceeded_all),
            cookie_finds: batcher!(browser_sessions::find_all_of_cookies),
            consent_finds: batcher!(consents::find_all_consents),
            assertion_uses: batcher!(assertions::use_all),
            database,
            for_nodes,
        })
    }

    /// Which database it is.
    pub fn dialect(&self) -> Dialect {
        self.database.dialect()
    }

    /// The clock of the database, in milliseconds since the epoch; none for SQLite, which uses the clock of this
    /// machine.
    pub async fn database_clock(&self) -> Result<Option<i64>> {
        match self.dialect() {
            Dialect::Sqlite => Ok(None),
            Dialect::Postgres => {
                let row = self.for_nodes.query_one(DATABASE_CLOCK, vec![]).await?;
                row.map(|row| row.get("now")).transpose()
            }
        }
    }
}

//! Faults of Postgres and of the network to it.

use std::sync::Arc;
use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::sync::OnceCell;
use url::Url;

use super::{Outcome, Scene, survey};
use crate::support::cluster::Cluster;
use crate::support::program::Running;
use crate::support::proxy::Proxy;
use crate::support::{Backend, eventually, fresh_database};

/// The connections of a node that serve requests.
const PLACES: i64 = 16;
/// Who may connect, and how.
const RULES: &str = "host replication postgres 127.0.0.1/32 trust\nhost all postgres 127.0.0.1/32 trust\n\
                     host all all 127.0.0.1/32 scram-sha-256\n";
/// Superusers only.
const RULES_WITHOUT_SERVERS: &str =
    "host replication postgres 127.0.0.1/32 trust\nhost all postgres 127.0.0.1/32 trust\n";
/// The data of two tables is beyond this, and the log of Postgres below, by segments of 1 MB.
const FULL: u64 = 2 << 20;
/// The log of Postgres meets this in the middle of a segment.
const LOG_FULL: u64 = 512 << 10;

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    StoppedFast,
    StoppedAtOnce,
    Restarted,
    Killed,
    MainFrozen,
    AllFrozen,
    FailedOver,
    FailedOverLosing,
    StandbyFrozen,
    StandbyInItsPlace,
    Silent,
    Forgotten,
    Cut,
    Slow,
    ConnectionsTaken,
    RoleLimit,
    Locked(&'static str),
    HeadLocked,
    ReadOnly,
    RoleReadOnly,
    DiskFull,
    LogDiskFull,
    PasswordChanged,
    Refused,
}

/// The tables without which some of the operations cannot be answered.
const NEEDED: [&str; 12] = [
    "audit",
    "change_head",
    "changes",
    "client_secrets",
    "clients",
    "events",
    "known_networks",
    "login_failures",
    "second_factors",
    "sessions",
    "subjects",
    "users",
];

/// Every table, as the database names them.
async fn tables() -> &'static [String] {
    static TABLES: OnceCell<Vec<String>> = OnceCell::const_new();
    let read = async || {
        let (database, _folder) = fresh_database(Backend::Postgres).await;
        let mut connection = PgConnection::connect(&database).await.unwrap();
        let sql = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename";
        sqlx::query_scalar(sql).fetch_all(&mut connection).await.unwrap()
    };
    TABLES.get_or_init(read).await
}

impl Fault {
    /// The faults, in the order of the report.
    pub(crate) async fn all() -> Vec<Self> {
        use Fault::*;
        let mut all = vec![
            StoppedFast,
            StoppedAtOnce,
            Restarted,
            Killed,
            MainFrozen,
            AllFrozen,
            FailedOver,
            FailedOverLosing,
            StandbyFrozen,
            StandbyInItsPlace,
            Silent,
            Forgotten,
            Cut,
            Slow,
            ConnectionsTaken,
            RoleLimit,
            HeadLocked,
            ReadOnly,
            RoleReadOnly,
            DiskFull,
            LogDiskFull,
            PasswordChanged,
            Refused,
        ];
        all.extend(tables().await.iter().map(|table| Locked(table)));
        all
    }

    /// The fault in words.
    pub(crate) fn words(self) -> String {
        use Fault::*;
        match self {
            StoppedFast => "shut down cleanly (`pg_ctl -m fast stop`), then started again",
            StoppedAtOnce => "stopped at once (`-m immediate`), then started again",
            Restarted => "restarted twice",
            Killed => "main process killed (SIGKILL), then started again",
            MainFrozen => "main process frozen (SIGSTOP), all connections closed",
            AllFrozen => "all processes frozen (SIGSTOP)",
            FailedOver => "gone for good; its synchronous standby promoted, the address moved",
            FailedOverLosing => "gone for good; its asynchronous standby promoted, the address moved",
            StandbyFrozen => "its synchronous standby frozen (SIGSTOP): no commit completes",
            StandbyInItsPlace => "the address leads to a read-only standby",
            Silent => "network silent: packets are dropped, connections stay open",
            Forgotten => "network silent; afterwards old connections stay silent, new ones work",
            Cut => "network cut: connections reset, new ones refused",
            Slow => "network slow: each answer takes 200 ms longer",
            ConnectionsTaken => "all connections taken by others (`max_connections`, including reserved ones)",
            RoleLimit => "`ALTER ROLE … CONNECTION LIMIT 0`, connections closed",
            Locked(table) => {
                return format!("`LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE` held by another session session");
            }
            HeadLocked => "the row of change_head locked by another session (`FOR UPDATE`)",
            ReadOnly => "`default_transaction_read_only = on` for everyone",
            RoleReadOnly => "`default_transaction_read_only = on` for the role, in new connections",
            DiskFull => "disk full for tables (file size limit: `could not extend file`)",
            LogDiskFull => "disk full for Postgres's WAL (file size limit: PANIC)",
            PasswordChanged => "the role's password changed, connections closed",
            Refused => "`pg_hba.conf` refuses the servers, connections closed",
        }
        .to_owned()
    }

    /// Whether requests must be affected.
    pub(crate) fn bites(self) -> bool {
        match self {
            // It is only slow.
            Self::Slow => false,
            // What is in the others is in memory, or no operation needs it.
            Self::Locked(table) => NEEDED.contains(&table),
            _ => true,
        }
    }

    /// Whether everything acknowledged must survive.
    fn keeps_all(self) -> bool {
        self != Self::FailedOverLosing
    }

    fn has_standby(self) -> bool {
        use Fault::*;
        matches!(self, FailedOver | FailedOverLosing | StandbyFrozen | StandbyInItsPlace)
    }
}

/// A Postgres with a role for the servers, the proxy to it, and perhaps a standby.
struct Ground {
    cluster: Cluster,
    standby: Option<Cluster>,
    proxy: Proxy,
}

const ROLE: &str = "CREATE ROLE jeton LOGIN PASSWORD 'right'; ";

impl Ground {
    async fn prepare(fault: Fault) -> Self {
        let cluster = Cluster::start_with(&["--wal-segsize=1"], "");
        cluster.admit(RULES);
        let mut postgres = PgConnection::connect(&cluster.url()).await.unwrap();
        run(&mut postgres, ROLE).await;
        run(&mut postgres, "CREATE DATABASE jeton OWNER jeton").await;
        let standby = fault.has_standby().then(|| cluster.standby());
        let proxy = Proxy::to(&cluster.url()).await;
        if matches!(fault, Fault::FailedOver | Fault::StandbyFrozen) {
            run(&mut postgres, "ALTER SYSTEM SET synchronous_standby_names = '*'").await;
            run(&mut postgres, "SELECT pg_reload_conf()").await;
            let postgres = tokio::sync::Mutex::new(postgres);
            eventually(Duration::from_secs(20), "the standby is synchronous", async || {
                let sql = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'";
                let count: i64 = sqlx::query_scalar(sql).fetch_one(&mut *postgres.lock().await).await.unwrap();
                count == 1
            })
            .await;
        }
        Self { cluster, standby, proxy }
    }

    /// The address for the servers.
    fn address(&self) -> String {
        let mut url = Url::parse(&self.proxy.address_of(&self.cluster.url())).unwrap();
        url.set_username("jeton").unwrap();
        url.set_password(Some("right")).unwrap();
        url.set_path("jeton");
        url.into()
    }

    /// A superuser's connection to the servers' database, bypassing the proxy.
    async fn superuser(&self, after_failover: bool) -> PgConnection {
        let standby = self.standby.as_ref().filter(|_| after_failover);
        let mut url = Url::parse(&standby.unwrap_or(&self.cluster).url()).unwrap();
        url.set_path("jeton");
        PgConnection::connect(url.as_str()).await.unwrap()
    }

    async fn begin(&self, fault: Fault, held: &mut Vec<PgConnection>) {
        use Fault::*;
        match fault {
            StoppedFast => self.cluster.stop(),
            StoppedAtOnce => self.cluster.kill(),
            Restarted => {
                for _ in 0..2 {
                    self.cluster.stop();
                    self.cluster.go_on();
                }
            }
            Killed => self.cluster.kill_main(),
            MainFrozen => {
                let mut superuser = self.superuser(false).await;
                self.cluster.freeze_main();
                close_others(&mut superuser).await;
            }
            AllFrozen => self.cluster.freeze(),
            FailedOver | FailedOverLosing => {
                self.cluster.kill();
                self.proxy.cut();
            }
            StandbyFrozen => self.standby.as_ref().unwrap().freeze(),
            StandbyInItsPlace => {
                self.proxy.lead_to(&self.standby.as_ref().unwrap().url());
                close_others(&mut self.superuser(false).await).await;
            }
            Silent | Forgotten => self.proxy.silence(),
            Cut => self.proxy.cut(),
            Slow => self.proxy.delay(Duration::from_millis(200)),
            ConnectionsTaken => {
                let mut superuser = self.superuser(false).await;
                let mut url = Url::parse(&self.cluster.url()).unwrap();
                url.set_path("postgres");
                // Meanwhile the servers try to get them back.
                for _ in 0..5 {
                    close_others(&mut superuser).await;
                    while let Ok(connection) = PgConnection::connect(url.as_str()).await {
                        held.push(connection);
                    }
                }
                held.push(superuser);
            }
            RoleLimit => self.change_and_close("ALTER ROLE jeton CONNECTION LIMIT 0").await,
            Locked(table) => {
                let mut connection = self.superuser(false).await;
                run(&mut connection, &format!("BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")).await;
                held.push(connection);
            }
            HeadLocked => {
                let mut connection = self.superuser(false).await;
                run(&mut connection, "BEGIN; SELECT 1 FROM change_head FOR UPDATE").await;
                held.push(connection);
            }
            ReadOnly => {
                let mut superuser = self.superuser(false).await;
                run(&mut superuser, "ALTER SYSTEM SET default_transaction_read_only = on").await;
                run(&mut superuser, "SELECT pg_reload_conf()").await;
            }
            RoleReadOnly => {
                self.change_and_close("ALTER ROLE jeton SET default_transaction_read_only = on").await;
            }
            DiskFull => {
                let fill = "INSERT INTO audit SELECT gen_random_uuid(), 0, 'filler', 'filler', repeat('x', 400) \
                            FROM generate_series(1, 6000)";
                run(&mut self.superuser(false).await, &fill.replace("audit", "audit (id, at, actor, action, target)"))
                    .await;
                self.cluster.limit_files(Some(FULL));
            }
            LogDiskFull => self.cluster.limit_files(Some(LOG_FULL)),
            PasswordChanged => self.change_and_close("ALTER ROLE jeton PASSWORD 'another'").await,
            Refused => {
                self.cluster.admit(RULES_WITHOUT_SERVERS);
                close_others(&mut self.superuser(false).await).await;
            }
        }
    }

    async fn end(&self, fault: Fault, held: &mut Vec<PgConnection>) {
        use Fault::*;
        match fault {
            StoppedFast | StoppedAtOnce | Killed => self.cluster.go_on(),
            Restarted => {}
            MainFrozen | AllFrozen => self.cluster.thaw(),
            FailedOver | FailedOverLosing => {
                let standby = self.standby.as_ref().unwrap();
                standby.promote();
                self.proxy.lead_to(&standby.url());
                self.proxy.heal();
            }
            StandbyFrozen => self.standby.as_ref().unwrap().thaw(),
            StandbyInItsPlace => self.proxy.lead_to(&self.cluster.url()),
            Silent | Cut => self.proxy.heal(),
            Forgotten => self.proxy.heal_for_new_connections(),
            Slow => self.proxy.delay(Duration::ZERO),
            ConnectionsTaken => held.clear(),
            RoleLimit => self.change("ALTER ROLE jeton CONNECTION LIMIT -1").await,
            Locked(_) | HeadLocked => held.clear(),
            ReadOnly => {
                let mut superuser = self.superuser(false).await;
                run(&mut superuser, "ALTER SYSTEM RESET default_transaction_read_only").await;
                run(&mut superuser, "SELECT pg_reload_conf()").await;
            }
            RoleReadOnly => self.change("ALTER ROLE jeton RESET default_transaction_read_only").await,
            DiskFull => self.cluster.limit_files(None),
            LogDiskFull => {
                self.cluster.revive();
                self.cluster.limit_files(None);
            }
            PasswordChanged => self.change("ALTER ROLE jeton PASSWORD 'right'").await,
            Refused => self.cluster.admit(RULES),
        }
    }

    async fn change(&self, sql: &str) {
        run(&mut self.superuser(false).await, &format!("SET default_transaction_read_only = off; {sql}")).await;
    }

    async fn change_and_close(&self, sql: &str) {
        let mut superuser = self.superuser(false).await;
        run(&mut superuser, sql).await;
        close_others(&mut superuser).await;
    }
}

async fn run(connection: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await.unwrap();
}

/// Closes the connections of the servers.
async fn close_others(superuser: &mut PgConnection) {
    run(superuser, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'jeton'").await;
}

/// Applies this fault for this long to a Postgres with two servers on it; returns the outcome and the version of
/// Postgres.
pub(crate) async fn survive(fault: Fault, lasts: Duration) -> (Outcome, String) {
    let ground = Ground::prepare(fault).await;
    let scene = Arc::new(Scene::on(&ground.address(), 2, |place| Running::start(place, &[])).await);
    let mut held = Vec::new();
    let kept = tokio::sync::Mutex::new(&mut held);
    let begin = async || ground.begin(fault, *kept.lock().await).await;
    let end = async || ground.end(fault, *kept.lock().await).await;
    let outcome = survey(&scene, lasts, fault.keeps_all(), begin, end).await;
    let has_moved = matches!(fault, Fault::FailedOver | Fault::FailedOverLosing);
    all_places_are_usable(&ground, &scene, has_moved).await;
    let sql = "SELECT split_part(version(), ' ', 2)";
    let version: String = sqlx::query_scalar(sql).fetch_one(&mut ground.superuser(has_moved).await).await.unwrap();
    (outcome, format!("PostgreSQL {version}"))
}

/// No slot in a node's pool is lost: as many statements run at the same time as it may have connections.
async fn all_places_are_usable(ground: &Ground, scene: &Arc<Scene>, has_moved: bool) {
    let mut holder = ground.superuser(has_moved).await;
    run(&mut holder, "BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE").await;
    let watcher = tokio::sync::Mutex::new(ground.superuser(has_moved).await);
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'jeton' AND wait_event_type = 'Lock'";
    let waiting = async || sqlx::query_scalar(sql).fetch_one(&mut *watcher.lock().await).await.unwrap();
    let expected = PLACES * i64::try_from(scene.nodes.len()).unwrap();
    scene.places(waiting, expected, async || run(&mut holder, "ROLLBACK").await).await;
}

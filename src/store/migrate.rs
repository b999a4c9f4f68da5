//! Schema migrations: embedded, numbered, the same numbers for both databases. Each records the oldest program that can
//! work on the schema after it; a server stops only if it is older than that.

use crate::store::database::{Dialect, Transaction};
use crate::store::row::values;
use crate::store::{Result, Store, StoreError};

struct Migration {
    number: i64,
    name: &'static str,
    /// The oldest version of this program that can work on the schema after this migration.
    oldest_program: &'static str,
    postgres: &'static str,
    sqlite: &'static str,
}

const MIGRATIONS: &[Migration] = &[
    Migration {
        number: 1,
        name: "initial",
        oldest_program: "0.1.0",
        postgres: include_str!("../../migrations/postgres/0001_initial.sql"),
        sqlite: include_str!("../../migrations/sqlite/0001_initial.sql"),
    },
    Migration {
        number: 2,
        name: "log_order",
        oldest_program: "0.1.0",
        postgres: include_str!("../../migrations/postgres/0002_log_order.sql"),
        sqlite: include_str!("../../migrations/sqlite/0002_log_order.sql"),
    },
    Migration {
        number: 3,
        name: "history",
        oldest_program: "0.1.0",
        postgres: include_str!("../../migrations/postgres/0003_history.sql"),
        sqlite: include_str!("../../migrations/sqlite/0003_history.sql"),
    },
    Migration {
        number: 4,
        name: "guesses",
        oldest_program: "0.1.0",
        postgres: include_str!("../../migrations/postgres/0004_guesses.sql"),
        sqlite: include_str!("../../migrations/sqlite/0004_guesses.sql"),
    },
    Migration {
        number: 5,
        name: "upkeep",
        oldest_program: "0.1.0",
        postgres: include_str!("../../migrations/postgres/0005_upkeep.sql"),
        sqlite: include_str!("../../migrations/sqlite/0005_upkeep.sql"),
    },
];

/// What is known of the schema of a database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SchemaReport {
    /// The newest migration that was applied; 0: none.
    pub applied: i64,
    /// The newest migration that this program knows.
    pub known: i64,
    /// The names of the migrations that were applied just now.
    pub newly_applied: Vec<&'static str>,
    /// The oldest program that can work on it, as the database says.
    pub oldest_program: Option<String>,
}

impl SchemaReport {
    /// Whether this program is too old for the schema.
    pub fn is_too_new(&self) -> bool {
        let Some(needed) = self.oldest_program.as_deref() else { return false };
        // What cannot be read was written by something newer.
        version(needed).is_none_or(|needed| Some(needed) > version(env!("CARGO_PKG_VERSION")))
    }
}

fn version(text: &str) -> Option<[u64; 3]> {
    let mut parts = text.split('.').map(|part| part.parse().ok());
    Some([parts.next()??, parts.next()??, parts.next()??])
}

impl Store {
    /// Applies the migrations that are missing, all in one transaction, one node at a time.
    ///
    /// # Errors
    /// When the database cannot be reached or refuses; nothing is half-applied then.
    pub async fn migrate(&self) -> Result<SchemaReport> {
        let mut transaction = self.database.begin().await?;
        if transaction.dialect() == Dialect::Postgres {
            // Any number will do, as long as it is always the same: nodes that start at once wait here for each other.
            transaction
                .script(
                    "SET LOCAL client_min_messages = warning; SET LOCAL statement_timeout = 0; \
                     SET LOCAL lock_timeout = 0; SELECT pg_advisory_xact_lock(7431)",
                )
                .await?;
        }
        let table = "CREATE TABLE IF NOT EXISTS schema_migrations (number BIGINT PRIMARY KEY, name TEXT NOT NULL, \
                     oldest_program TEXT NOT NULL)";
        transaction.script(table).await?;
        let mut report = read_report(&mut transaction).await?;
        for migration in MIGRATIONS.iter().filter(|migration| migration.number > report.applied) {
            let script = match transaction.dialect() {
                Dialect::Postgres => migration.postgres,
                Dialect::Sqlite => migration.sqlite,
            };
            transaction.script(script).await.map_err(|error| {
                StoreError::Unavailable(format!("migration {:04}_{}: {error}", migration.number, migration.name))
            })?;
            let insert = "INSERT INTO schema_migrations (number, name, oldest_program) VALUES ($1, $2, $3)";
            let values = values![migration.number, migration.name, migration.oldest_program];
            transaction.query(insert, values).await?;
            report.newly_applied.push(migration.name);
            report.oldest_program = Some(migration.oldest_program.to_owned());
        }
        report.applied = report.applied.max(report.known);
        if report.newly_applied.is_empty() {
            transaction.roll_back().await?;
        } else {
            transaction.commit().await?;
        }
        Ok(report)
    }

    /// Looks at the schema and changes nothing.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn schema(&self) -> Result<SchemaReport> {
        let exists = match self.dialect() {
            Dialect::Postgres => "SELECT 1 AS one WHERE to_regclass('schema_migrations') IS NOT NULL",
            Dialect::Sqlite => "SELECT 1 AS one FROM sqlite_master WHERE name = 'schema_migrations'",
        };
        if self.database.query_one(exists, vec![]).await?.is_none() {
            return Ok(SchemaReport { known: newest(), ..SchemaReport::default() });
        }
        read_report(&mut self.database.begin().await?).await
    }
}

fn newest() -> i64 {
    MIGRATIONS.iter().map(|migration| migration.number).max().unwrap_or(0)
}

async fn read_report(transaction: &mut Transaction) -> Result<SchemaReport> {
    let sql = "SELECT number, oldest_program FROM schema_migrations ORDER BY number DESC LIMIT 1";
    let mut report = SchemaReport { known: newest(), ..SchemaReport::default() };
    if let Some(row) = transaction.query_one(sql, vec![]).await? {
        report.applied = row.get("number")?;
        report.oldest_program = Some(row.get("oldest_program")?);
    }
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_too_old_only_for_a_schema_that_says_so() {
        let report = |oldest: &str| SchemaReport { oldest_program: Some(oldest.into()), ..SchemaReport::default() };
        assert!(!report("0.0.9").is_too_new());
        assert!(!report(env!("CARGO_PKG_VERSION")).is_too_new());
        assert!(report("999.0.0").is_too_new());
        assert!(!SchemaReport::default().is_too_new());
    }

    #[test]
    fn migrations_are_numbered_without_gaps() {
        for (index, migration) in MIGRATIONS.iter().enumerate() {
            assert_eq!(usize::try_from(migration.number).unwrap(), index + 1, "{}", migration.name);
            assert!(version(migration.oldest_program).is_some());
        }
    }
}

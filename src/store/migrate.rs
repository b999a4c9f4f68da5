//! Schema migrations, embedded in the program, with the same numbers for both databases. One node at a time applies all
//! that are missing, in one transaction. For each migration the database records its checksum, which shows if the
//! migration was changed afterwards, and the oldest program that can work on the resulting schema.
//!
//! sqlx's own migrator would bring the checksums, but it applies each migration in a transaction of its own, has no
//! lock for SQLite, and would still need a second table for the oldest program.

use std::fmt::Write as _;

use crate::crypto::sha256;
use crate::protocol::version::Version;
use crate::store::database::{Dialect, Transaction};
use crate::store::nodes::FEATURE_LEVEL;
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

impl Migration {
    const fn script(&self, dialect: Dialect) -> &'static str {
        match dialect {
            Dialect::Postgres => self.postgres,
            Dialect::Sqlite => self.sqlite,
        }
    }

    fn checksum(&self, dialect: Dialect) -> String {
        sha256(self.script(dialect).as_bytes()).iter().fold(String::new(), |mut hex, byte| {
            // Writing to a String cannot fail.
            _ = write!(hex, "{byte:02x}");
            hex
        })
    }
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
        name: "logins",
        oldest_program: "0.1.0",
        postgres: include_str!("../../migrations/postgres/0002_logins.sql"),
        sqlite: include_str!("../../migrations/sqlite/0002_logins.sql"),
    },
    Migration {
        number: 3,
        name: "client_assertions",
        oldest_program: "0.1.0",
        postgres: include_str!("../../migrations/postgres/0003_client_assertions.sql"),
        sqlite: include_str!("../../migrations/sqlite/0003_client_assertions.sql"),
    },
    Migration {
        number: 4,
        name: "bound_tokens",
        oldest_program: "0.1.0",
        postgres: include_str!("../../migrations/postgres/0004_bound_tokens.sql"),
        sqlite: include_str!("../../migrations/sqlite/0004_bound_tokens.sql"),
    },
    Migration {
        number: 5,
        name: "trusted_issuers",
        oldest_program: "0.1.0",
        postgres: include_str!("../../migrations/postgres/0005_trusted_issuers.sql"),
        sqlite: include_str!("../../migrations/sqlite/0005_trusted_issuers.sql"),
    },
    Migration {
        number: 6,
        name: "applied_objects",
        oldest_program: "0.1.0",
        postgres: include_str!("../../migrations/postgres/0006_applied_objects.sql"),
        sqlite: include_str!("../../migrations/sqlite/0006_applied_objects.sql"),
    },
    Migration {
        number: 7,
        name: "roles",
        oldest_program: "0.1.0",
        postgres: include_str!("../../migrations/postgres/0007_roles.sql"),
        sqlite: include_str!("../../migrations/sqlite/0007_roles.sql"),
    },
    Migration {
        number: 8,
        name: "webhooks",
        oldest_program: "0.1.0",
        postgres: include_str!("../../migrations/postgres/0008_webhooks.sql"),
        sqlite: include_str!("../../migrations/sqlite/0008_webhooks.sql"),
    },
    Migration {
        number: 9,
        name: "figures",
        oldest_program: "0.1.0",
        postgres: include_str!("../../migrations/postgres/0009_figures.sql"),
        sqlite: include_str!("../../migrations/sqlite/0009_figures.sql"),
    },
    Migration {
        number: 10,
        name: "verdicts",
        oldest_program: "0.1.0",
        postgres: include_str!("../../migrations/postgres/0010_verdicts.sql"),
        sqlite: include_str!("../../migrations/sqlite/0010_verdicts.sql"),
    },
    Migration {
        number: 11,
        name: "large_lists",
        oldest_program: "0.1.0",
        postgres: include_str!("../../migrations/postgres/0011_large_lists.sql"),
        sqlite: include_str!("../../migrations/sqlite/0011_large_lists.sql"),
    },
];

/// What is known of the schema of a database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SchemaReport {
    /// The newest migration that was applied, or 0.
    pub applied: i64,
    /// The newest migration that this program knows.
    pub known: i64,
    /// The names of the migrations that were applied just now.
    pub newly_applied: Vec<&'static str>,
    /// The oldest program that can work on it, as the database says.
    pub oldest_program: Option<String>,
    /// The level that a program needs to understand every client in it.
    pub feature_level: i64,
    /// Why no version of this program can work on it, as a sentence.
    pub foreign: Option<String>,
}

impl SchemaReport {
    /// Whether this program is too old for the schema.
    pub fn is_too_new(&self) -> bool {
        let Some(needed) = self.oldest_program.as_deref() else { return false };
        // Only a newer program writes a version that this one cannot read.
        needed.parse::<Version>().map_or(true, |needed| Ok(needed) > env!("CARGO_PKG_VERSION").parse())
    }
}

impl Store {
    /// Applies the migrations that are missing, all in one transaction, one node at a time.
    pub async fn migrate(&self) -> Result<SchemaReport> {
        let mut transaction = self.database.begin().await?;
        if transaction.dialect() == Dialect::Postgres {
            // Nodes that start at the same time wait here for each other. The number is arbitrary, but never changes.
            transaction
                .script(
                    "SET LOCAL client_min_messages = warning; SET LOCAL statement_timeout = 0; \
                     SET LOCAL lock_timeout = 0; SELECT pg_advisory_xact_lock(7431)",
                )
                .await?;
        }
        let mut report = read_report(&mut transaction).await?;
        if report.foreign.is_some() {
            transaction.roll_back().await?;
            return Ok(report);
        }
        let table = "CREATE TABLE IF NOT EXISTS migrations (number BIGINT PRIMARY KEY, name TEXT NOT NULL, \
                     checksum TEXT NOT NULL, oldest_program TEXT NOT NULL)";
        transaction.script(table).await?;
        let dialect = transaction.dialect();
        for migration in MIGRATIONS.iter().filter(|migration| migration.number > report.applied) {
            transaction.script(migration.script(dialect)).await.map_err(|error| {
                StoreError::Unavailable(format!("migration {:04}_{}: {error}", migration.number, migration.name))
            })?;
            let insert = "INSERT INTO migrations (number, name, checksum, oldest_program) VALUES ($1, $2, $3, $4)";
            let checksum = migration.checksum(dialect);
            transaction
                .query(insert, values![migration.number, migration.name, checksum, migration.oldest_program])
                .await?;
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

    /// Reads the state of the schema and changes nothing.
    pub async fn schema(&self) -> Result<SchemaReport> {
        let mut transaction = self.database.begin().await?;
        let report = read_report(&mut transaction).await?;
        transaction.roll_back().await?;
        Ok(report)
    }
}

fn newest() -> i64 {
    MIGRATIONS.iter().map(|migration| migration.number).max().unwrap_or(0)
}

async fn read_report(transaction: &mut Transaction) -> Result<SchemaReport> {
    let mut report = SchemaReport { known: newest(), ..SchemaReport::default() };
    if has_table(transaction, "schema_migrations").await? {
        report.foreign = Some(
            "the database was made by a development version of Jeton older than 0.1.0, whose format cannot be upgraded: \
             set JETON_DATABASE_URL to a new, empty database"
                .into(),
        );
        return Ok(report);
    }
    if !has_table(transaction, "migrations").await? {
        return Ok(report);
    }
    let dialect = transaction.dialect();
    let sql = "SELECT number, name, checksum, oldest_program FROM migrations ORDER BY number";
    for row in transaction.query(sql, vec![]).await? {
        report.applied = row.get("number")?;
        report.oldest_program = Some(row.get("oldest_program")?);
        let (name, checksum): (String, String) = (row.get("name")?, row.get("checksum")?);
        let ours = MIGRATIONS.iter().find(|migration| migration.number == report.applied);
        if ours.is_some_and(|ours| ours.checksum(dialect) != checksum) {
            report.foreign = Some(format!(
                "the database has another migration {:04}_{name} than this program: use the Jeton that made it, or set \
                 JETON_DATABASE_URL to a new, empty database",
                report.applied
            ));
        }
    }
    if report.foreign.is_none()
        && let Some(row) = transaction.query_one(FEATURE_LEVEL, vec![]).await?
    {
        report.feature_level = row.get("level")?;
    }
    Ok(report)
}

async fn has_table(transaction: &mut Transaction, name: &str) -> Result<bool> {
    let sql = match transaction.dialect() {
        Dialect::Postgres => "SELECT 1 AS one WHERE to_regclass($1) IS NOT NULL",
        Dialect::Sqlite => "SELECT 1 AS one FROM sqlite_master WHERE name = $1",
    };
    Ok(transaction.query_one(sql, values![name]).await?.is_some())
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
            assert!(migration.oldest_program.parse::<Version>().is_ok());
        }
    }
}

//! The location of the database, and its dialect.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;

/// The kind of database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// PostgreSQL 14 or newer.
    Postgres,
    /// Embedded SQLite.
    Sqlite,
}

/// Where the database is.
#[derive(Clone)]
pub enum Location {
    /// A server.
    Postgres(Box<PgConnectOptions>),
    /// A file.
    Sqlite(PathBuf),
}

impl fmt::Debug for Location {
    /// Without the password.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self}")
    }
}

impl fmt::Display for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postgres(options) => write!(
                formatter,
                "Postgres at {}:{}, database {}",
                options.get_host(),
                options.get_port(),
                options.get_database().unwrap_or(options.get_username())
            ),
            Self::Sqlite(path) => write!(formatter, "SQLite file {}", path.display()),
        }
    }
}

impl FromStr for Location {
    type Err = String;

    fn from_str(address: &str) -> Result<Self, String> {
        if let Some(path) = address.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() || path.contains(":memory:") || path.contains('?') {
                return Err("names no file: write sqlite://PATH".into());
            }
            return Ok(Self::Sqlite(PathBuf::from(path)));
        }
        if address.starts_with("postgres://") || address.starts_with("postgresql://") {
            let options = PgConnectOptions::from_str(address)
                .map_err(|_| "is no valid postgres:// address: write postgres://USER:PASSWORD@HOST:PORT/DATABASE")?;
            return Ok(Self::Postgres(Box::new(options.application_name("jeton"))));
        }
        Err("begins with neither sqlite:// nor postgres://".into())
    }
}

impl Location {
    /// Which database it is.
    pub const fn dialect(&self) -> Dialect {
        match self {
            Self::Postgres(_) => Dialect::Postgres,
            Self::Sqlite(_) => Dialect::Sqlite,
        }
    }

    /// The file, for SQLite.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Postgres(_) => None,
            Self::Sqlite(path) => Some(path),
        }
    }

    /// A connection outside the pool, for listening to notifications.
    pub(crate) fn postgres(&self) -> Option<&PgConnectOptions> {
        match self {
            Self::Postgres(options) => Some(options),
            Self::Sqlite(_) => None,
        }
    }
}

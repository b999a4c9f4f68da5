//! The values of a statement and the rows that it returns, for both databases.

use std::fmt::Write as _;

use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{ColumnIndex, Decode, Postgres, Row as _, Sqlite, Type};
use uuid::Uuid;

use crate::protocol::time::Timestamp;
use crate::store::{Result, StoreError};

/// A value for a statement. An absent one still has a type, because Postgres requires it.
#[derive(Clone)]
pub(super) enum Value {
    Text(Option<String>),
    Integer(Option<i64>),
    Bytes(Option<Vec<u8>>),
    Id(Option<Uuid>),
    Boolean(bool),
}

macro_rules! value_from {
    ($($from:ty => |$value:ident| $make:expr,)*) => {
        $(impl From<$from> for Value {
            fn from($value: $from) -> Self {
                $make
            }
        })*
    };
}

value_from! {
    &str => |value| Self::Text(Some(value.to_owned())),
    String => |value| Self::Text(Some(value)),
    &String => |value| Self::Text(Some(value.clone())),
    Option<String> => |value| Self::Text(value),
    Option<&str> => |value| Self::Text(value.map(str::to_owned)),
    i64 => |value| Self::Integer(Some(value)),
    Timestamp => |value| Self::Integer(Some(value.millis())),
    Option<Timestamp> => |value| Self::Integer(value.map(Timestamp::millis)),
    Vec<u8> => |value| Self::Bytes(Some(value)),
    Option<Vec<u8>> => |value| Self::Bytes(value),
    [u8; 32] => |value| Self::Bytes(Some(value.to_vec())),
    Uuid => |value| Self::Id(Some(value)),
    Option<Uuid> => |value| Self::Id(value),
    bool => |value| Self::Boolean(value),
}

/// Values for a statement, in the order of its parameters.
macro_rules! values {
    ($($value:expr),* $(,)?) => { vec![$($crate::store::row::Value::from($value)),*] };
}
pub(super) use values;

/// Binds values to a query of either database.
macro_rules! bind_all {
    ($query:expr, $values:expr) => {
        $values.into_iter().fold($query, |query, value| match value {
            $crate::store::row::Value::Text(value) => query.bind(value),
            $crate::store::row::Value::Integer(value) => query.bind(value),
            $crate::store::row::Value::Bytes(value) => query.bind(value),
            $crate::store::row::Value::Id(value) => query.bind(value),
            $crate::store::row::Value::Boolean(value) => query.bind(value),
        })
    };
}
pub(super) use bind_all;

/// A row that a statement returned.
pub(super) enum Row {
    Postgres(PgRow),
    Sqlite(SqliteRow),
}

impl Row {
    /// The value of a column.
    pub(super) fn get<T>(&self, column: &str) -> Result<T>
    where
        T: for<'r> Decode<'r, Postgres> + Type<Postgres> + for<'r> Decode<'r, Sqlite> + Type<Sqlite>,
        for<'c> &'c str: ColumnIndex<PgRow> + ColumnIndex<SqliteRow>,
    {
        let value = match self {
            Self::Postgres(row) => row.try_get(column),
            Self::Sqlite(row) => row.try_get(column),
        };
        value.map_err(|error| unreadable(column, &error))
    }

    /// The moment in a column.
    pub(super) fn moment(&self, column: &str) -> Result<Timestamp> {
        Ok(Timestamp::from_millis(self.get(column)?))
    }

    /// The JSON in a text column.
    pub(super) fn json<T: serde::de::DeserializeOwned>(&self, column: &str) -> Result<T> {
        let text: String = self.get(column)?;
        serde_json::from_str(&text).map_err(|error| unreadable(column, &error))
    }

    /// The 32 bytes in a column.
    pub(super) fn hash(&self, column: &str) -> Result<[u8; 32]> {
        let bytes: Vec<u8> = self.get(column)?;
        bytes.try_into().map_err(|_| unreadable(column, &"not 32 bytes"))
    }
}

/// The error for a column with a value that no version of this program writes.
pub(super) fn unreadable(column: &str, problem: &dyn std::fmt::Display) -> StoreError {
    StoreError::Unavailable(format!("the column {column} cannot be read: {problem}"))
}

/// An array for Postgres. Its planner expects a few values in an array and looks each up in the index. It expects a
/// hundred rows from JSON, and then prefers to read the whole table.
pub(super) fn array<T: std::fmt::Display>(values: impl Iterator<Item = T>) -> String {
    let quoted = values.map(|value| format!("\"{}\"", value.to_string().replace('\\', "\\\\").replace('"', "\\\"")));
    format!("{{{}}}", quoted.collect::<Vec<_>>().join(","))
}

/// A hash for a statement that reads it from a text.
pub(super) fn hex(hash: &[u8; 32]) -> String {
    hash.iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a String cannot fail.
        _ = write!(text, "{byte:02x}");
        text
    })
}

/// JSON for a text column.
pub(super) fn to_json<T: serde::Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| StoreError::Unavailable(format!("cannot be written as JSON: {error}")))
}

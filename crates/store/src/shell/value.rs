//! Values of parameters and columns, of whichever engine.

use sqlx::{
    Column as _, Row as _, TypeInfo as _, ValueRef as _, postgres::PgRow, sqlite::SqliteRow,
};

use super::error::EngineError;

/// A value of a column, or of a parameter `$1`, `$2` and so on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// An integer.
    Int(Option<i64>),
    /// A text.
    Text(Option<String>),
    /// Bytes.
    Bytes(Option<Vec<u8>>),
    /// Nothing, of an unknown type: only read, never written.
    Null,
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(Some(value))
    }
}

impl From<Option<i64>> for Value {
    fn from(value: Option<i64>) -> Self {
        Self::Int(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(Some(value.to_owned()))
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(Some(value))
    }
}

impl From<&String> for Value {
    fn from(value: &String) -> Self {
        Self::Text(Some(value.clone()))
    }
}

impl From<&Option<String>> for Value {
    fn from(value: &Option<String>) -> Self {
        Self::Text(value.clone())
    }
}

impl From<&[u8]> for Value {
    fn from(value: &[u8]) -> Self {
        Self::Bytes(Some(value.to_vec()))
    }
}

impl From<Option<Vec<u8>>> for Value {
    fn from(value: Option<Vec<u8>>) -> Self {
        Self::Bytes(value)
    }
}

/// A count as a column holds it: none is as large as the largest.
pub(super) fn bounded(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The columns of a row, to be taken from the first to the last.
#[derive(Debug)]
pub(super) struct Columns(std::vec::IntoIter<Value>);

impl Columns {
    /// An integer.
    pub(super) fn int(&mut self) -> Result<i64, EngineError> {
        self.maybe_int()?.ok_or_else(other_type)
    }

    /// An integer, or nothing.
    pub(super) fn maybe_int(&mut self) -> Result<Option<i64>, EngineError> {
        match self.0.next() {
            Some(Value::Int(value)) => Ok(value),
            Some(Value::Null) => Ok(None),
            Some(Value::Text(_) | Value::Bytes(_)) | None => Err(other_type()),
        }
    }

    /// A text.
    pub(super) fn text(&mut self) -> Result<String, EngineError> {
        self.maybe_text()?.ok_or_else(other_type)
    }

    /// A text, or nothing.
    pub(super) fn maybe_text(&mut self) -> Result<Option<String>, EngineError> {
        match self.0.next() {
            Some(Value::Text(value)) => Ok(value),
            Some(Value::Null) => Ok(None),
            Some(Value::Int(_) | Value::Bytes(_)) | None => Err(other_type()),
        }
    }

    /// Bytes.
    pub(super) fn bytes(&mut self) -> Result<Vec<u8>, EngineError> {
        self.maybe_bytes()?.ok_or_else(other_type)
    }

    /// Bytes, or nothing.
    pub(super) fn maybe_bytes(&mut self) -> Result<Option<Vec<u8>>, EngineError> {
        match self.0.next() {
            Some(Value::Bytes(value)) => Ok(value),
            Some(Value::Null) => Ok(None),
            Some(Value::Int(_) | Value::Text(_)) | None => Err(other_type()),
        }
    }
}

fn other_type() -> EngineError {
    EngineError::Other("a column has another type than its schema says".to_owned())
}

/// The columns of a row of SQLite.
pub(super) fn columns_of_sqlite(row: &SqliteRow) -> Result<Columns, EngineError> {
    let value = |index: usize, kind: &str| {
        Ok(match kind {
            "INTEGER" => Value::Int(row.try_get(index)?),
            "TEXT" => Value::Text(row.try_get(index)?),
            "BLOB" => Value::Bytes(row.try_get(index)?),
            "NULL" => Value::Null,
            other => return Err(EngineError::Other(format!("type {other}"))),
        })
    };
    let values = (0..row.columns().len()).map(|index| {
        let raw = row.try_get_raw(index)?;
        if raw.is_null() { Ok(Value::Null) } else { value(index, raw.type_info().name()) }
    });
    Ok(Columns(values.collect::<Result<Vec<_>, _>>()?.into_iter()))
}

/// The columns of a row of Postgres.
pub(super) fn columns_of_postgres(row: &PgRow) -> Result<Columns, EngineError> {
    let values = row.columns().iter().map(|column| {
        let index = column.ordinal();
        Ok(match column.type_info().name() {
            "INT8" => Value::Int(row.try_get(index)?),
            "TEXT" => Value::Text(row.try_get(index)?),
            "BYTEA" => Value::Bytes(row.try_get(index)?),
            other => return Err(EngineError::Other(format!("type {other}"))),
        })
    });
    Ok(Columns(values.collect::<Result<Vec<_>, EngineError>>()?.into_iter()))
}

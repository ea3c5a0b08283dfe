//! A connection of whichever engine, as the ledger uses it.

use sqlx::{
    Column as _, Row as _, Sqlite, SqliteConnection, TypeInfo as _, ValueRef as _,
    query::Query,
    sqlite::{SqliteArguments, SqliteRow},
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

/// A connection inside a transaction.
pub(super) trait Link: Send {
    /// Executes a statement; gives how many rows it changed.
    fn execute(
        &mut self,
        sql: &'static str,
        values: Vec<Value>,
    ) -> impl Future<Output = Result<u64, EngineError>> + Send;

    /// Executes a statement that gives rows.
    fn fetch(
        &mut self,
        sql: &'static str,
        values: Vec<Value>,
    ) -> impl Future<Output = Result<Vec<Columns>, EngineError>> + Send;
}

impl Link for SqliteConnection {
    async fn execute(&mut self, sql: &'static str, values: Vec<Value>) -> Result<u64, EngineError> {
        Ok(bound(sql, values).execute(self).await?.rows_affected())
    }

    async fn fetch(
        &mut self,
        sql: &'static str,
        values: Vec<Value>,
    ) -> Result<Vec<Columns>, EngineError> {
        let rows = bound(sql, values).fetch_all(self).await?;
        rows.iter().map(columns).collect()
    }
}

/// A statement with its parameters.
fn bound(sql: &'static str, values: Vec<Value>) -> Query<'static, Sqlite, SqliteArguments> {
    values.into_iter().fold(sqlx::query(sql), |query, value| match value {
        Value::Int(value) => query.bind(value),
        Value::Text(value) => query.bind(value),
        Value::Bytes(value) => query.bind(value),
        Value::Null => query.bind(None::<i64>),
    })
}

fn columns(row: &SqliteRow) -> Result<Columns, EngineError> {
    let values = row.columns().iter().map(|column| {
        let index = column.ordinal();
        let raw = row.try_get_raw(index)?;
        if raw.is_null() {
            return Ok(Value::Null);
        }
        Ok(match raw.type_info().name() {
            "INTEGER" => Value::Int(row.try_get(index)?),
            "TEXT" => Value::Text(row.try_get(index)?),
            "BLOB" => Value::Bytes(row.try_get(index)?),
            other => return Err(EngineError::Other(format!("type {other}"))),
        })
    });
    let values = values.collect::<Result<Vec<_>, EngineError>>()?;
    Ok(Columns(values.into_iter()))
}

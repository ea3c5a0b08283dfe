//! A transaction of whichever engine.

use std::fmt::Write as _;

use sqlx::{
    AssertSqlSafe, Postgres, SqlSafeStr as _, SqlStr, Sqlite, postgres::PgArguments, query::Query,
    sqlite::SqliteArguments,
};

use super::{
    error::EngineError,
    postgres::Borrowed,
    value::{Columns, Value, columns_of_postgres, columns_of_sqlite},
};

/// Parameters of one statement, at most. SQLite looks each up among those before it.
const MAX_PARAMETERS: usize = 1_024;

/// A transaction. Statements are written once: parameters are `$1`, `$2` and so on. One that is dropped
/// is rolled back.
#[derive(Debug)]
pub(super) enum Transaction<'e> {
    /// On a connection of a pool.
    Sqlite(sqlx::Transaction<'static, Sqlite>),
    /// On a connection that is lent.
    Postgres(Borrowed<'e>),
}

/// Rows that go into a table at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Insert {
    /// `INSERT INTO` with the names of its columns.
    pub(super) into: &'static str,
    /// What to do about rows that are there.
    pub(super) conflict: &'static str,
}

impl Transaction<'_> {
    /// Executes a statement; gives how many rows it changed.
    pub(super) async fn execute(
        &mut self,
        sql: &'static str,
        values: Vec<Value>,
    ) -> Result<u64, EngineError> {
        self.run(sql.into_sql_str(), true, values).await
    }

    /// Executes a statement that gives rows.
    pub(super) async fn fetch(
        &mut self,
        sql: &'static str,
        values: Vec<Value>,
    ) -> Result<Vec<Columns>, EngineError> {
        let sql = sql.into_sql_str();
        match self {
            Self::Sqlite(transaction) => {
                let rows = sqlite(sql, values).fetch_all(&mut **transaction).await?;
                rows.iter().map(columns_of_sqlite).collect()
            }
            Self::Postgres(borrowed) => {
                let rows = postgres(sql, values).fetch_all(borrowed.connection()?).await?;
                rows.iter().map(columns_of_postgres).collect()
            }
        }
    }

    /// Inserts rows, as many with each statement as it may have parameters. All have as many values.
    pub(super) async fn insert(
        &mut self,
        insert: Insert,
        rows: Vec<Vec<Value>>,
    ) -> Result<(), EngineError> {
        let width = rows.first().map_or(1, Vec::len).max(1);
        let mut rows = rows.into_iter().peekable();
        while rows.peek().is_some() {
            let some: Vec<_> = rows.by_ref().take(MAX_PARAMETERS / width).collect();
            let sql = AssertSqlSafe(insert.text(some.len(), width)).into_sql_str();
            self.run(sql, false, some.into_iter().flatten().collect()).await?;
        }
        Ok(())
    }

    async fn run(
        &mut self,
        sql: SqlStr,
        keep_prepared: bool,
        values: Vec<Value>,
    ) -> Result<u64, EngineError> {
        match self {
            Self::Sqlite(transaction) => {
                let query = sqlite(sql, values).persistent(keep_prepared);
                Ok(query.execute(&mut **transaction).await?.rows_affected())
            }
            Self::Postgres(borrowed) => {
                let query = postgres(sql, values).persistent(keep_prepared);
                Ok(query.execute(borrowed.connection()?).await?.rows_affected())
            }
        }
    }

    /// Ends it: kept where all went well, undone where not.
    pub(super) async fn end<T>(self, outcome: Result<T, EngineError>) -> Result<T, EngineError> {
        match self {
            Self::Sqlite(transaction) => {
                let done = outcome?;
                transaction.commit().await?;
                Ok(done)
            }
            Self::Postgres(borrowed) => borrowed.end(outcome).await,
        }
    }
}

impl Insert {
    fn text(self, rows: usize, width: usize) -> String {
        let mut text = format!("{} VALUES ", self.into);
        for row in 0..rows {
            for column in 0..width {
                let before = match (row, column) {
                    (0, 0) => "(",
                    (_, 0) => "), (",
                    _ => ", ",
                };
                // Writing to a text does not fail.
                write!(text, "{before}${}", row * width + column + 1).unwrap_or_default();
            }
        }
        text.push_str(") ");
        text.push_str(self.conflict);
        text
    }
}

fn sqlite(sql: SqlStr, values: Vec<Value>) -> Query<'static, Sqlite, SqliteArguments> {
    values.into_iter().fold(sqlx::query(sql), |query, value| match value {
        Value::Int(value) => query.bind(value),
        Value::Text(value) => query.bind(value),
        Value::Bytes(value) => query.bind(value),
        Value::Null => query.bind(None::<i64>),
    })
}

fn postgres(sql: SqlStr, values: Vec<Value>) -> Query<'static, Postgres, PgArguments> {
    values.into_iter().fold(sqlx::query(sql), |query, value| match value {
        Value::Int(value) => query.bind(value),
        Value::Text(value) => query.bind(value),
        Value::Bytes(value) => query.bind(value),
        Value::Null => query.bind(None::<i64>),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_an_insert_count_their_parameters_on() {
        let insert = Insert { into: "INSERT INTO t (a, b)", conflict: "ON CONFLICT DO NOTHING" };
        let expected = "INSERT INTO t (a, b) VALUES ($1, $2), ($3, $4) ON CONFLICT DO NOTHING";
        assert_eq!(insert.text(2, 2), expected);
    }
}

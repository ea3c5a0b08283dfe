//! A transaction of whichever engine.

use std::{borrow::Cow, fmt::Write as _};

use futures_util::TryStreamExt as _;
use sqlx::{
    AssertSqlSafe, Executor as _, PgConnection, Postgres, SqlSafeStr as _, SqlStr, Sqlite,
    SqliteConnection, postgres::PgArguments, query::Query, sqlite::SqliteArguments,
};

use super::{
    error::EngineError,
    seat::Lent,
    statement::{Statement, in_a_row},
    value::{Columns, Value, columns_of_postgres, columns_of_sqlite},
};

/// Parameters of one statement, at most. SQLite looks each up among those before it.
const MAX_PARAMETERS: usize = 1_024;

/// Statements of a text that stays prepared, at most: a payment, an end, and their sums.
const USUAL: usize = 10;

/// A transaction. Statements are written once: parameters are `$1`, `$2` and so on. One that is dropped
/// is rolled back.
#[derive(Debug)]
pub(super) enum Transaction<'e> {
    /// On a connection to a file.
    Sqlite(Lent<'e, SqliteConnection>),
    /// On a connection to a server.
    Postgres(Lent<'e, PgConnection>),
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

    /// Executes a statement that was put together; gives how many rows it changed.
    pub(super) async fn perform(&mut self, statement: Statement) -> Result<u64, EngineError> {
        let sql = AssertSqlSafe(statement.sql).into_sql_str();
        self.run(sql, true, statement.values).await
    }

    /// Executes statements of which each has to change a row.
    pub(super) async fn change_all(
        &mut self,
        statements: Vec<Statement>,
    ) -> Result<(), EngineError> {
        for statement in statements {
            if self.perform(statement).await? == 0 {
                return Err(EngineError::Conflict);
            }
        }
        Ok(())
    }

    /// Executes a statement that gives rows.
    pub(super) async fn fetch(
        &mut self,
        sql: impl Into<Cow<'static, str>>,
        values: Vec<Value>,
    ) -> Result<Vec<Columns>, EngineError> {
        let sql = AssertSqlSafe(sql.into()).into_sql_str();
        match self {
            Self::Sqlite(lent) => {
                let rows = sqlite(sql, values).fetch_all(lent.connection()).await?;
                rows.iter().map(columns_of_sqlite).collect()
            }
            Self::Postgres(lent) => {
                let rows = postgres(sql, values).fetch_all(lent.connection()).await?;
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
            Self::Sqlite(lent) => {
                let query = sqlite(sql, values).persistent(keep_prepared);
                Ok(query.execute(lent.connection()).await?.rows_affected())
            }
            Self::Postgres(lent) => {
                let query = postgres(sql, values).persistent(keep_prepared);
                Ok(query.execute(lent.connection()).await?.rows_affected())
            }
        }
    }

    /// Ends it: kept where all went well, undone where not. A connection that fails at that is ended.
    pub(super) async fn end<T>(self, outcome: Result<T, EngineError>) -> Result<T, EngineError> {
        let ending = if outcome.is_ok() { "COMMIT" } else { "ROLLBACK" };
        let ended = match self {
            Self::Sqlite(mut lent) => {
                lent.connection().execute(ending).await.map(|_| lent.give_back())
            }
            Self::Postgres(mut lent) => {
                lent.connection().execute(ending).await.map(|_| lent.give_back())
            }
        };
        match ended {
            Err(error) if outcome.is_ok() => Err(error.into()),
            Ok(()) | Err(_) => outcome,
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

/// Executes statements as one text. The usual ones are short, and stay prepared.
pub(super) async fn execute_in_a_row(
    connection: &mut SqliteConnection,
    statements: Vec<Statement>,
) -> Result<(), EngineError> {
    let count = statements.len();
    let Statement { sql, values } = in_a_row(statements);
    let query = sqlite(AssertSqlSafe(sql).into_sql_str(), values).persistent(count <= USUAL);
    let mut done = 0;
    let mut results = connection.fetch_many(query);
    while let Some(result) = results.try_next().await? {
        done += usize::from(result.is_left());
    }
    // Where its thread is gone there is no other sign.
    if done == count {
        Ok(())
    } else {
        Err(EngineError::Other("it ended in the middle".to_owned()))
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

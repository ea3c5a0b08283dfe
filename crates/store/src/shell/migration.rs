//! The schema's steps, as the driver runs them, and what it says about them.

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};

use super::{error::EngineError, transaction::Transaction, value::Columns};
use crate::{
    error::{StoreError, StorePlace},
    schema::SchemaStep,
};

/// What runs the steps that are missing.
pub(super) fn migrator(steps: &[SchemaStep]) -> Migrator {
    let steps = steps.iter().map(|step| {
        let description = step.description.into();
        let sql = sqlx::SqlSafeStr::into_sql_str(step.sql);
        Migration::new(step.version, description, MigrationType::Simple, sql, false)
    });
    Migrator::with_migrations(steps.collect())
}

/// Why they can't be run.
pub(super) fn refused(place: StorePlace, steps: &[SchemaStep], error: &MigrateError) -> StoreError {
    let known = latest(steps);
    if let MigrateError::VersionMissing(found) = *error
        && found > known
    {
        return StoreError::SchemaTooNew { place, found, known };
    }
    StoreError::Schema { place, fault: error.to_string() }
}

/// The latest step that was run.
pub(super) async fn versions(mut transaction: Transaction<'_>) -> Result<i64, EngineError> {
    let found = transaction
        .fetch("SELECT version FROM _sqlx_migrations ORDER BY version DESC LIMIT 1", Vec::new())
        .await;
    let version = found.and_then(|mut found| match found.first_mut() {
        Some(columns) => Columns::int(columns),
        None => Ok(0),
    });
    transaction.end(version).await
}

/// Whether this version of the program can read a schema as it is.
pub(super) fn known(place: StorePlace, steps: &[SchemaStep], found: i64) -> Result<(), StoreError> {
    let known = latest(steps);
    match found {
        newer if newer > known => Err(StoreError::SchemaTooNew { place, found, known }),
        older if older < known => Err(StoreError::Schema {
            place,
            fault: format!(
                "it is of version {found}, and is brought to {known} when a gateway starts"
            ),
        }),
        _ => Ok(()),
    }
}

fn latest(steps: &[SchemaStep]) -> i64 {
    steps.last().map_or(0, |step| step.version)
}

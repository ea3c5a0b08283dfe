//! The schema, step by step.
//!
//! A step that a release has written is never changed: its digest is kept in the database and
//! compared. What changes is a new step with the next version.

/// One step of the schema.
#[derive(Debug)]
pub(crate) struct SchemaStep {
    /// Its place in the order, from 1 on.
    pub(crate) version: i64,
    /// What it brings, for people.
    pub(crate) description: &'static str,
    /// What it executes, in one transaction.
    pub(crate) sql: &'static str,
}

/// The steps of an engine, in order, from its directory below `migrations/`.
macro_rules! steps {
    ($engine:literal) => {
        [
            SchemaStep {
                version: 1,
                description: "memory of the fleet, sequence numbers, evidence",
                sql: include_str!(concat!("../migrations/", $engine, "/0001_memory.sql")),
            },
            SchemaStep {
                version: 2,
                description: "payments, nonces, sums",
                sql: include_str!(concat!("../migrations/", $engine, "/0002_payments.sql")),
            },
            SchemaStep {
                version: 3,
                description: "durations of segments",
                sql: include_str!(concat!("../migrations/", $engine, "/0003_durations.sql")),
            },
            SchemaStep {
                version: 4,
                description: "spending before the minutes that are kept",
                sql: include_str!(concat!("../migrations/", $engine, "/0004_spent_before.sql")),
            },
        ]
    };
}

/// The steps for SQLite, in order.
pub(crate) const SQLITE: [SchemaStep; 4] = steps!("sqlite");

/// The steps for Postgres, in order.
pub(crate) const POSTGRES: [SchemaStep; 4] = steps!("postgres");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_count_up_from_one() {
        for steps in [&SQLITE[..], &POSTGRES[..]] {
            let versions: Vec<_> = steps.iter().map(|step| step.version).collect();
            let expected: Vec<_> = (1..).take(steps.len()).collect();
            assert_eq!(versions, expected);
        }
    }
}

//! What a connection is told first, and the ledger's lock.

use sqlx::{PgConnection, Row as _};

use super::EngineError;

/// Half of the lock's name; the other half is the ledger's table. `headg`, less its last bits.
const LOCK: i32 = 0x4865_6164;
/// The server's word for a lock that someone else has.
const NOT_AVAILABLE: &str = "55P03";
/// The settings of a connection, where the server knows them. A gateway whose machine is gone must not
/// keep the ledger for the two hours after which a server would ask on its own, and a commit that is told
/// has to be on disk.
const SETTINGS: &str = "SELECT set_config(wanted.name, wanted.setting, FALSE) FROM (VALUES \
     ('tcp_keepalives_idle', '10'), ('tcp_keepalives_interval', '5'), ('tcp_keepalives_count', '3'), \
     ('client_connection_check_interval', '2000'), \
     ('idle_in_transaction_session_timeout', '30000'), \
     ('lock_timeout', '2000'), ('synchronous_commit', 'on')) AS wanted (name, setting) \
     JOIN pg_settings ON pg_settings.name = wanted.name \
     WHERE wanted.name <> 'synchronous_commit' OR pg_settings.setting = 'off'";

/// Sets a new connection up.
pub(super) async fn set_up(connection: &mut PgConnection) -> Result<(), EngineError> {
    sqlx::query(SETTINGS).persistent(false).fetch_all(connection).await?;
    Ok(())
}

/// Refuses a server that can't keep what is told to it.
pub(super) async fn check(connection: &mut PgConnection) -> Result<(), EngineError> {
    let row = sqlx::query(
        "SELECT current_setting('server_encoding'), current_setting('fsync'), pg_is_in_recovery()",
    )
    .persistent(false)
    .fetch_one(connection)
    .await?;
    let (encoding, fsync): (String, String) = (row.try_get(0)?, row.try_get(1)?);
    if encoding != "UTF8" {
        return Err(EngineError::Other(format!("the database's encoding is {encoding}, not UTF8")));
    }
    if fsync != "on" {
        tracing::warn!(
            "the store's server has fsync off: what it keeps may not survive its machine"
        );
    }
    Ok(())
}

/// Takes the ledger's lock, for as long as the connection lasts.
pub(super) async fn lock_ledger(connection: &mut PgConnection) -> Result<(), EngineError> {
    let locked = sqlx::query("SELECT pg_advisory_lock($1, 'payment'::regclass::oid::int4)")
        .persistent(false)
        .bind(LOCK)
        .execute(connection)
        .await;
    match locked {
        Ok(_) => Ok(()),
        Err(error) => {
            let code = error.as_database_error().and_then(|error| error.code());
            let taken = code.is_some_and(|code| code == NOT_AVAILABLE);
            Err(if taken { EngineError::LedgerTaken } else { error.into() })
        }
    }
}

/// Begins a new term of the ledger, or goes on in the one that is known.
pub(super) async fn enter_term(
    connection: &mut PgConnection,
    known: Option<i64>,
) -> Result<i64, EngineError> {
    let sql = match known {
        None => "UPDATE ledger_term SET term = term + 1 RETURNING term",
        Some(_) => "SELECT term FROM ledger_term",
    };
    let row = sqlx::query(sql).persistent(false).fetch_one(connection).await?;
    let term = row.try_get(0)?;
    match known {
        Some(known) if known != term => Err(EngineError::LedgerMoved),
        _ => Ok(term),
    }
}

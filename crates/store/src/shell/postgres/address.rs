//! Where a server is, and how to get in.

use std::fmt;

use sqlx::postgres::PgConnectOptions;

use crate::error::{StoreError, StorePlace};

/// Options that a URL may have. Of another one the driver would log the value, whatever it is.
const OPTIONS: [&str; 16] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "options",
];

/// A server's address, without its password where it is shown.
#[derive(Clone)]
pub(in crate::shell) struct ServerAddress {
    options: PgConnectOptions,
    place: StorePlace,
}

impl ServerAddress {
    /// Reads `postgres://USER:PASSWORD@HOST:PORT/DATABASE`.
    ///
    /// # Errors
    /// When it is no such URL. The error does not repeat it: it may hold a password.
    pub(in crate::shell) fn new(url: &str) -> Result<Self, StoreError> {
        let scheme = ["postgres://", "postgresql://"];
        if !scheme.iter().any(|scheme| url.starts_with(scheme)) {
            return Err(StoreError::Url("it does not begin with postgres://"));
        }
        let query = url.split_once('?').map_or("", |(_, query)| query);
        let names = query.split(['&', '#']).filter(|pair| !pair.is_empty());
        let mut names = names.map(|pair| pair.split_once('=').map_or(pair, |(name, _)| name));
        if !names.all(|name| OPTIONS.contains(&name)) {
            return Err(StoreError::Url("it has an option that is not known"));
        }
        let options: PgConnectOptions =
            url.parse().map_err(|_| StoreError::Url("a part of it is not what its place says"))?;
        let host = options
            .get_socket()
            .map_or_else(|| options.get_host().to_owned(), |socket| socket.display().to_string());
        let (user, port) = (options.get_username(), options.get_port());
        let database = options.get_database().unwrap_or(user);
        let place = StorePlace::Server(format!("postgres://{user}@{host}:{port}/{database}"));
        Ok(Self { options: options.application_name("headgate"), place })
    }

    /// What connects to it.
    pub(super) const fn options(&self) -> &PgConnectOptions {
        &self.options
    }

    /// What may be shown of it.
    pub(super) const fn place(&self) -> &StorePlace {
        &self.place
    }
}

impl fmt::Debug for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.place.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        for url in [
            "postgres://me:hunter2@db.example:5433/ledger?sslmode=require",
            "postgresql://me@db.example:5433/ledger?password=hunter2",
        ] {
            let address = ServerAddress::new(url).unwrap();
            let shown = format!("{address:?} {}", address.place());
            assert!(shown.contains("me@db.example:5433/ledger"), "{shown}");
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_without_being_repeated() {
        for url in [
            "hunter2",
            "mysql://me:hunter2@db.example/ledger",
            "postgres://me:hunter2@db.example:port/ledger",
            "postgres://me@db.example/ledger?sslmode=hunter2",
            "postgres://me@db.example/ledger?pasword=hunter2",
            "postgres://me@db.example/ledger?sslmode=require#hunter2",
        ] {
            let refused = ServerAddress::new(url).unwrap_err();
            assert!(matches!(refused, StoreError::Url(_)), "{url}");
            assert!(!format!("{refused} {refused:?}").contains("hunter2"), "{refused:?}");
        }
    }
}

//! The settings that flags add up to, and the file they make.

use std::net::{Ipv4Addr, SocketAddr};

use toml::{Table, Value};
use url::Url;

use super::payment::{PaymentDraft, PaymentFlags};

/// go-livepeer's ports, on loopback.
pub(super) const RTMP_PORT: u16 = 1935;
pub(super) const HTTP_PORT: u16 = 9935;
pub(super) const ADMIN_PORT: u16 = 5935;
/// go-livepeer's limit of concurrent streams.
const MAX_SESSIONS: u32 = 10;

/// What the flags have said so far.
#[derive(Clone, Default)]
pub(super) struct Draft {
    pub(super) rtmp: Option<SocketAddr>,
    pub(super) http: Option<SocketAddr>,
    pub(super) admin: Option<SocketAddr>,
    pub(super) http_ingest: Option<bool>,
    pub(super) data_dir: Option<String>,
    pub(super) log_filter: Option<&'static str>,
    pub(super) auth_webhook: Option<Url>,
    /// Presets, or a path; read with the files at hand.
    pub(super) transcoding_options: Option<String>,
    /// What `transcoding_options` says, in the file's words.
    pub(super) ladder: Vec<Value>,
    pub(super) max_sessions: Option<u32>,
    /// Attempts for each segment; 0: nothing is transcoded.
    pub(super) attempts: Option<u32>,
    pub(super) orchestrators: Vec<String>,
    pub(super) discovery: Option<Url>,
    /// They are those registered on the chain.
    pub(super) registered: bool,
    pub(super) max_price_per_unit: Option<String>,
    pub(super) pixels_per_unit: Option<String>,
    /// What the two above say: `wei/pixels`.
    pub(super) max_price: Option<String>,
    pub(super) region: Option<String>,
    pub(super) payment_flags: PaymentFlags,
    /// What `payment_flags` says; `None`: nothing is paid.
    pub(super) payments: Option<PaymentDraft>,
}

/// Whether user, password and query of URLs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Secrets {
    /// For the gateway itself.
    Written,
    /// For people: `***` in their place.
    Hidden,
}

impl Draft {
    /// The file. Where the flags leave something to a default, it is go-livepeer's, so that what stands
    /// in front of the gateway finds it where it was. `is_open`: whether everybody may publish.
    pub(super) fn to_toml(&self, is_open: bool, secrets: Secrets) -> Table {
        let mut root = Table::new();
        if is_open {
            put(&mut root, "open", true);
        }
        if let Some(url) = &self.auth_webhook {
            put(&mut root, "auth_webhook", shown(url, secrets));
        }
        if let Some(data_dir) = &self.data_dir {
            put(&mut root, "data_dir", data_dir.as_str());
        }
        put(&mut root, "streams", i64::from(self.max_sessions.unwrap_or(MAX_SESSIONS)));
        if self.attempts == Some(0) || !self.knows_orchestrators() {
            put(&mut root, "transcode", false);
        }
        put(&mut root, "ladder", self.ladder.clone());
        for (section, addr, port) in [
            ("rtmp", self.rtmp, RTMP_PORT),
            ("http", self.http, HTTP_PORT),
            ("admin", self.admin, ADMIN_PORT),
        ] {
            let addr = addr.unwrap_or_else(|| (Ipv4Addr::LOCALHOST, port).into());
            put_in(&mut root, section, "addr", addr.to_string());
        }
        if self.http_ingest == Some(false) {
            put_in(&mut root, "push", "enabled", false);
        }
        if let Some(filter) = self.log_filter {
            put_in(&mut root, "log", "filter", filter);
        }
        if let Some(attempts) = self.attempts.filter(|attempts| *attempts > 0) {
            put_in(&mut root, "router", "attempts", i64::from(attempts));
        }
        if let Some(region) = &self.region {
            put_in(&mut root, "router", "region", region.as_str());
        }
        if let Some(payments) = &self.payments {
            put(&mut root, "payments", payments.to_toml(secrets));
        }
        if self.knows_orchestrators() {
            put(&mut root, "pool", vec![Value::Table(self.pool(secrets))]);
        }
        root
    }

    /// Whether there is anybody to transcode.
    pub(super) const fn knows_orchestrators(&self) -> bool {
        self.discovery.is_some() || !self.orchestrators.is_empty() || self.registered
    }

    fn pool(&self, secrets: Secrets) -> Table {
        let mut pool = Table::new();
        put(&mut pool, "name", "default");
        if let Some(price) = &self.max_price {
            put(&mut pool, "max_price", price.as_str());
        }
        if let Some(url) = &self.discovery {
            put(&mut pool, "webhook", shown(url, secrets));
            return pool;
        }
        if self.registered {
            put(&mut pool, "registered", true);
            return pool;
        }
        let one = |url: &String| {
            let mut orchestrator = Table::new();
            put(&mut orchestrator, "url", url.as_str());
            Value::Table(orchestrator)
        };
        put(&mut pool, "orchestrator", self.orchestrators.iter().map(one).collect::<Vec<_>>());
        pool
    }
}

/// A URL as text, without what may identify the gateway to its server.
fn shown(url: &Url, secrets: Secrets) -> String {
    let mut url = url.clone();
    if secrets == Secrets::Hidden {
        if !url.username().is_empty() || url.password().is_some() {
            // Can't fail for a URL that has a user.
            let hidden = url.set_username("***").and_then(|()| url.set_password(None));
            debug_assert!(hidden.is_ok(), "a URL with a user takes another");
        }
        if url.query().is_some() {
            url.set_query(Some("***"));
        }
    }
    url.into()
}

fn put(table: &mut Table, key: &str, value: impl Into<Value>) {
    table.insert(key.to_owned(), value.into());
}

fn put_in(root: &mut Table, section: &str, key: &str, value: impl Into<Value>) {
    let section = root.entry(section).or_insert_with(|| Value::Table(Table::new()));
    if let Value::Table(table) = section {
        put(table, key, value);
    }
}

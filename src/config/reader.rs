//! Reads a TOML table field by field and keeps every fault, so that all are reported at once.

use std::{fmt::Display, net::SocketAddr, time::Duration};

use toml::{Table, Value};

/// One thing wrong with the configuration: where, and what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Dotted path of the setting, such as `stream[0].playback_id`, or the flag's name.
    pub path: String,
    /// What is wrong with it. Never quotes a secret.
    pub problem: String,
}

impl Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.path, self.problem)
    }
}

/// Every fault found so far.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Fault>);

impl Faults {
    /// Notes a fault.
    pub(super) fn add(&mut self, path: impl Into<String>, problem: impl Display) {
        self.0.push(Fault { path: path.into(), problem: problem.to_string() });
    }

    /// Whether a fault of this setting is noted.
    #[must_use]
    pub(super) fn mentions(&self, path: &str) -> bool {
        self.0.iter().any(|fault| fault.path == path)
    }

    /// Whether a fault of this section, or of a setting in it, is noted.
    #[must_use]
    pub(super) fn mention_below(&self, section: &str) -> bool {
        let below = |path: &str| {
            path.strip_prefix(section).is_some_and(|it| it.is_empty() || it.starts_with('.'))
        };
        self.0.iter().any(|fault| below(&fault.path))
    }

    /// `Err` with all faults when there is any.
    ///
    /// # Errors
    /// The faults, in the order found.
    pub(super) fn into_result(self) -> Result<(), Vec<Fault>> {
        if self.0.is_empty() { Ok(()) } else { Err(self.0) }
    }
}

/// A table whose fields are taken one by one; what is left at the end is unknown.
#[derive(Debug)]
pub(super) struct Section {
    path: String,
    table: Table,
}

impl Section {
    /// The root table of a file.
    #[must_use]
    pub(super) const fn root(table: Table) -> Self {
        Self { path: String::new(), table }
    }

    /// A table found at `path`.
    #[must_use]
    pub(super) const fn at(path: String, table: Table) -> Self {
        Self { path, table }
    }

    /// The dotted path of a field of this section.
    #[must_use]
    pub(super) fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Takes a sub-table; an empty one when absent.
    pub(super) fn section(&mut self, key: &str, faults: &mut Faults) -> Self {
        let path = self.path_of(key);
        let table = match self.table.remove(key) {
            None => Table::new(),
            Some(Value::Table(table)) => table,
            Some(other) => {
                faults.add(path.clone(), format!("expected a table, found {}", other.type_str()));
                Table::new()
            }
        };
        Self { path, table }
    }

    /// Takes a sub-table that may be left out.
    pub(super) fn optional_section(&mut self, key: &str, faults: &mut Faults) -> Option<Self> {
        self.table.contains_key(key).then(|| self.section(key, faults))
    }

    /// Takes an array of tables (`[[key]]`).
    pub(super) fn sections(&mut self, key: &str, faults: &mut Faults) -> Vec<Self> {
        let path = self.path_of(key);
        let Some(value) = self.table.remove(key) else { return Vec::new() };
        let Value::Array(items) = value else {
            faults.add(path.clone(), format!("write [[{path}]] once for each"));
            return Vec::new();
        };
        let mut sections = Vec::with_capacity(items.len());
        for (index, item) in items.into_iter().enumerate() {
            let path = format!("{path}[{index}]");
            let found = item.type_str();
            if let Value::Table(table) = item {
                sections.push(Self { path, table });
            } else {
                faults.add(path, format!("expected a table, found {found}"));
            }
        }
        sections
    }

    /// Takes any value.
    pub(super) fn value(&mut self, key: &str) -> Option<Value> {
        self.table.remove(key)
    }

    /// Takes a string.
    pub(super) fn string(&mut self, key: &str, faults: &mut Faults) -> Option<String> {
        let value = self.table.remove(key)?;
        let Value::String(text) = value else {
            faults.add(self.path_of(key), format!("expected text, found {}", value.type_str()));
            return None;
        };
        Some(text)
    }

    /// Takes a list of texts, of which a single one may stand alone.
    pub(super) fn texts(
        &mut self,
        key: &str,
        of_what: &str,
        faults: &mut Faults,
    ) -> Option<Vec<String>> {
        let value = self.table.remove(key)?;
        let items = value.as_array().cloned().unwrap_or_else(|| vec![value]);
        let texts = items.iter().map(|item| item.as_str().map(str::to_owned));
        let texts: Option<Vec<_>> = texts.collect();
        if texts.is_none() {
            faults.add(self.path_of(key), format!("expected a list of {of_what}"));
        }
        texts
    }

    /// Takes a boolean.
    pub(super) fn boolean(&mut self, key: &str, faults: &mut Faults) -> Option<bool> {
        let value = self.table.remove(key)?;
        let answer = value.as_bool();
        if answer.is_none() {
            let found = value.type_str();
            faults.add(self.path_of(key), format!("expected true or false, found {found}"));
        }
        answer
    }

    /// Takes a whole number within `range`.
    pub(super) fn integer(
        &mut self,
        key: &str,
        range: std::ops::RangeInclusive<u32>,
        faults: &mut Faults,
    ) -> Option<u32> {
        let value = self.table.remove(key)?;
        let number = value.as_integer().and_then(|number| u32::try_from(number).ok());
        let number = number.filter(|number| range.contains(number));
        if number.is_none() {
            let (low, high) = (range.start(), range.end());
            faults.add(self.path_of(key), format!("expected a whole number from {low} to {high}"));
        }
        number
    }

    /// Takes a duration (`"500ms"`, `"2s"`, `"1m"`, or a number of seconds) within `range`.
    pub(super) fn duration(
        &mut self,
        key: &str,
        range: std::ops::RangeInclusive<Duration>,
        faults: &mut Faults,
    ) -> Option<Duration> {
        let value = self.table.remove(key)?;
        let parsed = match &value {
            Value::String(text) => parse_duration(text),
            Value::Integer(seconds) => u64::try_from(*seconds).ok().map(Duration::from_secs),
            Value::Float(_)
            | Value::Boolean(_)
            | Value::Datetime(_)
            | Value::Array(_)
            | Value::Table(_) => None,
        };
        let parsed = parsed.filter(|duration| range.contains(duration));
        if parsed.is_none() {
            let (low, high) = (range.start(), range.end());
            let problem = format!(
                "expected a duration from {low:?} to {high:?}, such as \"500ms\", \"2s\" or \"1m\""
            );
            faults.add(self.path_of(key), problem);
        }
        parsed
    }

    /// Takes a socket address, such as `127.0.0.1:8080` or `[::]:1935`.
    pub(super) fn address(&mut self, key: &str, faults: &mut Faults) -> Option<SocketAddr> {
        let path = self.path_of(key);
        parse_address(&self.string(key, faults)?, &path, faults)
    }

    /// Reports every field nobody took.
    pub(super) fn finish(self, faults: &mut Faults) {
        for key in self.table.keys() {
            faults.add(self.path_of(key), "unknown setting");
        }
    }
}

/// Parses `IP:PORT`, or `:PORT` for all interfaces.
pub(super) fn parse_address(text: &str, path: &str, faults: &mut Faults) -> Option<SocketAddr> {
    let whole = if text.starts_with(':') { format!("0.0.0.0{text}") } else { text.to_owned() };
    let whole = whole.replacen("localhost:", "127.0.0.1:", 1);
    let address = whole.parse().ok();
    if address.is_none() {
        faults.add(
            path,
            format!("{text:?} is not an address; write IP:PORT, such as 127.0.0.1:8080"),
        );
    }
    address
}

fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    match unit.trim() {
        "ms" => Some(Duration::from_millis(number)),
        "" | "s" => Some(Duration::from_secs(number)),
        "m" | "min" => number.checked_mul(60).map(Duration::from_secs),
        "h" => number.checked_mul(3_600).map(Duration::from_secs),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(text: &str) -> Section {
        Section::root(text.parse().unwrap())
    }

    #[test]
    fn keeps_every_fault_and_names_its_place() {
        let mut faults = Faults::default();
        let mut root = section("a = 1\nb = \"x\"\n[[s]]\nc = true\nd = 1\n");
        root.string("a", &mut faults);
        root.integer("b", 0..=9, &mut faults);
        for mut s in root.sections("s", &mut faults) {
            s.string("c", &mut faults);
            s.finish(&mut faults);
        }
        root.finish(&mut faults);
        let paths: Vec<_> = faults.into_result().unwrap_err().into_iter().map(|f| f.path).collect();
        assert_eq!(paths, ["a", "b", "s[0].c", "s[0].d"]);
    }

    #[test]
    fn durations_read_with_and_without_units() {
        assert_eq!(parse_duration("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(parse_duration("2 s"), Some(Duration::from_secs(2)));
        assert_eq!(parse_duration("3m"), Some(Duration::from_secs(180)));
        assert_eq!(parse_duration("18446744073709551615h"), None);
        assert_eq!(parse_duration("fast"), None);
    }

    #[test]
    fn an_address_may_leave_out_the_host() {
        let mut faults = Faults::default();
        assert_eq!(parse_address(":80", "x", &mut faults), "0.0.0.0:80".parse().ok());
        assert_eq!(parse_address("localhost:1", "x", &mut faults), "127.0.0.1:1".parse().ok());
        assert_eq!(parse_address("example:1", "x", &mut faults), None);
        assert!(faults.into_result().is_err());
    }
}

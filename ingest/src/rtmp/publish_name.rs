//! Where a publisher's URL keeps the stream key.
//!
//! Encoders split one URL into an application (`connect`) and a name (`publish`), each in its own way:
//!
//! | typed into the encoder | `app` | `publish` name | here: app, key |
//! |---|---|---|---|
//! | OBS: server `rtmp://h/live`, key `K?t=1` | `live` | `K?t=1` | `live`, `K`, query `t=1` |
//! | FFmpeg: `rtmp://h/live/K` | `live` | `K` | `live`, `K` |
//! | one URL field: `rtmp://h/live/K/` | `live/K` | (empty) | `live`, `K` |
//! | one URL field: `rtmp://h/K` | `K` | (empty) | (empty), `K` |
//! | go-livepeer: `rtmp://h/M/K` | `M` | `K` | `M`, `K` |
//! | go-livepeer, FFmpeg: `rtmp://h/live/M/K` | `live/M` | `K` | `live/M`, `K` |
//! | go-livepeer, OBS: server `rtmp://h/live`, key `M/K` | `live` | `M/K` | `live`, `M/K` |
//!
//! The two halves are handed on as they came, so that `app/key` is the same path in the last two
//! lines; what they stand for is Admission's to say.

/// An application and a publish name, taken apart.
#[derive(Clone, PartialEq, Eq)]
pub struct PublishName {
    /// Application without query, and without slashes at its ends.
    pub app: String,
    /// Publish name without query, and without slashes at its ends; empty when there is none.
    pub key: String,
    /// Query of the publish name, else of the application; without `?`.
    pub query: Option<String>,
}

impl std::fmt::Debug for PublishName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Both halves can hold the key.
        f.write_str("PublishName(***)")
    }
}

/// Takes application and publish name apart as the module's table shows.
#[must_use]
pub fn publish_name(app: &str, name: &str) -> PublishName {
    let (app, app_query) = split_query(app);
    let (name, name_query) = split_query(name);
    let (app, name) = (app.trim_matches('/'), name.trim_matches('/'));
    let (app, key) = match (name, app.rsplit_once('/')) {
        ("", Some((app, key))) => (app.trim_end_matches('/'), key),
        ("", None) => ("", app),
        (name, _) => (app, name),
    };
    PublishName {
        app: app.to_owned(),
        key: key.to_owned(),
        query: name_query.or(app_query).map(str::to_owned),
    }
}

fn split_query(text: &str) -> (&str, Option<&str>) {
    match text.split_once('?') {
        Some((path, "")) => (path, None),
        Some((path, query)) => (path, Some(query)),
        None => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table() {
        let split = |app, name| {
            let PublishName { app, key, query } = publish_name(app, name);
            (app, key, query)
        };
        let is = |app: &str, key: &str, query: Option<&str>| {
            (app.to_owned(), key.to_owned(), query.map(str::to_owned))
        };
        assert_eq!(split("live", "K?t=1"), is("live", "K", Some("t=1")));
        assert_eq!(split("live", "K"), is("live", "K", None));
        assert_eq!(split("live/K", ""), is("live", "K", None));
        assert_eq!(split("live/K/", "?"), is("live", "K", None));
        assert_eq!(split("K", ""), is("", "K", None));
        assert_eq!(split("M", "K"), is("M", "K", None));
        assert_eq!(split("live/M", "K"), is("live/M", "K", None));
        assert_eq!(split("live", "M/K"), is("live", "M/K", None));
        assert_eq!(split("/live/?token=x", "K"), is("live", "K", Some("token=x")));
        assert_eq!(split("", ""), is("", "", None));
    }
}

//! Sessions handed out, to tell stale tokens.

use std::collections::VecDeque;

use base64::{Engine, engine::general_purpose::STANDARD};
use http::HeaderMap;
use prost::Message;

use crate::proto::SegData;

/// Sessions remembered; the oldest go first.
const MAX_SESSIONS: usize = 1_024;

/// The ids of the sessions handed out since the tokens last went stale.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    fresh: VecDeque<String>,
}

impl Sessions {
    /// Remembers a session that was handed out.
    pub(crate) fn issued(&mut self, id: &str) {
        if self.fresh.len() == MAX_SESSIONS {
            self.fresh.pop_front();
        }
        self.fresh.push_back(id.to_owned());
    }

    /// Makes all tokens stale.
    pub(crate) fn forget(&mut self) {
        self.fresh.clear();
    }

    /// Whether the upload's token was handed out since. One that can't be read is the upstream's to
    /// refuse.
    pub(crate) fn is_fresh(&self, upload: &HeaderMap) -> bool {
        session_of(upload).is_none_or(|id| self.fresh.contains(&id))
    }
}

fn session_of(upload: &HeaderMap) -> Option<String> {
    Some(segment_data(upload)?.auth_token?.session_id)
}

/// What the header of an upload says of it.
pub(crate) fn segment_data(upload: &HeaderMap) -> Option<SegData> {
    let header = STANDARD.decode(upload.get("Livepeer-Segment")?).ok()?;
    SegData::decode(&*header).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::AuthToken;

    fn upload(session: &str) -> HeaderMap {
        let auth_token = AuthToken { session_id: session.into(), ..AuthToken::default() };
        let data = SegData { auth_token: Some(auth_token), ..SegData::default() };
        let header = STANDARD.encode(data.encode_to_vec());
        HeaderMap::from_iter([("livepeer-segment".parse().unwrap(), header.parse().unwrap())])
    }

    #[test]
    fn tokens_go_stale_and_new_ones_are_fresh() {
        let mut sessions = Sessions::default();
        sessions.issued("old");
        assert!(sessions.is_fresh(&upload("old")));
        sessions.forget();
        assert!(!sessions.is_fresh(&upload("old")));
        sessions.issued("new");
        assert!(sessions.is_fresh(&upload("new")));
        assert!(sessions.is_fresh(&HeaderMap::new()), "not ours to refuse");
    }

    #[test]
    fn memory_is_bounded() {
        let mut sessions = Sessions::default();
        for id in 0..=MAX_SESSIONS {
            sessions.issued(&id.to_string());
        }
        assert!(!sessions.is_fresh(&upload("0")));
        assert!(sessions.is_fresh(&upload("1")));
        assert_eq!(sessions.fresh.len(), MAX_SESSIONS);
    }
}

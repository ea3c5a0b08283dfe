//! What may be done to a session (RFC 9725 §4.3).

use media::Redacted;
use peers::{Credentials, Fragment};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::{Bearer, WhipRefusal};

/// What a PATCH does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PatchAction {
    /// Nothing: candidates of a client are of no use to an ICE-lite server.
    Candidates,
    /// ICE is restarted with the client's new credentials.
    Restart(Credentials),
    /// Nothing: ICE was restarted with these credentials last, and that restart's fragment is the answer
    /// once more. The client did not get it.
    AlreadyRestarted(Redacted<String>),
}

/// A session's part in HTTP: who may change it, and of which ICE session its requests speak.
#[derive(Debug)]
pub struct WhipSession {
    token: Option<[u8; 32]>,
    /// Of ICE sessions; the ETag is made of it.
    generation: u64,
    client: Credentials,
    /// What the last restart was answered with: our side of the ICE session.
    restart_answer: Option<Redacted<String>>,
}

impl WhipSession {
    /// A session that was asked for with this token, by a client with these ICE credentials.
    #[must_use]
    pub fn new(bearer: Option<&Bearer>, client: Credentials) -> Self {
        Self { token: bearer.map(digest), generation: 1, client, restart_answer: None }
    }

    /// The strong ETag of the ICE session.
    #[must_use]
    pub fn etag(&self) -> String {
        format!("\"ice-{}\"", self.generation)
    }

    /// Whether a request with this token may change the session. One that was asked for by the path alone
    /// has no token: its URL, which nobody else knows, has to do.
    ///
    /// # Errors
    /// `NotYours` when it may not.
    pub fn check(&self, bearer: Option<&Bearer>) -> Result<(), WhipRefusal> {
        let Some(wanted) = &self.token else { return Ok(()) };
        let given = bearer.map(digest).ok_or(WhipRefusal::NotYours)?;
        if bool::from(wanted.ct_eq(&given)) { Ok(()) } else { Err(WhipRefusal::NotYours) }
    }

    /// What a fragment does that came with this `If-Match`.
    ///
    /// # Errors
    /// When it speaks of another ICE session, or does not say of which.
    pub fn patch(
        &self,
        if_match: Option<&str>,
        fragment: Fragment,
    ) -> Result<PatchAction, WhipRefusal> {
        let same = fragment.credentials.as_ref() == Some(&self.client);
        let others = fragment.credentials.filter(|it| it.ufrag() != self.client.ufrag());
        let if_match = if_match.ok_or(WhipRefusal::NoIfMatch)?.trim();
        if if_match == "*" {
            let again = || self.restart_answer.clone().filter(|_| same);
            return others
                .map(PatchAction::Restart)
                .or_else(|| again().map(PatchAction::AlreadyRestarted))
                .ok_or(WhipRefusal::NothingToRestart);
        }
        let etag = self.etag();
        if !if_match.split(',').any(|one| one.trim() == etag) {
            return Err(WhipRefusal::Stale);
        }
        if others.is_some() {
            Err(WhipRefusal::RestartUnasked)
        } else {
            Ok(PatchAction::Candidates)
        }
    }

    /// ICE was restarted with these credentials, and answered with this fragment.
    pub fn restarted(&mut self, client: Credentials, answer: String) {
        self.generation += 1;
        self.client = client;
        self.restart_answer = Some(Redacted::new(answer));
    }
}

fn digest(bearer: &Bearer) -> [u8; 32] {
    Sha256::digest(bearer.expose().as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, header};

    use super::*;

    fn fragment(ufrag: &str) -> Fragment {
        let text = format!("a=ice-ufrag:{ufrag}\r\na=ice-pwd:0123456789abcdefghijkl\r\n");
        Fragment::parse(&text).unwrap()
    }

    fn bearer(token: &str) -> Option<Bearer> {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
        Bearer::of(&headers)
    }

    fn session(token: Option<&str>) -> WhipSession {
        let client = fragment("abcd").credentials.unwrap();
        WhipSession::new(token.and_then(bearer).as_ref(), client)
    }

    #[test]
    fn a_session_is_its_tokens() {
        let ours = session(Some("right"));
        assert_eq!(ours.check(bearer("right").as_ref()), Ok(()));
        assert_eq!(ours.check(bearer("wrong").as_ref()), Err(WhipRefusal::NotYours));
        assert_eq!(ours.check(None), Err(WhipRefusal::NotYours));
        assert_eq!(session(None).check(None), Ok(()));
    }

    #[test]
    fn candidates_need_the_etag_and_a_restart_the_star() {
        let mut session = session(None);
        let candidates = || Fragment::parse("a=end-of-candidates").unwrap();
        let first = session.etag();
        assert_eq!(session.patch(Some(&first), candidates()), Ok(PatchAction::Candidates));
        assert_eq!(session.patch(Some(&first), fragment("abcd")), Ok(PatchAction::Candidates));
        assert_eq!(session.patch(None, candidates()), Err(WhipRefusal::NoIfMatch));
        assert_eq!(session.patch(Some("\"x\""), candidates()), Err(WhipRefusal::Stale));
        assert_eq!(session.patch(Some("*"), candidates()), Err(WhipRefusal::NothingToRestart));
        assert_eq!(session.patch(Some("*"), fragment("abcd")), Err(WhipRefusal::NothingToRestart));
        assert_eq!(session.patch(Some(&first), fragment("wxyz")), Err(WhipRefusal::RestartUnasked));

        let new = fragment("wxyz").credentials.unwrap();
        assert_eq!(
            session.patch(Some("*"), fragment("wxyz")),
            Ok(PatchAction::Restart(new.clone()))
        );
        session.restarted(new, "ours".to_owned());
        assert_ne!(session.etag(), first);
        assert_eq!(session.patch(Some(&first), candidates()), Err(WhipRefusal::Stale));
        let both = format!("{first}, {}", session.etag());
        assert_eq!(session.patch(Some(&both), candidates()), Ok(PatchAction::Candidates));
    }
    #[test]
    fn a_restart_whose_answer_was_lost_is_answered_again() {
        let mut session = session(None);
        session.restarted(fragment("wxyz").credentials.unwrap(), "ours".to_owned());
        let etag = session.etag();
        let again = PatchAction::AlreadyRestarted(Redacted::new("ours".to_owned()));
        assert_eq!(session.patch(Some("*"), fragment("wxyz")), Ok(again));
        assert_eq!(session.etag(), etag);
        // Neither another password nor none is that restart, and older credentials are another one.
        let text = "a=ice-ufrag:wxyz\r\na=ice-pwd:0123456789abcdefghijklm\r\n";
        let other = Fragment::parse(text).unwrap();
        assert_eq!(session.patch(Some("*"), other), Err(WhipRefusal::NothingToRestart));
        let none = Fragment::parse("a=end-of-candidates").unwrap();
        assert_eq!(session.patch(Some("*"), none), Err(WhipRefusal::NothingToRestart));
        let old = fragment("abcd").credentials.unwrap();
        assert_eq!(session.patch(Some("*"), fragment("abcd")), Ok(PatchAction::Restart(old)));
    }
}

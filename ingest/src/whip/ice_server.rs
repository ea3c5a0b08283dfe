//! Servers that help clients find a way (RFC 9725 §4.6).

use std::fmt::Write as _;

use media::Redacted;

/// A STUN or TURN server that clients are told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IceServer {
    /// `stun:`, `turn:` or `turns:` URL (RFC 7064, RFC 7065).
    pub url: String,
    /// User name and password of a TURN server. Every publisher is told them.
    pub credential: Option<(String, Redacted<String>)>,
}

impl IceServer {
    /// As the value of a `Link` header field. `None` when what it holds can't stand in one.
    #[must_use]
    pub fn link(&self) -> Option<String> {
        let plain = |text: &str| {
            text.bytes().all(|byte| (b' '..=b'~').contains(&byte) && !b"\"\\<>".contains(&byte))
        };
        let mut link = format!("<{}>; rel=\"ice-server\"", self.url);
        let mut fits = plain(&self.url);
        if let Some((username, password)) = &self.credential {
            fits &= plain(username) && plain(password.expose());
            // Writing to a string can't fail.
            let _written = write!(
                link,
                "; username=\"{username}\"; credential=\"{}\"; credential-type=\"password\"",
                password.expose()
            );
        }
        fits.then_some(link)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_told_as_links() {
        let stun = IceServer { url: "stun:stun.example.net".to_owned(), credential: None };
        assert_eq!(stun.link().unwrap(), "<stun:stun.example.net>; rel=\"ice-server\"");
        let credential = Some(("u".to_owned(), Redacted::new("p".to_owned())));
        let turn = IceServer { url: "turn:turn.example.net?transport=udp".to_owned(), credential };
        assert_eq!(
            turn.link().unwrap(),
            "<turn:turn.example.net?transport=udp>; rel=\"ice-server\"; username=\"u\"; \
             credential=\"p\"; credential-type=\"password\""
        );
        assert!(
            IceServer { url: "stun:x>\r\nSet-Cookie: a".to_owned(), credential: None }
                .link()
                .is_none()
        );
    }
}

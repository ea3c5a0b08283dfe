//! Binding requests (RFC 8489), as far as routing needs them.

const HEADER: usize = 20;
const BINDING_REQUEST: [u8; 2] = [0, 1];
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];
const USERNAME: u16 = 0x0006;
/// Longest user name (RFC 8489 §14.3): two fragments of 256, and a colon.
const USERNAME_MAX: usize = 513;

/// Our half of the user name of a binding request (RFC 8445 §7.2.2): what stands before the colon.
/// `None` for anything else. Integrity is checked by the peer that it is routed to.
pub(crate) fn local_ufrag(datagram: &[u8]) -> Option<&str> {
    let (header, mut attributes) = datagram.split_at_checked(HEADER)?;
    let length = usize::from(be16(header.get(2..4)?)?);
    let fits = length == attributes.len() && length.is_multiple_of(4);
    if !header.starts_with(&BINDING_REQUEST) || header.get(4..8)? != MAGIC_COOKIE || !fits {
        return None;
    }
    loop {
        let (head, rest) = attributes.split_at_checked(4)?;
        let length = usize::from(be16(head.get(2..4)?)?);
        let value = rest.get(..length)?;
        if be16(head.get(..2)?)? == USERNAME {
            let text = std::str::from_utf8(value).ok().filter(|it| it.len() <= USERNAME_MAX)?;
            return text.split_once(':').map(|(local, _)| local);
        }
        attributes = rest.get(length.next_multiple_of(4)..)?;
    }
}

fn be16(bytes: &[u8]) -> Option<u16> {
    bytes.try_into().ok().map(u16::from_be_bytes)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A binding request with this user name, after an attribute of odd length.
    pub(crate) fn request(username: &str) -> Vec<u8> {
        let mut body = vec![0x80, 0x22, 0, 3, b'a', b'b', b'c', 0];
        body.extend(USERNAME.to_be_bytes());
        body.extend(u16::try_from(username.len()).unwrap().to_be_bytes());
        body.extend(username.as_bytes());
        body.resize(body.len().next_multiple_of(4), 0);
        let mut datagram = vec![0, 1];
        datagram.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
        datagram.extend(MAGIC_COOKIE);
        datagram.extend([7; 12]);
        datagram.extend(body);
        datagram
    }

    #[test]
    fn a_request_is_known_by_our_half_of_its_user_name() {
        assert_eq!(local_ufrag(&request("ours:theirs")), Some("ours"));
        assert_eq!(local_ufrag(&request("ours")), None);
        let mut response = request("ours:theirs");
        response[0] = 1;
        assert_eq!(local_ufrag(&response), None);
    }

    #[test]
    fn no_prefix_of_a_request_is_one() {
        let whole = request("ours:theirs");
        for length in 0..whole.len() {
            assert_eq!(local_ufrag(&whole[..length]), None, "{length} bytes");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read(bytes: Vec<u8>, at in 0_usize..80, byte: u8) {
            local_ufrag(&bytes);
            let mut changed = request("ours:theirs");
            if let Some(place) = changed.get_mut(at) { *place = byte; }
            local_ufrag(&changed);
        }
    }
}

//! The frame around the one message of a unary gRPC call.

use bytes::{BufMut, Bytes, BytesMut};

/// One byte of compression, four of length.
const PREFIX: usize = 5;

/// Takes the message out of its frame. `None` when it is compressed, cut short or not alone.
pub(crate) fn unframe(body: &Bytes) -> Option<Bytes> {
    let [compressed, a, b, c, d] = *body.first_chunk::<PREFIX>()?;
    let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).ok()?;
    (compressed == 0 && body.len() - PREFIX == length).then(|| body.slice(PREFIX..))
}

/// Frames a message. `None` when it is too long.
pub(crate) fn frame(message: &[u8]) -> Option<Bytes> {
    let mut body = BytesMut::with_capacity(PREFIX + message.len());
    body.put_u8(0);
    body.put_u32(u32::try_from(message.len()).ok()?);
    body.extend_from_slice(message);
    Some(body.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_framed_message_is_found_again() {
        let framed = frame(b"message").unwrap();
        assert_eq!(&*framed, b"\0\0\0\0\x07message");
        assert_eq!(unframe(&framed).unwrap(), "message");
        assert_eq!(unframe(&frame(b"").unwrap()).unwrap(), "");
    }

    #[test]
    fn odd_frames_are_refused() {
        for odd in [&b""[..], b"\0\0\0\0", b"\0\0\0\0\x02a", b"\0\0\0\0\x01ab", b"\x01\0\0\0\x01a"]
        {
            assert_eq!(unframe(&Bytes::from_static(odd)), None, "{odd:?}");
        }
    }
}

//! Ethereum's Keccak-256, over bytes in pieces.

use std::fmt;

use media::Chain;
use sha3::{Digest, Keccak256};

/// A Keccak-256 digest.
pub(crate) type Hash = [u8; 32];

/// Digest of the pieces as if they were one.
#[cfg(test)]
pub(crate) fn keccak_of(chain: &Chain) -> Hash {
    BodyHash::default().finish(chain)
}

/// The hash of a body's beginning, to go on from: a body can be hashed while it comes into being.
#[derive(Clone, Default)]
pub struct BodyHash {
    state: Keccak256,
    len: usize,
}

impl BodyHash {
    /// Takes the body's next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.state.update(bytes);
        self.len += bytes.len();
    }

    /// Bytes taken.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether no byte was taken.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The digest of the whole body, whose beginning was taken.
    #[must_use]
    pub fn finish(self, body: &Chain) -> [u8; 32] {
        let Self { mut state, len: mut taken } = self;
        for piece in body {
            let rest = piece.get(taken..).unwrap_or_default();
            taken = taken.saturating_sub(piece.len());
            state.update(rest);
        }
        state.finalize().into()
    }
}

impl fmt::Debug for BodyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BodyHash").field("len", &self.len).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn pieces_hash_like_the_whole() {
        let known = "5fe7452c698fde6fe0496780c2076883d5d2712f16c3838c54b0dd89c9902cd5";
        let whole = Chain::from(Bytes::from_static(b"segment-bytes"));
        let pieces =
            Chain::from_iter([Bytes::from_static(b"segment"), Bytes::from_static(b"-bytes")]);
        assert_eq!(hex::encode(keccak_of(&whole)), known);
        assert_eq!(keccak_of(&whole), keccak_of(&pieces));
    }

    #[test]
    fn a_hash_goes_on_from_any_beginning() {
        let pieces = [&b"segment"[..], b"-by", b"tes"].map(Bytes::from_static);
        let body = Chain::from_iter(pieces);
        let whole = body.to_contiguous();
        for taken in 0..=whole.len() {
            let mut hash = BodyHash::default();
            hash.update(&whole[..taken]);
            assert_eq!((hash.len(), hash.is_empty()), (taken, taken == 0));
            assert_eq!(hash.finish(&body), keccak_of(&body), "{taken} bytes taken");
        }
    }

    #[test]
    fn nothing_hashes_to_the_networks_empty_segment() {
        let known = "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470";
        assert_eq!(hex::encode(keccak_of(&Chain::new())), known);
    }

    /// Profile ids of livepeer-wire §3.3: the first four bytes of the digest of the name.
    #[test]
    fn preset_names_have_the_networks_ids() {
        let table = [
            ("P720p60fps16x9", "a7ac137a"),
            ("P720p30fps16x9", "49d54ea9"),
            ("P720p25fps16x9", "e4a64019"),
            ("P720p30fps4x3", "79332fe7"),
            ("P576p30fps16x9", "5ecf4b52"),
            ("P576p25fps16x9", "8b1843d6"),
            ("P360p30fps16x9", "93c717e7"),
            ("P360p25fps16x9", "7cd40fc7"),
            ("P360p30fps4x3", "b60382a0"),
            ("P240p30fps16x9", "c0a6517a"),
            ("P240p25fps16x9", "1301a7d0"),
            ("P240p30fps4x3", "d435c53a"),
            ("P144p30fps16x9", "fca40bf9"),
            ("P144p25fps16x9", "03f01d1f"),
        ];
        for (name, id) in table {
            let digest = keccak_of(&Chain::from(Bytes::from_static(name.as_bytes())));
            assert_eq!(hex::encode(&digest[..4]), id, "{name}");
        }
    }
}

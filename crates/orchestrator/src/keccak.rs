//! Ethereum's Keccak-256, over bytes in pieces.

use media::Chain;
use sha3::{Digest, Keccak256};

/// A Keccak-256 digest.
pub(crate) type Hash = [u8; 32];

/// Digest of the pieces as if they were one.
pub(crate) fn keccak_of(chain: &Chain) -> Hash {
    let mut state = Keccak256::new();
    for piece in chain {
        state.update(piece);
    }
    state.finalize().into()
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

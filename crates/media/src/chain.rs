//! Bytes in several pieces.

use std::fmt;

use bytes::Bytes;

/// A run of bytes held as a chain of shared pieces, so that it can be assembled without copying.
///
/// Cloning costs one reference count per piece. Pieces are never empty.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Chain {
    first: Bytes,
    rest: Vec<Bytes>,
    len: usize,
}

impl Chain {
    /// An empty chain.
    #[must_use]
    pub const fn new() -> Self {
        Self { first: Bytes::new(), rest: Vec::new(), len: 0 }
    }

    /// An empty chain with room for `pieces` pieces.
    #[must_use]
    pub fn with_capacity(pieces: usize) -> Self {
        Self { first: Bytes::new(), rest: Vec::with_capacity(pieces.saturating_sub(1)), len: 0 }
    }

    /// Appends one piece; an empty one is left out.
    pub fn push(&mut self, piece: Bytes) {
        if piece.is_empty() {
            return;
        }
        if self.len == 0 {
            self.len = piece.len();
            self.first = piece;
        } else {
            self.len += piece.len();
            self.rest.push(piece);
        }
    }

    /// Appends every piece of `other`.
    pub fn append(&mut self, other: &Self) {
        self.rest.reserve(other.piece_count());
        for piece in other {
            self.push(piece.clone());
        }
    }

    /// Total length in bytes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether it holds no byte.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many pieces it holds.
    #[must_use]
    pub fn piece_count(&self) -> usize {
        if self.is_empty() { 0 } else { 1 + self.rest.len() }
    }

    /// Its pieces, in order.
    pub fn pieces(&self) -> impl Iterator<Item = &Bytes> + '_ {
        std::iter::once(&self.first).filter(|piece| !piece.is_empty()).chain(&self.rest)
    }

    /// Its bytes, one by one, in order.
    pub fn bytes(&self) -> impl Iterator<Item = u8> + '_ {
        self.pieces().flat_map(|piece| piece.iter().copied())
    }

    /// The whole run as one `Bytes`: free when there is a single piece, a copy otherwise.
    ///
    /// Not for the media path; for parsers of bytes that came from elsewhere, and for tests.
    #[must_use]
    pub fn to_contiguous(&self) -> Bytes {
        if self.rest.is_empty() {
            return self.first.clone();
        }
        let mut whole = Vec::with_capacity(self.len);
        for piece in self {
            whole.extend_from_slice(piece);
        }
        Bytes::from(whole)
    }
}

impl From<Bytes> for Chain {
    fn from(piece: Bytes) -> Self {
        let mut chain = Self::new();
        chain.push(piece);
        chain
    }
}

impl FromIterator<Bytes> for Chain {
    fn from_iter<I: IntoIterator<Item = Bytes>>(pieces: I) -> Self {
        let mut chain = Self::new();
        chain.extend(pieces);
        chain
    }
}

impl Extend<Bytes> for Chain {
    fn extend<I: IntoIterator<Item = Bytes>>(&mut self, pieces: I) {
        for piece in pieces {
            self.push(piece);
        }
    }
}

impl<'a> IntoIterator for &'a Chain {
    type Item = &'a Bytes;
    type IntoIter = std::iter::Chain<std::option::IntoIter<&'a Bytes>, std::slice::Iter<'a, Bytes>>;

    fn into_iter(self) -> Self::IntoIter {
        let first = (!self.first.is_empty()).then_some(&self.first);
        first.into_iter().chain(self.rest.iter())
    }
}

impl IntoIterator for Chain {
    type Item = Bytes;
    type IntoIter = std::iter::Chain<std::option::IntoIter<Bytes>, std::vec::IntoIter<Bytes>>;

    fn into_iter(self) -> Self::IntoIter {
        let first = (!self.first.is_empty()).then_some(self.first);
        first.into_iter().chain(self.rest)
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Chain({} bytes in {} pieces)", self.len, self.piece_count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_keep_their_address_and_order() {
        let (a, b) = (Bytes::from(vec![1, 2]), Bytes::from(vec![3]));
        let addresses = [a.as_ptr(), b.as_ptr()];
        let chain: Chain = [a, Bytes::new(), b].into_iter().collect();
        assert_eq!(chain.len(), 3);
        assert_eq!(chain.piece_count(), 2);
        assert_eq!(chain.pieces().map(|piece| piece.as_ptr()).collect::<Vec<_>>(), addresses);
        assert_eq!(chain.to_contiguous(), Bytes::from_static(&[1, 2, 3]));
    }

    #[test]
    fn empty_chain_has_no_piece() {
        let chain: Chain = [Bytes::new()].into_iter().collect();
        assert!(chain.is_empty());
        assert_eq!(chain.into_iter().count(), 0);
    }

    #[test]
    fn append_shares_the_pieces() {
        let mut chain = Chain::from(Bytes::from(vec![9]));
        let other = Chain::from(Bytes::from(vec![8, 7]));
        chain.append(&other);
        assert_eq!(chain.bytes().collect::<Vec<_>>(), [9, 8, 7]);
        assert_eq!(
            chain.pieces().nth(1).map(|p| p.as_ptr()),
            other.pieces().next().map(|p| p.as_ptr())
        );
    }
}

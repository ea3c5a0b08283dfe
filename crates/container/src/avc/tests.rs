use bytes::Bytes;
use proptest::prelude::*;

use super::*;

fn bytes(data: &[u8]) -> Bytes {
    Bytes::copy_from_slice(data)
}

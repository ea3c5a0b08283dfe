use bytes::Bytes;
use proptest::prelude::*;

use super::*;

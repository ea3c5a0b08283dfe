//! Access units to GOP-aligned segments, without copying them.

//! FLV, MPEG-TS and CMAF readers and writers, and codec parameter sets; bytes in, bytes out.

//! Wire to access units: RTMP sessions, admission, and the clock that repairs publishers' timestamps.

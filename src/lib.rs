//! Headgate: a live video gateway.

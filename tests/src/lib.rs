//! End-to-end and live tests, fixtures, snapshots and benches.

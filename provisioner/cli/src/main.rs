//! Brings a lost or breached environment back.

fn main() {}

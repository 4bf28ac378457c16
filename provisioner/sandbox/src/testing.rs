//! Single servers for tests.

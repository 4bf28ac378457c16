//! The environment's schema, loading and validation.

//! Seeds the new generation from a verified backup.

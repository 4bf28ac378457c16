//! Streaming verification of backups.

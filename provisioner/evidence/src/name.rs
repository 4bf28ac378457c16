//! Names of entries: relative paths that mean the same everywhere.

use crate::{MANIFEST, SIGNATURE};

/// Bytes a name may have.
const LONGEST: usize = 512;
/// Bytes a part of a name may have; file systems take 255.
const LONGEST_PART: usize = 200;
/// Parts a name may have.
const DEEPEST: usize = 16;

/// Why a text is no name of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Leads out of the bundle, or could be read as doing so.
    #[error("leads out of the bundle")]
    Traversal,
    /// Characters other than ASCII letters, digits and `._@=+,:~-/`.
    #[error("has characters other than ASCII letters, digits and `._@=+,:~-/`")]
    Characters,
    /// Too long or too deep.
    #[error("has more than 512 bytes, 16 parts or 200 bytes in a part")]
    Length,
    /// Empty, or with an empty part.
    #[error("is empty or has an empty part")]
    Empty,
    /// The manifest's or the signature's.
    #[error("is kept for the bundle itself")]
    Reserved,
}

pub(crate) fn check(name: &str) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if name.starts_with('/') || name.contains('\\') || name.split('/').any(|part| part == "..") {
        return Err(NameError::Traversal);
    }
    if name.len() > LONGEST
        || name.split('/').count() > DEEPEST
        || name.split('/').any(|part| part.len() > LONGEST_PART)
    {
        return Err(NameError::Length);
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._@=+,:~-/".contains(&byte);
    if !name.bytes().all(allowed) {
        return Err(NameError::Characters);
    }
    if name.split('/').any(|part| part.is_empty() || part == ".") {
        return Err(NameError::Empty);
    }
    let first = name.split('/').next().unwrap_or(name);
    let kept = [MANIFEST, SIGNATURE]
        .iter()
        .any(|kept| first.to_ascii_lowercase().starts_with(kept));
    if kept {
        return Err(NameError::Reserved);
    }
    Ok(())
}

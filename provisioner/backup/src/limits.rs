//! How much a backup may cost to check.
//!
//! Backups come out of a storage an intruder may have written to, so every amount of memory and work is bounded
//! before the first byte is read. Reaching a bound is a finding that rejects the backup, never an abort.

/// Bounds on the resources one verification may use. Sizes are bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The stored object.
    pub stored_bytes: u64,
    /// The chain text after decryption and decompression.
    pub plain_bytes: u64,
    /// Plain bytes for each stored byte, checked once `ratio_grace` plain bytes have come out. Deflate reaches 1032.
    pub ratio: u64,
    /// Plain bytes that are not subject to `ratio`; small files of one repeated letter are no bomb.
    pub ratio_grace: u64,
    /// One entry, or any other single string, number or scalar field, as written in the file.
    pub entry_bytes: usize,
    /// The canonical text of one entry. Escaping makes text up to six times longer.
    pub canonical_bytes: usize,
    /// Members of the objects that are open at the same time inside one entry.
    pub members: usize,
    /// Bytes moved to bring the keys of one entry in order; deep unordered nesting is quadratic without it.
    pub sort_bytes: u64,
    /// Objects and arrays within each other inside one value. The application's own reader stops near 1,000.
    pub depth: usize,
    /// White space in one place between two tokens.
    pub whitespace_bytes: u64,
    /// Name, comment and extra field of one gzip member.
    pub gzip_header_bytes: usize,
    /// Members of a gzip file.
    pub gzip_members: u64,
    /// Findings kept for each code; the rest are only counted.
    pub findings_per_code: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            stored_bytes: 1 << 40,
            plain_bytes: 1 << 40,
            ratio: 200,
            ratio_grace: 1 << 20,
            entry_bytes: 2 << 20,
            canonical_bytes: 6 << 20,
            members: 256 << 10,
            sort_bytes: 64 << 20,
            depth: 1_000,
            whitespace_bytes: 1 << 20,
            gzip_header_bytes: 256 << 10,
            gzip_members: 1 << 20,
            findings_per_code: 8,
        }
    }
}

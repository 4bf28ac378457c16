//! The codes of findings: one place that says what each means, how much it weighs and what to do.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::finding::Severity;

/// Declares the codes once, so that the enum, the table in the documentation and the hints can't drift apart.
macro_rules! codes {
    ($($code:ident $name:literal $severity:ident $meaning:literal $hint:literal)*) => {
        /// What kind of remark a finding is. The names are stable.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        pub enum Code {
            $(#[doc = $meaning] #[serde(rename = $name)] $code,)*
        }

        impl Code {
            /// Every code, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$code,)*];

            /// The stable name, as in JSON.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$code => $name,)* }
            }

            /// How much a finding of this code weighs.
            #[must_use]
            pub const fn severity(self) -> Severity {
                match self { $(Self::$code => Severity::$severity,)* }
            }

            /// What the code means.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$code => $meaning,)* }
            }

            /// What an operator should do.
            #[must_use]
            pub const fn hint(self) -> &'static str {
                match self { $(Self::$code => $hint,)* }
            }
        }
    };
}

codes! {
    ObjectEmpty "object-empty" Error
        "The object holds no bytes."
        "Take another backup; the application would start a fresh chain over this one."
    GzipHeaderInvalid "gzip-header-invalid" Error
        "A gzip member's header can't be read."
        "Take another backup."
    GzipReservedFlags "gzip-reserved-flags" Error
        "A gzip header sets flag bits that RFC 1952 reserves; no writer in use does."
        "Take another backup and look at who wrote this one."
    GzipMethodUnknown "gzip-method-unknown" Error
        "A gzip header names a compression method other than deflate."
        "Take another backup."
    GzipHeaderChecksumMismatch "gzip-header-checksum-mismatch" Error
        "The CRC-16 of a gzip header is wrong."
        "Take another backup."
    GzipHeaderFields "gzip-header-fields" Note
        "A gzip header carries an extra field or a comment, which the application never writes."
        "Nothing needs doing; look at it if the file's origin is in doubt."
    GzipTruncated "gzip-truncated" Error
        "The gzip stream ends in the middle."
        "Take another backup; the upload was probably cut."
    GzipDataCorrupt "gzip-data-corrupt" Error
        "The compressed data can't be decompressed."
        "Take another backup."
    GzipChecksumMismatch "gzip-checksum-mismatch" Error
        "The CRC-32 of a gzip member is wrong."
        "Take another backup."
    GzipLengthMismatch "gzip-length-mismatch" Error
        "The length a gzip member states is not the length it has."
        "Take another backup."
    GzipTrailingData "gzip-trailing-data" Warning
        "Bytes that are not gzip follow the last member."
        "Find out who appended them, or take another backup."
    GzipZeroPadding "gzip-zero-padding" Note
        "Zero bytes pad the file after the last member, as tape and block devices do."
        "Nothing needs doing."
    EncryptionLeadingData "encryption-leading-data" Warning
        "Something stands in front of the `ENC:1:` mark; the application can't read such a file."
        "Find out who changed the file, or take another backup."
    EncryptionGarbage "encryption-garbage" Warning
        "Characters outside the base64 alphabet are mixed into the encrypted text, where decoders skip them."
        "Find out who changed the file, or take another backup."
    EncryptionTrailingData "encryption-trailing-data" Warning
        "Something follows the end of the encrypted text."
        "Find out who changed the file, or take another backup."
    EncryptionBase64Invalid "encryption-base64-invalid" Error
        "The base64 of the encrypted text is incomplete."
        "Take another backup; this one was probably cut."
    EncryptionVersionUnknown "encryption-version-unknown" Error
        "The file says it is encrypted in a version this program does not know."
        "Use a newer version of this program."
    EncryptionTruncated "encryption-truncated" Error
        "The encrypted text is too short, or was cut: it decrypts to the beginning of a chain but its tag does not match."
        "Take another backup."
    EncryptionTampered "encryption-tampered" Error
        "The authentication tag does not match although the key fits the beginning: the text was changed after it was encrypted."
        "Take another backup and treat the storage as written to by somebody else."
    EncryptionWrongKey "encryption-wrong-key" Error
        "The authentication tag does not match and nothing readable comes out: the key is another one, or the beginning was changed."
        "Check which key the backup was written with."
    EncryptionNested "encryption-nested" Error
        "An encrypted text lies within an encrypted text."
        "Decrypt it once with the application's tools and back it up again."
    LimitStoredSize "limit-stored-size" Error
        "The stored object is larger than the limit."
        "Raise the limit if the size is expected."
    LimitPlainSize "limit-plain-size" Error
        "The decoded text is larger than the limit."
        "Raise the limit if the size is expected."
    LimitRatio "limit-ratio" Error
        "The compressed data expands far beyond what a chain does: a decompression bomb."
        "Take another backup and look at who wrote this one."
    LimitWhitespace "limit-whitespace" Error
        "White space fills more than the limit in one place."
        "Take another backup and look at who wrote this one."
    LimitEntrySize "limit-entry-size" Error
        "An entry, a string or a number is larger than the limit."
        "Raise the limit if entries of this size are expected."
    LimitCanonicalSize "limit-canonical-size" Error
        "The canonical text of an entry is larger than the limit."
        "Raise the limit if entries of this size are expected."
    LimitDepth "limit-depth" Error
        "Objects and arrays are nested deeper than the limit."
        "Take another backup; the application can't load this one."
    LimitMembers "limit-members" Error
        "An entry has more members open at once than the limit."
        "Take another backup; no chain in use comes near it."
    LimitWork "limit-work" Error
        "Ordering the keys of an entry costs more than the limit."
        "Take another backup; no chain in use comes near it."
    LimitGzipHeader "limit-gzip-header" Error
        "The header of a gzip member is larger than the limit."
        "Take another backup."
    LimitGzipMembers "limit-gzip-members" Error
        "The gzip file has more members than the limit."
        "Take another backup."
    JsonEmpty "json-empty" Error
        "There is no JSON, or only white space."
        "Take another backup."
    JsonInvalid "json-invalid" Error
        "The text is not JSON as the application reads it."
        "Take another backup."
    JsonTruncated "json-truncated" Error
        "The JSON ends in the middle."
        "Take another backup; this one was probably cut."
    JsonTrailingData "json-trailing-data" Error
        "Something follows the end of the JSON, which the application refuses."
        "Take another backup."
    JsonUtf8Invalid "json-utf8-invalid" Error
        "The text is not UTF-8."
        "Take another backup."
    JsonByteOrderMark "json-byte-order-mark" Error
        "The text begins with a byte order mark, which the application refuses."
        "Take another backup."
    JsonNumberTooLong "json-number-too-long" Error
        "An integer has more than 4,300 digits, which the application refuses."
        "Take another backup."
    NumberOverflow "number-overflow" Note
        "A number is too large for a double and is hashed as Infinity, as the application does."
        "Nothing needs doing; the hash can't tell such numbers apart."
    LoneSurrogate "lone-surrogate" Note
        "A string holds half a surrogate pair; hashing follows the application, other tools may refuse it."
        "Nothing needs doing, but such text can't be stored in PostgreSQL."
    DeepNesting "deep-nesting" Note
        "An entry is nested so deeply that the application's own validation may fail on it."
        "Nothing needs doing; expect the service's validation endpoint to answer 500."
    DuplicateKey "duplicate-key" Warning
        "An object has the same key twice; the last one counts, the first is hidden from every hash."
        "Compare with an older backup before using this one."
    DuplicateCheckLimited "duplicate-check-limited" Warning
        "A registry has too many keys to look for duplicates in all of them."
        "Nothing needs doing if a registry of this size is expected."
    ShapeTopLevel "shape-top-level" Error
        "The file is not a JSON object."
        "Take another backup."
    ShapeChainMissing "shape-chain-missing" Error
        "The file has no `chain`."
        "Take another backup; the application would start a fresh chain over this one."
    ShapeChain "shape-chain" Error
        "`chain` is not a list of blocks."
        "Take another backup."
    BlockShape "block-shape" Error
        "A block is not an object."
        "Take another backup."
    EntryShape "entry-shape" Error
        "An entry is not an object, or the entries are not a list."
        "Take another backup."
    ShapePending "shape-pending" Error
        "`pending_entries` is not a list of entries."
        "Take another backup."
    ChainEmpty "chain-empty" Error
        "The chain has no block."
        "Take another backup."
    BlockFieldMissing "block-field-missing" Error
        "A block lacks a field the application needs."
        "Take another backup."
    BlockFieldType "block-field-type" Error
        "A field of a block has the wrong type."
        "Take another backup."
    EntryFieldMissing "entry-field-missing" Error
        "An entry lacks a field the application needs."
        "Take another backup."
    EntryFieldType "entry-field-type" Warning
        "A field of an entry has an unusual type; the hash covers it."
        "Compare with an older backup before using this one."
    EntryMetadataType "entry-metadata-type" Error
        "The metadata of an entry is not an object; the application fails on it."
        "Take another backup."
    UnknownTopField "unknown-top-field" Warning
        "The file has a field the application does not know; no hash covers it."
        "Find out who added it, or take another backup."
    UnknownBlockField "unknown-block-field" Warning
        "A block has a field the application does not know; no hash covers it."
        "Find out who added it, or take another backup."
    UnknownEntryField "unknown-entry-field" Warning
        "An entry has a field the application drops; no hash covers it."
        "Find out who added it, or take another backup."
    PendingEntries "pending-entries" Note
        "Entries wait to be mined; no hash covers them yet."
        "Nothing needs doing; they are seeded as they are."
    AssetsUnverified "assets-unverified" Note
        "The registry of assets is not empty; no hash covers who owns what."
        "Nothing needs doing; compare with an older backup if ownership is in doubt."
    RegistryMismatch "registry-mismatch" Warning
        "A registry that no hash covers contradicts the chain."
        "Compare with an older backup; the application believes the registry."
    FingerprintUnknown "fingerprint-unknown" Warning
        "A fingerprint that no hash covers belongs to no recent entry."
        "Compare with an older backup; entries may have been removed."
    BlockHashMismatch "block-hash-mismatch" Error
        "The hash of a block is not the hash of its content."
        "Take another backup: this one was altered or damaged."
    BlockLinkBroken "block-link-broken" Error
        "A block does not name the hash of the one before it."
        "Take another backup: blocks were altered, removed or moved."
    BlockIndexWrong "block-index-wrong" Error
        "A block's index is not its place in the chain."
        "Take another backup: blocks were removed, added or moved."
    ProofOfWorkMissing "proof-of-work-missing" Error
        "A block with entries has no proof of work."
        "Take another backup: the block was not made by the application."
    EmptyBlock "empty-block" Warning
        "A block after the first has no entries and no proof of work; the application mines none like it."
        "Compare with an older backup before using this one."
    BlockHashMissing "block-hash-missing" Warning
        "A block in the middle carries no hash; only the next block's link holds it."
        "Compare with an older backup before using this one."
    HeadHashMissing "head-hash-missing" Warning
        "The last block carries no hash, so it agrees with any content."
        "Compare with another witness before using this one."
    TimeBackwards "time-backwards" Warning
        "A block is older than the one before it."
        "Compare with an older backup before using this one."
    TimeInFuture "time-in-future" Warning
        "A block is dated after the time of the check."
        "Check the clock of the machine that wrote it, or take an older backup."
    EntryTimeInFuture "entry-time-in-future" Warning
        "An entry is dated more than a day after the time of the check."
        "Check the clock of the machine that wrote it, or take an older backup."
    TimeNotFinite "time-not-finite" Warning
        "The timestamp of a block is not a finite number."
        "Compare with an older backup before using this one."
    SignatureForged "signature-forged" Error
        "The signature of an entry does not verify."
        "Take another backup: the entry was altered after it was signed."
    SignatureIncomplete "signature-incomplete" Warning
        "An entry has a signature without a key, or a key without a signature."
        "Compare with an older backup before using this one."
    SignatureFieldsDisagree "signature-fields-disagree" Warning
        "The signature an entry shows is not the one in its metadata that is verified."
        "Compare with an older backup before using this one."
    WitnessHeadMismatch "witness-head-mismatch" Error
        "The chain does not end in the expected head."
        "Take a backup that agrees with the witness; this chain was re-mined, cut or extended."
    WitnessFork "witness-fork" Error
        "At a height another verified chain knows, this chain has another block."
        "Take a backup that agrees with the witness; this chain was re-mined from there on."
    WitnessRollback "witness-rollback" Error
        "The chain is shorter than a chain that was verified before it was written."
        "Take a backup that reaches the witness's height."
    LineageGenesisChanged "lineage-genesis-changed" Error
        "A backup stored earlier begins with another first block."
        "Take a backup that agrees with the earlier ones; this is another chain."
    LineageRemined "lineage-remined" Error
        "A backup stored earlier has other blocks at the same heights: the end of the chain was mined again."
        "Take a backup that agrees with the earlier ones."
    LineageFork "lineage-fork" Error
        "A backup stored earlier knows another history, and both went on since."
        "Find out which history is the true one before using either."
    LineageRollback "lineage-rollback" Error
        "A backup stored clearly earlier has a longer chain that begins with this one: blocks were removed."
        "Take the longer backup."
    LineageUnproved "lineage-unproved" Warning
        "Too little is known yet to say whether the chain extends the backups stored earlier."
        "Trace the lineage again; it looks up what is missing."
    PinMismatch "pin-mismatch" Error
        "The object is not the one that was pinned."
        "Plan again; somebody replaced the object."
    MetadataMissing "metadata-missing" Warning
        "The backup has no metadata."
        "Nothing needs doing if the backup was made by hand."
    MetadataUnreadable "metadata-unreadable" Warning
        "The metadata is not the JSON the backup manager writes."
        "Compare with another backup of the same time."
    MetadataTooLarge "metadata-too-large" Warning
        "The metadata is larger than any the backup manager writes."
        "Look at who wrote it."
    MetadataFieldMissing "metadata-field-missing" Warning
        "The metadata lacks a field."
        "Compare with another backup of the same time."
    MetadataFieldInvalid "metadata-field-invalid" Warning
        "A field of the metadata has a value the backup manager never writes."
        "Compare with another backup of the same time."
    MetadataUnknownField "metadata-unknown-field" Note
        "The metadata has a field the backup manager does not write."
        "Nothing needs doing."
    MetadataChecksumMismatch "metadata-checksum-mismatch" Error
        "The metadata states another SHA-256 than the object has: one of them was replaced."
        "Take another backup; nothing says which of the two is true."
    MetadataChecksumCase "metadata-checksum-case" Note
        "The metadata spells the SHA-256 in upper case, which the backup manager never does."
        "Nothing needs doing; the digest itself agrees."
    MetadataSizeMismatch "metadata-size-mismatch" Warning
        "The metadata states another size than the object or the chain has."
        "Compare with another backup of the same time."
    MetadataCountMismatch "metadata-count-mismatch" Warning
        "The metadata states another number of blocks or entries than the chain has."
        "Compare with another backup of the same time."
    MetadataLocation "metadata-location" Warning
        "The metadata names another file than the one it belongs to; it was not followed."
        "Look at who wrote it."
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

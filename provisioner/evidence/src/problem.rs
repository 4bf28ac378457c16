//! What can be the matter with a bundle.

use approval::Fingerprint;
use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};

use crate::manifest::{FORMAT, LARGEST_MANIFEST};
use crate::name::NameError;

/// One thing that is the matter. In JSON an object with `code` and `message`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// What lies there can't be listed.
    #[error("the bundle can't be listed: {0}")]
    Unlistable(String),
    /// No manifest.
    #[error("there is no manifest: the bundle was never finished, or it was taken away")]
    NoManifest,
    /// Larger than any manifest.
    #[error("the manifest has more than {LARGEST_MANIFEST} bytes")]
    ManifestTooLarge,
    /// No manifest's JSON.
    #[error("the manifest is none: {0}")]
    ManifestMalformed(String),
    /// Another spelling than the only one.
    #[error("the manifest is not canonical JSON")]
    ManifestNotCanonical,
    /// Another version of the format.
    #[error("the manifest has format {0}; this tool reads format {FORMAT}")]
    UnknownVersion(String),
    /// No signature.
    #[error("there is no signature")]
    NoSignature,
    /// Signed by someone else.
    #[error("the manifest is signed with the key {found}, trusted is {trusted}")]
    WrongKey {
        /// The trusted key.
        trusted: Fingerprint,
        /// The key that signed.
        found: Fingerprint,
    },
    /// The manifest says that another key signs.
    #[error("the manifest names the signer {stated}, trusted is {trusted}")]
    WrongSigner {
        /// The trusted key.
        trusted: Fingerprint,
        /// What the manifest says.
        stated: Fingerprint,
    },
    /// The manifest was changed, or the signature is none.
    #[error("the manifest's signature does not hold: {0}")]
    BadSignature(String),
    /// A name that leads elsewhere or is no name.
    #[error("the name `{name}` {why}")]
    BadName {
        /// The name, shortened.
        name: String,
        /// What is wrong with it.
        why: NameError,
    },
    /// Two entries with one name.
    #[error("the name `{0}` stands there twice")]
    Duplicate(String),
    /// An entry that is neither a file nor a remark that one is missing.
    #[error("the entry `{0}` has neither a hash and a size nor a reason why it is missing")]
    Contradictory(String),
    /// An entry stands elsewhere than where it was written.
    #[error("the entry `{0}` does not stand where it was written")]
    Reordered(String),
    /// An entry was changed in the manifest, or the one before it was removed.
    #[error(
        "the chain breaks at the entry `{0}`: it was changed, or what stood before it was removed"
    )]
    ChainBroken(String),
    /// Entries are gone from the end, or were added.
    #[error(
        "the chain does not end where the manifest says: entries were removed or added at the end"
    )]
    ChainEnd,
    /// The file is not there.
    #[error("`{0}` is missing")]
    Missing(String),
    /// The file stands under another name.
    #[error("`{from}` stands under the name `{to}`")]
    Renamed {
        /// Its name in the manifest.
        from: String,
        /// Where its bytes are.
        to: String,
    },
    /// The file is shorter.
    #[error("`{name}` has {found} bytes of {stated}: it was cut")]
    Truncated {
        /// The entry.
        name: String,
        /// Bytes it must have.
        stated: u64,
        /// Bytes it has.
        found: u64,
    },
    /// The file has other bytes.
    #[error("`{0}` was changed: its bytes are not those of its hash")]
    Altered(String),
    /// The file can't be read.
    #[error("`{name}` can't be read: {why}")]
    Unreadable {
        /// The entry.
        name: String,
        /// The system's reason.
        why: String,
    },
    /// A link.
    #[error("`{0}` is a symbolic link, which a bundle never has")]
    Symlink(String),
    /// Neither file nor folder.
    #[error("`{0}` is neither a file nor a folder")]
    Special(String),
    /// Something that the manifest does not know.
    #[error("`{0}` is not in the manifest")]
    Extra(String),
}

impl Problem {
    /// A stable code in kebab case.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unlistable(_) => "unlistable",
            Self::NoManifest => "no-manifest",
            Self::ManifestTooLarge => "manifest-too-large",
            Self::ManifestMalformed(_) => "manifest-malformed",
            Self::ManifestNotCanonical => "manifest-not-canonical",
            Self::UnknownVersion(_) => "unknown-version",
            Self::NoSignature => "no-signature",
            Self::WrongKey { .. } => "wrong-key",
            Self::WrongSigner { .. } => "wrong-signer",
            Self::BadSignature(_) => "bad-signature",
            Self::BadName {
                why: NameError::Traversal,
                ..
            } => "path-traversal",
            Self::BadName { .. } => "bad-name",
            Self::Duplicate(_) => "duplicate",
            Self::Contradictory(_) => "contradictory",
            Self::Reordered(_) => "reordered",
            Self::ChainBroken(_) => "chain-broken",
            Self::ChainEnd => "chain-end",
            Self::Missing(_) => "missing",
            Self::Renamed { .. } => "renamed",
            Self::Truncated { .. } => "truncated",
            Self::Altered(_) => "altered",
            Self::Unreadable { .. } => "unreadable",
            Self::Symlink(_) => "symlink",
            Self::Special(_) => "special",
            Self::Extra(_) => "extra",
        }
    }
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Problem", 2)?;
        out.serialize_field("code", self.code())?;
        out.serialize_field("message", &self.to_string())?;
        out.end()
    }
}

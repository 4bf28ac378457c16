//! YAML as the reference tool reads and writes it.
//!
//! The reference goes through two generations of one library: documents of resources are read by the newer,
//! everything of the tool's own (kustomization files, JSON patches, configurations) and all output by the older.
//! [`Dialect`] is that difference; the rest is shared.

pub(crate) mod emit;
pub(crate) mod float;
pub(crate) mod fold;
pub(crate) mod node;
pub(crate) mod parse;
pub(crate) mod print;
pub(crate) mod resolve;
pub(crate) mod scan;

pub(crate) use node::{Data, Entry, Node, Style, Tag};
pub(crate) use parse::{Limits, Syntax, documents, first_document};

/// Which generation of the library reads a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// YAML 1.1 booleans (`yes`, `on`, `y`): kustomization files, patches in JSON form, configurations.
    Legacy,
    /// Only `true` and `false` are booleans: resources and strategic-merge patches.
    Current,
}

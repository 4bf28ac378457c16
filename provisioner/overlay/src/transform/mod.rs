//! The transformers, one a file: each changes the objects of one kustomization in one way.

pub(crate) mod fieldspec;
pub(crate) mod hash;
pub(crate) mod image;
pub(crate) mod json_patch;
pub(crate) mod merge;
pub(crate) mod metadata;
pub(crate) mod nameref;
pub(crate) mod namespace;
pub(crate) mod patch;
pub(crate) mod path;
pub(crate) mod prefix;
pub(crate) mod replacement;
pub(crate) mod replicas;
pub(crate) mod sort;
pub(crate) mod value_add;
pub(crate) mod vars;

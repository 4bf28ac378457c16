//! Pure kustomize rendering over a file-tree trait.

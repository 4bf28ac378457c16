//! Kubernetes objects by server-side apply, in waves, awaited.

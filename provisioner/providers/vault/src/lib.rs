//! Fresh secrets in Vault KV v2.

//! S3 buckets, backup sources and the environment's lock.

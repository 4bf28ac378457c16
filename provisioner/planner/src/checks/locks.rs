//! Buckets whose versions anyone with the rights may delete.

use serde_json::Value;

use super::{CheckInput, finding, of_kind};
use crate::finding::{Finding, Severity};

/// `bucket.without-lock`.
pub fn check(input: &CheckInput<'_>) -> Vec<Finding> {
    of_kind(input, "s3.bucket")
        .filter(|bucket| bucket.spec.get("object_lock").is_none_or(Value::is_null))
        .map(|bucket| {
            finding(
                Severity::Note,
                "bucket.without-lock",
                &bucket.address,
                "its objects are under no lock".to_owned(),
                "declare `object_lock` if its data must outlive stolen credentials",
            )
        })
        .collect()
}

//! Reading a report of ours into an [`OldInventory`].

use serde_json::Value;

use super::IdentifierKind::{Account, Arn, Id, Name};
use super::OldInventory;
use super::identifier::{Collector, account_of, is_account};

/// Bytes a report may have.
pub const LARGEST: usize = 128 << 20;

/// Why a report can't be read.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// Larger than [`LARGEST`].
    #[error("the report has {0} bytes; at most {LARGEST} are read")]
    TooLarge(usize),
    /// No JSON.
    #[error("the report is not JSON: {0}")]
    NotJson(serde_json::Error),
    /// JSON of something else.
    #[error("it is no report: it has no `plan.target.generation`")]
    Shape,
}

/// What a `report.json` knows of its generation: the generation's id, which all its names carry, the account, and the ids of the objects
/// that stood there when it was planned. Images, ranges and fixed private addresses come from templates and are the same in every
/// generation, so they are not old.
///
/// # Errors
/// When it is too large, no JSON, or no report.
pub fn read(bytes: &[u8]) -> Result<OldInventory, ReportError> {
    if bytes.len() > LARGEST {
        return Err(ReportError::TooLarge(bytes.len()));
    }
    let report: Value = serde_json::from_slice(bytes).map_err(ReportError::NotJson)?;
    let generation = report
        .pointer("/plan/target/generation")
        .and_then(Value::as_str)
        .ok_or(ReportError::Shape)?;
    let mut found = Collector::default();
    found.add(
        Id,
        generation,
        &format!("report of {generation}: generation"),
    );
    let places = report
        .pointer("/plan/target/places")
        .and_then(Value::as_object);
    for (place, value) in places.into_iter().flatten() {
        if let Some(account) = value.as_str().filter(|value| is_account(value)) {
            found.add(
                Account,
                account,
                &format!("report of {generation}: {place}"),
            );
        }
    }
    let steps = report.pointer("/plan/steps").and_then(Value::as_array);
    for step in steps.into_iter().flatten() {
        let address = step.get("address").and_then(Value::as_str).unwrap_or("");
        let Some(object) = step.get("object").and_then(Value::as_str) else {
            continue;
        };
        let origin: String = format!("report of {generation}: {address}")
            .chars()
            .take(600)
            .collect();
        let cloud = address.split('.').next().unwrap_or("");
        if object.starts_with("arn:") {
            found.add(Arn, object, &origin);
            if let Some(account) = account_of(object) {
                found.add(Account, account, &origin);
            }
        } else if cloud == "ec2" {
            found.add(Id, object, &origin);
        } else if matches!(cloud, "iam" | "s3") {
            found.add(Name, object, &origin);
        }
        // Kubernetes' and Vault's objects are named alike in every generation; what is theirs alone carries the generation's id.
    }
    Ok(found.finish())
}

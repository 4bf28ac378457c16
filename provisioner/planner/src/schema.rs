//! The plan file's JSON Schema.

use serde_json::Value;

use crate::plan::Plan;

/// JSON Schema of the plan file. Checked in as `docs/plan.schema.json`.
pub fn schema() -> Value {
    schemars::schema_for!(Plan).to_value()
}

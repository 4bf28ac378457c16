//! A rebuild that will take longer than the recovery time objective.

use super::{CheckInput, finding};
use crate::duration::spoken;
use crate::finding::{Finding, Severity};

/// `time.over-objective`.
pub fn check(input: &CheckInput<'_>) -> Vec<Finding> {
    let (predicted, objective) = (input.estimates.rto_seconds, input.policy.rto_seconds);
    if objective == 0 || predicted <= objective {
        return Vec::new();
    }
    vec![finding(
        Severity::Warning,
        "time.over-objective",
        &input.target.environment,
        format!(
            "it will take about {}; the recovery time objective is {}",
            spoken(predicted),
            spoken(objective)
        ),
        "look at the critical path for what takes longest",
    )]
}

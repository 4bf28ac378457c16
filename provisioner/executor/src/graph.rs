//! The order of a plan's steps: checked once, before anything is done.

use std::collections::HashMap;

use planner::Plan;

use crate::scheduler::RunError;

pub(crate) struct Graph {
    pub(crate) index: HashMap<String, usize>,
    pub(crate) dependencies: Vec<Vec<usize>>,
    /// Steps with the longest way still before them (seconds) first.
    pub(crate) order: Vec<usize>,
}

impl Graph {
    pub(crate) fn of(plan: &Plan) -> Result<Self, RunError> {
        let mut index = HashMap::new();
        for (at, step) in plan.steps.iter().enumerate() {
            if index.insert(step.id.clone(), at).is_some() {
                return Err(RunError::Plan(format!("step `{}` is in it twice", step.id)));
            }
        }
        let mut dependencies = Vec::with_capacity(plan.steps.len());
        let mut dependents = vec![Vec::new(); plan.steps.len()];
        for (at, step) in plan.steps.iter().enumerate() {
            let mut of_step = Vec::new();
            for id in &step.depends_on {
                let Some(&on) = index.get(id) else {
                    return Err(RunError::Plan(format!(
                        "step `{}` depends on `{id}`, which is not in it",
                        step.id
                    )));
                };
                if !of_step.contains(&on) {
                    of_step.push(on);
                    dependents[on].push(at);
                }
            }
            dependencies.push(of_step);
        }
        let mut left: Vec<usize> = dependencies.iter().map(Vec::len).collect();
        let mut sorted: Vec<usize> = (0..left.len()).filter(|&at| left[at] == 0).collect();
        let mut next = 0;
        while let Some(&at) = sorted.get(next) {
            next += 1;
            for &dependent in &dependents[at] {
                left[dependent] -= 1;
                if left[dependent] == 0 {
                    sorted.push(dependent);
                }
            }
        }
        if let Some(at) = left.iter().position(|&count| count > 0) {
            return Err(RunError::Plan(format!(
                "step `{}` depends on itself, through others",
                plan.steps[at].id
            )));
        }
        let mut way = vec![0u64; plan.steps.len()];
        for &at in sorted.iter().rev() {
            let after = dependents[at]
                .iter()
                .map(|&dependent| way[dependent])
                .max()
                .unwrap_or(0);
            way[at] = after + u64::from(plan.steps[at].seconds);
        }
        let mut order: Vec<usize> = (0..way.len()).collect();
        order.sort_by_key(|&at| (std::cmp::Reverse(way[at]), at));
        Ok(Self {
            index,
            dependencies,
            order,
        })
    }
}

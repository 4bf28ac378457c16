//! What a journal says about a plan: a pure fold that rejects what can't have happened.

use std::collections::HashMap;

use planner::Plan;
use planner::reference::Outputs;

use crate::journal::{Entry, Record};
use crate::provider::ErrorKind;

/// How far one step is.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum StepState {
    /// Not begun.
    #[default]
    Pending,
    /// Begun; whether its effect came about is unknown until it is done.
    Started,
    /// Complete.
    Done(Outputs),
    /// Given up, or refused before its effect.
    Failed {
        /// Kind of failure.
        kind: ErrorKind,
        /// What failed and why.
        why: String,
    },
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Nothing happened.
    Empty,
    /// Under way, or killed.
    Running,
    /// Stopped before its end.
    Interrupted,
    /// At its end, with failures.
    Failed,
    /// At its end, everything done.
    Complete,
}

/// A record that can't follow those before it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("record {seq}: {why}")]
pub struct Illegal {
    /// The record.
    pub seq: u64,
    /// Why it can't be.
    pub why: String,
}

/// What follows from plan and journal.
#[derive(Clone, Debug, PartialEq)]
pub struct RunState {
    /// Each step, in the plan's order.
    pub steps: Vec<StepState>,
    /// The run.
    pub status: Status,
    /// The session (process) each step was last begun or failed in.
    sessions: Vec<u32>,
    session: u32,
}

/// Folds the records over the plan.
///
/// # Errors
/// The first record that can't have happened.
pub fn fold(plan: &Plan, records: &[Record]) -> Result<RunState, Illegal> {
    let index: HashMap<&str, usize> = plan
        .steps
        .iter()
        .enumerate()
        .map(|(at, step)| (step.id.as_str(), at))
        .collect();
    let mut state = RunState {
        steps: vec![StepState::Pending; plan.steps.len()],
        status: Status::Empty,
        sessions: vec![0; plan.steps.len()],
        session: 0,
    };
    for record in records {
        transition(plan, &index, &mut state, &record.entry).map_err(|why| Illegal {
            seq: record.seq,
            why,
        })?;
    }
    Ok(state)
}

fn transition(
    plan: &Plan,
    index: &HashMap<&str, usize>,
    state: &mut RunState,
    entry: &Entry,
) -> Result<(), String> {
    let find = |id: &str| {
        index
            .get(id)
            .copied()
            .ok_or_else(|| format!("step `{id}` is not in the plan"))
    };
    match (entry, state.status) {
        (
            Entry::Run {
                plan: hash,
                environment,
                generation,
            },
            Status::Empty,
        ) => {
            if *hash != plan.hash
                || *environment != plan.target.environment
                || *generation != plan.target.generation
            {
                return Err("the run is of another plan".to_owned());
            }
            state.status = Status::Running;
            state.session = 1;
        }
        (Entry::Run { .. }, _) => return Err("the run began before".to_owned()),
        (_, Status::Empty) => return Err("the run has not begun".to_owned()),
        (Entry::Resumed {}, Status::Complete) => return Err("the run is complete".to_owned()),
        (Entry::Resumed {}, _) => {
            state.status = Status::Running;
            state.session += 1;
        }
        (_, Status::Interrupted | Status::Failed | Status::Complete) => {
            return Err("the run had ended".to_owned());
        }
        (Entry::Started { step }, Status::Running) => {
            let at = find(step)?;
            begin(plan, index, state, at)?;
            state.steps[at] = StepState::Started;
            state.sessions[at] = state.session;
        }
        (Entry::Done { step, outputs }, Status::Running) => {
            let at = find(step)?;
            if !state.in_flight(at) {
                return Err(format!("step `{step}` is done without having been started"));
            }
            state.steps[at] = StepState::Done(outputs.clone());
        }
        (
            Entry::Failed {
                step,
                kind,
                why,
                attempts,
            },
            Status::Running,
        ) => {
            let at = find(step)?;
            if !state.in_flight(at) {
                if *attempts > 0 {
                    return Err(format!("step `{step}` failed without having been started"));
                }
                begin(plan, index, state, at)?;
            }
            state.steps[at] = StepState::Failed {
                kind: *kind,
                why: why.clone(),
            };
            state.sessions[at] = state.session;
        }
        (Entry::Interrupted { .. }, Status::Running) => state.status = Status::Interrupted,
        (
            Entry::Finished {
                done,
                failed,
                not_run,
            },
            Status::Running,
        ) => {
            if (0..state.steps.len()).any(|at| state.in_flight(at)) {
                return Err("the run is finished with a step under way".to_owned());
            }
            let counted = |test: fn(&StepState) -> bool| {
                state.steps.iter().filter(|step| test(step)).count() as u64
            };
            let all_done = counted(|step| matches!(step, StepState::Done(_)));
            if *done != all_done || done + failed + not_run != state.steps.len() as u64 {
                return Err("the run is finished with counts that do not fit".to_owned());
            }
            state.status = if *failed + *not_run == 0 {
                Status::Complete
            } else {
                Status::Failed
            };
        }
    }
    Ok(())
}

/// Whether a step may begin now.
fn begin(
    plan: &Plan,
    index: &HashMap<&str, usize>,
    state: &RunState,
    at: usize,
) -> Result<(), String> {
    let id = &plan.steps[at].id;
    let again = match &state.steps[at] {
        StepState::Pending => true,
        StepState::Started | StepState::Failed { .. } => state.sessions[at] < state.session,
        StepState::Done(_) => false,
    };
    if !again {
        return Err(format!("step `{id}` is begun twice"));
    }
    for dependency in &plan.steps[at].depends_on {
        let done = index
            .get(dependency.as_str())
            .is_some_and(|&on| matches!(state.steps[on], StepState::Done(_)));
        if !done {
            return Err(format!(
                "step `{id}` is begun before `{dependency}` is done"
            ));
        }
    }
    Ok(())
}

impl RunState {
    /// Ids of steps begun whose end nobody recorded.
    pub fn unknown(&self, plan: &Plan) -> Vec<String> {
        self.ids(plan, |state| matches!(state, StepState::Started))
    }

    /// Ids of failed steps.
    pub fn failed(&self, plan: &Plan) -> Vec<String> {
        self.ids(plan, |state| matches!(state, StepState::Failed { .. }))
    }

    /// Ids of steps that are complete.
    pub fn done(&self, plan: &Plan) -> Vec<String> {
        self.ids(plan, |state| matches!(state, StepState::Done(_)))
    }

    fn ids(&self, plan: &Plan, test: fn(&StepState) -> bool) -> Vec<String> {
        plan.steps
            .iter()
            .zip(&self.steps)
            .filter(|(_, state)| test(state))
            .map(|(step, _)| step.id.clone())
            .collect()
    }

    fn in_flight(&self, at: usize) -> bool {
        self.steps[at] == StepState::Started && self.sessions[at] == self.session
    }
}

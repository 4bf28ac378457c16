//! What a run shows while it goes on: live lines at a terminal, plain lines elsewhere, event lines with `--format json`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use executor::Event;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use planner::{Layer, Plan};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::printer::{Format, Printer};

/// Shows every event until the run lets go of its end.
pub async fn show(plan: &Plan, mut events: UnboundedReceiver<Event>, printer: &Printer) {
    let live = printer.format == Format::Text && printer.live();
    let mut bars = live.then(|| Bars::new(plan));
    let began = Instant::now();
    while let Some(event) = events.recv().await {
        match (&mut bars, printer.format) {
            (_, Format::Json) => printer.json(&event),
            (Some(bars), _) => bars.tell(&event),
            (None, _) => {
                if let Some(line) = line(&event) {
                    printer.note(&format!("{:>6.1}s  {line}", began.elapsed().as_secs_f64()));
                }
            }
        }
    }
}

/// One plain line for an event worth one.
fn line(event: &Event) -> Option<String> {
    Some(match event {
        Event::RunStarted { steps, .. } => format!("{steps} steps"),
        Event::Resuming {
            done,
            failed,
            unknown,
        } => {
            format!(
                "going on: {done} done, {} failed before, {} of unknown end",
                failed.len(),
                unknown.len()
            )
        }
        Event::StepDone { step, millis } => format!(
            "done     {step} ({}.{:01}s)",
            millis / 1000,
            millis % 1000 / 100
        ),
        Event::StepRetrying {
            step,
            attempt,
            delay_ms,
            why,
        } => {
            format!(
                "retrying {step} in {:.1}s, attempt {attempt} failed: {why}",
                Duration::from_millis(*delay_ms).as_secs_f64()
            )
        }
        Event::StepFailed { step, why, .. } => format!("failed   {step}: {why}"),
        Event::StepLeft { step } => {
            format!("left     {step}: its end is unknown, resuming looks at it")
        }
        Event::Stopping { running, why } => format!("stopping: {why}; {running} steps under way"),
        Event::RunFinished {
            done,
            failed,
            not_run,
        } => format!("{done} done, {failed} failed, {not_run} not run"),
        Event::Observed { .. }
        | Event::Waiting { .. }
        | Event::StepStarted { .. }
        | Event::Progress { .. } => return None,
    })
}

/// One bar a layer.
struct Bars {
    all: MultiProgress,
    layers: BTreeMap<Layer, LayerBar>,
    layer_of: BTreeMap<String, Layer>,
}

struct LayerBar {
    bar: ProgressBar,
    running: BTreeSet<String>,
}

impl Bars {
    fn new(plan: &Plan) -> Self {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(8));
        let style =
            ProgressStyle::with_template("{prefix:<14} {pos:>4}/{len:<4} {elapsed:>5} {wide_msg}")
                .unwrap_or_else(|_| ProgressStyle::default_bar());
        let mut count: BTreeMap<Layer, (u64, u64)> = BTreeMap::new();
        let mut layer_of = BTreeMap::new();
        for step in &plan.steps {
            let entry = count.entry(step.layer).or_default();
            entry.0 += 1;
            entry.1 = entry.1.max(u64::from(step.seconds));
            layer_of.insert(step.id.clone(), step.layer);
        }
        let layers = count
            .into_iter()
            .map(|(layer, (steps, longest))| {
                let bar = all.add(ProgressBar::new(steps).with_style(style.clone()));
                bar.set_prefix(format!("{layer:?}").to_lowercase());
                bar.set_message(format!("about {longest}s"));
                (
                    layer,
                    LayerBar {
                        bar,
                        running: BTreeSet::new(),
                    },
                )
            })
            .collect();
        Self {
            all,
            layers,
            layer_of,
        }
    }

    fn tell(&mut self, event: &Event) {
        match event {
            Event::StepStarted { step, layer, .. } => self.with(*layer, |bar| {
                bar.running.insert(step.clone());
            }),
            Event::StepDone { step, .. } => self.of(step, |bar| {
                bar.running.remove(step);
                bar.bar.inc(1);
            }),
            Event::StepFailed { step, .. } | Event::StepLeft { step } => self.of(step, |bar| {
                bar.running.remove(step);
            }),
            Event::RunFinished { .. } => {
                for layer in self.layers.values() {
                    layer.bar.abandon();
                }
            }
            _ => {}
        }
        if let Event::StepRetrying { .. }
        | Event::StepFailed { .. }
        | Event::Stopping { .. }
        | Event::Resuming { .. } = event
            && let Some(line) = line(event)
        {
            // A failing terminal is no reason to fail a run.
            let _ = self.all.println(line);
        }
    }

    fn of(&mut self, step: &str, change: impl FnOnce(&mut LayerBar)) {
        if let Some(layer) = self.layer_of.get(step).copied() {
            self.with(layer, change);
        }
    }

    fn with(&mut self, layer: Layer, change: impl FnOnce(&mut LayerBar)) {
        let Some(bar) = self.layers.get_mut(&layer) else {
            return;
        };
        change(bar);
        let running: Vec<&str> = bar.running.iter().map(String::as_str).take(3).collect();
        let more = bar.running.len().saturating_sub(running.len());
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        bar.bar.set_message(format!("{}{more}", running.join(", ")));
    }
}

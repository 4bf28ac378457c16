//! The plan as people read it before they agree to it.

use anstyle::{AnsiColor, Style as Paint};
use serde_json::Value;
use similar::{ChangeTag, TextDiff};
use unicode_width::UnicodeWidthStr;

use crate::duration::spoken;
use crate::finding::Severity;
use crate::kind::Layer;
use crate::plan::{Action, FieldChange, Plan, Step};
use crate::reference::as_unknown;

/// How the text is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// With ANSI colours.
    pub color: bool,
    /// Columns, for cutting long values.
    pub width: usize,
}

impl Default for Style {
    fn default() -> Self {
        Self {
            color: false,
            width: 100,
        }
    }
}

/// Lines of a field's text diff shown at most.
const LONGEST_DIFF: usize = 200;

/// The whole preview, ending with a line end.
pub fn text(plan: &Plan, style: &Style) -> String {
    let mut page = Page {
        style: *style,
        out: String::new(),
    };
    page.head(plan);
    page.steps(plan);
    page.findings(plan);
    page.estimates(plan);
    page.line(&summary(plan));
    page.out
}

/// `Plan: 41 to create, 2 to change…`, or that nothing changes.
pub fn summary(plan: &Plan) -> String {
    let count = |wanted: &[Action]| {
        plan.steps
            .iter()
            .filter(|step| wanted.contains(&step.action))
            .count()
    };
    let replaced: Vec<_> = plan
        .steps
        .iter()
        .filter(|step| step.action == Action::Replace)
        .map(|step| &step.address)
        .collect();
    let deletes = plan
        .steps
        .iter()
        .filter(|step| step.action == Action::Delete && !replaced.contains(&&step.address))
        .count();
    let parts: Vec<String> = [
        (count(&[Action::Create]), "to create"),
        (count(&[Action::Update]), "to change"),
        (count(&[Action::Open]), "to open"),
        (replaced.len(), "to replace"),
        (deletes, "to delete"),
        (count(&[Action::Rotate]), "to rotate"),
        (count(&[Action::Seed]), "to seed"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| format!("{count} {what}"))
    .collect();
    let checks = match count(&[Action::Check]) {
        0 => String::new(),
        1 => " 1 check.".to_owned(),
        checks => format!(" {checks} checks."),
    };
    if parts.is_empty() {
        return format!(
            "No changes: {} as wanted.{checks}",
            objects(plan.unchanged.len())
        );
    }
    format!(
        "Plan: {}; {} unchanged.{checks}",
        parts.join(", "),
        plan.unchanged.len()
    )
}

fn objects(count: usize) -> String {
    if count == 1 {
        "1 object is".to_owned()
    } else {
        format!("{count} objects are")
    }
}

fn title(layer: Layer) -> &'static str {
    match layer {
        Layer::Network => "Network",
        Layer::Identity => "Identity",
        Layer::Storage => "Storage",
        Layer::Compute => "Compute",
        Layer::Secrets => "Secrets",
        Layer::Configuration => "Configuration",
        Layer::Seed => "Seed",
        Layer::Workloads => "Workloads",
        Layer::Validation => "Validation",
        Layer::Exposure => "Exposure",
        Layer::Backup => "Backup",
    }
}

fn symbol(action: Action) -> (&'static str, AnsiColor) {
    match action {
        Action::Create | Action::Seed => ("+", AnsiColor::Green),
        Action::Update | Action::Open => ("~", AnsiColor::Yellow),
        Action::Replace => ("-/+", AnsiColor::Magenta),
        Action::Delete => ("-", AnsiColor::Red),
        Action::Rotate => ("↻", AnsiColor::Cyan),
        Action::Check => ("?", AnsiColor::Blue),
    }
}

struct Page {
    style: Style,
    out: String,
}

impl Page {
    fn line(&mut self, text: &str) {
        self.out.push_str(text.trim_end());
        self.out.push('\n');
    }

    fn paint(&self, color: AnsiColor, text: &str) -> String {
        self.styled(Paint::new().fg_color(Some(color.into())), text)
    }

    fn bold(&self, text: &str) -> String {
        self.styled(Paint::new().bold(), text)
    }

    fn styled(&self, paint: Paint, text: &str) -> String {
        if self.style.color {
            format!("{paint}{text}{paint:#}")
        } else {
            text.to_owned()
        }
    }

    fn head(&mut self, plan: &Plan) {
        let fresh = if plan.target.fresh {
            "new generation"
        } else {
            "generation"
        };
        let text = format!(
            "Environment {}, {fresh} {}",
            clean(&plan.target.environment),
            plan.target.generation
        );
        let text = self.bold(&text);
        self.line(&text);
        for (place, value) in &plan.target.places {
            self.line(&format!("  {}: {}", clean(place), clean(value)));
        }
        if let Some(backup) = &plan.backup {
            let age = spoken(plan.estimates.rpo_seconds);
            self.line(&format!(
                "  backup: {}, {age} old, {} blocks, {} entries",
                clean(&backup.id),
                backup.blocks,
                backup.entries
            ));
            self.line(&format!(
                "    from {}{}",
                clean(&backup.location),
                backup
                    .version
                    .as_ref()
                    .map(|version| format!(" version {}", clean(version)))
                    .unwrap_or_default()
            ));
            self.line(&format!("    head {}", clean(&backup.head)));
        }
        self.line("");
    }

    fn steps(&mut self, plan: &Plan) {
        let mut layer = None;
        for step in &plan.steps {
            // The delete that belongs to a replacement is shown by it.
            let replaced = step.action == Action::Delete
                && plan
                    .steps
                    .iter()
                    .any(|other| other.action == Action::Replace && other.address == step.address);
            if replaced {
                continue;
            }
            if layer != Some(step.layer) {
                if layer.is_some() {
                    self.line("");
                }
                layer = Some(step.layer);
                let title = self.bold(title(step.layer));
                self.line(&title);
            }
            self.step(step);
        }
        if layer.is_some() {
            self.line("");
        }
    }

    fn step(&mut self, step: &Step) {
        let (mark, color) = symbol(step.action);
        let mark = self.paint(color, &format!("{mark:>3}"));
        let note = match (step.action, generator(&step.spec)) {
            (Action::Create | Action::Replace | Action::Rotate, Some(made)) => format!(" {made}"),
            (Action::Delete | Action::Update | Action::Open | Action::Rotate, _) => step
                .object
                .as_ref()
                .map(|object| format!(" ({})", clean(object)))
                .unwrap_or_default(),
            _ => String::new(),
        };
        self.line(&format!(
            "{mark} {}{note}",
            clean(&step.address.to_string())
        ));
        if !step.reason.is_empty() {
            self.line(&format!("      because {}", clean(&step.reason)));
        }
        match step.action {
            Action::Create | Action::Seed => self.spec(step),
            _ => step
                .changes
                .iter()
                .for_each(|change| self.change(change, is_secret(step))),
        }
    }

    /// The fields of a new object; a Kubernetes object is long and written down elsewhere, so only what says most.
    fn spec(&mut self, step: &Step) {
        let Some(fields) = step.spec.as_object() else {
            return;
        };
        if step.address.provider() == "kubernetes" {
            return;
        }
        let mut names: Vec<&String> = fields
            .keys()
            .filter(|name| name.as_str() != "generator")
            .collect();
        names.sort_unstable();
        for name in names {
            let value = &fields[name];
            let empty = match value {
                Value::Null => true,
                Value::String(text) => text.is_empty(),
                Value::Array(items) => items.is_empty(),
                Value::Object(map) => map.is_empty(),
                _ => false,
            };
            if empty {
                continue;
            }
            match value.as_str().filter(|text| text.contains('\n')) {
                Some(text) => self.text_diff(name, "", text),
                None => {
                    let shown = self.cut(&show(value), name.width() + 8);
                    self.line(&format!("      {}: {shown}", clean(name)));
                }
            }
        }
    }

    fn change(&mut self, change: &FieldChange, secret: bool) {
        let path = clean(&change.path);
        let forced = if change.forces_replacement {
            self.paint(AnsiColor::Red, "  # forces replacement")
        } else {
            String::new()
        };
        if secret && (path.starts_with("object.data") || path.starts_with("object.stringData")) {
            return self.line(&format!("      {path}: (secret){forced}"));
        }
        let text = |value: &Option<Value>| {
            value
                .as_ref()
                .map(|value| value.as_str().map_or_else(String::new, str::to_owned))
                .unwrap_or_default()
        };
        let (before, after) = (text(&change.before), text(&change.after));
        if before.contains('\n') || after.contains('\n') {
            self.text_diff(&format!("{path}{forced}"), &before, &after);
            return;
        }
        let room = path.width() + 8;
        let shown = match (&change.before, &change.after) {
            (Some(before), Some(after)) => format!(
                "{} → {}",
                self.cut(&show(before), room),
                self.cut(&show(after), room)
            ),
            (None, Some(after)) => self.paint(
                AnsiColor::Green,
                &format!("+ {}", self.cut(&show(after), room)),
            ),
            (Some(before), None) => self.paint(
                AnsiColor::Red,
                &format!("- {}", self.cut(&show(before), room)),
            ),
            (None, None) => String::new(),
        };
        self.line(&format!("      {path}: {shown}{forced}"));
    }

    fn text_diff(&mut self, path: &str, before: &str, after: &str) {
        self.line(&format!("      {path}:"));
        let diff = TextDiff::from_lines(before, after);
        let mut lines = 0;
        for group in diff.grouped_ops(2) {
            for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
                lines += 1;
                if lines > LONGEST_DIFF {
                    self.line("        …");
                    return;
                }
                let text = clean(change.value().trim_end_matches(['\n', '\r']));
                let line = match change.tag() {
                    ChangeTag::Delete => self.paint(AnsiColor::Red, &format!("- {text}")),
                    ChangeTag::Insert => self.paint(AnsiColor::Green, &format!("+ {text}")),
                    ChangeTag::Equal => format!("  {text}"),
                };
                self.line(&format!("        {line}"));
            }
        }
    }

    fn findings(&mut self, plan: &Plan) {
        if plan.findings.is_empty() {
            return;
        }
        let title = self.bold("Findings");
        self.line(&title);
        for finding in &plan.findings {
            let (word, color) = match finding.severity {
                Severity::Error => ("error", AnsiColor::Red),
                Severity::Warning => ("warning", AnsiColor::Yellow),
                Severity::Note => ("note", AnsiColor::Blue),
            };
            let word = self.paint(color, word);
            self.line(&format!(
                "  {word} {} ({}): {}",
                clean(&finding.subject),
                clean(&finding.code),
                clean(&finding.message)
            ));
            if !finding.hint.is_empty() {
                self.line(&format!("      {}", clean(&finding.hint)));
            }
        }
        self.line("");
    }

    fn estimates(&mut self, plan: &Plan) {
        if !plan.has_changes() {
            return;
        }
        let estimates = &plan.estimates;
        let title = self.bold("Estimates");
        self.line(&title);
        let against = |objective: u64| {
            if objective > 0 {
                format!(" (objective {})", spoken(objective))
            } else {
                String::new()
            }
        };
        self.line(&format!(
            "  time to recover: about {}{}",
            spoken(estimates.rto_seconds),
            against(estimates.rto_objective_seconds)
        ));
        if plan.backup.is_some() {
            self.line(&format!(
                "  data lost: what was written in {}{}",
                spoken(estimates.rpo_seconds),
                against(estimates.rpo_objective_seconds)
            ));
        }
        let calls: Vec<String> = estimates
            .calls
            .iter()
            .map(|(provider, calls)| format!("{provider} {calls}"))
            .collect();
        self.line(&format!("  API calls: {}", calls.join(", ")));
        if !estimates.critical_path.is_empty() {
            self.line("  critical path:");
            for id in &estimates.critical_path {
                let seconds = plan
                    .steps
                    .iter()
                    .find(|step| step.id == *id)
                    .map_or(0, |step| step.seconds);
                self.line(&format!(
                    "    {:>8}  {}",
                    spoken(u64::from(seconds)),
                    clean(id)
                ));
            }
        }
        self.line("");
    }

    /// Cuts a text to what is left of the line after `used` columns.
    fn cut(&self, text: &str, used: usize) -> String {
        let room = self.style.width.saturating_sub(used).max(24);
        if text.width() <= room {
            return text.to_owned();
        }
        let mut kept = String::new();
        let mut width = 0;
        for c in text.chars() {
            width += unicode_width::UnicodeWidthChar::width(c).unwrap_or(0);
            if width >= room {
                break;
            }
            kept.push(c);
        }
        kept + "…"
    }
}

/// Text from files and servers can't steer the terminal.
fn clean(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() && c != '\t' {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

fn is_secret(step: &Step) -> bool {
    step.address.provider() == "vault" || step.address.kind() == "Secret"
}

fn show(value: &Value) -> String {
    if as_unknown(value).is_some() {
        return "(known after apply)".to_owned();
    }
    match value {
        Value::String(text) => clean(&Value::from(text.as_str()).to_string()),
        Value::Array(items) => format!(
            "[{}]",
            items.iter().map(show).collect::<Vec<_>>().join(", ")
        ),
        Value::Object(map) => {
            let mut fields: Vec<(&String, &Value)> =
                map.iter().filter(|(_, value)| !value.is_null()).collect();
            fields.sort_by_key(|(key, _)| *key);
            format!(
                "{{{}}}",
                fields
                    .into_iter()
                    .map(|(key, value)| format!("{}: {}", clean(key), show(value)))
                    .collect::<Vec<_>>()
                    .join(", ")
            )
        }
        other => other.to_string(),
    }
}

/// What a secret will be, never what it is: `(new, 32 random bytes)`.
fn generator(spec: &Value) -> Option<String> {
    let generator = spec.get("generator")?;
    let number = |field: &str| {
        generator
            .get(field)
            .map(Value::to_string)
            .unwrap_or_default()
    };
    let made = match generator.get("type")?.as_str()? {
        "random" => format!("{} random bytes", number("bytes")),
        "password" => format!("password of {} characters", number("length")),
        "uuid" => "random UUID".to_owned(),
        "ed25519" => "Ed25519 key pair".to_owned(),
        "tls" => format!(
            "TLS key and certificate for {}, {} days",
            clean(
                generator
                    .get("common_name")
                    .and_then(Value::as_str)
                    .unwrap_or("")
            ),
            number("days")
        ),
        other => clean(other),
    };
    Some(format!("(new, {made})"))
}

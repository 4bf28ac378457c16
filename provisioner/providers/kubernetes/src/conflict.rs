//! Which fields another manager holds, and whether a plan showed that they change.

use kube::core::Status;
use planner::plan::FieldChange;

/// A field that another manager holds (Kubernetes API, `StatusCause` with the reason `FieldManagerConflict`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Conflict {
    /// As the server writes it: `.spec.template.spec.containers[name="api"].image`.
    field: String,
    /// Who holds it, in the server's words: `conflict with "kubectl" using v1`.
    who: String,
}

/// The fields that a refused apply conflicts at; none for another kind of conflict.
pub(crate) fn of(status: &Status) -> Vec<Conflict> {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    causes
        .filter(|cause| cause.reason == "FieldManagerConflict")
        .map(|cause| Conflict {
            field: cause.field.clone(),
            who: cause.message.clone(),
        })
        .collect()
}

/// Those among them whose field no change speaks of.
pub(crate) fn not_shown<'a>(conflicts: &'a [Conflict], shown: &[FieldChange]) -> Vec<&'a Conflict> {
    let shown: Vec<Vec<Part>> = shown
        .iter()
        .map(|change| parts(change.path.trim_start_matches("object.")))
        .collect();
    conflicts
        .iter()
        .filter(|conflict| {
            let field = parts(&conflict.field);
            // One within the other: a list or map may be held as a whole, and a whole one may be shown.
            !shown
                .iter()
                .any(|shown| shown.iter().zip(&field).all(|(a, b)| a.fits(b)))
        })
        .collect()
}

/// For people: each field, with who holds it.
pub(crate) fn text(conflicts: &[&Conflict]) -> String {
    let all: Vec<String> = conflicts
        .iter()
        .map(|conflict| {
            format!(
                "`{}`: {}",
                conflict.field.trim_start_matches('.'),
                conflict.who
            )
        })
        .collect();
    all.join("; ")
}

/// One step of a path: a field's name, or what selects an item.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    Field(String),
    Item(Vec<(String, String)>),
}

impl Part {
    /// Items are the same unless a key that both name differs: the server names all keys of a list, we name one.
    fn fits(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Field(a), Self::Field(b)) => a == b,
            (Self::Item(a), Self::Item(b)) => a
                .iter()
                .all(|(key, value)| b.iter().all(|(name, other)| name != key || value == other)),
            _ => false,
        }
    }
}

/// Reads both forms: `.a.b/c[k="v",l=1].d` of the server, `a["b/c"][k=v].d` of the plan. A name with dots, which the server does not
/// quote, comes apart at them, here and there alike.
fn parts(path: &str) -> Vec<Part> {
    let (mut found, mut rest) = (Vec::new(), path);
    let fields = |text: &str, found: &mut Vec<Part>| {
        found.extend(
            text.split('.')
                .filter(|name| !name.is_empty())
                .map(|name| Part::Field(name.to_owned())),
        );
    };
    while let Some((before, after)) = rest.split_once('[') {
        fields(before, &mut found);
        let (inside, after) = after.split_once(']').unwrap_or((after, ""));
        match inside
            .strip_prefix('"')
            .and_then(|text| text.strip_suffix('"'))
        {
            Some(name) if !inside.contains('=') => fields(name, &mut found),
            _ => {
                let keys = inside.split(',').filter_map(|pair| pair.split_once('='));
                found.push(Part::Item(
                    keys.map(|(key, value)| (key.to_owned(), value.trim_matches('"').to_owned()))
                        .collect(),
                ));
            }
        }
        rest = after;
    }
    fields(rest, &mut found);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(change: &str, field: &str) -> bool {
        let change = FieldChange {
            path: format!("object.{change}"),
            before: None,
            after: None,
            forces_replacement: false,
        };
        let conflict = Conflict {
            field: field.to_owned(),
            who: String::new(),
        };
        not_shown(&[conflict], &[change]).is_empty()
    }

    #[test]
    fn a_conflict_is_shown_by_a_change_of_its_field() {
        for (change, field) in [
            ("data.a", ".data.a"),
            ("spec.selector.matchLabels.app", ".spec.selector"),
            ("spec.template", ".spec.template.spec.hostNetwork"),
            (
                "metadata.labels[\"example.com/a\"]",
                ".metadata.labels.example.com/a",
            ),
            (
                "spec.containers[name=api].image",
                ".spec.containers[name=\"api\"].image",
            ),
            (
                "spec.ports[name=http].nodePort",
                ".spec.ports[port=80,protocol=\"TCP\"].nodePort",
            ),
            (
                "spec.ports[port=80].nodePort",
                ".spec.ports[port=80,protocol=\"TCP\"].nodePort",
            ),
        ] {
            assert!(shown(change, field), "{change} shows {field}");
        }
        for (change, field) in [
            ("data.a", ".data.b"),
            ("data.a", ".data.ab"),
            (
                "spec.containers[name=api].image",
                ".spec.containers[name=\"web\"].image",
            ),
            (
                "spec.ports[port=80].nodePort",
                ".spec.ports[port=81,protocol=\"TCP\"].nodePort",
            ),
            (
                "metadata.labels[\"example.com/a\"]",
                ".metadata.labels.example.com/b",
            ),
        ] {
            assert!(!shown(change, field), "{change} does not show {field}");
        }
    }
}

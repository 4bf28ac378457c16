//! Findings about one object's form.

use serde_json::Value;

use crate::code::Code;
use crate::finding::{Findings, Spot};
use crate::nearest::nearest;
use crate::object::Object;
use crate::path::{Path, Step, written};
use crate::text::quoted;

/// Deeper values are not followed: nothing of Kubernetes is, and a stack is finite.
const DEEPEST: usize = 100;

/// No field's name is longer, and comparing names takes the product of their lengths.
const LONGEST: usize = 64;

/// The object that is looked at, the way so far, and what was found.
pub(super) struct Faults<'f, 'p, 'a> {
    object: &'f Object<'a>,
    findings: &'f mut Findings<'p>,
    path: Path<'a>,
    deep: bool,
}

impl<'f, 'p, 'a> Faults<'f, 'p, 'a> {
    pub(super) fn new(object: &'f Object<'a>, findings: &'f mut Findings<'p>) -> Self {
        Self {
            object,
            findings,
            path: Path::new(),
            deep: false,
        }
    }

    /// The object.
    pub(super) fn value(&self) -> &'a Value {
        self.object.value
    }

    /// Looks at what is one step further.
    pub(super) fn within(&mut self, step: Step<'a>, look: impl FnOnce(&mut Self)) {
        self.path.push(step);
        if self.path.len() > DEEPEST {
            if !std::mem::replace(&mut self.deep, true) {
                self.tell(Code::TooDeep, "it nests values too deep".to_owned(), None);
            }
        } else {
            look(self);
        }
        self.path.pop();
    }

    fn tell(&mut self, code: Code, message: String, hint: Option<String>) {
        let spot = Spot::at(written(&self.path));
        let hint = hint.unwrap_or_else(|| code.hint().to_owned());
        self.findings.advise(self.object, code, spot, message, hint);
    }

    /// `versions` are those that the kind has, `known` what else there is in its group.
    pub(super) fn unknown_kind(&mut self, versions: &[&str], known: &[String]) {
        let name = format!("{} {}", self.object.api_version, self.object.kind);
        let hint = if versions.is_empty() {
            near(&name, known.iter().map(String::as_str))
        } else {
            Some(format!("its `apiVersion` is {}", listed(versions)))
        };
        let message = format!("there is no `{}`", quoted(&name));
        self.tell(Code::UnknownKind, message, hint);
    }

    pub(super) fn unknown_version(&mut self, served: &[&str]) {
        let name = format!("{} {}", self.object.api_version, self.object.kind);
        let message = format!("its definition does not serve `{}`", quoted(&name));
        let hint = match served {
            [] => "serve a version in the definition".to_owned(),
            some => format!("use one that is served: {}", listed(some)),
        };
        self.tell(Code::UnknownKind, message, Some(hint));
    }

    /// A field that the type does not have; called from within it.
    pub(super) fn unknown_field<'k>(
        &mut self,
        name: &str,
        known: impl IntoIterator<Item = &'k str>,
    ) {
        let hint = near(name, known);
        let message = format!("there is no field `{}`", quoted(name));
        self.tell(Code::UnknownField, message, hint);
    }

    /// A value of another type. The value itself is not told.
    pub(super) fn wrong_type(&mut self, wanted: &str, value: &Value) {
        let found = match value {
            Value::Null => "nothing",
            Value::Bool(_) => "a boolean",
            Value::Number(number) if number.is_i64() || number.is_u64() => "an integer",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        let message = if wanted == found {
            format!("it must be {wanted}, and is out of range")
        } else {
            format!("it must be {wanted}, not {found}")
        };
        self.tell(Code::WrongType, message, None);
    }

    pub(super) fn missing(&mut self, name: &str) {
        let message = format!("its field `{}` is missing", quoted(name));
        self.tell(Code::MissingField, message, None);
    }

    /// A value that is none of those allowed.
    pub(super) fn unknown_value(&mut self, value: &str, allowed: &[&str]) {
        let hint = near(value, allowed.iter().copied())
            .unwrap_or_else(|| format!("use one of {}", listed(allowed)));
        let message = format!("it can't be `{}`", quoted(value));
        self.tell(Code::UnknownValue, message, Some(hint));
    }

    pub(super) fn malformed(&mut self, wanted: &str, value: &str) {
        let message = format!("`{}` is not {wanted}", quoted(value));
        self.tell(Code::UnknownValue, message, Some(format!("write {wanted}")));
    }

    pub(super) fn duplicate(&mut self, key: &str) {
        let message = format!("another element has the key `{}` too", quoted(key));
        self.tell(Code::DuplicateKey, message, None);
    }
}

fn near<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<String> {
    if name.len() > LONGEST {
        return None;
    }
    let nearest = nearest(name, known)?;
    Some(format!("did you mean `{nearest}`?"))
}

fn listed(names: &[&str]) -> String {
    const MOST: usize = 12;
    let mut text: Vec<String> = names
        .iter()
        .take(MOST)
        .map(|name| format!("`{}`", quoted(name)))
        .collect();
    if names.len() > MOST {
        text.push("…".to_owned());
    }
    text.join(", ")
}

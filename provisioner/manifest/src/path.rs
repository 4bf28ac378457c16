//! The way to a field.

use std::fmt::Write as _;

use crate::text::quoted;

/// One step of the way.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step<'a> {
    /// A field, or the key of a mapping.
    Field(&'a str),
    /// An element of a list.
    Element(usize),
}

/// The way to the value that is looked at.
pub(crate) type Path<'a> = Vec<Step<'a>>;

/// `spec.containers[0].image`, `metadata.annotations["a.b/c"]`.
pub(crate) fn written(path: &[Step<'_>]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Step::Element(at) => {
                let _ = write!(text, "[{at}]");
            }
            Step::Field(name) if plain(name) => {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(name);
            }
            Step::Field(name) => {
                let _ = write!(text, "[\"{}\"]", quoted(name));
            }
        }
    }
    text
}

fn plain(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 80
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'$'))
}

#[cfg(test)]
mod tests {
    use super::{Step, written};

    #[test]
    fn ways_are_written_as_kubectl_explains_them() {
        use Step::{Element, Field};
        let way = [
            Field("spec"),
            Field("containers"),
            Element(0),
            Field("image"),
        ];
        assert_eq!(written(&way), "spec.containers[0].image");
        let way = [Field("metadata"), Field("labels"), Field("a.b/c\n")];
        assert_eq!(written(&way), "metadata.labels[\"a.b/c\\n\"]");
        assert_eq!(written(&[]), "");
    }
}

//! What can be wrong with an environment. Texts say what failed, on what and why; advice is in [`Error::hint`].

use std::fmt;
use std::path::PathBuf;

/// One thing wrong with an environment.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No folder of that name.
    #[error("there is no environment `{name}`")]
    Unknown {
        /// What was asked for.
        name: String,
        /// Those there are.
        known: Vec<String>,
    },
    /// A file can't be read.
    #[error("`{}` can't be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is too large, is no regular file, is no UTF-8, or lies outside of the project.
    #[error("`{}` is not used: {why}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// Something in the environment's file.
    #[error("{file}:{line}:{column}: {fault}")]
    Fault {
        /// Path from the project's root.
        file: String,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What.
        fault: Fault,
    },
}

/// What is wrong at a place of a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// No YAML that is read.
    #[error("{0}")]
    Yaml(String),
    /// A field that does not exist.
    #[error("unknown field `{field}`")]
    UnknownField {
        /// The field.
        field: String,
        /// The fields there are.
        known: Vec<String>,
    },
    /// A wrong type, a missing field or a value that is not allowed.
    #[error("{0}")]
    Form(String),
    /// A name that is not declared.
    #[error("there is no {what} `{name}`")]
    Undeclared {
        /// `secret`, `template`.
        what: &'static str,
        /// The name.
        name: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// A name used twice.
    #[error("the {what} `{name}` is declared twice")]
    Twice {
        /// `check`, `template`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// Values that don't go together, with what to do.
    #[error("{why}")]
    Unfit {
        /// What is wrong.
        why: String,
        /// What to do.
        hint: &'static str,
    },
}

impl Error {
    /// What to do about it, if that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown { name, known } if known.is_empty() => {
                Some(format!("make `environments/{name}/environment.yaml`"))
            }
            Self::Unknown { name, known } => Some(suggestion(name, known)),
            Self::Fault { fault, .. } => match fault {
                Fault::UnknownField { field: name, known }
                | Fault::Undeclared { name, known, .. }
                    if !known.is_empty() =>
                {
                    Some(suggestion(name, known))
                }
                Fault::Undeclared { what, name, .. } => {
                    Some(format!("declare the {what} `{name}`"))
                }
                Fault::Twice { .. } => Some("give one of them another name".to_owned()),
                Fault::Unfit { hint, .. } => Some((*hint).to_owned()),
                _ => None,
            },
            _ => None,
        }
    }
}

fn suggestion(name: &str, known: &[String]) -> String {
    let list = known
        .iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ");
    match planner::nearest(name, known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`? There are: {list}"),
        None => format!("there are: {list}"),
    }
}

/// Everything found wrong, in the order of the file.
#[derive(Debug)]
pub struct Errors(pub Vec<Error>);

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Errors {}

impl From<Error> for Errors {
    fn from(error: Error) -> Self {
        Self(vec![error])
    }
}

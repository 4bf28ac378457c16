//! What can go wrong.

use std::fmt;

/// The kind of a failure, for callers that act on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A file or directory is missing or of the wrong sort.
    Missing,
    /// A path leads out of where it may lead, or a base contains itself.
    Security,
    /// Text that is no YAML or JSON.
    Syntax,
    /// Something written in the kustomization or its files does not fit.
    Invalid,
    /// Something this renderer does not do, by decision.
    Refused,
    /// The input is larger or deeper than allowed.
    Limit,
    /// What a kustomization takes from elsewhere is not there as it should be.
    Corrupt,
}

/// A place in a file, 1-based.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The file, as the tree knows it.
    pub file: String,
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// Why an overlay could not be rendered. The message names the file, field and object concerned and keeps
/// kustomize's wording.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    message: String,
    kind: ErrorKind,
    location: Option<Box<Location>>,
    malformed: bool,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Error {
        Error {
            message: message.into(),
            kind,
            location: None,
            malformed: false,
        }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Invalid, message)
    }

    pub(crate) fn missing(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Missing, message)
    }

    pub(crate) fn refused(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Refused, message)
    }

    /// A document that could not be parsed at all, as resource readers say it.
    pub(crate) fn malformed(syntax: &crate::yaml::Syntax) -> Error {
        Error {
            malformed: true,
            ..Error::syntax(syntax)
        }
        .context("MalformedYAMLError")
    }

    pub(crate) fn syntax(syntax: &crate::yaml::Syntax) -> Error {
        let location = Location {
            file: String::new(),
            line: syntax.line,
            column: syntax.column,
        };
        Error {
            message: syntax.to_string(),
            kind: ErrorKind::Syntax,
            location: Some(Box::new(location)),
            malformed: false,
        }
    }

    /// The same failure, told with what was being done.
    pub(crate) fn context(mut self, prefix: impl fmt::Display) -> Error {
        self.message = format!("{prefix}: {}", self.message);
        self
    }

    /// The same failure with another message.
    pub(crate) fn reworded(mut self, message: impl FnOnce(&str) -> String) -> Error {
        self.message = message(&self.message);
        self
    }

    /// The same failure, told apart as one of leading out of where files may be read.
    pub(crate) fn of_security(mut self) -> Error {
        self.kind = ErrorKind::Security;
        self
    }

    /// Names the file the location is in, unless one is named.
    pub(crate) fn in_file(mut self, file: &str) -> Error {
        if let Some(location) = &mut self.location
            && location.file.is_empty()
        {
            location.file = file.to_owned();
        }
        self
    }

    pub(crate) fn is_malformed(&self) -> bool {
        self.malformed
    }

    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Where in which file, when that is known.
    pub fn location(&self) -> Option<&Location> {
        self.location.as_deref().filter(|l| !l.file.is_empty())
    }
}

impl From<crate::value::NoValue> for Error {
    fn from(error: crate::value::NoValue) -> Error {
        Error::invalid(error.0)
    }
}

/// How much of a text messages show, in bytes.
const SHOWN: usize = 16 << 10;

/// A text as messages show it: cut when it is very long.
pub(crate) fn excerpt(text: &str) -> &str {
    &text[..text.floor_char_boundary(SHOWN)]
}

pub(crate) type Result<T> = std::result::Result<T, Error>;

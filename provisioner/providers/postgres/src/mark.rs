//! How a restored database says whose it is and how far it has come: the comment on it.

use executor::provider::Error;

use crate::tools::{Role, literal, name};

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// It is there, and not all of the dump is in it.
    Begun,
    /// All of the dump is in it, and nobody has judged what that is. Nobody uses it yet.
    Restored,
    /// It is whoever's who uses it.
    Complete,
}

impl Mark {
    /// The comment; `token` is that of the step that restores it.
    pub(crate) fn text(self, token: &str) -> String {
        format!("rebuild {token} {}", self.word())
    }

    fn word(self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Restored => "restored",
            Self::Complete => "complete",
        }
    }
}

/// The token in the mark of a database that is restored and waits to be judged.
pub(crate) fn waiting(comment: &str) -> Option<&str> {
    comment
        .strip_prefix("rebuild ")?
        .strip_suffix(Mark::Restored.word())?
        .strip_suffix(' ')
}

/// The comment on a database, which may be empty; none where there is no such database.
pub(crate) async fn of(
    boss: &Role<'_>,
    what: &str,
    database: &str,
) -> Result<Option<String>, Error> {
    let asked = format!(
        "SELECT coalesce(shobj_description(oid, 'pg_database'), '') || '|' FROM pg_database WHERE datname = {};",
        literal(database)
    );
    let there = boss.sql(what, "postgres", &asked).await?;
    Ok(there.trim().strip_suffix('|').map(str::to_owned))
}

/// Sets the comment.
pub(crate) async fn set(
    boss: &Role<'_>,
    what: &str,
    database: &str,
    text: &str,
) -> Result<(), Error> {
    let comment = format!(
        "COMMENT ON DATABASE {} IS {};",
        name(database),
        literal(text)
    );
    boss.sql(what, "postgres", &comment).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_waits_is_told_to_wait() {
        assert_eq!(waiting(&Mark::Restored.text("t1")), Some("t1"));
        for other in [
            Mark::Complete.text("t1"),
            Mark::Begun.text("t1"),
            "restored".to_owned(),
            String::new(),
        ] {
            assert_eq!(waiting(&other), None, "{other}");
        }
    }
}

//! Names the backup manager gives: `natlangchain_YYYYMMDD_HHMMSS_KIND.json.gz`.

use std::fmt;

use jiff::civil::DateTime;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Why a backup was taken; decides how long the manager keeps it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Every day.
    Daily,
    /// On Mondays.
    Weekly,
    /// On the first of a month.
    Monthly,
    /// By a person.
    Manual,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Daily, Self::Weekly, Self::Monthly, Self::Manual];

    /// The word in names and metadata.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Daily => "daily",
            Self::Weekly => "weekly",
            Self::Monthly => "monthly",
            Self::Manual => "manual",
        }
    }
}

/// What the name of a backup says. The name is chosen by whoever writes the object, so it proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BackupName {
    /// When it was taken, by the wall clock of the machine that took it.
    pub taken: DateTime,
    /// Why it was taken.
    pub kind: Kind,
}

const PREFIX: &str = "natlangchain_";
const ENDING: &str = ".json.gz";

impl BackupName {
    /// Reads the last part of a key or path; `None` when the manager gives no such name.
    #[must_use]
    pub fn parse(key: &str) -> Option<Self> {
        let name = key.rsplit('/').next()?;
        let stem = name.strip_prefix(PREFIX)?.strip_suffix(ENDING)?;
        let mut parts = stem.split('_');
        let (date, time, kind) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || date.len() != 8 || time.len() != 6 {
            return None;
        }
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(date) || !digits(time) {
            return None;
        }
        let taken = DateTime::strptime("%Y%m%d%H%M%S", format!("{date}{time}")).ok()?;
        let kind = Kind::ALL.into_iter().find(|known| known.as_str() == kind)?;
        Some(Self { taken, kind })
    }

    /// The id operators use: the name without its ending.
    #[must_use]
    pub fn id(&self) -> String {
        format!(
            "{PREFIX}{}_{}",
            self.taken.strftime("%Y%m%d_%H%M%S"),
            self.kind.as_str()
        )
    }

    /// The id in the manager's metadata, which does not tell kinds apart.
    #[must_use]
    pub fn manager_id(&self) -> String {
        format!("BACKUP-{}", self.taken.strftime("%Y%m%d%H%M%S"))
    }
}

impl fmt::Display for BackupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{ENDING}", self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_written() {
        let name =
            BackupName::parse("natlangchain/natlangchain_20261123_033004_weekly.json.gz").unwrap();
        assert_eq!(name.kind, Kind::Weekly);
        assert_eq!(name.taken.to_string(), "2026-11-23T03:30:04");
        assert_eq!(
            name.to_string(),
            "natlangchain_20261123_033004_weekly.json.gz"
        );
        assert_eq!(name.id(), "natlangchain_20261123_033004_weekly");
        assert_eq!(name.manager_id(), "BACKUP-20261123033004");
    }

    #[test]
    fn other_names_are_not() {
        for name in [
            "",
            "natlangchain_20261123_033004_weekly.json.gz.meta.json",
            "natlangchain_20261123_033004_hourly.json.gz",
            "natlangchain_20261323_033004_daily.json.gz",
            "natlangchain_20261123_253004_daily.json.gz",
            "natlangchain_20261123_033004_daily_x.json.gz",
            "natlangchain_2026112_0330044_daily.json.gz",
            "natlangchain_+2026112_033004_daily.json.gz",
            "chain_20261123_033004_daily.json.gz",
            "latest.json.gz",
        ] {
            assert_eq!(BackupName::parse(name), None, "{name}");
        }
    }
}

//! Whether buckets keep what matters after a breach: backups that nobody can delete, records of who asked for what.

use environment::schema::LockNeed;
use planner::{Finding, Severity};
use provider_object_store::Keeping;

/// What an environment says of its backups and logs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    /// How strong the lock of a known-good backup has to be.
    pub lock: LockNeed,
    /// Seconds that a backup is to be held at least.
    pub retention: Option<u32>,
    /// Seconds that logs are to be kept at least.
    pub logs: Option<u32>,
}

/// Findings on one bucket.
pub struct Judge<'a> {
    bucket: String,
    kept: &'a Keeping,
    found: Vec<Finding>,
}

const BACKUP: &str = "harden.backup-lock";
const LOGS: &str = "harden.log-retention";

impl<'a> Judge<'a> {
    /// Of a bucket, by its address.
    pub fn of(bucket: impl Into<String>, kept: &'a Keeping) -> Self {
        Self {
            bucket: bucket.into(),
            kept,
            found: Vec::new(),
        }
    }

    fn add(&mut self, code: &str, message: impl Into<String>, hint: &str) {
        self.found.push(Finding {
            severity: Severity::Warning,
            code: code.to_owned(),
            subject: self.bucket.clone(),
            message: message.into(),
            hint: hint.to_owned(),
        });
    }

    /// What can't be told is told as such.
    fn unread(&mut self, code: &str, what: &str, why: &str) {
        self.found.push(Finding {
            severity: Severity::Note,
            code: code.to_owned(),
            subject: self.bucket.clone(),
            message: format!("{what} can't be told: {why}"),
            hint: "look at it by hand, or allow these credentials to read it".to_owned(),
        });
    }

    /// As a place that backups are taken from.
    #[must_use]
    pub fn backups(mut self, wanted: &Wanted) -> Self {
        match &self.kept.versions {
            Ok(true) => {}
            Ok(false) => self.add(
                BACKUP,
                "old versions are not kept, so a backup that is overwritten is lost",
                "turn versioning on",
            ),
            Err(why) => self.unread(BACKUP, "whether old versions are kept", why),
        }
        if wanted.lock != LockNeed::None {
            self.held(wanted);
        }
        match (&self.kept.expiry, wanted.retention) {
            (Ok(Some(expiry)), Some(needed)) if *expiry < u64::from(needed) => {
                let message = format!(
                    "a lifecycle rule deletes what it holds after {}, and `backups.retention` is {}",
                    span(*expiry),
                    span(needed.into())
                );
                self.add(BACKUP, message, "let the rule wait longer");
            }
            (Err(why), Some(_)) => self.unread(BACKUP, "whether rules delete what it holds", why),
            _ => {}
        }
        self
    }

    fn held(&mut self, wanted: &Wanted) {
        let lock = match &self.kept.lock {
            Ok(lock) => *lock,
            Err(why) => return self.unread(BACKUP, "how backups are held", why),
        };
        let hint = "set a default retention that nobody can shorten: compliance mode in S3, a locked retention policy in GCS";
        let Some(default) = lock.default else {
            let message = if lock.on {
                "it can hold objects and holds none by default: a backup is held only if its writer asks for it"
            } else {
                "nothing holds what is in it: whoever may delete there deletes every backup"
            };
            return self.add(BACKUP, message, hint);
        };
        if default.shortenable && wanted.lock == LockNeed::Unshortenable {
            self.add(
                BACKUP,
                "what holds backups can be shortened by its owner (governance mode, or a policy that is not locked), and `backups.lock` is `unshortenable`",
                hint,
            );
        }
        if let Some(needed) = wanted.retention
            && default.seconds < u64::from(needed)
        {
            let message = format!(
                "backups are held for {}, and `backups.retention` is {}",
                span(default.seconds),
                span(needed.into())
            );
            self.add(BACKUP, message, "hold them longer by default");
        }
    }

    /// As a bucket whose objects people ask for: who did is written down somewhere, and stays there.
    #[must_use]
    pub fn recorded(mut self) -> Self {
        match &self.kept.access_log {
            Ok(Some(_)) => {}
            Ok(None) => self.add(
                LOGS,
                "who reads and writes it is not recorded: server access logging is off",
                "record it into a bucket of another account, by server access logging or CloudTrail's data events",
            ),
            Err(why) => self.unread(LOGS, "whether it is recorded who reads and writes it", why),
        }
        self
    }

    /// As a bucket that logs are written to.
    #[must_use]
    pub fn logs(mut self, wanted: &Wanted) -> Self {
        match (&self.kept.expiry, wanted.logs) {
            (Ok(Some(expiry)), Some(needed)) if *expiry < u64::from(needed) => {
                let message = format!(
                    "a lifecycle rule deletes logs after {}, and `policy.log_retention` is {}",
                    span(*expiry),
                    span(needed.into())
                );
                self.add(LOGS, message, "let the rule wait longer");
            }
            (Err(why), Some(_)) => self.unread(LOGS, "whether rules delete what it holds", why),
            _ => {}
        }
        self
    }

    /// As the bucket of evidence, whose objects are each held for so many seconds by whoever writes them.
    #[must_use]
    pub fn evidence(mut self, held: u32) -> Self {
        match &self.kept.lock {
            Ok(lock) if lock.on => {}
            Ok(_) => self.add(
                LOGS,
                "it holds evidence and can't hold an object: Object Lock is off",
                "keep evidence in a bucket that was made with Object Lock",
            ),
            Err(why) => self.unread(LOGS, "whether it can hold evidence", why),
        }
        if let Ok(Some(expiry)) = &self.kept.expiry
            && *expiry < u64::from(held)
        {
            let message = format!(
                "a lifecycle rule deletes what it holds after {}, and `evidence.retention` is {}",
                span(*expiry),
                span(held.into())
            );
            self.add(LOGS, message, "let the rule wait longer");
        }
        self
    }

    /// As the bucket of locks and incidents: what is overwritten there can be looked up.
    #[must_use]
    pub fn control(mut self) -> Self {
        match &self.kept.versions {
            Ok(true) => {}
            Ok(false) => self.add(
                LOGS,
                "it holds incidents and keeps no old versions: one that is overwritten is lost",
                "turn versioning on",
            ),
            Err(why) => self.unread(LOGS, "whether old versions are kept", why),
        }
        self
    }

    /// What was found.
    #[must_use]
    pub fn findings(self) -> Vec<Finding> {
        self.found
    }
}

fn span(seconds: u64) -> String {
    planner::duration::spoken(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use provider_object_store::{BucketLock, HeldFor};

    const DAY: u32 = 86_400;

    fn good() -> Keeping {
        Keeping {
            versions: Ok(true),
            lock: Ok(BucketLock {
                on: true,
                default: Some(HeldFor {
                    seconds: 30 * u64::from(DAY),
                    shortenable: false,
                }),
            }),
            expiry: Ok(None),
            access_log: Ok(Some("logs".to_owned())),
        }
    }

    fn wanted() -> Wanted {
        Wanted {
            lock: LockNeed::Unshortenable,
            retention: Some(30 * DAY),
            logs: Some(30 * DAY),
        }
    }

    fn all(kept: &Keeping, wanted: &Wanted) -> Vec<(Severity, String)> {
        let judge = Judge::of("s3://a", kept).backups(wanted).recorded();
        let judge = judge.logs(wanted).evidence(30 * DAY).control();
        judge
            .findings()
            .into_iter()
            .map(|finding| (finding.severity, finding.message))
            .collect()
    }

    #[test]
    fn a_bucket_that_keeps_what_it_should_has_no_finding() {
        assert_eq!(all(&good(), &wanted()), []);
    }

    #[test]
    fn each_weakness_is_named() {
        let default = |seconds: u32, shortenable| {
            Ok(BucketLock {
                on: true,
                default: Some(HeldFor {
                    seconds: seconds.into(),
                    shortenable,
                }),
            })
        };
        let cases: [(&str, Keeping, usize); 7] = [
            (
                "old versions are not kept",
                Keeping {
                    versions: Ok(false),
                    ..good()
                },
                2,
            ),
            (
                "nothing holds what is in it",
                Keeping {
                    lock: Ok(BucketLock::default()),
                    ..good()
                },
                2,
            ),
            (
                "holds none by default",
                Keeping {
                    lock: Ok(BucketLock {
                        on: true,
                        default: None,
                    }),
                    ..good()
                },
                1,
            ),
            (
                "can be shortened by its owner",
                Keeping {
                    lock: default(30 * DAY, true),
                    ..good()
                },
                1,
            ),
            (
                "backups are held for",
                Keeping {
                    lock: default(DAY, false),
                    ..good()
                },
                1,
            ),
            (
                "a lifecycle rule deletes",
                Keeping {
                    expiry: Ok(Some(u64::from(DAY))),
                    ..good()
                },
                3,
            ),
            (
                "server access logging is off",
                Keeping {
                    access_log: Ok(None),
                    ..good()
                },
                1,
            ),
        ];
        for (says, kept, many) in cases {
            let found = all(&kept, &wanted());
            assert_eq!(found.len(), many, "{says}: {found:?}");
            assert!(found[0].1.contains(says), "{says}: {found:?}");
            assert!(
                found
                    .iter()
                    .all(|(severity, _)| *severity == Severity::Warning)
            );
        }
    }

    #[test]
    fn what_is_not_stated_is_not_asked_for() {
        let kept = Keeping {
            lock: Ok(BucketLock::default()),
            expiry: Ok(Some(1)),
            ..good()
        };
        let nothing = Wanted {
            lock: LockNeed::None,
            ..Wanted::default()
        };
        let judge = Judge::of("s3://a", &kept).backups(&nothing).logs(&nothing);
        assert_eq!(judge.findings(), []);
    }

    #[test]
    fn what_can_not_be_read_is_no_praise() {
        let found = all(&Keeping::unread("403"), &wanted());
        assert_eq!(found.len(), 7, "{found:?}");
        assert!(
            found
                .iter()
                .all(|(severity, why)| *severity == Severity::Note && why.contains("403"))
        );
    }
}

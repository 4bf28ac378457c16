//! What is left to do after a run, each with who does it.

use environment::schema::Contact;
use planner::{Finding, Severity};
use serde::Serialize;

use crate::breach;
use crate::first_backup::{FirstBackup, State};
use crate::report::Ticked;

/// Role of whoever looks after what is weak.
const SECURITY: &str = "security";
/// Role of whoever looks after what no role is named for.
const COMMANDER: &str = "incident commander";
/// Role of whoever keeps the service going.
const ON_CALL: &str = "on-call engineer";
/// Who does what nobody is named for.
const NOBODY: &str = "unassigned";

/// One thing that is left to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FollowUp {
    /// What.
    pub what: String,
    /// Why.
    pub why: String,
    /// Who does it: a contact of the environment, a role, or `unassigned`.
    pub owner: String,
    /// Which part of the report it comes from.
    pub source: &'static str,
}

/// All that a report is made of and that may leave something to do.
pub struct Left<'a> {
    /// The checklist.
    pub checklist: &'a [Ticked],
    /// Remarks on the plan that was applied.
    pub findings: &'a [Finding],
    /// What the stages of a breach did.
    pub breach: Option<&'a breach::Report>,
    /// The first backup.
    pub first_backup: Option<&'a FirstBackup>,
    /// Who is told and asked.
    pub contacts: &'a [Contact],
}

impl Left<'_> {
    /// Everything left to do: what somebody may still be in by first, the checklist last.
    pub fn follow_ups(&self) -> Vec<FollowUp> {
        let mut all = Vec::new();
        if let Some(report) = self.breach {
            all.extend(self.of_breach(report));
        }
        all.extend(self.first_backup.and_then(|first| self.of_backup(first)));
        all.extend(
            self.first_backup
                .into_iter()
                .flat_map(|first| self.of_contents(first)),
        );
        all.extend(
            self.findings
                .iter()
                .filter(|finding| finding.severity >= Severity::Warning)
                .map(|finding| self.of_finding(finding, "plan")),
        );
        all.extend(
            self.checklist
                .iter()
                .filter(|item| !item.done)
                .map(|item| self.of_item(item)),
        );
        all
    }

    /// A contact of the role.
    fn contact(&self, role: &str) -> Option<String> {
        self.contacts
            .iter()
            .find(|contact| contact.role.eq_ignore_ascii_case(role))
            .map(|contact| format!("{} ({})", contact.name, contact.role))
    }

    fn owner(&self, role: &str) -> String {
        self.contact(role).unwrap_or_else(|| NOBODY.to_owned())
    }

    fn of_finding(&self, finding: &Finding, source: &'static str) -> FollowUp {
        let safety = ["harden.", "breach.", "taint.", "backup.", "approval."];
        let role = match safety.iter().any(|start| finding.code.starts_with(start)) {
            true => SECURITY,
            false => ON_CALL,
        };
        FollowUp {
            what: match finding.hint.as_str() {
                "" => format!("look at {}", finding.subject),
                hint => format!("{}: {hint}", finding.subject),
            },
            why: format!("{} [{}]", finding.message, finding.code),
            owner: self.owner(role),
            source,
        }
    }

    fn of_breach(&self, report: &breach::Report) -> Vec<FollowUp> {
        let owner = self.owner(SECURITY);
        let one = |what: String, why: &str, source| FollowUp {
            what,
            why: why.to_owned(),
            owner: owner.clone(),
            source,
        };
        let mut all = Vec::new();
        for open in report.open.iter().flatten() {
            let why = "it was still open at the end, or could not be looked at";
            all.push(one(format!("cut off: {open}"), why, "breach"));
        }
        for unread in &report.unread {
            let why = "it could not be looked at when everything was cut off";
            all.push(one(format!("look at {unread}"), why, "breach"));
        }
        if let Some(evidence) = &report.evidence {
            if let Some(why) = &evidence.failed {
                let what = "keep evidence of the old generations: `rebuild evidence collect`";
                all.push(one(what.to_owned(), why, "evidence"));
            }
            for missing in &evidence.missing {
                let why = "it is not in the evidence that is kept";
                all.push(one(format!("secure by hand: {missing}"), why, "evidence"));
            }
        }
        for finding in report.hardening.iter().flatten() {
            all.push(self.of_finding(finding, "hardening"));
        }
        all
    }

    fn of_backup(&self, first: &FirstBackup) -> Option<FollowUp> {
        let what = match first.state {
            State::Taken => return None,
            State::Failed => "put right what takes the first backup, then `rebuild resume`",
            State::Open => "take a first backup of the new generation and verify it",
        };
        Some(FollowUp {
            what: what.to_owned(),
            why: first.why.clone(),
            owner: self.owner(ON_CALL),
            source: "first backup",
        })
    }

    /// What in a first backup that is good wants to be looked at all the same.
    fn of_contents(&self, first: &FirstBackup) -> Vec<FollowUp> {
        let one = |what: &str, why: String| FollowUp {
            what: what.to_owned(),
            why,
            owner: self.owner(SECURITY),
            source: "first backup",
        };
        let mut all = Vec::new();
        let new = first.listed("new_identities");
        if !new.is_empty() {
            let what = "see that whoever is new in the first backup belongs there";
            let why = format!("not in the seeded backup: {}", new.join(", "));
            all.push(one(what, why));
        }
        if let Some(why) = first.found.get("identities_unread") {
            let what = "compare who is in the first backup with the seeded one: `rebuild backups identities`";
            all.push(one(what, why.as_str().unwrap_or_default().to_owned()));
        }
        let against = first.listed("against");
        if !against.is_empty() {
            let what = "lay the backups of the former history aside, or later ones of this generation will count as contradicting them";
            all.push(one(what, against.join("; ")));
        }
        all
    }

    fn of_item(&self, item: &Ticked) -> FollowUp {
        let (owner, why) = match item.by.as_str() {
            "rebuild" => (
                self.owner(COMMANDER),
                "this run did not do all that ticks it",
            ),
            role => (
                self.contact(role).unwrap_or_else(|| role.to_owned()),
                "no step of the run shows it, so a person does",
            ),
        };
        FollowUp {
            what: item.item.clone(),
            why: why.to_owned(),
            owner,
            source: "checklist",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use planner::reference::Outputs;
    use serde_json::json;

    fn contacts() -> Vec<Contact> {
        vec![Contact {
            name: "Ada".to_owned(),
            role: "Security".to_owned(),
            reach: "ada@example.com".to_owned(),
        }]
    }

    fn finding(severity: Severity, code: &str) -> Finding {
        Finding {
            severity,
            code: code.to_owned(),
            subject: "s3://a".to_owned(),
            message: "it is weak".to_owned(),
            hint: "mend it".to_owned(),
        }
    }

    fn item(by: &str, done: bool) -> Ticked {
        Ticked {
            item: format!("by {by}"),
            by: by.to_owned(),
            done,
        }
    }

    fn owners(left: &Left<'_>) -> Vec<(&'static str, String)> {
        left.follow_ups()
            .into_iter()
            .map(|one| (one.source, one.owner))
            .collect()
    }

    #[test]
    fn everything_open_has_an_owner_and_what_is_done_is_not_told() {
        let contacts = contacts();
        let report = breach::Report {
            open: Some(vec!["iam: key".to_owned()]),
            hardening: Some(vec![finding(Severity::Warning, "harden.public")]),
            ..breach::Report::default()
        };
        let left = Left {
            checklist: &[
                item("security", false),
                item("customers", false),
                item("rebuild", false),
                item("rebuild", true),
            ],
            findings: &[
                finding(Severity::Warning, "image.without-digest"),
                finding(Severity::Note, "breach.changed"),
            ],
            breach: Some(&report),
            first_backup: Some(&FirstBackup::without(State::Open, "nothing took one")),
            contacts: &contacts,
        };
        let ada = || "Ada (Security)".to_owned();
        assert_eq!(
            owners(&left),
            [
                ("breach", ada()),
                ("hardening", ada()),
                ("first backup", NOBODY.to_owned()),
                ("plan", NOBODY.to_owned()),
                ("checklist", ada()),
                ("checklist", "customers".to_owned()),
                ("checklist", NOBODY.to_owned()),
            ]
        );
    }

    #[test]
    fn a_good_backup_leaves_what_is_new_in_it_to_be_looked_at() {
        let first = FirstBackup {
            found: Outputs::from([("new_identities".to_owned(), json!(["author mallory"]))]),
            ..FirstBackup::without(State::Taken, "")
        };
        let contacts = contacts();
        let left = Left {
            checklist: &[],
            findings: &[],
            breach: None,
            first_backup: Some(&first),
            contacts: &contacts,
        };
        let told = left.follow_ups();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].why.contains("author mallory"));
    }
}

//! What the types alone can't say: names that must exist, names that must not repeat, values that go together.

use std::collections::BTreeSet;

use manifest::Code;
use planner::kinds::vault::Generator;

use crate::error::Fault;
use crate::load::within;
use crate::schema::Document;
use crate::yaml::{Node, Place};

/// Variables that every template has.
pub(crate) const RESERVED: [&str; 5] = [
    "environment",
    "generation",
    "account",
    "region",
    "namespace",
];

struct Checker<'a> {
    document: &'a Document,
    tree: &'a Node,
    faults: Vec<(Place, Fault)>,
}

/// Every fault, with its place.
pub(crate) fn check(document: &Document, folder: &str, tree: &Node) -> Vec<(Place, Fault)> {
    let mut checker = Checker {
        document,
        tree,
        faults: Vec::new(),
    };
    if document.name != folder {
        checker.unfit(
            &["name"],
            format!(
                "the name is `{}`, the folder's is `{folder}`",
                document.name
            ),
            "give both the same name",
        );
    }
    if !label(&document.name, 32) {
        checker.unfit(
            &["name"],
            format!(
                "`{}` can't be part of names in AWS and Kubernetes",
                document.name
            ),
            "use up to 32 lower-case letters, digits and inner dashes",
        );
    }
    checker.what();
    checker.places();
    checker.secrets();
    checker.checks();
    checker.policy();
    checker.approvals();
    checker.accepted();
    checker.openings();
    checker.database();
    checker.faults
}

impl Checker<'_> {
    fn approvals(&mut self) {
        let approvals = &self.document.approvals;
        for scenario in approvals.needed.keys() {
            if let Some(Err(error)) = approvals.policy(*scenario).map(|policy| policy.check()) {
                self.unfit(
                    &["approvals", "needed", scenario.name()],
                    error.to_string(),
                    "correct `approvals`: who can't approve would be missed when it counts",
                );
                return;
            }
        }
    }

    fn accepted(&mut self) {
        let document = self.document;
        let accepted = &document.breach.accepted_identities;
        for (index, one) in accepted.iter().enumerate() {
            let at = index.to_string();
            if one.reason.trim().is_empty() {
                self.unfit(
                    &["breach", "accepted_identities", &at, "reason"],
                    format!(
                        "nothing says why {} {} may come back",
                        one.kind.name(),
                        one.name
                    ),
                    "give the reason: it stands in the plan that is approved",
                );
            }
            let before = accepted.iter().take(index);
            if before
                .clone()
                .any(|other| other.kind == one.kind && other.name == one.name)
            {
                self.fault(
                    &["breach", "accepted_identities", &at],
                    Fault::Twice {
                        what: "accepted identity",
                        name: one.name.clone(),
                    },
                );
            }
        }
    }

    fn openings(&mut self) {
        let document = self.document;
        for (index, opening) in document.breach.open_networks.iter().enumerate() {
            if opening.reason.trim().is_empty() {
                self.unfit(
                    &["breach", "open_networks", &index.to_string(), "reason"],
                    format!("nothing says why {} is open that early", opening.cidr),
                    "give the reason: it stands in the plan that is approved",
                );
            }
        }
    }

    fn database(&mut self) {
        let document = self.document;
        let Some(database) = &document.database else {
            return;
        };
        if database.dump.is_some() == database.rds.is_some() {
            self.unfit(
                &["database"],
                "a database comes back in one way".to_owned(),
                "keep either `dump` or `rds`",
            );
        }
        let Some(dump) = &database.dump else {
            return;
        };
        if !document.secrets.contains_key(&dump.password) {
            self.unfit(
                &["database", "dump", "password"],
                format!("there is no secret `{}`", dump.password),
                "name one below `secrets`",
            );
        }
        let hex = |letter: char| letter.is_ascii_digit() || ('a'..='f').contains(&letter);
        if dump.sha256.len() != 64 || !dump.sha256.chars().all(hex) {
            self.unfit(
                &["database", "dump", "sha256"],
                "it is no SHA-256".to_owned(),
                "64 digits of lower-case hex, as `sha256sum` prints them",
            );
        }
    }

    fn fault(&mut self, path: &[&str], fault: Fault) {
        self.faults
            .push((self.tree.locate(path.iter().copied()).0, fault));
    }

    fn unfit(&mut self, path: &[&str], why: String, hint: &'static str) {
        self.fault(path, Fault::Unfit { why, hint });
    }

    fn what(&mut self) {
        let document = self.document;
        let mut seen = BTreeSet::new();
        for (index, path) in document.what.infrastructure.iter().enumerate() {
            if !seen.insert(path) {
                self.fault(
                    &["what", "infrastructure", &index.to_string()],
                    Fault::Twice {
                        what: "template",
                        name: path.clone(),
                    },
                );
            }
        }
        for name in document
            .what
            .variables
            .keys()
            .filter(|name| RESERVED.contains(&name.as_str()))
        {
            self.unfit(
                &["what", "variables", name],
                format!("every template has a variable `{name}` already"),
                "give it another name",
            );
        }
        let Some(overlay) = &document.what.overlay else {
            return;
        };
        if !within(&overlay.path) {
            self.unfit(
                &["what", "overlay", "path"],
                format!("the overlay `{}` lies outside of the project", overlay.path),
                "write a path from the project's root, without `..`",
            );
        }
        // A DNS label has 63 characters; a generation takes up to 24 and a dash.
        if !label(
            &overlay.namespace,
            if overlay.namespace_suffix { 38 } else { 63 },
        ) {
            self.unfit(&["what", "overlay", "namespace"], format!("`{}` is no name of a namespace", overlay.namespace), "use lower-case letters, digits and inner dashes; 38 at most with a suffix, 63 without");
        }
        for (index, url) in overlay.remotes.iter().enumerate() {
            if !["https://", "http://127."]
                .iter()
                .any(|start| url.starts_with(start))
            {
                self.unfit(
                    &["what", "overlay", "remotes", &index.to_string()],
                    format!("nothing is fetched from `{url}`"),
                    "write the beginning of an https URL, as `https://github.com/ORGANISATION/`",
                );
            }
        }
        if let Some(secret) = &overlay.secret {
            for (key, value) in &secret.data {
                self.secret(
                    &["what", "overlay", "secret", "data", key],
                    &value.secret,
                    &value.field,
                );
            }
        }
    }

    fn policy(&mut self) {
        let code = Code::ImageWithoutDigest;
        if self
            .document
            .policy
            .manifests
            .severities
            .contains_key(&code)
        {
            self.unfit(
                &["policy", "manifests", "severities", code.as_str()],
                format!("the severity of `{code}` is said in `policy.image_digests`"),
                "write it there, and take it away here",
            );
        }
    }

    fn places(&mut self) {
        let place = &self.document.r#where;
        let given = [
            ("aws", place.aws.is_some()),
            ("kubernetes", place.kubernetes.is_some()),
            ("vault", place.vault.is_some()),
            ("control", place.control.is_some()),
        ];
        for (name, given) in given {
            if place.sandbox && given {
                self.unfit(
                    &["where", name],
                    format!("the sandbox has its own `{name}`"),
                    "remove it, or `sandbox: true`",
                );
            }
            let needed = name != "kubernetes" || self.document.what.overlay.is_some();
            if !place.sandbox && !given && needed {
                self.unfit(
                    &["where"],
                    format!("`{name}` is missing"),
                    "say where it is, or `sandbox: true`",
                );
            }
        }
        self.evidence();
        self.first_backup();
        if let Some(aws) = &place.aws
            && !(aws.account.len() == 12 && aws.account.bytes().all(|b| b.is_ascii_digit()))
        {
            self.unfit(
                &["where", "aws", "account"],
                format!("`{}` is no AWS account", aws.account),
                "write its twelve digits in quotes",
            );
        }
        if self.document.backups.sources.is_empty() {
            self.unfit(
                &["backups", "sources"],
                "there is no place with backups".to_owned(),
                "add one: nothing is built without a verified backup",
            );
        }
    }

    fn evidence(&mut self) {
        let place = &self.document.r#where;
        let Some(kept) = &self.document.evidence else {
            return;
        };
        if place.sandbox {
            self.unfit(
                &["evidence"],
                "the sandbox has its own `evidence`".to_owned(),
                "remove it, or `sandbox: true`",
            );
        }
        if kept.retention.seconds() < 3600 {
            self.unfit(
                &["evidence", "retention"],
                "evidence would be held for less than an hour".to_owned(),
                "say for how long it may be asked for, `8760h` say",
            );
        }
        if let Some(control) = &place.control
            && control.bucket == kept.bucket
        {
            self.unfit(
                &["evidence", "bucket"],
                "it is the bucket of the lock, whose objects must be replaceable".to_owned(),
                "give evidence a bucket of its own, with Object Lock, in another account",
            );
        }
    }

    fn first_backup(&mut self) {
        let document = self.document;
        let Some(first) = &document.backups.first else {
            return;
        };
        if document.what.overlay.is_none() || document.seed.is_none() {
            self.unfit(
                &["backups", "first"],
                "a first backup is taken by what runs on seeded data, and this environment has no such thing".to_owned(),
                "declare `what.overlay` and `seed`, or leave `first` out",
            );
        }
        if !(60..=86_400).contains(&first.deadline.seconds()) {
            self.unfit(
                &["backups", "first", "deadline"],
                "a Job is waited for between a minute and a day".to_owned(),
                "say how long a backup takes at most, `30m` say",
            );
        }
    }

    fn secrets(&mut self) {
        let document = self.document;
        for (name, generator) in &document.secrets {
            if !label(name, 63) {
                self.unfit(
                    &["secrets", name],
                    format!("`{name}` is no name of a secret"),
                    "use lower-case letters, digits and inner dashes",
                );
            }
            let weak = match generator {
                Generator::Random { bytes, .. } => !(16..=1024).contains(bytes),
                Generator::Password {
                    length,
                    lower,
                    upper,
                    digits,
                    symbols,
                } => {
                    !(12..=1024).contains(length)
                        || u32::from(*lower)
                            + u32::from(*upper)
                            + u32::from(*digits)
                            + u32::from(*symbols)
                            > u32::from(*length)
                }
                Generator::Tls { days, .. } => !(1..=825).contains(days),
                Generator::Uuid | Generator::Ed25519 => false,
            };
            if weak {
                self.unfit(&["secrets", name], format!("the secret `{name}` can't be made so"), "random: 16 to 1024 bytes; password: 12 to 1024 characters, its classes within them; tls: 1 to 825 days");
            }
        }
        if let Some(seed) = &document.seed {
            self.secret(&["seed", "encrypt_with"], &seed.encrypt_with, "value");
            if seed.key.is_empty() || seed.key.starts_with('/') {
                self.unfit(
                    &["seed", "key"],
                    format!("`{}` is no key of an object", seed.key),
                    "write a key that does not begin with `/`",
                );
            }
        }
    }

    fn checks(&mut self) {
        let document = self.document;
        let mut seen = BTreeSet::new();
        for (index, check) in document.validation.http.iter().enumerate() {
            let index = index.to_string();
            let path = |field| ["validation", "http", index.as_str(), field];
            if !seen.insert(&check.name) {
                self.fault(
                    &path("name"),
                    Fault::Twice {
                        what: "check",
                        name: check.name.clone(),
                    },
                );
            }
            if !label(&check.name, 63) {
                self.unfit(
                    &path("name"),
                    format!("`{}` is no name of a check", check.name),
                    "use lower-case letters, digits and inner dashes",
                );
            }
            if let Some(header) = &check.header {
                self.secret(
                    &["validation", "http", &index, "header", "secret"],
                    &header.secret,
                    &header.field,
                );
            }
            for (at, expectation) in check
                .expect
                .iter()
                .enumerate()
                .filter(|(_, e)| !e.pointer.is_empty() && !e.pointer.starts_with('/'))
            {
                self.unfit(
                    &[
                        "validation",
                        "http",
                        &index,
                        "expect",
                        &at.to_string(),
                        "pointer",
                    ],
                    format!("`{}` is no JSON pointer", expectation.pointer),
                    "begin it with `/` (RFC 6901)",
                );
            }
        }
    }

    fn secret(&mut self, path: &[&str], name: &str, field: &str) {
        let Some(generator) = self.document.secrets.get(name) else {
            let known = self.document.secrets.keys().cloned().collect();
            return self.fault(
                path,
                Fault::Undeclared {
                    what: "secret",
                    name: name.to_owned(),
                    known,
                },
            );
        };
        let fields: &[&str] = match generator {
            Generator::Ed25519 => &["private-key", "public-key"],
            Generator::Tls { .. } => &["private-key", "certificate"],
            _ => &["value"],
        };
        if !fields.contains(&field) {
            let known = fields.iter().map(|&field| field.to_owned()).collect();
            self.fault(
                path,
                Fault::Undeclared {
                    what: "field of the secret",
                    name: field.to_owned(),
                    known,
                },
            );
        }
    }
}

fn label(text: &str, longest: usize) -> bool {
    !text.is_empty()
        && text.len() <= longest
        && !text.starts_with('-')
        && !text.ends_with('-')
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

//! Which identities a chain holds, and where.
//!
//! There are no accounts: an author is whoever a text says. What lets somebody in are names of authors, keys that entries are
//! signed with (by the service for all its authors, so which author has which key says nothing), who is given assets, and what entries carry in their metadata, which the application takes as it comes. There,
//! fields with the usual names of roles, webhooks and credentials are looked for at any depth.

use super::canonical::is_truthy;
use super::entry::{EntryReader, Field};
use super::literal::run_end;
use super::walk;
use crate::identities::{Collector, Identities, Kind, fingerprint, printable};

/// Roles that metadata give to somebody, by the field's name in lower case without anything but letters and digits.
const ROLES: &[&str] = &[
    "account",
    "accountid",
    "admin",
    "admins",
    "agent",
    "agentid",
    "agents",
    "approvedby",
    "approver",
    "approvers",
    "authorizedby",
    "claimant",
    "controller",
    "cosigner",
    "cosigners",
    "delegate",
    "delegatedto",
    "delegates",
    "delegator",
    "did",
    "email",
    "identity",
    "identityid",
    "mediator",
    "mediatorid",
    "mediators",
    "member",
    "members",
    "miner",
    "node",
    "nodeid",
    "operator",
    "operators",
    "owner",
    "owners",
    "participants",
    "parties",
    "party",
    "peer",
    "peerid",
    "peers",
    "respondent",
    "signer",
    "signerid",
    "signers",
    "user",
    "userid",
    "username",
    "users",
    "validatedby",
    "validator",
    "validatorid",
    "validators",
    "wallet",
    "walletaddress",
];
/// Where somebody is told of something.
const WEBHOOKS: &[&str] = &[
    "callback",
    "callbacks",
    "callbackurl",
    "hookurl",
    "notifyurl",
    "webhook",
    "webhooks",
    "webhookurl",
];
/// Ends of the names of what lets somebody in, and how such a thing is called.
const CREDENTIALS: &[(&str, &str)] = &[
    ("apikey", "api-key"),
    ("apikeys", "api-key"),
    ("authorization", "authorization"),
    ("bearer", "token"),
    ("credential", "credential"),
    ("credentials", "credential"),
    ("passphrase", "password"),
    ("password", "password"),
    ("privatekey", "private-key"),
    ("secret", "secret"),
    ("secretkey", "secret"),
    ("secrets", "secret"),
    ("token", "token"),
    ("tokens", "token"),
];
/// Members of an object below such a field that say who it is.
const INSIDE: &[&str] = &[
    "address", "did", "email", "endpoint", "id", "key", "keyid", "name", "uri", "url", "value",
];
/// Longer than any of these names; a longer key is only looked at from its end.
const LONGEST_KEY: usize = 64;

/// What the values of a field are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Meaning {
    kind: Kind,
    label: &'static str,
}

/// Collects the identities of a chain.
#[derive(Debug)]
pub(super) struct Census {
    collector: Collector,
    stack: Vec<Frame>,
    key: Vec<u8>,
}

/// An object or a list that is open.
#[derive(Clone, Copy, Debug)]
struct Frame {
    object: bool,
    meaning: Option<Meaning>,
}

impl Census {
    pub(super) fn new(most: usize) -> Self {
        Self {
            collector: Collector::new(most),
            stack: Vec::new(),
            key: Vec::new(),
        }
    }

    /// An entry, of a block or not mined yet.
    pub(super) fn entry(&mut self, block: Option<u64>, entry: &EntryReader) {
        let author = entry.text(Field::Author).unwrap_or_default();
        self.person(Kind::Author, "", author, block);
        let metadata = entry.text(Field::Metadata).unwrap_or_default();
        let signing = [
            walk::member(metadata, b"public_key"),
            entry.text(Field::PublicKey),
        ];
        for key in signing.into_iter().flatten().filter(|key| is_truthy(key)) {
            self.person(Kind::Signer, "", key, block);
        }
        self.metadata(metadata, block);
    }

    /// Who has or had an asset, as the registry of assets says.
    pub(super) fn holder(&mut self, text: &[u8]) {
        self.person(Kind::Recipient, "", text, None);
    }

    /// A block ended that was made at this time.
    pub(super) fn block_ended(&mut self, time: Option<f64>) {
        self.collector.block_ended(time);
    }

    pub(super) fn finish(self) -> Identities {
        self.collector.finish()
    }

    /// Goes through canonical text once, whatever its nesting.
    fn metadata(&mut self, text: &[u8], block: Option<u64>) {
        self.stack.clear();
        let mut meaning: Option<Meaning> = None;
        let mut at = 0;
        while let Some(&byte) = text.get(at) {
            match byte {
                b'{' | b'[' => {
                    self.stack.push(Frame {
                        object: byte == b'{',
                        meaning,
                    });
                    at += 1;
                }
                b'}' | b']' => {
                    self.stack.pop();
                    meaning = self.inherited();
                    at += 1;
                }
                b'"' => {
                    let end = string_end(text, at);
                    let token = text.get(at..end).unwrap_or_default();
                    let rest = text.get(end..).unwrap_or_default();
                    at = end;
                    if self.stack.last().is_some_and(|frame| frame.object)
                        && rest.starts_with(b": ")
                    {
                        meaning = self.field(token);
                    } else {
                        self.scalar(meaning, token, block);
                        meaning = self.inherited();
                    }
                }
                b',' | b':' | b' ' => at += 1,
                _ => {
                    let rest = text.get(at..).unwrap_or_default();
                    let length = rest
                        .iter()
                        .position(|byte| matches!(byte, b',' | b'}' | b']'))
                        .unwrap_or(rest.len());
                    let token = rest.get(..length).unwrap_or_default();
                    self.scalar(meaning, token, block);
                    meaning = self.inherited();
                    at += length.max(1);
                }
            }
        }
    }

    /// What the next item means: that of the list it is in.
    fn inherited(&self) -> Option<Meaning> {
        self.stack
            .last()
            .filter(|frame| !frame.object)
            .and_then(|frame| frame.meaning)
    }

    /// What the value of a field means.
    fn field(&mut self, key: &[u8]) -> Option<Meaning> {
        let inside = key
            .strip_prefix(b"\"")
            .and_then(|key| key.strip_suffix(b"\""))
            .unwrap_or_default();
        self.key.clear();
        let letters = inside.iter().filter(|byte| byte.is_ascii_alphanumeric());
        let long = letters.clone().count().saturating_sub(LONGEST_KEY);
        self.key
            .extend(letters.skip(long).map(u8::to_ascii_lowercase));
        let key = std::str::from_utf8(&self.key).unwrap_or_default();
        if let Some(meaning) = meaning_of(key) {
            return Some(meaning);
        }
        let around = self.stack.last()?.meaning?;
        // Whatever lies below a credential may be a part of it.
        (around.kind == Kind::Credential || INSIDE.contains(&key)).then_some(around)
    }

    fn scalar(&mut self, meaning: Option<Meaning>, text: &[u8], block: Option<u64>) {
        let Some(Meaning { kind, label }) = meaning else {
            return;
        };
        if !is_truthy(text) || text == b"true" {
            return;
        }
        match kind {
            Kind::Credential => {
                // A number of tokens is none.
                if label == "token" && text.first() != Some(&b'"') {
                    return;
                }
                self.collector
                    .add(kind, &[label.as_bytes(), text], block, || {
                        format!("{label} {}", fingerprint(&plain(text)))
                    });
            }
            Kind::Webhook => self.collector.add(kind, &[text], block, || {
                let url = plain(text);
                format!("{}{}", origin(&url), fingerprint(&url))
            }),
            _ => self.person(kind, label, text, block),
        }
    }

    fn person(&mut self, kind: Kind, role: &'static str, text: &[u8], block: Option<u64>) {
        if !is_truthy(text) {
            return;
        }
        self.collector
            .add(kind, &[role.as_bytes(), text], block, || {
                if role.is_empty() {
                    shown(text)
                } else {
                    format!("{role}={}", shown(text))
                }
            });
    }
}

fn meaning_of(key: &str) -> Option<Meaning> {
    if matches!(key, "recipient" | "recipients" | "to") {
        return Some(Meaning {
            kind: Kind::Recipient,
            label: "",
        });
    }
    let named = |names: &'static [&'static str], kind| {
        let at = names.binary_search(&key).ok()?;
        let label = names.get(at).copied()?;
        Some(Meaning { kind, label })
    };
    named(ROLES, Kind::Party)
        .or_else(|| named(WEBHOOKS, Kind::Webhook))
        .or_else(|| {
            let (_, label) = CREDENTIALS.iter().find(|(end, _)| key.ends_with(end))?;
            Some(Meaning {
                kind: Kind::Credential,
                label,
            })
        })
}

/// The position behind the string that begins at `start`.
fn string_end(text: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    loop {
        at = run_end(text, at.min(text.len()));
        match text.get(at) {
            None => return text.len(),
            Some(b'"') => return at + 1,
            Some(b'\\') => at += 2,
            Some(_) => at += 1,
        }
    }
}

/// What a value says, as UTF-8 where that can express it.
fn plain(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    if walk::decode(text, &mut out).is_some() {
        out
    } else {
        text.to_vec()
    }
}

/// What a value says, to be shown.
fn shown(text: &[u8]) -> String {
    match String::from_utf8(plain(text)) {
        Ok(text) => printable(&text),
        Err(_) => fingerprint(text),
    }
}

/// Scheme and host of a URL and a space; nothing when it is no URL. Path, query and what stands before the host may be secret.
fn origin(url: &[u8]) -> String {
    let Some((scheme, rest)) = std::str::from_utf8(url)
        .ok()
        .and_then(|url| url.split_once("://"))
    else {
        return String::new();
    };
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let usual = |text: &str, more: &[char]| {
        !text.is_empty()
            && text
                .chars()
                .all(|letter| letter.is_ascii_alphanumeric() || more.contains(&letter))
    };
    if !usual(scheme, &['+', '-', '.']) || !usual(host, &['.', '-', ':', '[', ']', '_']) {
        return String::new();
    }
    format!("{scheme}://{host} ")
}

#[cfg(test)]
mod tests {
    use super::super::vectors::canonical;
    use super::*;

    fn found(metadata: &str) -> Vec<(Kind, String)> {
        let mut census = Census::new(100);
        census.metadata(canonical(metadata).as_bytes(), Some(1));
        census
            .finish()
            .found
            .into_iter()
            .map(|identity| (identity.kind, identity.name))
            .collect()
    }

    #[test]
    fn names_are_in_order() {
        for names in [ROLES, WEBHOOKS] {
            assert!(names.is_sorted(), "they are searched by halves");
        }
    }

    #[test]
    fn roles_webhooks_and_credentials_are_found_at_any_depth() {
        let party = |name: &str| (Kind::Party, name.to_owned());
        let secret = |label: &str, value: &str| {
            (
                Kind::Credential,
                format!("{label} {}", fingerprint(value.as_bytes())),
            )
        };
        for (metadata, expected) in [
            ("{}", vec![]),
            (
                r#"{"type": "prose", "tags": ["to", "agent"], "seq": 1}"#,
                vec![],
            ),
            (r#"{"agent_id": "a-7"}"#, vec![party("agentid=a-7")]),
            (r#"{"Validator-ID": 42}"#, vec![party("validatorid=42")]),
            (
                r#"{"x": [{"validators": ["v", "w", "v"]}, "y"], "z": "n"}"#,
                vec![party("validators=v"), party("validators=w")],
            ),
            (
                r#"{"owner": {"age": 3, "name": "o", "note": "n"}, "zone": "e"}"#,
                vec![party("owner=o")],
            ),
            (
                r#"{"recipient": "r", "to": "r"}"#,
                vec![(Kind::Recipient, "r".to_owned())],
            ),
            (
                r#"{"OPENAI_API_KEY": "sk-1", "tokens": 12, "admin": true, "password": ""}"#,
                vec![secret("api-key", "sk-1")],
            ),
            (
                r#"{"credentials": {"any": ["p", {"q": "r"}]}, "b": "c"}"#,
                vec![secret("credential", "p"), secret("credential", "r")],
            ),
            (
                r#"{"webhook": "https://u:p@hooks.example.com:8443/T/secret?x=1"}"#,
                vec![(
                    Kind::Webhook,
                    format!(
                        "https://hooks.example.com:8443 {}",
                        fingerprint(b"https://u:p@hooks.example.com:8443/T/secret?x=1")
                    ),
                )],
            ),
            (
                r#"{"callback": "not a url"}"#,
                vec![(Kind::Webhook, fingerprint(b"not a url"))],
            ),
            (
                "{\"agent\": \"\\u001b[2J\\ud800\"}",
                vec![party("agent=\"\\\\u001b[2J\\\\ud800\"")],
            ),
            (
                r#"[{"user": "\" : {"}, {"k\"ey": ": ", "users": ["u"]}]"#,
                vec![party("user=\" : {"), party("users=u")],
            ),
        ] {
            let found = found(metadata);
            assert_eq!(found, expected, "{metadata}");
            assert!(!format!("{found:?}").contains("sk-1"));
        }
    }

    #[test]
    fn hostile_nesting_costs_no_more_than_its_length() {
        let deep = format!("{}\"x\"{}", "{\"user\": [".repeat(400), "]}".repeat(400));
        assert_eq!(found(&deep), [(Kind::Party, "user=x".to_owned())]);
    }
}

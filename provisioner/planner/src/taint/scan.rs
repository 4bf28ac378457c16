//! Looking for old identifiers in new texts.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use aho_corasick::{AhoCorasick, MatchKind};
use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::boundary::stands_alone;
use super::{Identifier, IdentifierKind, OldInventory, layers};
use crate::address::Address;
use crate::finding::{Finding, Severity};
use crate::resource::Resource;

/// Bytes that all identifiers may have together.
const MOST_IDENTIFIERS: usize = 32 << 20;
/// Bytes one identifier may have.
const LONGEST: usize = 4096;
/// Bytes that may be decoded from one text.
const MOST_DECODED: usize = 64 << 20;
/// Encodings in one another.
const DEEPEST: usize = 6;
/// Matches that are looked at for each byte of a text, on average; more come only of identifiers made to overlap.
const MATCHES_PER_BYTE: usize = 32;
/// Bytes of an identifier that does not turn up in noise by chance.
const CERTAIN: usize = 8;
/// Places that are kept.
const MOST_HITS: usize = 10_000;

const HINT: &str = "take the reference out, or allow it in the environment with a reason";

/// A text of the new generation.
#[derive(Clone, Copy, Debug)]
pub struct Text<'a> {
    /// Whose it is: the address of a step, the name of a seeded configuration.
    pub subject: &'a str,
    /// Where in it the content stands: `spec`, `user-data`; may be empty.
    pub path: &'a str,
    /// The content.
    pub content: Content<'a>,
}

/// What a text is made of.
#[derive(Clone, Copy, Debug)]
pub enum Content<'a> {
    /// A value, of which every string and key is looked at.
    Json(&'a Value),
    /// Bytes: a file, user data.
    Bytes(&'a [u8]),
}

/// Looks for the old environment in everything wanted, whether it is there already or not. What a change replaces is old by nature and not
/// looked at.
pub(crate) fn check(taint: &Taint, desired: &BTreeMap<Address, Resource>) -> Vec<Finding> {
    let subjects: Vec<(String, &Value)> = desired
        .iter()
        // What tries old credentials has to name them.
        .filter(|(address, _)| {
            !["check.rotated", "check.refused", "check.sealed"]
                .contains(&address.qualified_kind().as_str())
        })
        .map(|(address, resource)| (address.to_string(), &resource.spec))
        .collect();
    let outcome = taint.check(subjects.iter().map(|(subject, spec)| Text {
        subject,
        path: "spec",
        content: Content::Json(spec),
    }));
    let allowed = outcome.allowed.into_iter().map(|allowed| Finding {
        severity: Severity::Note,
        code: "taint.allowed".to_owned(),
        subject: allowed.hit.subject,
        message: format!(
            "it refers to the old {} `{}`, which is allowed: {}",
            allowed.hit.identifier.kind, allowed.hit.identifier.value, allowed.reason
        ),
        hint: String::new(),
    });
    let mut findings: Vec<Finding> = allowed.collect();
    findings.extend(outcome.findings);
    findings
}

/// A reference to the old environment that is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Allowed {
    /// The kind; any when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<IdentifierKind>,
    /// The identifier.
    pub value: String,
    /// Why; required.
    pub reason: String,
}

/// An old identifier in a new text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Hit {
    /// Whose text.
    pub subject: String,
    /// Where in it: `spec.user_data (base64, gzip)`.
    pub path: String,
    /// What was found.
    pub identifier: Identifier,
    /// How often there.
    pub count: u64,
}

/// A hit that is allowed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AllowedHit {
    /// The hit.
    #[serde(flatten)]
    pub hit: Hit,
    /// Why it is allowed.
    pub reason: String,
}

/// An identifier that is not looked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// Which.
    pub identifier: Identifier,
    /// Why not.
    pub why: &'static str,
}

/// What the check says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// One error for each place that is not allowed (`taint.old-reference`), and for each text that was not read to its end
    /// (`taint.unfinished`).
    pub findings: Vec<Finding>,
    /// The places behind `taint.old-reference`.
    pub hits: Vec<Hit>,
    /// Places that are allowed.
    pub allowed: Vec<AllowedHit>,
}

/// Why nothing can be looked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TaintError {
    /// An allowance without a reason.
    #[error("`{0}` is allowed without a reason")]
    NoReason(String),
    /// More than is held in memory.
    #[error("the old environment's identifiers have more than {MOST_IDENTIFIERS} bytes")]
    TooMany,
    /// The automaton can't be built.
    #[error("the search for the old environment's identifiers can't be built: {0}")]
    Build(String),
}

/// The old environment's identifiers, ready to be looked for.
#[derive(Clone, Debug)]
pub struct Taint {
    automaton: AhoCorasick,
    /// By pattern: the identifier and whether upper and lower case are one.
    patterns: Vec<(usize, bool)>,
    /// One address may stand there in several spellings.
    addresses: HashMap<IpAddr, Vec<usize>>,
    identifiers: Vec<Identifier>,
    allowed: Vec<Allowed>,
    skipped: Vec<Skipped>,
}

/// Names that say nothing.
const COMMON: [&str; 12] = [
    "default",
    "main",
    "admin",
    "root",
    "public",
    "private",
    "test",
    "production",
    "staging",
    "sandbox",
    "ubuntu",
    "latest",
];

/// How an identifier is written, and whether case matters not; or why it is not looked for.
fn spellings(identifier: &Identifier) -> Result<Vec<(String, bool)>, &'static str> {
    let value = identifier.value.as_str();
    if value.len() > LONGEST {
        return Err("it is too long");
    }
    let one = |text: &str, fold: bool| Ok(vec![(text.to_owned(), fold)]);
    let at_least = |least: usize| {
        if value.len() < least {
            Err("it is too short to be told from other words")
        } else {
            Ok(())
        }
    };
    match identifier.kind {
        IdentifierKind::Id => at_least(4).and_then(|()| one(value, false)),
        IdentifierKind::Arn | IdentifierKind::Key => at_least(8).and_then(|()| one(value, false)),
        IdentifierKind::Fingerprint => at_least(8)
            .and_then(|()| one(value, value.contains(':') && !value.starts_with("SHA256:"))),
        IdentifierKind::Name => {
            at_least(4)?;
            if COMMON.contains(&value.to_ascii_lowercase().as_str()) {
                return Err("it is too common to be told from other words");
            }
            one(value, false)
        }
        IdentifierKind::Digest => {
            let hex = value.rsplit(':').next().unwrap_or(value);
            if hex.len() < 32 {
                return Err("it is no digest");
            }
            one(hex, true)
        }
        IdentifierKind::Account => {
            if !super::identifier::is_account(value) {
                return Err("it is no account: that has 12 digits");
            }
            // As the console shows it: 1234-5678-9012.
            let dashed = format!("{}-{}-{}", &value[..4], &value[4..8], &value[8..]);
            Ok(vec![(value.to_owned(), false), (dashed, false)])
        }
        IdentifierKind::Host => {
            let host = value.trim_end_matches('.');
            if !host.contains('.') || host.len() < 4 {
                return Err("it is no whole DNS name");
            }
            one(host, true)
        }
        IdentifierKind::Cidr => {
            let net: IpNet = value.parse().map_err(|_| "it is no address range")?;
            if is_private(net.addr()) || net.prefix_len() == 0 {
                return Err("private ranges are used again by new networks");
            }
            one(value, true)
        }
        IdentifierKind::Address => match value.parse().map_err(|_| "it is no address")? {
            IpAddr::V4(ip) => {
                // EC2's own names for it (EC2 User Guide, "Instance hostname types").
                let dashed = ip.to_string().replace('.', "-");
                Ok(vec![
                    (format!("ip-{dashed}"), true),
                    (format!("ec2-{dashed}"), true),
                ])
            }
            IpAddr::V6(_) => Ok(Vec::new()),
        },
    }
}

fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            ip.is_private() || ip.is_link_local() || ip.is_loopback()
                // Shared address space (RFC 6598).
                || (ip.octets()[0] == 100 && ip.octets()[1] & 0xc0 == 64)
        }
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local() || ip.is_loopback(),
    }
}

impl Taint {
    /// Makes the identifiers ready to be looked for.
    ///
    /// # Errors
    /// When an allowance has no reason, or there are too many identifiers.
    pub fn new(old: &OldInventory, allowed: &[Allowed]) -> Result<Self, TaintError> {
        if let Some(bare) = allowed
            .iter()
            .find(|allowed| allowed.reason.trim().is_empty())
        {
            return Err(TaintError::NoReason(bare.value.chars().take(120).collect()));
        }
        let bytes: usize = old.identifiers.iter().map(|known| known.value.len()).sum();
        if bytes > MOST_IDENTIFIERS {
            return Err(TaintError::TooMany);
        }
        let mut texts: Vec<String> = Vec::new();
        let mut patterns = Vec::new();
        let mut addresses: HashMap<IpAddr, Vec<usize>> = HashMap::new();
        let mut identifiers = Vec::new();
        let mut skipped = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for identifier in &old.identifiers {
            if !seen.insert((identifier.kind, identifier.value.as_str())) {
                continue;
            }
            match spellings(identifier) {
                Ok(spellings) => {
                    let index = identifiers.len();
                    identifiers.push(identifier.clone());
                    for (text, fold) in spellings {
                        texts.push(text);
                        patterns.push((index, fold));
                    }
                    if let Ok(ip) = identifier.value.parse::<IpAddr>()
                        && identifier.kind == IdentifierKind::Address
                    {
                        addresses.entry(ip.to_canonical()).or_default().push(index);
                    }
                }
                Err(why) => skipped.push(Skipped {
                    identifier: identifier.clone(),
                    why,
                }),
            }
        }
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .ascii_case_insensitive(true)
            .build(&texts)
            .map_err(|error| TaintError::Build(error.to_string()))?;
        Ok(Self {
            automaton,
            patterns,
            addresses,
            identifiers,
            allowed: allowed.to_vec(),
            skipped,
        })
    }

    /// Identifiers that are not looked for, since they would be found everywhere or are none.
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// Looks for every identifier in every text.
    pub fn check<'a>(&self, texts: impl IntoIterator<Item = Text<'a>>) -> Outcome {
        let mut hits: BTreeMap<(String, String, usize), u64> = BTreeMap::new();
        let mut unfinished: Vec<(String, &'static str)> = Vec::new();
        for text in texts {
            let mut scan = Scan {
                taint: self,
                subject: text.subject,
                hits: &mut hits,
                room: MOST_DECODED,
                stopped: None,
            };
            match text.content {
                Content::Bytes(bytes) => scan.bytes(bytes, text.path, "", 0),
                Content::Json(value) => scan.json(value, text.path, "", 0),
            }
            if let Some(why) = scan.stopped {
                unfinished.push((text.subject.to_owned(), why));
            }
        }
        let mut outcome = Outcome::default();
        for (subject, why) in unfinished {
            outcome.findings.push(Finding {
                severity: Severity::Error,
                code: "taint.unfinished".to_owned(),
                message: format!("it was not searched to its end for the old environment: {why}"),
                hint: "make it smaller, or take apart what is encoded in it".to_owned(),
                subject,
            });
        }
        for ((subject, path, index), count) in hits {
            let hit = Hit {
                subject,
                path,
                identifier: self.identifiers[index].clone(),
                count,
            };
            match self.allowance(&hit.identifier) {
                Some(allowed) => outcome.allowed.push(AllowedHit {
                    reason: allowed.reason.clone(),
                    hit,
                }),
                None => {
                    outcome.findings.push(finding(&hit));
                    outcome.hits.push(hit);
                }
            }
        }
        outcome
    }

    fn allowance(&self, identifier: &Identifier) -> Option<&Allowed> {
        self.allowed.iter().find(|allowed| {
            allowed.value == identifier.value
                && allowed.kind.is_none_or(|kind| kind == identifier.kind)
        })
    }
}

fn finding(hit: &Hit) -> Finding {
    let Identifier {
        kind,
        value,
        origin,
    } = &hit.identifier;
    let place = if hit.path.is_empty() {
        "it".to_owned()
    } else {
        format!("its `{}`", hit.path)
    };
    Finding {
        severity: Severity::Error,
        code: "taint.old-reference".to_owned(),
        subject: hit.subject.clone(),
        message: format!("{place} refers to the old {kind} `{value}` ({origin})"),
        hint: HINT.to_owned(),
    }
}

struct Scan<'a> {
    taint: &'a Taint,
    subject: &'a str,
    hits: &'a mut BTreeMap<(String, String, usize), u64>,
    room: usize,
    stopped: Option<&'static str>,
}

impl Scan<'_> {
    /// Every string and every key, without recursion, however deep the value is.
    fn json(&mut self, value: &Value, path: &str, layers: &str, depth: usize) {
        let mut stack = vec![(value, path.to_owned())];
        while let Some((value, path)) = stack.pop() {
            match value {
                Value::String(text) => self.bytes(text.as_bytes(), &path, layers, depth),
                // An account may stand there as a number.
                Value::Number(number) => {
                    self.plain(number.to_string().as_bytes(), &path, layers, 0)
                }
                Value::Array(items) => stack.extend(
                    items
                        .iter()
                        .enumerate()
                        .rev()
                        .map(|(index, item)| (item, cut(format!("{path}[{index}]")))),
                ),
                Value::Object(map) => {
                    for (key, item) in map {
                        let inner = if path.is_empty() {
                            key.clone()
                        } else {
                            format!("{path}.{key}")
                        };
                        let inner = cut(inner);
                        self.bytes(key.as_bytes(), &inner, layers, depth);
                        stack.push((item, inner));
                    }
                }
                Value::Null | Value::Bool(_) => {}
            }
        }
    }

    /// A text, and what is encoded in it.
    fn bytes(&mut self, text: &[u8], path: &str, layers: &str, depth: usize) {
        self.plain(text, path, layers, 0);
        // The shortest encoding of the shortest identifier.
        if text.len() < 8 || self.stopped.is_some() {
            return;
        }
        if depth >= DEEPEST {
            return self.check_depth(text);
        }
        let inner = |how: &str| {
            if layers.is_empty() {
                how.to_owned()
            } else {
                format!("{layers}, {how}")
            }
        };
        let first = text.iter().find(|byte| !byte.is_ascii_whitespace());
        if matches!(first, Some(b'{' | b'[' | b'"'))
            && text.len() <= self.room
            && let Ok(value) = serde_json::from_slice::<Value>(text)
        {
            self.room -= text.len();
            self.json(&value, path, &inner("JSON"), depth + 1);
        }
        match layers::within(text, self.room) {
            Some(found) => {
                for layer in &found {
                    self.room = self.room.saturating_sub(layer.bytes.len());
                }
                for layer in found {
                    // What base64 makes of a word is noise, and noise in noise is not looked for.
                    let noise = layer.how == "base64" && !is_plain(&layer.bytes);
                    if noise {
                        self.plain(&layer.bytes, path, &inner(layer.how), CERTAIN);
                    } else {
                        self.bytes(&layer.bytes, path, &inner(layer.how), depth + 1);
                    }
                }
            }
            None => self.stopped = Some("what is encoded in it has too many bytes"),
        }
    }

    /// At the deepest layer only what certainly hides more is an obstacle.
    fn check_depth(&mut self, text: &[u8]) {
        if text.starts_with(&[0x1f, 0x8b]) {
            self.stopped = Some("too many encodings lie in one another");
        }
        let hidden = layers::within(text, self.room).is_none_or(|found| {
            found.iter().any(|layer| {
                layer.how == "base64" && is_plain(&layer.bytes) && layer.bytes.len() >= 16
            })
        });
        if hidden {
            self.stopped = Some("too many encodings lie in one another");
        }
    }

    /// The text as it stands; only identifiers of at least so many bytes.
    fn plain(&mut self, text: &[u8], path: &str, layers: &str, least: usize) {
        let mut budget = text.len().saturating_mul(MATCHES_PER_BYTE).max(1024);
        for found in self.taint.automaton.find_overlapping_iter(text) {
            budget -= 1;
            if budget == 0 {
                self.stopped = Some("too many identifiers overlap in it");
                break;
            }
            let (index, fold) = self.taint.patterns[found.pattern().as_usize()];
            let identifier = &self.taint.identifiers[index];
            let (start, end) = (found.start(), found.end());
            let same = fold
                || identifier.kind == IdentifierKind::Account
                || &text[start..end] == identifier.value.as_bytes();
            if same && end - start >= least && stands_alone(identifier.kind, text, start, end) {
                self.hit(index, path, layers);
            }
        }
        if !self.taint.addresses.is_empty() {
            for ip in addresses(text) {
                for index in self.taint.addresses.get(&ip).into_iter().flatten() {
                    self.hit(*index, path, layers);
                }
            }
        }
    }

    fn hit(&mut self, index: usize, path: &str, layers: &str) {
        let path = match (path.is_empty(), layers.is_empty()) {
            (_, true) => path.to_owned(),
            (true, false) => format!("({layers})"),
            (false, false) => format!("{path} ({layers})"),
        };
        let full = self.hits.len() >= MOST_HITS;
        let key = (self.subject.to_owned(), path, index);
        if let Some(count) = self.hits.get_mut(&key) {
            *count += 1;
        } else if full {
            self.stopped = Some("there are too many references to list");
        } else {
            self.hits.insert(key, 1);
        }
    }
}

/// Paths are for people; a key may be as long as its text.
fn cut(path: String) -> String {
    if path.len() <= 400 {
        return path;
    }
    let start: String = path.chars().take(300).collect();
    format!("{start}…")
}

/// Whether it may hold further layers: gzip, or text.
fn is_plain(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x1f, 0x8b])
        || std::str::from_utf8(bytes)
            .is_ok_and(|text| !text.chars().any(|c| c.is_control() && !c.is_whitespace()))
}

/// Longest text of an IPv6 address with a port and a label around it.
const LONGEST_ADDRESS: usize = 64;

/// Every address that is written in a text, in whatever spelling.
fn addresses(text: &[u8]) -> Vec<IpAddr> {
    let mut found = Vec::new();
    tokens(
        text,
        |byte| byte.is_ascii_digit() || byte == b'.',
        |token, before, after| {
            let word = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
            if word(before) || word(after) {
                return;
            }
            if let Ok(ip) = token.trim_matches('.').parse::<Ipv4Addr>() {
                found.push(IpAddr::V4(ip));
            }
        },
    );
    let hex = |byte: u8| byte.is_ascii_hexdigit() || byte == b':' || byte == b'.';
    tokens(text, hex, |token, _, _| {
        if token.bytes().filter(|byte| *byte == b':').count() < 2 {
            return;
        }
        let token = token.trim_end_matches('.');
        // A label before it and a port after it look like parts of it.
        let label = token.split_once(':').map(|(_, rest)| rest);
        let port = token.rsplit_once(':').map(|(rest, _)| rest);
        for candidate in [Some(token), label, port].into_iter().flatten() {
            if let Ok(ip) = candidate.parse::<Ipv6Addr>() {
                found.push(ip.to_canonical());
            }
        }
    });
    found.sort_unstable();
    found
}

/// Calls `each` with every maximal run of such bytes that is not too long, and what stands around it.
fn tokens(
    text: &[u8],
    of: impl Fn(u8) -> bool,
    mut each: impl FnMut(&str, Option<u8>, Option<u8>),
) {
    let mut at = 0;
    while at < text.len() {
        if !of(text[at]) {
            at += 1;
            continue;
        }
        let start = at;
        while at < text.len() && of(text[at]) {
            at += 1;
        }
        if at - start > LONGEST_ADDRESS {
            continue;
        }
        if let Ok(token) = std::str::from_utf8(&text[start..at]) {
            let before = start.checked_sub(1).map(|index| text[index]);
            each(token, before, text.get(at).copied());
        }
    }
}

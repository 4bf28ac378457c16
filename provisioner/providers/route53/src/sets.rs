//! What stands at a name: the record, the TXT record beside it, and what bars the way.

use aws_sdk_route53::Client;
use aws_sdk_route53::types::{ResourceRecordSet, RrType};
use executor::provider::{Error, ErrorKind};
use planner::kinds::route53::{Place, Record, RecordType};
use planner::{Address, Late, canonical};
use provider_aws::failure;
use serde_json::{Value, json};

use crate::companion::Owner;

/// Pages of one zone that are read, of 300 record sets each; a zone has 10,000 unless AWS was asked for more ("Quotas").
const MOST_PAGES: usize = 400;

/// The record sets of a zone; those of one name alone where one is given.
///
/// # Errors
/// When Route 53 does not answer, or the zone is endless.
pub(crate) async fn list(
    client: &Client,
    zone: &str,
    only: Option<&str>,
) -> Result<Vec<ResourceRecordSet>, Error> {
    let what = format!("ListResourceRecordSets {zone}");
    let mut found = Vec::new();
    let (mut name, mut kind, mut identifier) = (only.map(str::to_owned), None, None);
    for _ in 0..MOST_PAGES {
        let page = client
            .list_resource_record_sets()
            .hosted_zone_id(zone)
            .set_start_record_name(name)
            .set_start_record_type(kind)
            .set_start_record_identifier(identifier)
            .send()
            .await
            .map_err(|error| failure(&what, error))?;
        let past = |set: &ResourceRecordSet| only.is_some_and(|only| plain(set.name()) != only);
        let mut ended = !page.is_truncated();
        for set in page.resource_record_sets {
            ended |= past(&set);
            if !past(&set) {
                found.push(set);
            }
        }
        if ended {
            return Ok(found);
        }
        (name, kind) = (page.next_record_name, page.next_record_type);
        identifier = page.next_record_identifier;
    }
    let why = format!("it has more than {MOST_PAGES} pages of record sets");
    Err(Error::new(ErrorKind::Invalid, what, why))
}

/// A name as templates write it. Route 53 answers in lower case, with a dot at the end.
pub(crate) fn plain(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

pub(crate) fn rr_type(record_type: RecordType) -> RrType {
    match record_type {
        RecordType::A => RrType::A,
        RecordType::Aaaa => RrType::Aaaa,
        RecordType::Cname => RrType::Cname,
    }
}

/// What stands at one place.
#[derive(Debug, Default)]
pub(crate) struct Here {
    /// Every record set of the name and the type; more than one where the routing is not simple.
    records: Vec<ResourceRecordSet>,
    /// The TXT record beside it.
    companion: Option<ResourceRecordSet>,
    /// A record set of the name that no record of the type can stand beside (RFC 1034, 3.6.2: a CNAME stands alone).
    barring: Option<(RecordType, Option<Owner>)>,
}

impl Here {
    /// Picks what is of the place out of the zone's record sets.
    pub fn of(place: &Place, sets: &[ResourceRecordSet]) -> Self {
        let wanted = rr_type(place.record_type);
        let at = |name: &str, kind: &RrType| {
            sets.iter()
                .filter(|set| plain(set.name()) == name && set.r#type() == kind)
                .cloned()
                .collect::<Vec<_>>()
        };
        let barring = [RecordType::A, RecordType::Aaaa, RecordType::Cname]
            .into_iter()
            .filter(|other| {
                *other != place.record_type
                    && (*other == RecordType::Cname || place.record_type == RecordType::Cname)
            })
            .find(|other| !at(&place.name, &rr_type(*other)).is_empty())
            .map(|other| {
                let beside = Place {
                    record_type: other,
                    ..place.clone()
                };
                let texts = at(&Owner::name(&beside), &RrType::Txt);
                (other, texts.first().and_then(owner))
            });
        Self {
            records: at(&place.name, &wanted),
            companion: at(&Owner::name(place), &RrType::Txt).into_iter().next(),
            barring,
        }
    }

    /// The record, where its routing is simple.
    pub fn record(&self) -> Option<&ResourceRecordSet> {
        match self.records.as_slice() {
            [set] if simple(set) => Some(set),
            _ => None,
        }
    }

    pub fn companion(&self) -> Option<&ResourceRecordSet> {
        self.companion.as_ref()
    }

    /// Whose it is, as far as we know.
    pub fn owner(&self) -> Option<Owner> {
        self.companion.as_ref().and_then(owner)
    }

    /// Whether nothing leads anywhere.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Why a name that an environment wants at an address can't be taken; `None` where nothing stands in the way.
    pub fn foreign(&self, place: &Place, environment: &str, address: &Address) -> Option<String> {
        let beside = Owner::name(place);
        if let Some((kind, owner)) = &self.barring
            && owner
                .as_ref()
                .is_none_or(|owner| owner.environment != environment || owner.address != *address)
        {
            return Some(format!(
                "a {kind} record stands there, and DNS allows no {} beside it",
                place.record_type
            ));
        }
        if !self.records.iter().all(simple) || self.records.len() > 1 {
            return Some(
                "it is an alias or has another routing policy than the simple one".to_owned(),
            );
        }
        match (&self.companion, self.owner()) {
            (Some(_), None) => Some(format!("the TXT record `{beside}` is none of ours")),
            (Some(_), Some(owner)) if owner.environment != environment => Some(format!(
                "the TXT record `{beside}` says that it is of the environment `{}`",
                owner.environment
            )),
            (Some(_), Some(owner)) if owner.address != *address => Some(format!(
                "the TXT record `{beside}` says that it is `{}`",
                owner.address
            )),
            (None, _) if !self.is_empty() => Some(format!(
                "no TXT record `{beside}` says whose it is; to have it adopted, create that record, TTL 300, with the value {}",
                adoption(environment, address)
            )),
            _ => None,
        }
    }

    /// A short digest of all that stands there: what a plan was made from.
    pub fn tag(&self) -> String {
        let form = |set: &ResourceRecordSet| json!([set.ttl(), values(set)]);
        let records: Vec<Value> = self.records.iter().map(form).collect();
        let whole = json!([records, self.companion.as_ref().map(form)]);
        canonical::digest(&whole)[..16].to_owned()
    }

    /// The provider's id of it: where it stands and [`Here::tag`], so that a plan about it is stale once it was changed.
    pub fn id(&self, place: &Place) -> String {
        format!("{place}@{}", self.tag())
    }
}

/// What is to be put right by hand so that a name becomes ours. Generation `0` is older than any: what the name leads to is not ours.
fn adoption(environment: &str, address: &Address) -> String {
    format!(r#""heritage=rebuild" "environment={environment}" "generation=0" "address={address}""#)
}

fn owner(set: &ResourceRecordSet) -> Option<Owner> {
    match set.resource_records() {
        [record] if simple(set) => Owner::read(record.value()),
        _ => None,
    }
}

/// Whether it has values and a time to live and nothing else: no alias, no weight, no health check.
fn simple(set: &ResourceRecordSet) -> bool {
    let plain = ResourceRecordSet::builder()
        .name(set.name())
        .r#type(set.r#type().clone())
        .set_ttl(set.ttl())
        .set_resource_records(set.resource_records.clone())
        .build();
    set.ttl().is_some() && plain.is_ok_and(|plain| plain == *set)
}

/// Values in one order.
pub(crate) fn values(set: &ResourceRecordSet) -> Vec<String> {
    let mut values: Vec<String> = set
        .resource_records()
        .iter()
        .map(|record| record.value().to_owned())
        .collect();
    values.sort();
    values
}

/// The record in the form of a spec.
pub(crate) fn spec(place: &Place, set: &ResourceRecordSet) -> Record {
    let values = set.resource_records().iter().map(|record| {
        let text = record.value();
        // One that no template could declare is shown as it is.
        let value = place.record_type.value(text);
        Late::Known(value.unwrap_or_else(|_| text.to_owned()))
    });
    Record {
        zone: place.zone.clone(),
        name: place.name.clone(),
        record_type: place.record_type,
        ttl: set
            .ttl()
            .and_then(|ttl| u32::try_from(ttl).ok())
            .unwrap_or_default(),
        values: values.collect(),
    }
}

/// Digest of a record: tells one that somebody else wrote over from the one that we wrote.
pub(crate) fn digest(record: &Record) -> String {
    let mut values: Vec<&str> = record
        .values
        .iter()
        .filter_map(|value| value.known().map(String::as_str))
        .collect();
    values.sort_unstable();
    canonical::digest(&json!([record.record_type.name(), record.ttl, values]))
}

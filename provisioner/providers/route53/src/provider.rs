//! The kind `route53.record`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_route53::Client;
use aws_sdk_route53::error::BuildError;
use aws_sdk_route53::types::{
    Change, ChangeAction, ChangeBatch, ChangeStatus, ResourceRecord, ResourceRecordSet, RrType,
};
use executor::provider::{Budget, Ensure, Error, ErrorKind, Identity, Provider, Scope};
use planner::kinds::route53::{Place, Record};
use planner::observed::OTHER_MANAGERS;
use planner::reference::Outputs;
use planner::{Address, Foreign, Inventory, Observed};
use provider_aws::{Backoff, code, failure};
use serde_json::json;

use crate::companion::Owner;
use crate::sets::{self, Here};

/// Seconds that resolvers may keep the TXT record beside a name; nobody but us asks for it.
const COMPANION_TTL: i64 = 300;

/// Names in the hosted zones of one account.
///
/// # Guarantees
/// A name is changed only where the TXT record beside it says that it is the environment's, and only from exactly what was seen to exactly
/// what is wanted: old record sets are deleted with all their values and new ones created in one batch, which Route 53 carries out whole or
/// not at all, and refuses where the old ones are not what it has (API Reference, ChangeResourceRecordSets).
pub struct Route53 {
    client: Client,
    config: aws_config::SdkConfig,
    patience: Duration,
}

impl fmt::Debug for Route53 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Route53").finish_non_exhaustive()
    }
}

impl Route53 {
    /// Route 53 behind a configuration from [`provider_aws::Connection::load`]; nothing is asked yet.
    pub fn new(config: &aws_config::SdkConfig) -> Self {
        Self::with_client(config, Client::new(config))
    }

    /// Route 53 through a client of the caller's, with interceptors say.
    pub fn with_client(config: &aws_config::SdkConfig, client: Client) -> Self {
        Self {
            client,
            config: config.clone(),
            patience: Duration::from_secs(300),
        }
    }

    /// Waits so long for a change to reach every server.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    async fn here(&self, place: &Place) -> Result<Here, Error> {
        let mut sets = sets::list(&self.client, &place.zone, Some(&place.name)).await?;
        let beside = Owner::name(place);
        sets.extend(sets::list(&self.client, &place.zone, Some(&beside)).await?);
        Ok(Here::of(place, &sets))
    }

    /// Has one batch carried out, and waits until every server of Route 53 answers by it.
    async fn change(&self, what: &str, zone: &str, changes: Vec<Change>) -> Result<(), Error> {
        let batch = ChangeBatch::builder()
            .comment(format!("rebuild: {what}"))
            .set_changes(Some(changes))
            .build()
            .map_err(|error| unbuilt(what, &error))?;
        let answer = self
            .client
            .change_resource_record_sets()
            .hosted_zone_id(zone)
            .change_batch(batch)
            .send()
            .await
            .map_err(|error| {
                let refused = code(&error) == "InvalidChangeBatch";
                let error = failure(format!("ChangeResourceRecordSets {zone} {what}"), error);
                match refused {
                    // What was to be deleted is not what is there any more, or what was to be created is there.
                    true => Error::new(ErrorKind::Conflict, error.what, error.why),
                    false => error,
                }
            })?;
        let Some(info) = answer.change_info() else {
            return Ok(());
        };
        let (id, mut status) = (info.id().to_owned(), info.status().clone());
        let mut backoff = Backoff::new(format!("GetChange {id} {what}"), self.patience);
        while status != ChangeStatus::Insync {
            backoff.next("PENDING").await?;
            match self.client.get_change().id(&id).send().await {
                Ok(found) => {
                    if let Some(info) = found.change_info() {
                        status = info.status().clone();
                    }
                }
                Err(error) => {
                    let error = failure(format!("GetChange {id}"), error);
                    if !error.kind.retryable() {
                        return Err(error);
                    }
                }
            }
        }
        Ok(())
    }
}

/// What is wanted at a place: the record, and the TXT record that says whose it is.
struct Wanted {
    record: ResourceRecordSet,
    companion: ResourceRecordSet,
}

impl Wanted {
    fn new(what: &str, record: &Record, scope: &Scope, address: &Address) -> Result<Self, Error> {
        let invalid = |why: String| Error::new(ErrorKind::Invalid, what, why);
        let mut values = Vec::new();
        for value in &record.values {
            let text = value
                .known()
                .ok_or_else(|| invalid("one of its values is not known yet".to_owned()))?;
            values.push(record.record_type.value(text).map_err(invalid)?);
        }
        let owner = Owner {
            environment: scope.environment.clone(),
            generation: scope.generation.clone(),
            address: address.clone(),
            digest: Some(sets::digest(record)),
        };
        let place = record.place();
        let kind = sets::rr_type(record.record_type);
        Ok(Self {
            record: set(what, &place.name, kind, i64::from(record.ttl), values)?,
            companion: set(
                what,
                &Owner::name(&place),
                RrType::Txt,
                COMPANION_TTL,
                vec![owner.to_string()],
            )?,
        })
    }

    /// Whether it is there already.
    fn stands(&self, here: &Here) -> bool {
        let same = |there: Option<&ResourceRecordSet>, wanted: &ResourceRecordSet| {
            there.is_some_and(|there| there.ttl() == wanted.ttl() && forms(there) == forms(wanted))
        };
        same(here.record(), &self.record) && same(here.companion(), &self.companion)
    }
}

/// Values in the form they are compared in: of a CNAME without the dot at its end.
fn forms(set: &ResourceRecordSet) -> Vec<String> {
    sets::values(set)
        .into_iter()
        .map(|value| match set.r#type() {
            RrType::Cname => sets::plain(&value).to_ascii_lowercase(),
            RrType::Aaaa => value
                .parse::<std::net::Ipv6Addr>()
                .map_or(value, |address| address.to_string()),
            _ => value,
        })
        .collect()
}

fn set(
    what: &str,
    name: &str,
    kind: RrType,
    ttl: i64,
    values: Vec<String>,
) -> Result<ResourceRecordSet, Error> {
    let records: Result<Vec<ResourceRecord>, BuildError> = values
        .into_iter()
        .map(|value| ResourceRecord::builder().value(value).build())
        .collect();
    let records = records.map_err(|error| unbuilt(what, &error))?;
    ResourceRecordSet::builder()
        .name(name)
        .r#type(kind)
        .ttl(ttl)
        .set_resource_records(Some(records))
        .build()
        .map_err(|error| unbuilt(what, &error))
}

fn change(what: &str, action: ChangeAction, set: &ResourceRecordSet) -> Result<Change, Error> {
    Change::builder()
        .action(action)
        .resource_record_set(set.clone())
        .build()
        .map_err(|error| unbuilt(what, &error))
}

fn unbuilt(what: &str, error: &BuildError) -> Error {
    Error::new(ErrorKind::Invalid, what, error.to_string())
}

fn outputs(place: &Place) -> Outputs {
    Outputs::from([
        ("id".to_owned(), json!(place.to_string())),
        ("name".to_owned(), json!(place.name)),
    ])
}

/// The places that a scope names.
fn places(scope: &Scope) -> Result<Vec<(&Address, Place)>, Error> {
    let ours = scope
        .names
        .iter()
        .filter(|(address, _)| address.provider() == "route53");
    ours.map(|(address, text)| {
        let invalid = |why: String| Error::new(ErrorKind::Invalid, address.to_string(), why);
        let owner = Owner {
            environment: scope.environment.clone(),
            generation: scope.generation.clone(),
            address: address.clone(),
            digest: None,
        };
        if !owner.fits() {
            let why = "its address can't be written into a TXT record: use up to 200 ASCII letters, digits and dashes";
            return Err(invalid(why.to_owned()));
        }
        let place: Place = text
            .parse()
            .map_err(|error: planner::kinds::route53::NoPlace| invalid(error.to_string()))?;
        Ok((address, place))
    })
    .collect()
}

#[async_trait]
impl Provider for Route53 {
    fn name(&self) -> &'static str {
        "route53"
    }

    fn budget(&self) -> Budget {
        // Five requests a second for an account, one batch at a time for a zone (Developer Guide, "Quotas", "Maximums on API requests").
        Budget {
            concurrency: 1,
            rate: 2.0,
            burst: 5,
        }
    }

    async fn identity(&self) -> Result<Identity, Error> {
        provider_aws::connection::identity(&self.config).await
    }

    async fn observe(&self, scope: &Scope) -> Result<Inventory, Error> {
        let wanted = places(scope)?;
        let zones: BTreeSet<&str> = wanted
            .iter()
            .map(|(_, place)| place.zone.as_str())
            .collect();
        let mut read = BTreeMap::new();
        for zone in zones {
            read.insert(zone, sets::list(&self.client, zone, None).await?);
        }
        let mut inventory = Inventory::default();
        for (zone, sets) in &read {
            let all = ours(zone, sets, &scope.environment);
            inventory.objects.extend(all);
        }
        for (address, place) in &wanted {
            let sets = read.get(place.zone.as_str()).map_or(&[][..], Vec::as_slice);
            apex(place, sets)?;
            let here = Here::of(place, sets);
            if let Some(why) = here.foreign(place, &scope.environment, address) {
                inventory.foreign.push(Foreign {
                    address: (*address).clone(),
                    id: place.to_string(),
                    why,
                });
                // Its own TXT record may still call it ours, though it leads elsewhere in a way that we don't know.
                let id = here.id(place);
                inventory.objects.retain(|object| object.id != id);
            }
        }
        inventory.merge(Inventory::default());
        Ok(inventory)
    }

    async fn ensure(&self, request: Ensure<'_>) -> Result<Outputs, Error> {
        let (step, scope) = (request.step, request.scope);
        let what = step.id.as_str();
        let refused = |kind, why: String| Err(Error::new(kind, what, why));
        let record: Record = serde_json::from_value(request.spec.clone())
            .map_err(|error| Error::new(ErrorKind::Invalid, what, error.to_string()))?;
        let place = record.place();
        let wanted = Wanted::new(what, &record, scope, &step.address)?;
        let here = self.here(&place).await?;
        if wanted.stands(&here) {
            return Ok(outputs(&place));
        }
        if let Some(why) = here.foreign(&place, &scope.environment, &step.address) {
            return refused(ErrorKind::Foreign, format!("`{place}`: {why}"));
        }
        let planned = match &step.object {
            Some(id) => *id == here.id(&place),
            None => here.is_empty(),
        };
        if !planned {
            let now = here.record().map(sets::values).unwrap_or_default();
            let now = if now.is_empty() {
                "is not there any more".to_owned()
            } else {
                format!("leads to {} now", now.join(", "))
            };
            return refused(
                ErrorKind::Conflict,
                format!("`{place}` {now}, which is not what the plan was made from"),
            );
        }
        let mut changes = Vec::new();
        for old in [here.record(), here.companion()].into_iter().flatten() {
            changes.push(change(what, ChangeAction::Delete, old)?);
        }
        for new in [&wanted.record, &wanted.companion] {
            changes.push(change(what, ChangeAction::Create, new)?);
        }
        self.change(what, &place.zone, changes).await?;
        if !wanted.stands(&self.here(&place).await?) {
            return refused(
                ErrorKind::Conflict,
                format!("`{place}` was changed by somebody right after it was written"),
            );
        }
        Ok(outputs(&place))
    }

    async fn remove(&self, object: &Observed) -> Result<(), Error> {
        let what = format!("delete {} ({})", object.address, object.id);
        let place: Place = object
            .id
            .split_once('@')
            .map_or(object.id.as_str(), |(place, _)| place)
            .parse()
            .map_err(|error: planner::kinds::route53::NoPlace| {
                Error::new(ErrorKind::Invalid, &what, error.to_string())
            })?;
        let here = self.here(&place).await?;
        let Some(owner) = here.owner() else {
            return match here.is_empty() {
                true => Ok(()),
                false => Err(Error::new(
                    ErrorKind::Foreign,
                    what,
                    "no TXT record beside it says that it is ours",
                )),
            };
        };
        if owner.generation != object.generation || owner.address != object.address {
            let why = format!(
                "it is `{}` of generation {} by now",
                owner.address, owner.generation
            );
            return Err(Error::new(ErrorKind::Foreign, what, why));
        }
        if here.id(&place) != object.id {
            let why = "it was changed after it was looked at";
            return Err(Error::new(ErrorKind::Conflict, what, why));
        }
        let sets = [here.record(), here.companion()];
        let changes = sets
            .into_iter()
            .flatten()
            .map(|old| change(&what, ChangeAction::Delete, old))
            .collect::<Result<Vec<_>, _>>()?;
        self.change(&what, &place.zone, changes).await
    }
}

/// Names of the environment in a zone, whichever generation they lead to.
fn ours(zone: &str, sets: &[ResourceRecordSet], environment: &str) -> Vec<Observed> {
    use planner::kinds::route53::RecordType::{A, Aaaa, Cname};
    let texts: BTreeSet<&str> = sets
        .iter()
        .filter(|set| *set.r#type() == RrType::Txt)
        .map(|set| sets::plain(set.name()))
        .collect();
    let mut found = Vec::new();
    for record_type in [A, Aaaa, Cname] {
        let kind = sets::rr_type(record_type);
        for set in sets.iter().filter(|set| *set.r#type() == kind) {
            let place = Place {
                zone: zone.to_owned(),
                name: sets::plain(set.name()).to_owned(),
                record_type,
            };
            if !texts.contains(Owner::name(&place).as_str()) {
                continue;
            }
            let here = Here::of(&place, sets);
            let (Some(record), Some(owner)) = (here.record(), here.owner()) else {
                continue;
            };
            if owner.environment == environment && owner.address.provider() == "route53" {
                found.push(observed(&place, &here, record, owner));
            }
        }
    }
    found
}

fn observed(place: &Place, here: &Here, record: &ResourceRecordSet, owner: Owner) -> Observed {
    let spec = sets::spec(place, record);
    let altered = owner
        .digest
        .as_ref()
        .is_some_and(|digest| *digest != sets::digest(&spec));
    let marks = altered.then(|| (OTHER_MANAGERS.to_owned(), "somebody else".to_owned()));
    Observed {
        address: owner.address,
        generation: owner.generation,
        id: here.id(place),
        // A plain struct of texts and numbers.
        spec: serde_json::to_value(spec).unwrap_or_default(),
        outputs: outputs(place),
        digest: owner.digest,
        ready: true,
        marks: marks.into_iter().collect(),
    }
}

/// Refuses a name that is not in its zone, which Route 53 would do only when everything else is built.
fn apex(place: &Place, sets: &[ResourceRecordSet]) -> Result<(), Error> {
    let apex = sets
        .iter()
        .find(|set| *set.r#type() == RrType::Soa)
        .map(|set| sets::plain(set.name()));
    match apex {
        Some(apex) if place.name != apex && !place.name.ends_with(&format!(".{apex}")) => {
            Err(Error::new(
                ErrorKind::Invalid,
                place.to_string(),
                format!(
                    "the zone {} is of `{apex}`, so the name can't be in it",
                    place.zone
                ),
            ))
        }
        _ => Ok(()),
    }
}

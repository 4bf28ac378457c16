//! One module per kind: how it is described, created, changed in place and deleted.

mod elastic_ip;
mod instance;
mod internet_gateway;
mod key_pair;
mod launch_template;
mod nat_gateway;
pub(crate) mod network_acl;
mod route_table;
pub(crate) mod security_group;
mod subnet;
mod volume;
mod vpc;

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::Filter;
use executor::provider::{Error, ErrorKind};
use planner::reference::{Late, Outputs};
use serde_json::Value;

use crate::provider::{Seen, Wanted};

/// Every kind served.
pub(crate) const ALL: &[&dyn Family] = &[
    &vpc::Vpcs,
    &subnet::Subnets,
    &internet_gateway::InternetGateways,
    &elastic_ip::ElasticIps,
    &nat_gateway::NatGateways,
    &route_table::RouteTables,
    &security_group::SecurityGroups,
    &network_acl::NetworkAcls,
    &key_pair::KeyPairs,
    &launch_template::LaunchTemplates,
    &instance::Instances,
    &volume::Volumes,
];

/// Results of one page. Route tables allow no more than 100 (DescribeRouteTables).
pub(crate) const PAGE: i32 = 100;

/// What differs from kind to kind.
#[async_trait]
pub(crate) trait Family: Send + Sync {
    /// `ec2.vpc`.
    fn kind(&self) -> &'static str;
    /// The filter that finds by id.
    fn id_filter(&self) -> &'static str;
    /// The filter that finds by name, for kinds with unique names.
    fn name_filter(&self) -> Option<&'static str> {
        None
    }
    /// Whether a gone object is gone for good, so that what it used is free.
    fn is_final(&self, _seen: &Seen) -> bool {
        true
    }
    /// Refuses what EC2 would take but give back in another form.
    fn check(&self, _wanted: &Wanted<'_>) -> Result<(), Error> {
        Ok(())
    }
    /// Describes, through all pages.
    async fn list(&self, client: &Client, filters: Vec<Filter>) -> Result<Vec<Seen>, Error>;
    /// Creates with tags and returns the id.
    async fn create(&self, client: &Client, wanted: &Wanted<'_>) -> Result<String, Error>;
    /// Changes in place what differs beside tags.
    async fn settle(
        &self,
        _client: &Client,
        _wanted: &Wanted<'_>,
        _seen: &Seen,
        _patience: Duration,
    ) -> Result<(), Error> {
        Ok(())
    }
    /// Detaches and deletes; what is gone already is no error.
    async fn delete(&self, client: &Client, seen: &Seen) -> Result<(), Error>;
}

/// The value of a late field, which must be known by now.
pub(crate) fn known<'a>(
    late: &'a Late<String>,
    wanted: &Wanted<'_>,
    field: &str,
) -> Result<&'a str, Error> {
    match late {
        Late::Known(value) => Ok(value),
        Late::Unknown(unknown) => Err(Error::new(
            ErrorKind::Invalid,
            format!("spec of {}", wanted.address),
            format!("{field}: {} is not known yet", unknown.unknown),
        )),
    }
}

pub(crate) fn all_known(
    list: &[Late<String>],
    wanted: &Wanted<'_>,
    field: &str,
) -> Result<Vec<String>, Error> {
    list.iter()
        .map(|late| known(late, wanted, field).map(str::to_owned))
        .collect()
}

/// The id of a created object.
pub(crate) fn created(id: Option<&str>, what: &str, wanted: &Wanted<'_>) -> Result<String, Error> {
    id.map(str::to_owned).ok_or_else(|| {
        Error::new(
            ErrorKind::Server,
            format!("{what} {}", wanted.address),
            "the answer has no id",
        )
    })
}

pub(crate) fn outputs(pairs: &[(&str, Option<&str>)]) -> Outputs {
    pairs
        .iter()
        .filter_map(|(key, value)| Some(((*key).to_owned(), Value::String((*value)?.to_owned()))))
        .collect()
}

/// A JSON object's fields.
pub(crate) fn fields(value: Value) -> serde_json::Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => serde_json::Map::new(),
    }
}

/// Ids out of the filters, for kinds whose ids are a parameter and no filter.
pub(crate) fn split_ids(filters: Vec<Filter>, name: &str) -> (Option<Vec<String>>, Vec<Filter>) {
    let (ids, rest): (Vec<Filter>, Vec<Filter>) = filters
        .into_iter()
        .partition(|filter| filter.name() == Some(name));
    let ids: Vec<String> = ids
        .iter()
        .flat_map(|filter| filter.values().iter().cloned())
        .collect();
    ((!ids.is_empty()).then_some(ids), rest)
}

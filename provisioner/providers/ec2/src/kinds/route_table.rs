//! `ec2.route-table` with its routes and associations.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{self, Filter, ResourceType, RouteOrigin};
use executor::provider::Error;
use planner::kinds::ec2 as spec;
use provider_aws::failure;
use serde_json::{Value, json};

use super::{Family, PAGE, all_known, created, fields, known, outputs};
use crate::marks;
use crate::provider::{Seen, Wanted, or_missing};

pub(super) struct RouteTables;

/// Destination and target of every IPv4 route that someone made.
fn routes(table: &types::RouteTable) -> BTreeMap<String, String> {
    table
        .routes()
        .iter()
        .filter(|route| {
            route.gateway_id() != Some("local")
                && route.origin() != Some(&RouteOrigin::EnableVgwRoutePropagation)
        })
        .filter_map(|route| {
            let target = route
                .gateway_id()
                .or(route.nat_gateway_id())
                .or(route.transit_gateway_id())
                .or(route.vpc_peering_connection_id())
                .or(route.network_interface_id())
                .or(route.instance_id())
                .unwrap_or_default();
            Some((
                route.destination_cidr_block()?.to_owned(),
                target.to_owned(),
            ))
        })
        .collect()
}

/// Association id by subnet.
fn associations(table: &types::RouteTable) -> BTreeMap<String, String> {
    table
        .associations()
        .iter()
        .filter_map(|association| {
            Some((
                association.subnet_id()?.to_owned(),
                association.route_table_association_id()?.to_owned(),
            ))
        })
        .collect()
}

async fn describe(client: &Client, filters: Vec<Filter>) -> Result<Vec<types::RouteTable>, Error> {
    let call = client
        .describe_route_tables()
        .set_filters(Some(filters))
        .into_paginator()
        .page_size(PAGE)
        .items()
        .send();
    call.try_collect()
        .await
        .map_err(|error| failure("DescribeRouteTables", error))
}

async fn one(client: &Client, id: &str) -> Result<Option<types::RouteTable>, Error> {
    Ok(describe(client, vec![marks::filter("route-table-id", id)])
        .await?
        .into_iter()
        .next())
}

#[async_trait]
impl Family for RouteTables {
    fn kind(&self) -> &'static str {
        "ec2.route-table"
    }

    fn id_filter(&self) -> &'static str {
        "route-table-id"
    }

    async fn list(&self, client: &Client, filters: Vec<Filter>) -> Result<Vec<Seen>, Error> {
        Ok(describe(client, filters)
            .await?
            .into_iter()
            .map(|table| {
                let routes: Vec<Value> =
                    routes(&table).into_iter().map(|(destination, gateway)| json!({"destination": destination, "gateway": gateway})).collect();
                let subnets: Vec<String> = associations(&table).into_keys().collect();
                Seen {
                    id: table.route_table_id().unwrap_or_default().to_owned(),
                    tags: marks::from_sdk(table.tags()),
                    spec: fields(json!({"vpc": table.vpc_id(), "routes": routes, "subnets": subnets})),
                    outputs: outputs(&[("id", table.route_table_id())]),
                    ready: true,
                    gone: false,
                    state: "available".to_owned(),
                }
            })
            .collect())
    }

    async fn create(&self, client: &Client, wanted: &Wanted<'_>) -> Result<String, Error> {
        let spec: spec::RouteTable = wanted.spec()?;
        let answer = client
            .create_route_table()
            .client_token(&wanted.token)
            .vpc_id(known(&spec.vpc, wanted, "vpc")?)
            .tag_specifications(marks::specification(ResourceType::RouteTable, &wanted.tags))
            .send()
            .await
            .map_err(|error| failure(format!("CreateRouteTable {}", wanted.address), error))?;
        created(
            answer
                .route_table()
                .and_then(|table| table.route_table_id()),
            "CreateRouteTable",
            wanted,
        )
    }

    async fn settle(
        &self,
        client: &Client,
        wanted: &Wanted<'_>,
        seen: &Seen,
        _patience: Duration,
    ) -> Result<(), Error> {
        let spec: spec::RouteTable = wanted.spec()?;
        let Some(table) = one(client, &seen.id).await? else {
            return Ok(());
        };
        let what = |call: &str| format!("{call} {}", wanted.address);
        let present = routes(&table);
        let mut declared = BTreeMap::new();
        for route in &spec.routes {
            declared.insert(
                route.destination.to_string(),
                known(&route.gateway, wanted, "routes.gateway")?.to_owned(),
            );
        }
        for (destination, gateway) in &declared {
            let nat = gateway.starts_with("nat-");
            match present.get(destination) {
                Some(there) if there == gateway => {}
                Some(_) => {
                    let call = client
                        .replace_route()
                        .route_table_id(&seen.id)
                        .destination_cidr_block(destination);
                    let call = if nat {
                        call.nat_gateway_id(gateway)
                    } else {
                        call.gateway_id(gateway)
                    };
                    call.send()
                        .await
                        .map_err(|error| failure(what("ReplaceRoute"), error))?;
                }
                None => {
                    let call = client
                        .create_route()
                        .route_table_id(&seen.id)
                        .destination_cidr_block(destination);
                    let call = if nat {
                        call.nat_gateway_id(gateway)
                    } else {
                        call.gateway_id(gateway)
                    };
                    call.send()
                        .await
                        .map_err(|error| failure(what("CreateRoute"), error))?;
                }
            }
        }
        for destination in present
            .keys()
            .filter(|destination| !declared.contains_key(*destination))
        {
            let answer = client
                .delete_route()
                .route_table_id(&seen.id)
                .destination_cidr_block(destination)
                .send()
                .await;
            or_missing(what("DeleteRoute"), answer)?;
        }
        let served = associations(&table);
        let subnets: BTreeSet<String> = all_known(&spec.subnets, wanted, "subnets")?
            .into_iter()
            .collect();
        for subnet in subnets
            .iter()
            .filter(|subnet| !served.contains_key(*subnet))
        {
            // A subnet has one table: one that another table of the environment still serves is moved, not refused.
            let other =
                describe(client, vec![marks::filter("association.subnet-id", subnet)]).await?;
            let held = other
                .iter()
                .find_map(|table| associations(table).remove(subnet));
            match held {
                Some(association) => {
                    let call = client
                        .replace_route_table_association()
                        .association_id(association)
                        .route_table_id(&seen.id);
                    call.send()
                        .await
                        .map_err(|error| failure(what("ReplaceRouteTableAssociation"), error))?;
                }
                None => {
                    let call = client
                        .associate_route_table()
                        .route_table_id(&seen.id)
                        .subnet_id(subnet);
                    call.send()
                        .await
                        .map_err(|error| failure(what("AssociateRouteTable"), error))?;
                }
            }
        }
        for (_, association) in served
            .iter()
            .filter(|(subnet, _)| !subnets.contains(*subnet))
        {
            or_missing(
                what("DisassociateRouteTable"),
                client
                    .disassociate_route_table()
                    .association_id(association)
                    .send()
                    .await,
            )?;
        }
        Ok(())
    }

    async fn delete(&self, client: &Client, seen: &Seen) -> Result<(), Error> {
        let Some(table) = one(client, &seen.id).await? else {
            return Ok(());
        };
        for association in associations(&table).values() {
            let answer = client
                .disassociate_route_table()
                .association_id(association)
                .send()
                .await;
            or_missing(format!("DisassociateRouteTable {}", seen.id), answer)?;
        }
        or_missing(
            format!("DeleteRouteTable {}", seen.id),
            client
                .delete_route_table()
                .route_table_id(&seen.id)
                .send()
                .await,
        )
        .map(drop)
    }
}

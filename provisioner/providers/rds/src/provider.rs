//! The kind `rds.instance`.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_rds::Client;
use aws_sdk_rds::primitives::DateTime;
use aws_sdk_rds::types::{DbInstance, Tag};
use executor::provider::{Budget, Ensure, Error, ErrorKind, Identity, Provider, Scope};
use planner::identity::tags;
use planner::kinds::database::{Point, Rds as Spec};
use planner::reference::Outputs;
use planner::{Inventory, Observed};
use provider_aws::{Backoff, code, failure};
use serde_json::json;

/// Restores instances.
///
/// # Guarantees
/// The instance that data is taken from is only read. An instance of the new name that does not carry the marks of this very step is
/// refused. The new one is not reachable from the Internet, and can't be deleted without saying so first.
pub struct Rds {
    client: Client,
}

impl fmt::Debug for Rds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rds").finish_non_exhaustive()
    }
}

impl Rds {
    /// Asks RDS behind a configuration; nothing is asked yet.
    pub fn new(config: &aws_config::SdkConfig) -> Self {
        Self {
            client: Client::new(config),
        }
    }

    async fn instance(&self, name: &str) -> Result<Option<DbInstance>, Error> {
        let what = format!("DescribeDBInstances {name}");
        let answer = self
            .client
            .describe_db_instances()
            .db_instance_identifier(name)
            .send()
            .await;
        match answer {
            Ok(found) => Ok(found
                .db_instances()
                .iter()
                .find(|instance| instance.db_instance_identifier() == Some(name))
                .cloned()),
            // The API's code for an unknown instance (RDS API, DescribeDBInstances, "Errors").
            Err(error)
                if matches!(
                    code(&error),
                    "DBInstanceNotFound" | "DBInstanceNotFoundFault"
                ) =>
            {
                Ok(None)
            }
            Err(error) => Err(failure(what, error)),
        }
    }

    async fn restore(&self, spec: &Spec, marks: &BTreeMap<&str, String>) -> Result<(), Error> {
        let tags: Vec<Tag> = marks
            .iter()
            .map(|(key, value)| Tag::builder().key(*key).value(value).build())
            .collect();
        let groups = (!spec.security_groups.is_empty())
            .then(|| spec.security_groups.iter().cloned().collect());
        match &spec.from {
            Point::Snapshot(snapshot) => self
                .client
                .restore_db_instance_from_db_snapshot()
                .db_instance_identifier(&spec.name)
                .db_snapshot_identifier(snapshot)
                .set_db_instance_class(spec.class.clone())
                .set_db_subnet_group_name(spec.subnet_group.clone())
                .set_vpc_security_group_ids(groups)
                .publicly_accessible(false)
                .deletion_protection(true)
                .copy_tags_to_snapshot(true)
                .set_tags(Some(tags))
                .send()
                .await
                .map(drop)
                .map_err(|error| {
                    failure(
                        format!("RestoreDBInstanceFromDBSnapshot {}", spec.name),
                        error,
                    )
                }),
            Point::Time { instance, at } => self
                .client
                .restore_db_instance_to_point_in_time()
                .source_db_instance_identifier(instance)
                .target_db_instance_identifier(&spec.name)
                .set_restore_time(at.map(|at| DateTime::from_secs(at.as_second())))
                .set_use_latest_restorable_time(at.is_none().then_some(true))
                .set_db_instance_class(spec.class.clone())
                .set_db_subnet_group_name(spec.subnet_group.clone())
                .set_vpc_security_group_ids(groups)
                .publicly_accessible(false)
                .deletion_protection(true)
                .copy_tags_to_snapshot(true)
                .set_tags(Some(tags))
                .send()
                .await
                .map(drop)
                .map_err(|error| {
                    failure(
                        format!("RestoreDBInstanceToPointInTime {}", spec.name),
                        error,
                    )
                }),
        }
    }
}

/// What it carries of our marks.
fn ours(instance: &DbInstance, marks: &BTreeMap<&str, String>) -> bool {
    marks.iter().all(|(key, value)| {
        instance
            .tag_list()
            .iter()
            .any(|tag| tag.key() == Some(*key) && tag.value() == Some(value))
    })
}

/// States that no instance leaves by itself (RDS, "Viewing Amazon RDS DB instance status").
fn hopeless(state: &str) -> bool {
    matches!(
        state,
        "failed"
            | "restore-error"
            | "incompatible-restore"
            | "incompatible-network"
            | "incompatible-parameters"
            | "incompatible-option-group"
            | "insufficient-capacity"
            | "inaccessible-encryption-credentials"
            | "storage-full"
            | "deleting"
            | "stopped"
    )
}

#[async_trait]
impl Provider for Rds {
    fn name(&self) -> &'static str {
        "rds"
    }

    fn budget(&self) -> Budget {
        Budget {
            concurrency: 2,
            rate: 2.0,
            burst: 5,
        }
    }

    async fn identity(&self) -> Result<Identity, Error> {
        Ok(Identity::default())
    }

    /// A restored instance is the database's from then on.
    async fn observe(&self, _: &Scope) -> Result<Inventory, Error> {
        Ok(Inventory::default())
    }

    async fn ensure(&self, request: Ensure<'_>) -> Result<Outputs, Error> {
        let what = request.step.id.clone();
        let spec: Spec = serde_json::from_value(request.spec.clone())
            .map_err(|error| Error::new(ErrorKind::Invalid, &what, error.to_string()))?;
        let marks = BTreeMap::from([
            (tags::ENVIRONMENT, request.scope.environment.clone()),
            (tags::GENERATION, request.scope.generation.to_string()),
            (tags::ADDRESS, request.step.address.to_string()),
            // Of two plans with one name each knows its own.
            (tags::DIGEST, request.step.token.clone()),
        ]);
        match self.instance(&spec.name).await? {
            Some(there) if !ours(&there, &marks) => {
                return Err(Error::new(
                    ErrorKind::Foreign,
                    what,
                    format!(
                        "there is an instance `{}` that this plan did not make",
                        spec.name
                    ),
                ));
            }
            Some(_) => {}
            None => self.restore(&spec, &marks).await?,
        }
        let limit = Duration::from_secs(u64::from(spec.deadline));
        let mut backoff = Backoff::new(&what, limit);
        loop {
            let found = self.instance(&spec.name).await?;
            let state = found
                .as_ref()
                .and_then(DbInstance::db_instance_status)
                .unwrap_or("not listed yet");
            if hopeless(state) {
                return Err(Error::new(
                    ErrorKind::Invalid,
                    what,
                    format!("the instance `{}` is `{state}`", spec.name),
                ));
            }
            let endpoint = found.as_ref().and_then(DbInstance::endpoint);
            if let Some(endpoint) = endpoint.filter(|_| state == "available") {
                return Ok(Outputs::from([
                    ("id".to_owned(), json!(spec.name)),
                    ("address".to_owned(), json!(endpoint.address())),
                    ("port".to_owned(), json!(endpoint.port())),
                ]));
            }
            backoff.next(&format!("`{state}`")).await?;
        }
    }

    async fn remove(&self, _: &Observed) -> Result<(), Error> {
        Ok(())
    }
}

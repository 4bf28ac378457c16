//! Every place that can be closed, each opened by itself: one that can't be opened holds nothing up.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use containment::{Barrier, Item, Survey};
use executor::provider::{Error, ErrorKind};
use planner::Generation;
use provider_ec2::contain as ec2;
use provider_iam::contain as iam;
use provider_kubernetes::{KubernetesBarrier, Reach};
use provider_vault::contain::{self as vault, VaultBarrier};

use super::Blueprint;
use crate::failure::Failure;

/// A place that does not say who we are there by then is not touched.
const PATIENCE: Duration = Duration::from_secs(10);

/// A place that can't be opened: looking at it says why.
struct Shut {
    name: &'static str,
    error: Error,
}

#[async_trait]
impl Barrier for Shut {
    fn name(&self) -> &'static str {
        self.name
    }

    async fn survey(&self) -> Result<Survey, Error> {
        Err(self.error.clone())
    }

    async fn close(&self, _: &Item) -> Result<(), Error> {
        Err(self.error.clone())
    }
}

/// Connects to each of the environment's places, in the order they are told in; changes nothing.
///
/// `except` are generations that stay open.
pub async fn open(
    blueprint: &Blueprint,
    except: &[Generation],
    now: jiff::Timestamp,
) -> Vec<Arc<dyn Barrier>> {
    let except: BTreeSet<Generation> = except.iter().cloned().collect();
    let environment = blueprint.environment.name().to_owned();
    let named = &blueprint.environment.document.containment;
    let resolved = &blueprint.resolved;
    let aws = super::aws(resolved).await;
    let mut all: Vec<Arc<dyn Barrier>> = Vec::new();
    match account(&aws, &resolved.aws.account).await {
        Ok(principal) => {
            let scope = iam::Scope {
                environment: environment.clone(),
                except: except.clone(),
                users: named.iam_users.clone(),
                roles: named.iam_roles.clone(),
            };
            all.push(Arc::new(iam::IamBarrier::new(&aws, scope, principal, now)));
            let scope = ec2::Scope {
                environment: environment.clone(),
                except: except.clone(),
                vpcs: named.vpcs.clone(),
            };
            all.push(Arc::new(ec2::Ec2Barrier::new(&aws, scope)));
        }
        Err(error) => {
            for name in ["iam", "ec2"] {
                let error = error.clone();
                all.push(Arc::new(Shut { name, error }));
            }
        }
    }
    let reach = Reach {
        environment,
        namespaces: named.namespaces.clone(),
        except: except.into_iter().collect(),
    };
    match super::cluster(&blueprint.environment, resolved).await {
        Ok(None) => {}
        Ok(Some(cluster)) => all.push(Arc::new(KubernetesBarrier::new(Arc::new(cluster), reach))),
        Err(failure) => all.push(shut("kubernetes", &failure)),
    }
    match vault(blueprint) {
        Ok(None) => {}
        Ok(Some(vault)) => all.push(Arc::new(vault)),
        Err(failure) => all.push(shut("vault", &failure)),
    }
    all
}

/// The environment's Vault, where it names something in it to revoke.
fn vault(blueprint: &Blueprint) -> Result<Option<VaultBarrier>, Failure> {
    let named = &blueprint.environment.document.containment.vault;
    if named.leases.is_empty() && named.tokens.is_empty() {
        return Ok(None);
    }
    let settings = super::vault(&blueprint.resolved, Vec::new())?;
    let reach = vault::Reach {
        leases: named.leases.clone(),
        tokens: named.tokens.clone(),
        keep_policies: named.keep_policies.clone(),
    };
    VaultBarrier::new(&settings, reach)
        .map(Some)
        .map_err(|error| Failure::of("Vault can't be used", &error))
}

fn shut(name: &'static str, failure: &Failure) -> Arc<dyn Barrier> {
    let error = Error::new(
        ErrorKind::Unavailable,
        failure.message.clone(),
        failure.causes.join(": "),
    );
    Arc::new(Shut { name, error })
}

/// Who we are in the environment's own account; another account is refused.
pub(super) async fn account(
    config: &aws_config::SdkConfig,
    expected: &str,
) -> Result<String, Error> {
    let asked = provider_aws::connection::identity(config);
    let identity = tokio::time::timeout(PATIENCE, asked).await.map_err(|_| {
        Error::new(
            ErrorKind::Deadline,
            "GetCallerIdentity",
            format!("no answer within {} s", PATIENCE.as_secs()),
        )
    })??;
    match identity.places.get("account") {
        Some(found) if found == expected => Ok(identity.principal),
        found => Err(Error::new(
            ErrorKind::Denied,
            "GetCallerIdentity",
            format!(
                "this is the account `{}`, and the environment's is `{expected}`: not touched",
                found.map_or("unknown", String::as_str)
            ),
        )),
    }
}

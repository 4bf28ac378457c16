//! Every place that evidence comes from, each opened by itself: one that can't be opened is noted as missing.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use evidence::collect::{Collector, Mask, Shelf};
use planner::Generation;
use provider_ec2::evidence as ec2;
use provider_iam::evidence as iam;
use provider_kubernetes::evidence as kubernetes;
use provider_object_store::evidence as s3;
use provider_vault::evidence::VaultEvidence;

use super::Blueprint;
use crate::failure::Failure;

/// A place that can't be opened: it says why.
struct Shut {
    name: &'static str,
    why: String,
}

#[async_trait]
impl Collector for Shut {
    fn name(&self) -> &'static str {
        self.name
    }

    async fn generations(&self) -> Result<Vec<String>, String> {
        Err(self.why.clone())
    }

    async fn collect(&self, shelf: &Shelf) {
        shelf.missing("all", "connect", self.name, &self.why).await;
    }
}

/// Connects to each of the environment's places, in the order they are told in; changes nothing.
///
/// Without `generations` it is about every one. With `snapshots`, collecting makes one of every volume.
///
/// # Errors
/// When the system gives no random bytes.
pub async fn open(
    blueprint: &Blueprint,
    generations: &BTreeSet<Generation>,
    snapshots: bool,
) -> Result<Vec<Arc<dyn Collector>>, Failure> {
    let environment = blueprint.environment.name().to_owned();
    let named = &blueprint.environment.document.containment;
    let resolved = &blueprint.resolved;
    let mask = || Mask::new().map_err(|error| Failure::of("secrets can't be masked", &error));
    let aws = super::aws(resolved).await;
    let mut all: Vec<Arc<dyn Collector>> = Vec::new();
    match super::barriers::account(&aws, &resolved.aws.account).await {
        Ok(_) => {
            let scope = iam::Scope {
                environment: environment.clone(),
                generations: generations.clone(),
                users: named.iam_users.clone(),
                roles: named.iam_roles.clone(),
            };
            all.push(Arc::new(iam::IamEvidence::new(&aws, scope)));
            let scope = ec2::Scope {
                environment: environment.clone(),
                generations: generations.clone(),
                vpcs: named.vpcs.clone(),
                snapshots,
            };
            all.push(Arc::new(ec2::Ec2Evidence::new(&aws, scope, mask()?)));
        }
        Err(error) => {
            for name in ["iam", "ec2"] {
                let why = error.to_string();
                all.push(Arc::new(Shut { name, why }));
            }
        }
    }
    let objects = super::connection(
        resolved,
        &resolved.aws.region,
        &resolved.aws.s3_endpoint,
        &resolved.aws.s3_profile,
    );
    let scope = s3::Scope {
        environment: environment.clone(),
        generations: generations.clone(),
    };
    all.push(Arc::new(s3::S3Evidence::new(&objects.load().await, scope)));
    match super::cluster(&blueprint.environment, resolved).await {
        Ok(None) => {}
        Ok(Some(cluster)) => {
            let scope = kubernetes::Scope {
                environment: environment.clone(),
                generations: generations.clone(),
                namespaces: named.namespaces.clone(),
            };
            let cluster = Arc::new(cluster);
            all.push(Arc::new(kubernetes::KubernetesEvidence::new(
                cluster,
                scope,
                mask()?,
            )));
        }
        Err(failure) => all.push(shut("kubernetes", &failure)),
    }
    let mask = mask()?;
    let vault = super::vault(resolved, vec![resolved.vault.mount.clone()]).and_then(|settings| {
        VaultEvidence::new(&settings, &environment, generations.clone(), mask)
            .map_err(|error| Failure::of("Vault can't be used", &error))
    });
    match vault {
        Ok(vault) => all.push(Arc::new(vault)),
        Err(failure) => all.push(shut("vault", &failure)),
    }
    Ok(all)
}

fn shut(name: &'static str, failure: &Failure) -> Arc<dyn Collector> {
    let why = failure.line();
    Arc::new(Shut { name, why })
}

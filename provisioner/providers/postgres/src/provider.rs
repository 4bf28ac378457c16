//! The provider of the kinds `database.dump` and `database.chain`.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use executor::provider::{
    Budget, Ensure, Error, ErrorKind, Identity, Provider, Scope, SecretSource,
};
use planner::kinds::database::{Chain, Dump, Judge};
use planner::reference::Outputs;
use planner::{Inventory, Observed};
use provider_object_store::Archive;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::{chain, dump};

/// Restores dumps, and reads chains.
///
/// # Guarantees
/// Nothing that stood before is changed: the database and its role are new, and one of their name that is not this plan's own is refused.
/// The dump is used only after all of its bytes were held against their pin. A database whose chain is refused is dropped with its role, unless
/// it was judged before: then it may be in use.
pub struct Postgres {
    source: Option<Arc<dyn Archive>>,
    secrets: Arc<dyn SecretSource>,
    now: i64,
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres")
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}

impl Postgres {
    /// Takes dumps from `source`; `now` is the time of the run in seconds since 1970, after which no block can have been made.
    pub fn new(source: Option<Arc<dyn Archive>>, secrets: Arc<dyn SecretSource>, now: i64) -> Self {
        Self {
            source,
            secrets,
            now,
        }
    }

    async fn dump(&self, what: &str, token: &str, spec: &Dump) -> Result<Outputs, Error> {
        let source = self
            .source
            .as_deref()
            .ok_or_else(|| Error::new(ErrorKind::Invalid, what, "no bucket with dumps is given"))?;
        let file = dump::fetch(what, source, spec).await?;
        let contents = dump::contents(what, file.path(), &spec.allow).await?;
        let (admin, fresh) = (&spec.admin_password, &spec.password);
        let admin = self
            .secrets
            .read(&admin.mount, &admin.path, &admin.field)
            .await?;
        let fresh = self
            .secrets
            .read(&fresh.mount, &fresh.path, &fresh.field)
            .await?;
        dump::restore(what, spec, token, file.path(), (&admin, &fresh)).await?;
        Ok(Outputs::from([
            ("name".to_owned(), json!(spec.name)),
            ("entries".to_owned(), json!(contents)),
        ]))
    }
}

fn read<T: DeserializeOwned>(what: &str, request: &Ensure<'_>) -> Result<T, Error> {
    serde_json::from_value(request.spec.clone())
        .map_err(|error| Error::new(ErrorKind::Invalid, what, error.to_string()))
}

#[async_trait]
impl Provider for Postgres {
    fn name(&self) -> &'static str {
        "database"
    }

    fn budget(&self) -> Budget {
        Budget {
            concurrency: 2,
            rate: 5.0,
            burst: 5,
        }
    }

    async fn identity(&self) -> Result<Identity, Error> {
        Ok(Identity::default())
    }

    /// What was restored is the database's from then on.
    async fn observe(&self, _: &Scope) -> Result<Inventory, Error> {
        Ok(Inventory::default())
    }

    async fn ensure(&self, request: Ensure<'_>) -> Result<Outputs, Error> {
        let what = request.step.id.clone();
        match request.step.address.kind() {
            "dump" => {
                let spec: Dump = read(&what, &request)?;
                self.dump(&what, &request.step.token, &spec).await
            }
            "chain" => {
                let spec: Chain = read(&what, &request)?;
                let key = &spec.password;
                let password = self.secrets.read(&key.mount, &key.path, &key.field).await?;
                let admin = match &spec.judge {
                    Some(Judge {
                        admin_password: key,
                        ..
                    }) => Some(self.secrets.read(&key.mount, &key.path, &key.field).await?),
                    None => None,
                };
                chain::judge(&what, &spec, (&password, admin.as_ref()), self.now).await
            }
            kind => Err(Error::new(
                ErrorKind::Invalid,
                what,
                format!("`{kind}` is no kind of database"),
            )),
        }
    }

    async fn remove(&self, _: &Observed) -> Result<(), Error> {
        Ok(())
    }
}

//! Asking the cluster: pages, and a little patience.

use std::future::Future;
use std::time::Duration;

use executor::provider::{Error, ErrorKind};
use kube::api::{Api, DynamicObject, ListParams};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::Kubernetes;
use crate::error::{failure, missing};

/// Objects in one page of a list.
const PAGE: u32 = 500;
/// How often one question is asked. Nobody above repeats a question, as the executor repeats a step.
const ATTEMPTS: u32 = 5;
/// Before the second attempt; doubled each time.
const PAUSE: Duration = Duration::from_millis(250);

/// Asks again where that may help. Only for questions that change nothing.
pub(crate) async fn patiently<T, F>(what: &str, ask: impl Fn() -> F) -> Result<T, Error>
where
    F: Future<Output = kube::Result<T>>,
{
    let mut attempt = 1;
    loop {
        match ask().await {
            Ok(answer) => return Ok(answer),
            Err(error) if missing(&error) || attempt == ATTEMPTS => {
                return Err(failure(what, error));
            }
            Err(error) => {
                let error = failure(what, error);
                if !error.kind.retryable() {
                    return Err(error);
                }
            }
        }
        sleep(PAUSE * 2_u32.pow(attempt - 1)).await;
        attempt += 1;
    }
}

pub(crate) fn json(what: &str, object: &DynamicObject) -> Result<Value, Error> {
    serde_json::to_value(object).map_err(|error| {
        Error::new(
            ErrorKind::Server,
            what,
            format!("the object can't be read: {error}"),
        )
    })
}

impl Kubernetes {
    /// Every object, through all pages. Items of a list carry neither kind nor version, so the kind is put back.
    pub(crate) async fn list(
        &self,
        what: &str,
        api: &Api<DynamicObject>,
        kind: &str,
        selector: Option<&str>,
    ) -> Result<Vec<Value>, Error> {
        let mut params = ListParams::default().limit(PAGE);
        params.label_selector = selector.map(str::to_owned);
        let mut found = Vec::new();
        loop {
            let page = match patiently(what, || api.list(&params)).await {
                Ok(page) => page,
                Err(error) if error.kind == ErrorKind::NotYet => return Ok(found),
                Err(error) => return Err(error),
            };
            for item in page.items {
                let mut item = json(what, &item)?;
                if item.get("kind").is_none() {
                    item["kind"] = json!(kind);
                }
                found.push(item);
            }
            params.continue_token = page.metadata.continue_.filter(|token| !token.is_empty());
            if params.continue_token.is_none() {
                return Ok(found);
            }
        }
    }

    pub(crate) async fn get(
        &self,
        what: &str,
        api: &Api<DynamicObject>,
        name: &str,
    ) -> Result<Option<Value>, Error> {
        match api.get_opt(name).await {
            Ok(found) => found.map(|object| json(what, &object)).transpose(),
            Err(error) => Err(failure(what, error)),
        }
    }
}

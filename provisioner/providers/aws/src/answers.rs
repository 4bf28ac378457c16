//! Answers as a service gave them, for evidence: what the SDK makes of them leaves out what it does not know.

use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::AfterDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use evidence::collect::Shelf;
use executor::provider::Error;

/// Keeps the bodies of all successful answers of a client that it is an interceptor of.
///
/// One caller at a time: bodies are kept in the order in which they came, whoever asked.
#[derive(Clone, Debug, Default)]
pub struct Answers(Arc<Mutex<Vec<Vec<u8>>>>);

impl Answers {
    /// The bodies since the last time.
    #[must_use]
    pub fn take(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts the bodies since the last time on the shelf, a page each, and returns what the SDK made of them; where the last call failed, notes
    /// that `name` is missing and returns nothing. Pages that came before the failure are kept.
    pub async fn shelve<T>(
        &self,
        shelf: &Shelf,
        name: &str,
        call: &str,
        service: &str,
        result: Result<T, Error>,
    ) -> Option<T> {
        for (at, page) in self.take().into_iter().enumerate() {
            let file = match at {
                0 => format!("{name}.xml"),
                at => format!("{name}-{}.xml", at + 1),
            };
            shelf.answer(&file, call, service, page).await;
        }
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                shelf.missing(name, call, service, &error).await;
                None
            }
        }
    }
}

impl Intercept for Answers {
    fn name(&self) -> &'static str {
        "answers"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response();
        if response.status().is_success()
            && let Some(bytes) = response.body().bytes()
        {
            self.0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(bytes.to_vec());
        }
        Ok(())
    }
}

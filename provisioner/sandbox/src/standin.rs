//! A stand-in for the first user's service.
//!
//! kwok runs no container, so behind the Service of a rebuilt environment there is nobody to answer. This listener
//! answers in its place, and says with every answer that it does ([`HEADER`]). It invents nothing: a question about
//! the chain is answered from what the rebuild left behind, looked up anew each time — the pods, the key in the
//! Kubernetes Secret, the object in the bucket, decrypted with the key in the Secret and verified as a backup is.
//! Whatever of that is missing is answered with 503 and the reason.
//!
//! | path | key | answer |
//! |---|---|---|
//! | `/health`, `/health/live` | no | 200: somebody listens |
//! | `/health/ready` | no | 200 when a pod is ready and the chain can be read, else 503 |
//! | `/validate/chain` | yes | `valid, blocks, pending_entries, signatures`: 200 even when invalid, as the service does |
//! | `/block/latest` | yes | `block.hash, block.index` |
//! | `/stats` | yes | `blocks, total_entries, chain_valid` |
//!
//! It speaks for the newest namespace that a rebuild made; below `/namespaces/NAME/` for that one.

mod seeded;

use std::net::Ipv4Addr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;

use crate::error::{Error, Result};
use crate::http::Api;
use crate::s3::S3;
use seeded::{Lookup, Seeded};

/// In every answer.
pub(crate) const HEADER: &str = "x-sandbox-standin";

/// A listening stand-in; it ends with its value.
#[derive(Debug)]
pub(crate) struct StandIn {
    pub(crate) url: String,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Listens on a port of 127.0.0.1.
pub(crate) async fn start(port: u16, kubernetes: Api, objects: S3) -> Result<StandIn> {
    let failed = |source| Error::Start {
        name: "the stand-in of the service".to_owned(),
        source,
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .await
        .map_err(failed)?;
    let app = router(Arc::new(Lookup::new(kubernetes, objects)));
    let task = tokio::spawn(async move {
        // Ends only with the listener, that is, with the supervisor.
        _ = axum::serve(listener, app).await;
    });
    Ok(StandIn {
        url: format!("http://127.0.0.1:{port}"),
        task,
    })
}

type Shared = State<Arc<Lookup>>;

fn router(lookup: Arc<Lookup>) -> Router {
    let service = Router::new()
        .route("/health", get(health))
        .route("/health/live", get(health))
        .route("/health/ready", get(ready))
        .route("/validate/chain", get(validate))
        .route("/block/latest", get(latest))
        .route("/stats", get(stats));
    Router::new()
        .merge(service.clone())
        .nest("/namespaces/{namespace}", service)
        .layer(middleware::from_fn(declare))
        .with_state(lookup)
}

async fn declare(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().insert(
        HeaderName::from_static(HEADER),
        HeaderValue::from_static("true"),
    );
    response
}

/// An answer with a body of JSON.
struct Answer(StatusCode, Value);

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        (self.0, axum::Json(self.1)).into_response()
    }
}

fn refused(status: StatusCode, why: &str) -> Answer {
    Answer(status, json!({"error": why, "standin": true}))
}

/// Which namespace is asked about, if the path names one.
#[derive(serde::Deserialize)]
struct Asked {
    namespace: Option<String>,
}

async fn health() -> Answer {
    Answer(
        StatusCode::OK,
        json!({"status": "healthy", "service": "natlangchain", "standin": true}),
    )
}

async fn ready(State(lookup): Shared, Path(asked): Path<Asked>) -> Answer {
    match lookup.seeded(asked.namespace.as_deref()).await {
        Ok(seeded) => Answer(
            StatusCode::OK,
            json!({"status": "ready", "namespace": seeded.namespace, "standin": true}),
        ),
        Err(why) => refused(StatusCode::SERVICE_UNAVAILABLE, &why),
    }
}

async fn validate(lookup: Shared, asked: Path<Asked>, headers: HeaderMap) -> Answer {
    with_key(lookup, asked, &headers, |seeded| {
        let verdict = &seeded.verdict;
        json!({
            "valid": seeded.valid(),
            "blocks": verdict.blocks,
            "pending_entries": verdict.pending_entries,
            "signatures": verdict.signatures,
            "findings": verdict.findings,
        })
    })
    .await
}

async fn latest(lookup: Shared, asked: Path<Asked>, headers: HeaderMap) -> Answer {
    with_key(lookup, asked, &headers, |seeded| {
        json!({"block": {
            "hash": seeded.verdict.head,
            "index": seeded.verdict.blocks.checked_sub(1),
        }})
    })
    .await
}

async fn stats(lookup: Shared, asked: Path<Asked>, headers: HeaderMap) -> Answer {
    with_key(lookup, asked, &headers, |seeded| {
        json!({
            "blocks": seeded.verdict.blocks,
            "total_entries": seeded.verdict.entries,
            "chain_valid": seeded.valid(),
        })
    })
    .await
}

/// Answers those who bring the key that is in the Secret now: without one 401, with another 403, as the service does.
async fn with_key(
    State(lookup): Shared,
    Path(asked): Path<Asked>,
    headers: &HeaderMap,
    answer: impl FnOnce(&Seeded) -> Value,
) -> Answer {
    let unavailable = |why: String| refused(StatusCode::SERVICE_UNAVAILABLE, &why);
    let place = match lookup.place(asked.namespace.as_deref()).await {
        Ok(place) => place,
        Err(why) => return unavailable(why),
    };
    let Some(given) = headers.get("x-api-key") else {
        return refused(StatusCode::UNAUTHORIZED, "X-API-Key is missing");
    };
    // Digests are compared: how long that takes tells nothing about the key.
    if Sha256::digest(given) != Sha256::digest(place.api_key()) {
        return refused(StatusCode::FORBIDDEN, "X-API-Key is not the key");
    }
    match lookup.read(&place).await {
        Ok(seeded) => Answer(StatusCode::OK, answer(&seeded)),
        Err(why) => unavailable(why),
    }
}

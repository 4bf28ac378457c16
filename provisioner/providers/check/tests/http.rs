//! `check.http` against a real listener.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Redirect;
use axum::routing::get;
use axum::{Json, Router};
use executor::provider::{Ensure, Error, ErrorKind, Provider, Scope, SecretSource};
use planner::kind::Layer;
use planner::{Action, Step};
use provider_check::Checks;
use secrecy::SecretString;
use serde_json::{Value, json};

struct Key;

#[async_trait]
impl SecretSource for Key {
    async fn read(&self, _: &str, _: &str, _: &str) -> Result<SecretString, Error> {
        Ok(SecretString::from("hunter2hunter2"))
    }
}

async fn listener(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    format!("http://{address}")
}

async fn check(spec: Value) -> Result<(), Error> {
    let checks = Checks::new(Arc::new(Key), None, None).unwrap();
    let scope = Scope {
        environment: "demo".to_owned(),
        generation: "20261124-7f3a".parse().unwrap(),
        kinds: Vec::new(),
        names: BTreeMap::new(),
    };
    let step = Step {
        id: "check check.http.api".to_owned(),
        action: Action::Check,
        address: "check.http.api".parse().unwrap(),
        layer: Layer::Validation,
        depends_on: Vec::new(),
        spec: spec.clone(),
        object: None,
        changes: Vec::new(),
        token: String::new(),
        digest: String::new(),
        reason: String::new(),
        seconds: 1,
        calls: 1,
    };
    checks
        .ensure(Ensure {
            scope: &scope,
            step: &step,
            spec,
        })
        .await
        .map(drop)
}

async fn guarded(headers: HeaderMap) -> (StatusCode, Json<Value>) {
    let known = headers
        .get("x-api-key")
        .is_some_and(|key| key == "hunter2hunter2");
    (
        if known {
            StatusCode::OK
        } else {
            StatusCode::UNAUTHORIZED
        },
        Json(json!({"valid": true, "blocks": 5})),
    )
}

#[tokio::test]
async fn answers_are_judged() {
    let other = listener(Router::new().route("/", get(guarded))).await;
    let router = Router::new()
        .route("/", get(guarded))
        .route(
            "/away",
            get(move || async move { Redirect::temporary(&other) }),
        )
        .route("/here", get(|| async { Redirect::temporary("/") }))
        .route("/large", get(|| async { vec![b' '; 2 << 20] }));
    let base = listener(router).await;
    let header =
        json!({"name": "X-API-Key", "from": {"mount": "secret", "path": "p", "field": "value"}});
    let good = json!([{"pointer": "/valid", "equals": true}, {"pointer": "/blocks", "equals": 5}]);
    for path in ["/", "/here"] {
        check(json!({"url": format!("{base}{path}"), "header": header, "expect": good, "deadline": 0})).await.unwrap();
    }
    for (spec, why) in [
        (
            json!({"url": format!("{base}/"), "deadline": 0}),
            "status is 401, wanted 200",
        ),
        (
            json!({"url": format!("{base}/away"), "header": header, "deadline": 0}),
            "status is 307, wanted 200",
        ),
        (
            json!({"url": format!("{base}/large"), "expect": good, "deadline": 0}),
            "longer than",
        ),
        (
            json!({"url": format!("{base}/"), "header": header, "expect": [{"pointer": "/blocks", "equals": 6}], "deadline": 0}),
            "`/blocks` is 5, wanted 6",
        ),
        (
            json!({"url": format!("{base}/"), "header": header, "expect": [{"pointer": "/none", "equals": 6}], "deadline": 0}),
            "`/none` is nothing, wanted 6",
        ),
        (
            json!({"url": "http://127.0.0.1:9/", "deadline": 0}),
            "onnect",
        ),
    ] {
        let error = check(spec).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Deadline, "{error}");
        assert!(error.why.contains(why), "{error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}

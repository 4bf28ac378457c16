//! What moto does not do, against recorded answers: pages, throttling, missing credentials, client tokens after a deletion.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use executor::provider::{Ensure, ErrorKind, Provider, Scope};
use planner::Action;
use provider_aws::{Connection, Keys};
use provider_ec2::Ec2;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

type Form = BTreeMap<String, String>;

/// Answers EC2 calls from a function of the form that was sent; keeps every form.
async fn server(
    answer: impl Fn(&Form) -> (u16, String) + Send + Sync + 'static,
) -> (String, Arc<Mutex<Vec<Form>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let forms: Arc<Mutex<Vec<Form>>> = Arc::default();
    let (kept, answer) = (Arc::clone(&forms), Arc::new(answer));
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let (kept, answer) = (Arc::clone(&kept), Arc::clone(&answer));
            tokio::spawn(async move {
                let mut bytes = Vec::new();
                loop {
                    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n")
                    else {
                        if socket.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                            return;
                        }
                        continue;
                    };
                    let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
                    let length: usize = head
                        .lines()
                        .find_map(|line| line.strip_prefix("content-length:"))
                        .and_then(|text| text.trim().parse().ok())
                        .unwrap_or(0);
                    if bytes.len() < end + 4 + length {
                        if socket.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                            return;
                        }
                        continue;
                    }
                    let form: Form = url::form_urlencoded::parse(&bytes[end + 4..end + 4 + length])
                        .into_owned()
                        .collect();
                    bytes.drain(..end + 4 + length);
                    let (status, body) = answer(&form);
                    kept.lock().expect("no panic").push(form);
                    let text = format!(
                        "HTTP/1.1 {status} X\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n\r\n{body}",
                        body.len()
                    );
                    if socket.write_all(text.as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    (url, forms)
}

async fn provider(url: &str) -> Ec2 {
    let keys = Keys {
        id: "test".to_owned(),
        secret: "test".to_owned().into(),
        session: None,
    };
    let connection = Connection {
        region: "us-east-1".to_owned(),
        endpoint_url: Some(url.to_owned()),
        keys: Some(keys),
        ..Connection::default()
    };
    Ec2::new(&connection.load().await).patience(std::time::Duration::from_secs(5))
}

fn scope() -> Scope {
    super::scope("20261124-0009")
}

fn tags(address: &str) -> String {
    [
        ("rebuild:environment", "live"),
        ("rebuild:generation", "20261124-0009"),
        ("rebuild:address", address),
    ]
    .iter()
    .map(|(key, value)| format!("<item><key>{key}</key><value>{value}</value></item>"))
    .collect()
}

fn gateway(id: &str, address: &str) -> String {
    format!(
        "<item><internetGatewayId>{id}</internetGatewayId><attachmentSet/><tagSet>{}</tagSet></item>",
        tags(address)
    )
}

#[tokio::test]
async fn every_page_is_read() {
    let (url, forms) = server(|form| {
        let action = form.get("Action").map(String::as_str).unwrap_or_default();
        let inside = match (action, form.get("NextToken").map(String::as_str)) {
            ("DescribeInternetGateways", None) => {
                format!("<internetGatewaySet>{}</internetGatewaySet><nextToken>more</nextToken>", gateway("igw-1", "ec2.internet-gateway.one"))
            }
            ("DescribeInternetGateways", Some("more")) => format!("<internetGatewaySet>{}</internetGatewaySet>", gateway("igw-2", "ec2.internet-gateway.two")),
            _ => String::new(),
        };
        (200, format!("<{action}Response xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">{inside}</{action}Response>"))
    })
    .await;
    let inventory = provider(&url)
        .await
        .observe(&scope())
        .await
        .expect("observe");
    assert_eq!(
        inventory
            .objects
            .iter()
            .map(|object| object.id.as_str())
            .collect::<Vec<_>>(),
        ["igw-1", "igw-2"]
    );
    let forms = forms.lock().expect("no panic");
    // One call a kind and one more for the second page, whatever the account holds.
    assert_eq!(forms.len(), 13);
    for form in forms.iter() {
        assert!(
            form.values()
                .any(|value| value == "tag:rebuild:environment"),
            "{form:?}"
        );
        assert!(form.values().any(|value| value == "live"), "{form:?}");
    }
}

#[tokio::test]
async fn failures_say_what_they_are() {
    for (status, code, kind) in [
        (503, "RequestLimitExceeded", ErrorKind::Throttled),
        (401, "AuthFailure", ErrorKind::Unauthenticated),
        (403, "UnauthorizedOperation", ErrorKind::Denied),
        (500, "InternalError", ErrorKind::Server),
        (400, "InvalidParameterValue", ErrorKind::Invalid),
    ] {
        let (url, _) = server(move |_| (status, format!("<Response><Errors><Error><Code>{code}</Code><Message>said so</Message></Error></Errors></Response>"))).await;
        let error = provider(&url)
            .await
            .observe(&scope())
            .await
            .expect_err("refused");
        assert_eq!(error.kind, kind, "{error}");
        assert!(
            error.why.contains(code) && error.why.contains("said so"),
            "{error}"
        );
    }
    let error = provider("http://127.0.0.1:1")
        .await
        .observe(&scope())
        .await
        .expect_err("nobody listens");
    assert_eq!(error.kind, ErrorKind::Unreachable, "{error}");
}

#[tokio::test]
async fn credentials_that_are_missing_are_said_to_be() {
    let folder = std::env::temp_dir().join("rebuild-no-such-folder");
    let connection = Connection {
        region: "us-east-1".to_owned(),
        endpoint_url: Some("http://127.0.0.1:1".to_owned()),
        profile: Some("absent".to_owned()),
        config_file: Some(folder.join("config")),
        credentials_file: Some(folder.join("credentials")),
        keys: None,
    };
    let error = Ec2::new(&connection.load().await)
        .observe(&scope())
        .await
        .expect_err("no credentials");
    assert_eq!(error.kind, ErrorKind::Unauthenticated, "{error}");
}

#[tokio::test]
async fn a_token_bound_to_a_deleted_gateway_is_not_used_again() {
    let made = Arc::new(Mutex::new(false));
    let (url, forms) = server(move |form| {
        let action = form.get("Action").map(String::as_str).unwrap_or_default();
        let item = |id: &str, state: &str| {
            format!("<item><natGatewayId>{id}</natGatewayId><subnetId>subnet-1</subnetId><state>{state}</state><tagSet>{}</tagSet></item>", tags("ec2.nat-gateway.main"))
        };
        let mut made = made.lock().expect("no panic");
        let inside = match action {
            "DescribeNatGateways" if *made => format!("<natGatewaySet>{}</natGatewaySet>", item("nat-2", "available")),
            "DescribeNatGateways" => format!("<natGatewaySet>{}</natGatewaySet>", item("nat-1", "deleted")),
            "CreateNatGateway" => {
                *made = true;
                "<natGateway><natGatewayId>nat-2</natGatewayId></natGateway>".to_owned()
            }
            _ => String::new(),
        };
        (200, format!("<{action}Response xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">{inside}</{action}Response>"))
    })
    .await;
    let scope = scope();
    let spec = json!({"subnet": "subnet-1", "elastic_ip": "eipalloc-1", "tags": {}});
    let step = super::step(&scope, Action::Create, "ec2.nat-gateway.main", &spec, None);
    provider(&url)
        .await
        .ensure(Ensure {
            scope: &scope,
            step: &step,
            spec,
        })
        .await
        .expect("a new gateway");
    let forms = forms.lock().expect("no panic");
    let sent = forms
        .iter()
        .find(|form| {
            form.get("Action")
                .is_some_and(|name| name == "CreateNatGateway")
        })
        .expect("a create");
    assert_ne!(sent["ClientToken"], step.token);
    assert_eq!(sent["ClientToken"].len(), 64);
}

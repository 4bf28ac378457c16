//! Restores against moto. What moto leaves out, the restore time and whether the Internet may reach it, is seen in what is sent.

use std::io::{Read, Write};
use std::sync::LazyLock;

use aws_sdk_rds::Client;
use executor::provider::{Ensure, Error, ErrorKind, Provider, Scope};
use planner::kind::Layer;
use planner::reference::Outputs;
use planner::{Action, Step};
use provider_aws::{Connection, Keys};
use provider_rds::Rds;
use sandbox::testing::Moto;
use serde_json::{Value, json};

static MOTO: LazyLock<Moto> = LazyLock::new(|| Moto::start().unwrap());

async fn config() -> aws_config::SdkConfig {
    config_at(&MOTO.endpoint).await
}

async fn config_at(endpoint: &str) -> aws_config::SdkConfig {
    let connection = Connection {
        region: "us-east-1".to_owned(),
        endpoint_url: Some(endpoint.to_owned()),
        keys: Some(Keys {
            id: "test".to_owned(),
            secret: "test".to_owned().into(),
            session: None,
        }),
        ..Connection::default()
    };
    connection.load().await
}

/// An instance with a snapshot.
async fn old(client: &Client, name: &str) {
    client
        .create_db_instance()
        .db_instance_identifier(name)
        .engine("postgres")
        .db_instance_class("db.t3.micro")
        .allocated_storage(20)
        .master_username("root")
        .master_user_password("not-a-secret-of-anybody")
        .send()
        .await
        .unwrap();
    client
        .create_db_snapshot()
        .db_instance_identifier(name)
        .db_snapshot_identifier(format!("{name}-snapshot"))
        .send()
        .await
        .unwrap();
}

async fn ensure(rds: &Rds, token: &str, spec: Value) -> Result<Outputs, Error> {
    let scope = Scope {
        environment: "demo".to_owned(),
        generation: "20261124-7f3a".parse().unwrap(),
        kinds: Vec::new(),
        names: Default::default(),
    };
    let step = Step {
        id: "create rds.instance.main".to_owned(),
        action: Action::Create,
        address: "rds.instance.main".parse().unwrap(),
        layer: Layer::Storage,
        depends_on: Vec::new(),
        spec: spec.clone(),
        object: None,
        changes: Vec::new(),
        token: token.to_owned(),
        digest: String::new(),
        reason: String::new(),
        seconds: 1,
        calls: 1,
    };
    rds.ensure(Ensure {
        scope: &scope,
        step: &step,
        spec,
    })
    .await
}

async fn names(client: &Client) -> Vec<String> {
    let listed = client.describe_db_instances().send().await.unwrap();
    let names = listed.db_instances().iter();
    names
        .map(|instance| instance.db_instance_identifier().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn restored_beside_the_old_one() {
    let config = config().await;
    let (client, rds) = (Client::new(&config), Rds::new(&config));
    old(&client, "old").await;
    for (name, from) in [
        ("from-snapshot", json!({"snapshot": "old-snapshot"})),
        ("from-time", json!({"time": {"instance": "old"}})),
    ] {
        let spec = json!({"name": name, "from": from});
        let outputs = ensure(&rds, "t1", spec.clone()).await.unwrap();
        assert_eq!(outputs["id"], name);
        assert!(
            outputs["address"].as_str().unwrap().starts_with(name),
            "{outputs:?}"
        );
        let found = client
            .describe_db_instances()
            .db_instance_identifier(name)
            .send()
            .await
            .unwrap();
        let found = &found.db_instances()[0];
        assert_eq!(found.deletion_protection(), Some(true));
        // Done again, as a run that was cut short does.
        let before = names(&client).await;
        assert_eq!(ensure(&rds, "t1", spec.clone()).await.unwrap(), outputs);
        assert_eq!(names(&client).await, before);
        // Another plan with the same name.
        let error = ensure(&rds, "t2", spec).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Foreign, "{error}");
    }
    assert!(names(&client).await.contains(&"old".to_owned()));
    let over = json!({"name": "old", "from": {"snapshot": "old-snapshot"}});
    assert_eq!(
        ensure(&rds, "t1", over).await.unwrap_err().kind,
        ErrorKind::Foreign
    );
    let none = json!({"name": "none", "from": {"snapshot": "no-such-snapshot"}});
    let error = ensure(&rds, "t1", none).await.unwrap_err();
    assert!(error.to_string().contains("no-such-snapshot"), "{error}");
}

/// Answers that there is no instance, refuses everything else, and gives the first thing it refused.
fn refusing() -> (String, std::sync::mpsc::Receiver<String>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let (mut seen, mut piece) = (String::new(), [0_u8; 4096]);
            while !seen.contains("Version=") {
                let count = stream.read(&mut piece).unwrap();
                seen.push_str(std::str::from_utf8(&piece[..count]).unwrap());
            }
            let code = if seen.contains("Action=DescribeDBInstances") {
                "DBInstanceNotFound"
            } else {
                sender.send(seen).unwrap();
                "InvalidParameterValue"
            };
            let body = format!(
                "<ErrorResponse><Error><Code>{code}</Code><Message>no</Message></Error></ErrorResponse>"
            );
            write!(
                stream,
                "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
            .unwrap();
        }
    });
    (endpoint, receiver)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_for() {
    let (endpoint, asked) = refusing();
    let rds = Rds::new(&config_at(&endpoint).await);
    let spec = json!({"name": "new", "from": {"time": {"instance": "old", "at": "2026-11-20T14:00:00Z"}}, "security_groups": ["sg-1"]});
    let error = ensure(&rds, "t1", spec).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid, "{error}");
    let sent = asked.recv().unwrap();
    for wanted in [
        "Action=RestoreDBInstanceToPointInTime",
        "SourceDBInstanceIdentifier=old",
        "TargetDBInstanceIdentifier=new",
        "RestoreTime=2026-11-20T14%3A00%3A00Z",
        "PubliclyAccessible=false",
        "DeletionProtection=true",
        "VpcSecurityGroupId.1=sg-1",
    ] {
        assert!(sent.contains(wanted), "{wanted}: {sent}");
    }
    assert!(!sent.contains("UseLatestRestorableTime"), "{sent}");
}

//! Restores against moto. What moto does not do, a restore time in particular, is asserted on nowhere.

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
    let connection = Connection {
        region: "us-east-1".to_owned(),
        endpoint_url: Some(MOTO.endpoint.clone()),
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
        assert_eq!(found.publicly_accessible(), Some(false));
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

//! What a network has is read before it is destroyed, and only snapshots are added.

use std::collections::BTreeMap;

use evidence::collect::{Collector, Mask};
use evidence::testing::collected;
use provider_ec2::evidence::{Ec2Evidence, SNAPSHOT, Scope};
use serde_json::json;

use crate::support::{Moto, Recorder};
use crate::{create, id, scope};

const CANARY: &str = "canary-in-user-data";

#[tokio::test]
async fn a_network_is_read_and_its_volumes_are_kept_once() {
    let moto = Moto::start().await;
    let recorder = Recorder::default();
    let provider = moto.provider(&recorder).await;
    let image = moto.image().await;
    let mut vpcs = Vec::new();
    for (generation, cidr) in [("20261124-0001", "10.7"), ("20261125-0001", "10.8")] {
        let scope = scope(generation);
        let vpc = json!({"cidr": format!("{cidr}.0.0/16")});
        let vpc = id(&create(&provider, &scope, "ec2.vpc.main", vpc).await);
        let subnet = json!({"vpc": vpc, "cidr": format!("{cidr}.1.0/24"), "zone": "us-east-1a"});
        create(&provider, &scope, "ec2.subnet.a", subnet).await;
        vpcs.push(vpc);
    }
    let client = moto.client().await;
    let subnets = client.describe_subnets().filters(
        aws_sdk_ec2::types::Filter::builder()
            .name("vpc-id")
            .values(&vpcs[0])
            .build(),
    );
    let subnets = subnets.send().await.expect("subnets");
    let subnet = subnets.subnets()[0].subnet_id().expect("an id");
    let planted = client
        .run_instances()
        .image_id(&image)
        .subnet_id(subnet)
        .min_count(1)
        .max_count(1)
        .user_data(base64(CANARY))
        .send()
        .await
        .expect("an instance");
    let planted = planted.instances()[0]
        .instance_id()
        .expect("an id")
        .to_owned();
    let place = |snapshots: bool, recorder: Recorder, config: aws_config::SdkConfig| {
        let scope = Scope {
            environment: "live".to_owned(),
            generations: ["20261124-0001".parse().expect("an id")].into(),
            vpcs: Vec::new(),
            snapshots,
        };
        let builder = aws_sdk_ec2::config::Builder::from(&config).interceptor(recorder);
        Ec2Evidence::with_builder(builder, scope, Mask::new().expect("random bytes"))
    };
    let reading = Recorder::default();
    let first = place(false, reading.clone(), moto.config().await);
    assert_eq!(
        first.generations().await,
        Ok(vec!["20261124-0001".to_owned()])
    );
    let (texts, missing) = collected(first).await;
    assert_eq!(missing, BTreeMap::new());
    for (name, words) in [
        ("ec2/vpcs.xml", vpcs[0].as_str()),
        ("ec2/subnets.xml", subnet),
        ("ec2/security-groups.xml", "securityGroupInfo"),
        ("ec2/network-acls.xml", "networkAclSet"),
        ("ec2/network-interfaces.xml", planted.as_str()),
        ("ec2/instances.xml", planted.as_str()),
        ("ec2/images.xml", image.as_str()),
        ("ec2/volumes-attached.xml", "volumeSet"),
        ("ec2/user-data.json", "hmac-sha256:"),
    ] {
        assert!(texts[name].contains(words), "{name}: {}", texts[name]);
    }
    for (name, text) in &texts {
        assert!(
            !text.contains(CANARY) && !text.contains(&base64(CANARY)),
            "{name}"
        );
        let clean = name == "ec2/vpcs.xml" || !text.contains(&vpcs[1]);
        assert!(clean, "{name} tells of the other generation");
    }
    assert_eq!(reading.sent("CreateSnapshot").len(), 0);

    for made in ["true", "false"] {
        let writing = Recorder::default();
        let (texts, missing) = collected(place(true, writing.clone(), moto.config().await)).await;
        assert_eq!(missing, BTreeMap::new());
        let text = texts
            .iter()
            .find(|(name, _)| name.starts_with("ec2/volume-snapshots/"));
        let (_, text) = text.expect("a snapshot");
        assert!(text.contains(&format!("\"made\": {made}")), "{text}");
        assert!(texts["ec2/snapshots.xml"].contains(SNAPSHOT));
        let sent = writing.sent("CreateSnapshot");
        assert_eq!(sent.len(), usize::from(made == "true"), "{sent:?}");
        for form in sent {
            assert_eq!(form["TagSpecification.1.Tag.1.Key"], SNAPSHOT);
        }
    }
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

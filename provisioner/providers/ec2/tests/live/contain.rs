//! A network is cut off. moto routes no packets, so that nothing goes through is read from what is associated and was sent. It also keeps an
//! interface's old groups beside the new one, so what the interface was given is read from what was sent.

use std::collections::{BTreeMap, BTreeSet};

use containment::{Barrier, Item, State};
use executor::provider::Provider;
use provider_ec2::contain::{Ec2Barrier, Scope};
use serde_json::json;

use crate::support::{Moto, Recorder};
use crate::{create, id, scope};

async fn network(
    provider: &provider_ec2::Ec2,
    generation: &str,
    cidr: &str,
    image: &str,
) -> [String; 3] {
    let scope = scope(generation);
    let vpc = id(&create(
        provider,
        &scope,
        "ec2.vpc.main",
        json!({"cidr": format!("{cidr}.0.0/16")}),
    )
    .await);
    let subnet = json!({"vpc": vpc, "cidr": format!("{cidr}.1.0/24"), "zone": "us-east-1a"});
    let subnet = id(&create(provider, &scope, "ec2.subnet.a", subnet).await);
    let group = json!({"vpc": vpc, "description": "web", "ingress": [
        {"protocol": "tcp", "from_port": 22, "to_port": 22, "cidr": "0.0.0.0/0"}]});
    let group = id(&create(provider, &scope, "ec2.security-group.web", group).await);
    let template = json!({"name": format!("live-{generation}-node"), "image": image, "instance_type": "t3.micro", "security_groups": [group]});
    let template = id(&create(provider, &scope, "ec2.launch-template.node", template).await);
    let instance = json!({"launch_template": template, "subnet": subnet});
    create(provider, &scope, "ec2.instance.node", instance).await;
    [vpc, subnet, group]
}

fn count(items: &[Item], state: State) -> usize {
    items.iter().filter(|item| item.state == state).count()
}

/// Groups of each interface and the network ACL of each subnet.
async fn seen(moto: &Moto) -> (BTreeMap<String, Vec<String>>, BTreeMap<String, String>) {
    let client = moto.client().await;
    let interfaces = client
        .describe_network_interfaces()
        .send()
        .await
        .expect("interfaces");
    let groups = interfaces.network_interfaces().iter().map(|interface| {
        let groups = interface
            .groups()
            .iter()
            .filter_map(|group| group.group_id());
        (
            interface.vpc_id().unwrap_or_default().to_owned(),
            groups.map(str::to_owned).collect(),
        )
    });
    let acls = client
        .describe_network_acls()
        .send()
        .await
        .expect("network ACLs");
    let associations = acls.network_acls().iter().flat_map(|acl| {
        acl.associations().iter().filter_map(|association| {
            Some((
                association.subnet_id()?.to_owned(),
                acl.network_acl_id()?.to_owned(),
            ))
        })
    });
    (groups.collect(), associations.collect())
}

#[tokio::test]
async fn subnets_and_interfaces_are_cut_off_and_the_clean_generation_is_not() {
    let moto = Moto::start().await;
    let recorder = Recorder::default();
    let provider = moto.provider(&recorder).await;
    let image = moto.image().await;
    let [old, subnet, group] = network(&provider, "20261124-0001", "10.7", &image).await;
    let [new, fresh, _] = network(&provider, "20261125-0001", "10.8", &image).await;
    let before = seen(&moto).await;

    let barrier = || async {
        Ec2Barrier::with_client(
            moto.recorded(&recorder).await,
            Scope {
                environment: "live".to_owned(),
                except: BTreeSet::from(["20261125-0001".parse().expect("an id")]),
                vpcs: Vec::new(),
            },
        )
    };
    let first = barrier().await;
    let survey = first.survey().await.expect("a survey");
    assert!(survey.unread.is_empty(), "{:?}", survey.unread);
    assert!(
        survey.items.iter().all(|item| item.id.contains(&old)),
        "{:?}",
        survey.items
    );
    assert_eq!(count(&survey.items, State::Open), 2);
    let interface = survey
        .items
        .iter()
        .find(|item| item.wave == 1)
        .expect("the interface");
    assert_eq!(interface.before, json!({ "groups": [group] }));
    assert!(
        interface.undo.ends_with(&format!("--groups {group}")),
        "{}",
        interface.undo
    );
    // Both want a quarantine of their own at once.
    let both = survey
        .items
        .iter()
        .chain(&survey.items)
        .map(|item| first.close(item));
    futures::future::try_join_all(both).await.expect("closed");

    let after = seen(&moto).await;
    assert_eq!(after.0[&new], before.0[&new]);
    assert_eq!(after.1[&fresh], before.1[&fresh]);
    assert_ne!(after.1[&subnet], before.1[&subnet]);
    let sent = recorder.sent("ModifyNetworkInterfaceAttribute");
    let given: BTreeSet<&String> = sent.iter().map(|form| &form["SecurityGroupId.1"]).collect();
    assert_eq!(given.len(), 1);
    assert!(
        sent.iter()
            .all(|form| !form.contains_key("SecurityGroupId.2"))
    );
    let given = given.first().expect("one").to_string();
    assert!(after.0[&old].contains(&given));
    let client = moto.client().await;
    let quarantine = client
        .describe_security_groups()
        .group_ids(&given)
        .send()
        .await;
    let quarantine = quarantine
        .expect("the group")
        .security_groups
        .expect("the group")
        .remove(0);
    assert!(
        quarantine.ip_permissions().is_empty() && quarantine.ip_permissions_egress().is_empty()
    );
    let isolation = client
        .describe_network_acls()
        .network_acl_ids(&after.1[&subnet])
        .send()
        .await;
    let isolation = isolation
        .expect("the ACL")
        .network_acls
        .expect("the ACL")
        .remove(0);
    assert!(
        isolation
            .entries()
            .iter()
            .all(|entry| entry.rule_action().map(|action| action.as_str()) == Some("deny")),
        "{:?}",
        isolation.entries()
    );
    assert_eq!(recorder.sent("CreateNetworkAcl").len(), 1);
    // The rules are evidence.
    let evidence = client
        .describe_security_groups()
        .group_ids(&group)
        .send()
        .await
        .expect("the group");
    assert_eq!(evidence.security_groups()[0].ip_permissions().len(), 1);

    // Another process finds all of it closed, and what it closes again changes nothing.
    let calls = recorder.sent("CreateSecurityGroup").len();
    let second = barrier().await;
    let again = second.survey().await.expect("a survey");
    let subnet = again
        .items
        .iter()
        .find(|item| item.wave == 0)
        .expect("the subnet");
    assert_eq!(subnet.state, State::Closed);
    for item in &again.items {
        second.close(item).await.expect("closed again");
    }
    assert_eq!(recorder.sent("CreateSecurityGroup").len(), calls);
    assert_eq!(seen(&moto).await, after);

    // What containment made holds nothing back when the generation is removed.
    let mut objects = provider
        .observe(&scope("20261124-0001"))
        .await
        .expect("observe")
        .objects;
    objects.retain(|object| object.generation.to_string() == "20261124-0001");
    let order = [
        "instance",
        "launch-template",
        "subnet",
        "security-group",
        "vpc",
    ];
    objects.sort_by_key(|object| order.iter().position(|kind| object.address.kind() == *kind));
    for object in &objects {
        provider
            .remove(object)
            .await
            .unwrap_or_else(|error| panic!("{}: {error}", object.address));
    }
    let left = client.describe_vpcs().vpc_ids(&old).send().await;
    assert!(left.is_err(), "{left:?}");
}

//! Names in Route 53: against the sandbox's moto, whose batches are held against what stands, with everything that was sent; and against
//! recorded answers.

mod support;
mod wire;

use aws_sdk_route53::types::{AliasTarget, ChangeAction, ResourceRecordSet, RrType};
use executor::provider::{ErrorKind, Provider};
use planner::observed::OTHER_MANAGERS;
use serde_json::json;
use support::{ADDRESS, Zone, ensure, ensure_from, observed, scope, set, spec, txt};

const ONE: &str = "20261128-0001";
const TWO: &str = "20261128-0002";

#[tokio::test(flavor = "multi_thread")]
async fn made_switched_and_switched_back() {
    let zone = Zone::new("switched.example").await;
    let (provider, name) = (zone.provider(), "api.switched.example");
    let wanted = |value: &str| spec(&zone.id, name, value);
    let outputs = ensure(&provider, ONE, wanted("192.0.2.1")).await.unwrap();
    let sent = zone.sent();
    assert_eq!(
        sent,
        [
            format!("CREATE {name} A 60 192.0.2.1"),
            format!(
                "CREATE _rebuild-a.{name} TXT 300 \"heritage=rebuild\" \"environment=demo\" \"generation={ONE}\" \"address={ADDRESS}\" \"digest={}\"",
                support::digest(&wanted("192.0.2.1"))
            ),
        ]
    );
    let made = observed(&provider, &zone.id, name).await;
    let place = format!("{}/{name}/A", zone.id);
    assert_eq!(outputs["id"], place.as_str());
    assert_eq!(
        (&made.outputs, &made.spec),
        (&outputs, &wanted("192.0.2.1"))
    );
    assert_eq!(made.generation.as_str(), ONE);
    assert!(made.id.starts_with(&format!("{place}@")) && made.marks.is_empty());

    // Done again by a run that was cut short: nothing is sent.
    assert_eq!(
        ensure(&provider, ONE, wanted("192.0.2.1")).await.unwrap(),
        outputs
    );
    assert_eq!(zone.sent(), [""; 0]);

    let switched = ensure_from(&provider, TWO, wanted("192.0.2.2"), &made.id).await;
    assert_eq!(switched.unwrap(), outputs);
    let sent = zone.sent();
    let actions: Vec<&str> = sent
        .iter()
        .map(|line| &line[..line.len().min(60)])
        .collect();
    assert_eq!(sent.len(), 4, "{sent:#?}");
    assert_eq!(sent[0], format!("DELETE {name} A 60 192.0.2.1"));
    assert!(actions[1].starts_with(&format!("DELETE _rebuild-a.{name} TXT 300 ")));
    assert_eq!(sent[2], format!("CREATE {name} A 60 192.0.2.2"));
    assert!(sent[3].contains(TWO), "{sent:#?}");
    let there = observed(&provider, &zone.id, name).await;
    assert_eq!(
        (there.generation.as_str(), &there.spec),
        (TWO, &wanted("192.0.2.2"))
    );

    // The old plan, once more: it was made from something else.
    let stale = ensure_from(&provider, ONE, wanted("192.0.2.9"), &made.id).await;
    let error = stale.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Conflict);
    assert!(error.why.contains("leads to 192.0.2.2 now"), "{error}");
    assert_eq!(zone.sent(), [""; 0]);

    // The generation that it does not lead to does not take it away.
    assert_eq!(
        provider.remove(&made).await.unwrap_err().kind,
        ErrorKind::Foreign
    );
    ensure_from(&provider, ONE, wanted("192.0.2.1"), &there.id)
        .await
        .unwrap();
    let back = observed(&provider, &zone.id, name).await;
    assert_eq!(back.id, made.id, "all is as it was");
    zone.sent();
    provider.remove(&back).await.unwrap();
    assert_eq!(zone.sent().len(), 2);
    provider.remove(&back).await.unwrap();
    assert_eq!(zone.sent(), [""; 0]);
    assert!(
        provider
            .observe(&scope(&zone.id, name, "A"))
            .await
            .unwrap()
            .objects
            .is_empty()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_ours_is_never_changed() {
    let zone = Zone::new("foreign.example").await;
    let provider = zone.provider();
    let owner = |environment: &str, address: &str| {
        format!(
            "\"heritage=rebuild\" \"environment={environment}\" \"generation=0\" \"address={address}\""
        )
    };
    let alias = |name: &str| {
        let target = AliasTarget::builder()
            .hosted_zone_id("Z2")
            .dns_name("lb.example.com")
            .evaluate_target_health(false)
            .build()
            .unwrap();
        ResourceRecordSet::builder()
            .name(name)
            .r#type(RrType::A)
            .alias_target(target)
            .build()
            .unwrap()
    };
    let weighted = |name: &str, id: &str| {
        let mut set = set(name, RrType::A, 60, "192.0.2.7");
        (set.weight, set.set_identifier) = (Some(1), Some(id.to_owned()));
        set
    };
    let plain = |name: &str| set(name, RrType::A, 60, "192.0.2.7");
    let cases: Vec<(&str, Vec<ResourceRecordSet>, &str)> = vec![
        (
            "bare",
            vec![plain("bare.foreign.example")],
            "to have it adopted, create that record, TTL 300, with the value \"heritage=rebuild\" \"environment=demo\" \"generation=0\" \"address=route53.record.api\"",
        ),
        (
            "other",
            vec![
                plain("other.foreign.example"),
                txt("other.foreign.example", &owner("else", ADDRESS)),
            ],
            "of the environment `else`",
        ),
        (
            "moved",
            vec![
                plain("moved.foreign.example"),
                txt(
                    "moved.foreign.example",
                    &owner("demo", "route53.record.www"),
                ),
            ],
            "says that it is `route53.record.www`",
        ),
        (
            "taken",
            vec![txt("taken.foreign.example", "\"heritage=external-dns\"")],
            "none of ours",
        ),
        (
            "alias",
            vec![
                alias("alias.foreign.example"),
                txt("alias.foreign.example", &owner("demo", ADDRESS)),
            ],
            "alias",
        ),
        (
            "weighted",
            vec![
                weighted("weighted.foreign.example", "a"),
                weighted("weighted.foreign.example", "b"),
            ],
            "routing policy",
        ),
        (
            "cname",
            vec![set(
                "cname.foreign.example",
                RrType::Cname,
                60,
                "lb.example.com",
            )],
            "a CNAME record stands there",
        ),
    ];
    for (label, sets, why) in cases {
        let name = format!("{label}.foreign.example");
        zone.put(ChangeAction::Create, &sets).await;
        let before = zone.all().await;
        let inventory = provider
            .observe(&scope(&zone.id, &name, "A"))
            .await
            .unwrap();
        let [foreign] = &inventory.foreign[..] else {
            panic!("{label}: {inventory:?}")
        };
        assert!(foreign.why.contains(why), "{label}: {}", foreign.why);
        assert!(
            inventory
                .objects
                .iter()
                .all(|object| object.spec["name"] != name.as_str()),
            "{label}"
        );
        zone.sent();
        let error = ensure(&provider, ONE, spec(&zone.id, &name, "192.0.2.1"))
            .await
            .unwrap_err();
        assert_eq!(error.kind, ErrorKind::Foreign, "{label}: {error}");
        assert!(error.why.contains(why), "{label}: {error}");
        assert_eq!(zone.sent(), [""; 0], "{label}");
        assert_eq!(zone.all().await, before, "{label}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn adopted_and_put_right() {
    let zone = Zone::new("adopted.example").await;
    let (provider, name) = (zone.provider(), "api.adopted.example");
    let adopted =
        format!("\"heritage=rebuild\" \"environment=demo\" \"generation=0\" \"address={ADDRESS}\"");
    zone.put(
        ChangeAction::Create,
        &[
            set(name, RrType::A, 3600, "198.51.100.1"),
            txt(name, &adopted),
        ],
    )
    .await;
    let found = observed(&provider, &zone.id, name).await;
    assert_eq!((found.generation.as_str(), &found.digest), ("0", &None));
    assert_eq!(found.spec["ttl"], json!(3600));
    let wanted = spec(&zone.id, name, "192.0.2.1");
    ensure_from(&provider, ONE, wanted.clone(), &found.id)
        .await
        .unwrap();
    // Somebody writes over it, and over nothing else.
    zone.put(
        ChangeAction::Upsert,
        &[set(name, RrType::A, 60, "203.0.113.66")],
    )
    .await;
    let altered = observed(&provider, &zone.id, name).await;
    assert_eq!(altered.generation.as_str(), ONE);
    assert!(altered.marks.contains_key(OTHER_MANAGERS));
    ensure_from(&provider, ONE, wanted.clone(), &altered.id)
        .await
        .unwrap();
    let mended = observed(&provider, &zone.id, name).await;
    assert_eq!((&mended.spec, mended.marks.len()), (&wanted, 0));
    // The record is gone, its TXT record is left.
    let record = set(name, RrType::A, 60, "192.0.2.1");
    zone.put(ChangeAction::Delete, &[record]).await;
    let inventory = provider.observe(&scope(&zone.id, name, "A")).await.unwrap();
    assert!(inventory.objects.is_empty() && inventory.foreign.is_empty());
    ensure(&provider, TWO, wanted.clone()).await.unwrap();
    assert_eq!(
        observed(&provider, &zone.id, name)
            .await
            .generation
            .as_str(),
        TWO
    );
    // Made by somebody meanwhile.
    let error = ensure(&provider, ONE, wanted).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Conflict, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_types_and_other_spellings() {
    let zone = Zone::new("types.example").await;
    let provider = zone.provider();
    for (label, kind, spelt, value) in [
        ("six", "AAAA", "2001:DB8:0:0::1", "2001:db8::1"),
        ("see", "CNAME", "LB.example.com.", "lb.example.com"),
    ] {
        let name = format!("{label}.types.example");
        let mut wanted = spec(&zone.id, &name, value);
        wanted["record_type"] = json!(kind);
        ensure(&provider, ONE, wanted.clone()).await.unwrap();
        let inventory = provider
            .observe(&scope(&zone.id, &name, kind))
            .await
            .unwrap();
        let made = inventory
            .objects
            .iter()
            .find(|object| object.spec["name"] == name.as_str())
            .unwrap();
        assert_eq!(made.spec, wanted);
        let kind = if kind == "AAAA" {
            RrType::Aaaa
        } else {
            RrType::Cname
        };
        zone.put(ChangeAction::Upsert, &[set(&name, kind, 60, spelt)])
            .await;
        zone.sent();
        ensure(&provider, ONE, wanted).await.unwrap();
        assert_eq!(zone.sent(), [""; 0], "it is the same, spelt otherwise");
    }
    let elsewhere = scope(&zone.id, "api.other.example", "A");
    let error = provider.observe(&elsewhere).await.unwrap_err();
    assert!(error.why.contains("of `types.example`"), "{error}");
    let none = scope("ZNOSUCHZONE", "api.types.example", "A");
    assert!(provider.observe(&none).await.is_err());
    let mut nothing = scope(&zone.id, "api.types.example", "A");
    nothing.names.clear();
    assert_eq!(
        provider.observe(&nothing).await.unwrap(),
        Default::default()
    );
    assert!(
        provider
            .identity()
            .await
            .unwrap()
            .places
            .contains_key("account")
    );
}

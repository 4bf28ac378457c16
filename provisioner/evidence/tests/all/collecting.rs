//! Places are asked at once, and what one of them does not give is noted.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use evidence::collect::{Collector, Limits, Shelf, collect, part};
use evidence::{Folder, Header, Purpose, Writer, verify};
use serde_json::json;

struct Quick;
struct Stuck;

#[async_trait]
impl Collector for Quick {
    fn name(&self) -> &'static str {
        "quick"
    }

    async fn generations(&self) -> Result<Vec<String>, String> {
        Ok(vec!["20261124-0001".to_owned()])
    }

    async fn collect(&self, shelf: &Shelf) {
        shelf
            .put("things/Api", "ListThings", "quick", &json!({"name": "Api"}))
            .await;
        shelf
            .put("things/api", "ListThings", "quick", &json!({"name": "api"}))
            .await;
        let name = format!("things/{}", part("../etc"));
        shelf.put(&name, "ListThings", "quick", &json!(1)).await;
        let refused: Result<(), &str> = Err("denied");
        shelf.keep("rights", "ListRights", "quick", refused).await;
    }
}

#[async_trait]
impl Collector for Stuck {
    fn name(&self) -> &'static str {
        "stuck"
    }

    async fn generations(&self) -> Result<Vec<String>, String> {
        Err("no answer".to_owned())
    }

    async fn collect(&self, shelf: &Shelf) {
        shelf.put("first", "GetFirst", "stuck", &json!(true)).await;
        std::future::pending().await
    }
}

fn header() -> Header {
    Header {
        environment: "demo".to_owned(),
        generations: vec!["20261124-0001".to_owned()],
        purpose: Purpose::Evidence,
        created: "2026-11-24T10:00:00Z".parse().unwrap(),
        tool: "rebuild test".to_owned(),
    }
}

#[tokio::test]
async fn one_that_hangs_holds_nothing_up_and_is_noted() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("bundle");
    let mut writer = Writer::new(&folder, header()).unwrap();
    let limits = Limits {
        place: Duration::from_millis(200),
        ..Limits::default()
    };
    let told = Mutex::new(Vec::new());
    let places: [Arc<dyn Collector>; 2] = [Arc::new(Stuck), Arc::new(Quick)];
    let summary = collect(&mut writer, &places, limits, &|place, absent| {
        told.lock()
            .unwrap()
            .push(format!("{place} {}", absent.name));
    })
    .await
    .unwrap();
    let key = evidence::key::generate().unwrap();
    writer.finish(&key).unwrap();
    assert!(!summary.is_whole());
    assert_eq!((summary.parts[0].pieces, summary.parts[1].pieces), (1, 3));
    let mut told = told.into_inner().unwrap();
    told.sort();
    assert_eq!(told, ["quick quick/rights", "stuck stuck/rest"]);
    let verified = verify(&Folder::new(&folder), &key.fingerprint()).unwrap();
    let missing = verified
        .manifest
        .entries
        .iter()
        .filter(|entry| entry.missing.is_some());
    assert_eq!(missing.count(), 2);
    assert!(folder.join("quick/things/api.json~2").is_file());
    assert!(folder.join("quick/things/..~2fetc.json").is_file());
}

#[tokio::test]
async fn no_more_pieces_than_allowed() {
    let home = tempfile::tempdir().unwrap();
    let mut writer = Writer::new(&home.path().join("bundle"), header()).unwrap();
    let limits = Limits {
        pieces: 1,
        ..Limits::default()
    };
    let places: [Arc<dyn Collector>; 1] = [Arc::new(Quick)];
    let summary = collect(&mut writer, &places, limits, &|_, _| {})
        .await
        .unwrap();
    assert_eq!(summary.parts[0].pieces, 1);
    assert_eq!(summary.parts[0].missing[0].name, "quick/beyond");
    assert_eq!(summary.parts[0].missing.len(), 1);
}

//! For the tests of those who collect.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::collect::{Collector, Limits, collect};
use crate::{Header, Purpose, Writer, upload_order};

/// Everything that a place gives, as a bundle is written: texts by name, and names and reasons of what is missing.
///
/// # Panics
/// When no bundle can be written.
pub async fn collected(
    place: impl Collector + 'static,
) -> (BTreeMap<String, String>, BTreeMap<String, String>) {
    let home = tempfile::tempdir().expect("a folder");
    let folder = home.path().join("bundle");
    let header = Header {
        environment: "live".to_owned(),
        generations: Vec::new(),
        purpose: Purpose::Evidence,
        created: "2026-11-24T10:00:00Z".parse().expect("a time"),
        tool: "test".to_owned(),
    };
    let mut writer = Writer::new(&folder, header).expect("a bundle");
    let places: [Arc<dyn Collector>; 1] = [Arc::new(place)];
    let summary = collect(&mut writer, &places, Limits::default(), &|_, _| {})
        .await
        .expect("written");
    writer
        .finish(&crate::key::generate().expect("a key"))
        .expect("sealed");
    let files = upload_order(&folder).expect("files").into_iter();
    let texts = files.map(|(name, path)| {
        let bytes = std::fs::read(path).expect("a file");
        (name, String::from_utf8_lossy(&bytes).into_owned())
    });
    let missing = summary
        .missing()
        .map(|absent| (absent.name.clone(), absent.reason.clone()));
    (texts.collect(), missing.collect())
}

//! What lies beside backups: metadata, names, selectors, the index.
#![no_main]

use std::sync::LazyLock;

use backup::catalogue::{BackupName, Selector};
use backup::lineage::{Index, IndexKey};
use backup::{Options, Verdict, metadata};
use libfuzzer_sys::fuzz_target;

const NAME: &str = "natlangchain_20261123_032959_daily.json.gz";

static VERDICT: LazyLock<Verdict> = LazyLock::new(|| {
    let mut options = Options::at(1_800_000_000);
    options.threaded = false;
    backup::verify(&mut &b"{\"chain\":[]}"[..], options)
        .expect("it can be checked")
        .verdict
});
static KEY: LazyLock<[u8; 32]> = LazyLock::new(|| IndexKey::from_seed(&[1; 32]).public());

fuzz_target!(|bytes: &[u8]| {
    let findings = metadata::check(NAME, Some(bytes), &VERDICT);
    assert!(findings.len() < 64, "{}", findings.len());
    for finding in &findings {
        assert!(finding.message.len() < 1_000, "{}", finding.message.len());
    }
    assert!(Index::open(bytes, &KEY, 0).is_err());
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    assert!(metadata::check(text, None, &VERDICT).len() == 1);
    if let Some(name) = BackupName::parse(text) {
        assert_eq!(BackupName::parse(&name.to_string()), Some(name));
    }
    if let Ok(selector) = text.parse::<Selector>() {
        assert_eq!(selector.to_string().parse::<Selector>(), Ok(selector));
    }
});

//! Reports and communications render, and values can't become markup.

use std::path::Path;

use serde_json::json;
use tera::{Context, Tera};

#[test]
fn reports_and_communications() {
    let context = json!({
        "plan": {
            "hash": "ab12", "tool": "0.1.0", "target": {"environment": "production", "generation": "20261124-0a1b"},
            "backup": {"id": "weekly", "location": "s3://b/k", "written": "2026-11-23T03:30:04Z", "size": 10, "sha256": "ab", "head": "cd", "blocks": 7, "entries": 31},
        },
        "outcome": "validated",
        "timeline": [{"time": "2026-11-24T02:00:00Z", "event": "started <script>"}],
        "rpo": {"achieved": "22 h", "objective": "24 h", "met": true},
        "rto": {"achieved": "5 h", "objective": "4 h", "met": false},
        "created": ["ec2.vpc.main"],
        "findings": [{"severity": "note", "code": "bucket.without-lock", "subject": "s3.bucket.data", "message": "no lock"}],
        "stages": [{"name": "network", "began": "2026-11-24T02:01:00Z", "seconds": 12.34}],
        "rotation": [],
        "frameworks": [{"framework": "CIS Controls v8.1", "id": "11.5", "practice": "Recovery is tested", "shown": "this run", "held": true}],
        "first_backup": {"state": "taken", "why": "", "backup": "daily", "location": "s3://b/<k>", "version": "v1", "stored": "2026-11-24T02:30:00Z",
            "lock": "compliance until 2026-12-24T02:30:00Z", "sha256": "ef", "head": "01", "blocks": 8, "new_identities": ["author ada"], "against": []},
        "follow_ups": [{"what": "see that whoever is new belongs there", "why": "author ada", "owner": "Security (security)", "source": "first backup"}],
        "checklist": [{"item": "Backup verified", "done": true, "by": "tool"}, {"item": "Users told", "done": false, "by": "human"}],
        "contacts": [{"name": "Support", "role": "customers", "reach": "support@example.com"}],
    });
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../templates");
    let mut tera = Tera::default();
    for (file, name) in [
        ("reports/report.md.tera", "report.md"),
        ("reports/report.html.tera", "report.html"),
        ("communications/internal.md.tera", "internal.md"),
        ("communications/external.md.tera", "external.md"),
    ] {
        tera.add_raw_template(name, &std::fs::read_to_string(root.join(file)).unwrap())
            .unwrap();
        insta::assert_snapshot!(
            name,
            tera.render(name, &Context::from_value(context.clone()).unwrap())
                .unwrap()
        );
    }
    let html = tera
        .render("report.html", &Context::from_value(context).unwrap())
        .unwrap();
    assert!(html.contains("started &lt;script&gt;") && !html.contains("<script>"));
}

use std::collections::BTreeMap;
use std::sync::Mutex as Plain;

use async_trait::async_trait;
use serde_json::json;

use super::*;
use crate::log;

/// A working place in memory: closing what is open closes it.
#[derive(Default)]
struct Place {
    name: &'static str,
    open: Plain<BTreeMap<String, (u8, bool)>>,
    /// Attempts that fail before one succeeds, by id; `None` fails for ever.
    faults: Plain<BTreeMap<String, Option<u32>>>,
    silent: bool,
    order: Plain<Vec<String>>,
}

impl Place {
    fn new(name: &'static str, items: &[(&str, u8, bool)]) -> Self {
        let open = items
            .iter()
            .map(|(id, wave, open)| ((*id).to_owned(), (*wave, *open)));
        Self {
            name,
            open: Plain::new(open.collect()),
            ..Self::default()
        }
    }

    fn faulty(self, id: &str, times: Option<u32>) -> Self {
        self.faults
            .lock()
            .expect("no panic")
            .insert(id.to_owned(), times);
        self
    }
}

#[async_trait]
impl Barrier for Place {
    fn name(&self) -> &'static str {
        self.name
    }

    async fn survey(&self) -> Result<Survey, Error> {
        if self.silent {
            std::future::pending::<()>().await;
        }
        let open = self.open.lock().expect("no panic");
        let items = open.iter().map(|(id, (wave, open))| Item {
            id: id.clone(),
            what: id.clone(),
            action: "close".to_owned(),
            wave: *wave,
            state: if *open { State::Open } else { State::Closed },
            before: json!({ "open": open }),
            undo: format!("open {id}"),
        });
        Ok(Survey {
            items: items.collect(),
            unread: Vec::new(),
        })
    }

    async fn close(&self, item: &Item) -> Result<(), Error> {
        if let Some(left) = self.faults.lock().expect("no panic").get_mut(&item.id) {
            match left {
                Some(0) => {}
                Some(more) => {
                    *more -= 1;
                    return Err(Error::new(ErrorKind::Throttled, &item.id, "slow down"));
                }
                None => return Err(Error::new(ErrorKind::Denied, &item.id, "not allowed")),
            }
        }
        let mut open = self.open.lock().expect("no panic");
        if let Some(entry) = open.get_mut(&item.id) {
            entry.1 = false;
        }
        self.order.lock().expect("no panic").push(item.id.clone());
        Ok(())
    }
}

async fn run(places: &[Arc<Place>]) -> (Summary, Vec<log::Record>) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("log.jsonl");
    let barriers: Vec<Arc<dyn Barrier>> = places
        .iter()
        .map(|place| place.clone() as Arc<dyn Barrier>)
        .collect();
    let log = Log::create(&path).expect("a new log");
    let now = || jiff::Timestamp::UNIX_EPOCH;
    let summary = contain(&barriers, Limits::default(), log, &now, &|_| {})
        .await
        .expect("the log can be written");
    let text = std::fs::read_to_string(&path).expect("the log");
    (summary, log::read(&text).expect("records"))
}

#[tokio::test(start_paused = true)]
async fn waves_follow_each_other_and_each_item_is_written_down_first() {
    let place = Arc::new(Place::new(
        "a",
        &[("late", 9, true), ("soon", 0, true), ("done", 0, false)],
    ));
    let (summary, records) = run(std::slice::from_ref(&place)).await;
    assert!(summary.is_closed());
    assert_eq!(*place.order.lock().expect("no panic"), ["soon", "late"]);
    assert_eq!(summary.count(|outcome| *outcome == Outcome::Already), 1);
    let told: Vec<String> = records
        .iter()
        .map(|record| match record {
            log::Record::Closing { item, .. } => format!("closing {} ({})", item.id, item.undo),
            log::Record::Closed { id, .. } => format!("closed {id}"),
            other => format!("{other:?}"),
        })
        .collect();
    assert_eq!(
        told,
        [
            "closing soon (open soon)",
            "closed soon",
            "closing late (open late)",
            "closed late"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_second_run_finds_nothing_to_do() {
    let place = Arc::new(Place::new("a", &[("x", 0, true), ("y", 1, true)]));
    run(std::slice::from_ref(&place)).await;
    let (summary, records) = run(&[place]).await;
    assert_eq!(summary.count(|outcome| *outcome == Outcome::Already), 2);
    assert!(records.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_does_not_answer_holds_nothing_up_and_is_named() {
    let silent = Arc::new(Place {
        silent: true,
        ..Place::new("silent", &[("x", 0, true)])
    });
    let denied =
        Arc::new(Place::new("denied", &[("a", 0, true), ("b", 1, true)]).faulty("a", None));
    let busy = Arc::new(Place::new("busy", &[("c", 0, true)]).faulty("c", Some(3)));
    let (summary, _) = run(&[silent, denied.clone(), busy.clone()]).await;
    assert!(!summary.is_closed());
    assert_eq!(
        summary.parts[0].unread,
        ["look at silent: no answer within 30 s"]
    );
    assert_eq!(
        summary.parts[1].items[0].1,
        Outcome::Failed {
            why: "a: not allowed".to_owned()
        }
    );
    assert_eq!(*denied.order.lock().expect("no panic"), ["b"]);
    assert_eq!(*busy.order.lock().expect("no panic"), ["c"]);
}

#[test]
fn a_line_cut_short_is_left_out_and_a_broken_one_is_an_error() {
    let record = log::Record::Closed {
        at: jiff::Timestamp::UNIX_EPOCH,
        id: "x".to_owned(),
    };
    let line = serde_json::to_string(&record).expect("JSON");
    let torn = format!("{line}\n{}", &line[..line.len() / 2]);
    assert_eq!(log::read(&torn).expect("one record"), [record]);
    assert!(log::read(&format!("{{}}\n{line}\n")).is_err());
    assert!(log::read("").expect("nothing").is_empty());
}

//! Which generation a plan builds.

use std::collections::{BTreeMap, BTreeSet};

use planner::kinds::route53::is_shared;
use planner::{Generation, Inventory};

use crate::failure::Failure;

/// One generation, as its own objects tell.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Found {
    /// Its id.
    pub generation: Generation,
    /// `building` until its data bucket says more.
    pub state: String,
    /// Objects that carry its mark.
    pub objects: usize,
}

impl Found {
    /// Neither retired nor built to be thrown away.
    fn may_be_current(&self) -> bool {
        self.state != "retired" && !self.generation.is_drill()
    }
}

/// Every generation that left a mark anywhere, oldest first. Ids are made of the time, so their order is that of time.
pub fn all(inventory: &Inventory) -> Vec<Found> {
    let mut found: BTreeMap<&Generation, Found> = BTreeMap::new();
    let mut standing = BTreeSet::new();
    for object in &inventory.objects {
        let entry = found.entry(&object.generation).or_insert_with(|| Found {
            generation: object.generation.clone(),
            state: "building".to_owned(),
            objects: 0,
        });
        entry.objects += 1;
        if let Some(state) = object.marks.get("state") {
            entry.state.clone_from(state);
        }
        if !is_shared(&object.address) {
            standing.insert(&object.generation);
        }
    }
    // A name in DNS outlives what it leads to.
    found.retain(|generation, _| standing.contains(generation));
    found.into_values().collect()
}

/// The newest unretired generation that is none of these.
pub fn newest_beside(old: &[Generation], inventory: &Inventory) -> Option<Generation> {
    all(inventory)
        .into_iter()
        .rev()
        .find(|found| found.may_be_current() && !old.contains(&found.generation))
        .map(|found| found.generation)
}

/// The generation asked for: `current`, `new` or an id.
pub fn choose(
    asked: &str,
    inventory: &Inventory,
    fresh: impl FnOnce() -> Result<Generation, Failure>,
) -> Result<Generation, Failure> {
    let found = all(inventory);
    match asked {
        "new" => fresh(),
        "current" => match found
            .iter()
            .rev()
            .find(|generation| generation.may_be_current())
        {
            Some(generation) => Ok(generation.generation.clone()),
            None => fresh(),
        },
        id => found
            .iter()
            .find(|generation| generation.generation.as_str() == id)
            .map(|generation| generation.generation.clone())
            .ok_or_else(|| {
                let known: Vec<&str> = found
                    .iter()
                    .map(|generation| generation.generation.as_str())
                    .collect();
                let failure = Failure::new(format!("there is no generation `{id}`"));
                match planner::nearest(id, known.iter().copied()) {
                    Some(near) => failure.hint(format!("did you mean `{near}`?")),
                    None if known.is_empty() => failure
                        .hint("nothing of this environment exists yet: leave --generation out"),
                    None => failure.hint(format!("there are: {}", known.join(", "))),
                }
            }),
    }
}

/// Parts of a day that ids tell apart.
const PARTS: i64 = 0x1_0000;

/// A new id: the UTC day and, in four hex digits, how much of it is over, so that ids sort by time.
pub fn fresh(now: jiff::Timestamp) -> Result<Generation, Failure> {
    let day = now.strftime("%Y%m%d").to_string();
    let part = now.as_second().rem_euclid(86_400) * PARTS / 86_400;
    format!("{day}-{part:04x}")
        .parse()
        .map_err(|error| Failure::of("no generation id could be made", &error))
}

/// A new id of a generation that is built to be thrown away.
pub fn drill(now: jiff::Timestamp) -> Result<Generation, Failure> {
    format!("{}{}", planner::identity::DRILL, fresh(now)?)
        .parse()
        .map_err(|error| Failure::of("no generation id could be made", &error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use planner::Observed;
    use serde_json::Value;

    fn inventory(marks: &[(&str, Option<&str>)]) -> Inventory {
        let objects = marks.iter().map(|(generation, state)| Observed {
            address: "s3.bucket.data".parse().unwrap(),
            generation: generation.parse().unwrap(),
            id: (*generation).to_owned(),
            spec: Value::Null,
            outputs: BTreeMap::new(),
            digest: None,
            ready: true,
            marks: state
                .iter()
                .map(|state| ("state".to_owned(), (*state).to_owned()))
                .collect(),
        });
        Inventory {
            objects: objects.collect(),
            foreign: Vec::new(),
        }
    }

    fn pick(asked: &str, marks: &[(&str, Option<&str>)]) -> String {
        match choose(asked, &inventory(marks), || Ok("fresh".parse().unwrap())) {
            Ok(generation) => generation.to_string(),
            Err(failure) => failure.to_string(),
        }
    }

    #[test]
    fn the_newest_unretired_one_is_current() {
        let all = [
            ("20260101-aaaa", Some("live")),
            ("20260102-bbbb", None),
            ("20260103-cccc", Some("retired")),
        ];
        assert_eq!(pick("current", &all), "20260102-bbbb");
        assert_eq!(pick("current", &[]), "fresh");
        assert_eq!(
            pick("current", &[("20260103-cccc", Some("retired"))]),
            "fresh"
        );
        assert_eq!(pick("current", &[("drill-20260104-dddd", None)]), "fresh");
        assert_eq!(pick("new", &all), "fresh");
        assert_eq!(pick("20260101-aaaa", &all), "20260101-aaaa");
        assert!(pick("20260101-aaab", &all).contains("did you mean `20260101-aaaa`"));
        assert!(pick("x", &[]).contains("nothing of this environment exists yet"));
    }

    #[test]
    fn a_name_alone_is_no_generation() {
        let mut found = inventory(&[("20260101-aaaa", Some("live")), ("20260102-bbbb", None)]);
        found.objects[1].address = "route53.record.api".parse().unwrap();
        let ids = |inventory: &Inventory| -> Vec<String> {
            let all = all(inventory).into_iter();
            all.map(|found| found.generation.to_string()).collect()
        };
        assert_eq!(ids(&found), ["20260101-aaaa"]);
        found.objects[1].generation = found.objects[0].generation.clone();
        assert_eq!(all(&found)[0].objects, 2);
    }

    #[test]
    fn ids_sort_by_time() {
        let at = |time: &str| fresh(time.parse().unwrap()).unwrap();
        assert_eq!(at("2026-11-24T00:00:00Z").as_str(), "20261124-0000");
        assert_eq!(at("2026-11-24T23:59:59Z").as_str(), "20261124-ffff");
        assert!(at("2026-11-24T09:00:00Z") < at("2026-11-24T10:00:00Z"));
        assert!(at("2026-11-24T23:59:59Z") < at("2026-11-25T00:00:00Z"));
    }
}

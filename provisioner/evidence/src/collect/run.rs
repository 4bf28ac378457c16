//! All places at once, into one bundle.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use serde::Serialize;
use tokio::sync::mpsc;

use crate::Source;
use crate::collect::place::{Collector, Content, ELSEWHERE, Piece, Shelf};
use crate::writer::{WriteError, Writer};

/// Pieces that wait to be written.
const WAITING: usize = 16;
/// Names that differ in case only.
const ALIKE: usize = 1000;

/// How long and how much.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// A place that is not done by then is cut short; what it has put on the shelf is kept.
    pub place: Duration,
    /// Pieces of one place.
    pub pieces: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            place: Duration::from_secs(300),
            pieces: 50_000,
        }
    }
}

/// Something that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Absent {
    /// Its name in the bundle.
    pub name: String,
    /// Why.
    pub reason: String,
}

impl Absent {
    /// Whether somebody else collects it, so that its absence is no failure of this collection.
    #[must_use]
    pub fn is_elsewhere(&self) -> bool {
        self.reason.starts_with(ELSEWHERE)
    }
}

/// How it ended in one place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Part {
    /// The place.
    pub name: String,
    /// Pieces that were read.
    pub pieces: usize,
    /// What could not be read.
    pub missing: Vec<Absent>,
}

/// How it ended everywhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// The places, in the order they were given in.
    pub parts: Vec<Part>,
}

impl Summary {
    /// Whether nothing is missing but what somebody else collects.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.missing().all(Absent::is_elsewhere)
    }

    /// What is missing, of all places.
    pub fn missing(&self) -> impl Iterator<Item = &Absent> {
        self.parts.iter().flat_map(|part| &part.missing)
    }
}

/// Asks every place for what it has, and writes it down as it comes. `tell` hears of each thing that is missing, with the place.
///
/// # Errors
/// When the bundle can't be written.
pub async fn collect(
    writer: &mut Writer,
    places: &[Arc<dyn Collector>],
    limits: Limits,
    tell: &(dyn Fn(&str, &Absent) + Sync),
) -> Result<Summary, WriteError> {
    let (sender, mut pieces) = mpsc::channel(WAITING);
    let asked = join_all(places.iter().enumerate().map(|(at, place)| {
        let shelf = Shelf::new(place.name(), at, sender.clone());
        async move {
            if tokio::time::timeout(limits.place, place.collect(&shelf))
                .await
                .is_err()
            {
                let why = format!(
                    "{} was not done within {} s: what else it has is not known",
                    place.name(),
                    limits.place.as_secs()
                );
                shelf.missing("rest", "collect", place.name(), &why).await;
            }
        }
    }));
    drop(sender);
    let mut parts: Vec<Part> = places
        .iter()
        .map(|place| Part {
            name: place.name().to_owned(),
            pieces: 0,
            missing: Vec::new(),
        })
        .collect();
    let written = async {
        // Taken in, so that it closes when writing fails and nobody waits to be read.
        let pieces = &mut pieces;
        while let Some((at, piece)) = pieces.recv().await {
            let Some(part) = parts.get_mut(at) else {
                continue;
            };
            if let Err(error) = one(writer, part, piece, limits, tell) {
                pieces.close();
                while pieces.recv().await.is_some() {}
                return Err(error);
            }
        }
        Ok(())
    };
    let (_, written) = tokio::join!(asked, written);
    written?;
    Ok(Summary { parts })
}

fn one(
    writer: &mut Writer,
    part: &mut Part,
    piece: Piece,
    limits: Limits,
    tell: &(dyn Fn(&str, &Absent) + Sync),
) -> Result<(), WriteError> {
    if part.pieces + part.missing.len() > limits.pieces {
        return Ok(());
    }
    let mut piece = piece;
    if part.pieces + part.missing.len() == limits.pieces {
        piece = Piece {
            name: format!("{}/beyond", part.name),
            source: Source {
                call: "collect".to_owned(),
                service: part.name.clone(),
            },
            content: Content::Missing(format!("there are more than {} pieces", limits.pieces)),
            ..piece
        };
    }
    let wanted = piece.name.clone();
    for again in 1..=ALIKE {
        if again > 1 {
            piece.name = format!("{}~{again}", wanted);
        }
        let (name, source, at) = (&piece.name, piece.source.clone(), piece.collected_at);
        let added = match &piece.content {
            Content::Bytes(bytes) => writer
                .add(name, source, at, &mut bytes.as_slice())
                .map(drop),
            Content::Missing(why) => writer.note_missing(name, source, at, why).map(drop),
        };
        match added {
            Err(WriteError::Duplicate(_)) if again < ALIKE => {}
            Err(error) => return Err(error),
            Ok(()) => break,
        }
    }
    match piece.content {
        Content::Bytes(_) => part.pieces += 1,
        Content::Missing(reason) => {
            let absent = Absent {
                name: piece.name,
                reason,
            };
            tell(&part.name, &absent);
            part.missing.push(absent);
        }
    }
    Ok(())
}

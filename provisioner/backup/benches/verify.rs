//! How fast a backup is verified, next to what bounds it: hashing and decompression alone.
//!
//! `cargo bench -p backup` prints throughput for the first user's 10 MB chain and for a generated one.

#![allow(missing_docs, reason = "benchmarks have no interface")]

#[path = "../tests/support/generator.rs"]
mod generator;

use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::LazyLock;

use backup::{Options, verify};
use divan::Bencher;
use divan::counter::BytesCount;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};

const NOW: i64 = 1_795_435_200;

struct Chain {
    plain: Vec<u8>,
    gzip: Vec<u8>,
}

static FIXTURE: LazyLock<Chain> = LazyLock::new(|| {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(
        "../../tests/fixtures/natlangchain/backups/chain_10m/natlangchain_20261123_033004_weekly.json.gz",
    );
    let gzip = std::fs::read(path).expect("the fixture is there");
    let mut plain = Vec::new();
    GzDecoder::new(gzip.as_slice())
        .read_to_end(&mut plain)
        .expect("it decompresses");
    Chain { plain, gzip }
});

static GENERATED: LazyLock<Chain> = LazyLock::new(|| {
    let mut plain = Vec::new();
    generator::Generator::new(2026, 50_000_000, 22)
        .read_to_end(&mut plain)
        .expect("it is made in memory");
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(6));
    encoder.write_all(&plain).expect("it is made in memory");
    let gzip = encoder.finish().expect("it is made in memory");
    Chain { plain, gzip }
});

fn chain(name: &str) -> &'static Chain {
    match name {
        "fixture" => &FIXTURE,
        _ => &GENERATED,
    }
}

fn check(mut bytes: &[u8], threaded: bool) {
    let options = Options {
        threaded,
        ..Options::at(NOW)
    };
    let verified = verify(&mut bytes, options).expect("it can be checked");
    assert_eq!(verified.verdict.verdict, backup::Word::Intact);
}

const CHAINS: [&str; 2] = ["fixture", "generated"];

#[divan::bench(args = CHAINS)]
fn plain(bencher: Bencher, name: &str) {
    let chain = chain(name);
    bencher
        .counter(BytesCount::of_slice(&chain.plain))
        .bench(|| check(&chain.plain, true));
}

#[divan::bench(args = CHAINS)]
fn plain_one_thread(bencher: Bencher, name: &str) {
    let chain = chain(name);
    bencher
        .counter(BytesCount::of_slice(&chain.plain))
        .bench(|| check(&chain.plain, false));
}

#[divan::bench(args = CHAINS)]
fn gzip(bencher: Bencher, name: &str) {
    let chain = chain(name);
    bencher
        .counter(BytesCount::of_slice(&chain.plain))
        .bench(|| check(&chain.gzip, true));
}

#[divan::bench(args = CHAINS)]
fn gzip_one_thread(bencher: Bencher, name: &str) {
    let chain = chain(name);
    bencher
        .counter(BytesCount::of_slice(&chain.plain))
        .bench(|| check(&chain.gzip, false));
}

#[divan::bench(args = CHAINS)]
fn only_hash(bencher: Bencher, name: &str) {
    let chain = chain(name);
    bencher
        .counter(BytesCount::of_slice(&chain.plain))
        .bench(|| Sha256::digest(&chain.plain));
}

#[divan::bench(args = CHAINS)]
fn only_decompress(bencher: Bencher, name: &str) {
    let chain = chain(name);
    bencher
        .counter(BytesCount::of_slice(&chain.plain))
        .bench(|| {
            let mut piece = vec![0; 256 << 10];
            let mut decoder = GzDecoder::new(chain.gzip.as_slice());
            while decoder.read(&mut piece).expect("it decompresses") > 0 {}
        });
}

fn main() {
    divan::main();
}

//! Every file of the first user's collection gets the verdict its `truth` demands, and a code that says why.

mod support;

use backup::{Code, Options, Word, verify};
use serde_json::Value;
use support::{NOW, fixture, options, passphrase};

/// What a file must get: the verdict and one code among its findings (none for an intact one without remarks).
fn expected(file: &str) -> (Word, Option<Code>) {
    use Code::*;
    use Word::{Intact, Rejected, Suspect};
    match file {
        "ok_control.json" | "ok_trailing_newline.json" => (Intact, Some(PendingEntries)),
        "content_remine_one.json" => (Rejected, Some(BlockLinkBroken)),
        // Only a witness can tell; see the test below.
        "content_remine_suffix.json" => (Intact, Some(PendingEntries)),
        "head_block_rehash_nopow.json" => (Rejected, Some(ProofOfWorkMissing)),
        "field_timestamp.json" => (Rejected, Some(BlockHashMismatch)),
        "block_removed_mid.json" => (Rejected, Some(BlockIndexWrong)),
        "first3_removed.json" => (Rejected, Some(BlockIndexWrong)),
        "blocks_swapped.json" => (Rejected, Some(BlockIndexWrong)),
        "genesis_content.json" => (Rejected, Some(BlockHashMismatch)),
        "empty_block_no_pow.json" => (Suspect, Some(EmptyBlock)),
        "head_hash_missing.json" => (Suspect, Some(HeadHashMissing)),
        "missing_block_entries.json" => (Rejected, Some(BlockFieldMissing)),
        "missing_entry_content.json" | "missing_entry_author.json" => {
            (Rejected, Some(EntryFieldMissing))
        }
        "extra_entry_field.json" => (Suspect, Some(UnknownEntryField)),
        "extra_block_field.json" => (Suspect, Some(UnknownBlockField)),
        "extra_top_field.json" => (Suspect, Some(UnknownTopField)),
        "falsy_optional_list.json" | "falsy_optional_false.json" | "falsy_optional_str.json" => {
            (Intact, None)
        }
        "metadata_list.json" => (Intact, None),
        "metadata_list1.json" => (Rejected, Some(BlockHashMismatch)),
        "dup_key_evil_last.json" => (Rejected, Some(DuplicateKey)),
        "dup_key_escaped.json" => (Suspect, Some(DuplicateKey)),
        "truncated_1.json" => (Rejected, Some(JsonTruncated)),
        "whitespace.json" => (Rejected, Some(JsonEmpty)),
        "shape_list.json" | "shape_str.json" | "shape_top_list_of_blocks.json" => {
            (Rejected, Some(ShapeTopLevel))
        }
        "shape_chain_null.json" | "shape_chain_str.json" | "shape_chain_dict.json" => {
            (Rejected, Some(ShapeChain))
        }
        "shape_api_envelope.json" => (Rejected, Some(ShapeChain)),
        "nan_inserted.json" => (Rejected, Some(BlockHashMismatch)),
        "float_overflow.json" => (Intact, Some(NumberOverflow)),
        "respelled_numbers.json" => (Intact, None),
        "deep_100k_meta.json" => (Rejected, Some(LimitDepth)),
        "deep_300_meta.json" => (Intact, None),
        "deep_980_meta.json" => (Intact, Some(DeepNesting)),
        "gz_trunc_half.json.gz" => (Rejected, Some(GzipTruncated)),
        "gz_bad_isize.json.gz" => (Rejected, Some(GzipLengthMismatch)),
        "gz_bad_method.json.gz" => (Rejected, Some(GzipMethodUnknown)),
        "gz_reserved_flags.json.gz" => (Rejected, Some(GzipReservedFlags)),
        "gz_trailing_garbage.json.gz" => (Suspect, Some(GzipTrailingData)),
        "gz_trailing_zeros.json.gz" => (Intact, Some(GzipZeroPadding)),
        "gz_empty_member.json.gz" => (Intact, None),
        "gz_all_header_fields.json.gz" => (Intact, Some(GzipHeaderFields)),
        "plain_named_gz.json.gz" => (Intact, None),
        "enc_newline.txt" | "enc_wrapped76.txt" | "enc_gz.txt" => (Intact, None),
        "enc_b64_garbage.txt" => (Suspect, Some(EncryptionGarbage)),
        "enc_leading_space.txt" => (Suspect, Some(EncryptionLeadingData)),
        "enc_trunc.txt" => (Rejected, Some(EncryptionTruncated)),
        "enc_flip.txt" => (Rejected, Some(EncryptionTampered)),
        "enc_of_enc.txt" => (Rejected, Some(EncryptionNested)),
        other => panic!("no expectation for {other}"),
    }
}

/// The verdict a word of `truth` stands for.
fn by_truth(truth: &str) -> &'static [Word] {
    match truth {
        "tampered, linkage-undetectable; head hash differs" => &[Word::Intact],
        _ if truth.starts_with("intact") || truth.starts_with("valid") || truth == "padding" => {
            &[Word::Intact]
        }
        "odd"
        | "self-fulfilling hash"
        | "unhashed data"
        | "ambiguous, last wins = intact"
        | "altered"
        | "garbage" => &[Word::Suspect],
        "tampered" | "malformed" | "hostile" | "truncated" | "corrupt" | "double" => {
            &[Word::Rejected]
        }
        other => panic!("unknown truth {other}"),
    }
}

#[test]
fn every_case_gets_its_verdict_and_a_code() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for line in fixture("cases.jsonl")
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        let case: Value = serde_json::from_slice(line).unwrap();
        let file = case["file"].as_str().unwrap();
        let bytes = fixture(&format!("cases/{file}"));
        let verdict = verify(&mut bytes.as_slice(), options()).unwrap().verdict;
        let (word, code) = expected(file);
        assert!(
            by_truth(case["truth"].as_str().unwrap()).contains(&word),
            "{file}"
        );
        let code_found =
            code.is_none_or(|code| verdict.findings.iter().any(|finding| finding.code == code));
        // What is no finding of this file's own is the note on pending entries.
        let only_expected = code.is_some()
            || verdict
                .findings
                .iter()
                .all(|finding| finding.code == Code::PendingEntries);
        if verdict.verdict != word || !code_found || !only_expected {
            wrong.push(format!(
                "{file}: {:?} {:?}",
                verdict.verdict, verdict.findings
            ));
        }
        if verdict.verdict != Word::Rejected
            && let Some(head) = case["head"].as_str()
        {
            assert_eq!(verdict.blocks, case["blocks"].as_u64().unwrap(), "{file}");
            if file != "head_hash_missing.json" {
                assert_eq!(verdict.head.as_deref(), Some(head), "{file}");
            }
        }
        count += 1;
    }
    assert_eq!(count, 57);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_witness_shows_a_remined_suffix() {
    let good = verify(&mut fixture("cases/ok_control.json").as_slice(), options()).unwrap();
    let bytes = fixture("cases/content_remine_suffix.json");
    let mut by_head = options();
    by_head.witness.head = Some(
        hex::decode(good.verdict.head.unwrap())
            .unwrap()
            .try_into()
            .unwrap(),
    );
    let verdict = verify(&mut bytes.as_slice(), by_head).unwrap().verdict;
    assert_eq!(verdict.verdict, Word::Rejected);
    assert_eq!(verdict.findings[0].code, Code::WitnessHeadMismatch);

    let mut by_samples = options();
    by_samples.witness = backup::Witness::of_samples(good.samples.iter());
    let verdict = verify(&mut bytes.as_slice(), by_samples.clone())
        .unwrap()
        .verdict;
    assert_eq!(verdict.verdict, Word::Rejected);
    assert_eq!(verdict.findings[0].code, Code::WitnessFork);
    assert!(verdict.findings[0].block.is_some());

    // A tail that was cut off is shorter than what the witness knows.
    let mut chain: Value = serde_json::from_slice(&fixture("chain_50k.json")).unwrap();
    chain["chain"].as_array_mut().unwrap().pop();
    let cut = serde_json::to_vec(&chain).unwrap();
    let verdict = verify(&mut cut.as_slice(), by_samples).unwrap().verdict;
    assert!(
        verdict
            .findings
            .iter()
            .any(|finding| finding.code == Code::WitnessRollback)
    );
}

#[test]
fn formats_and_backups_are_intact() {
    for (file, blocks, entries) in [
        ("formats/chain_50k.plain", 7, 31),
        ("formats/chain_50k.gzip", 7, 31),
        ("formats/chain_50k.enc", 7, 31),
        ("formats/chain_50k.encgz", 7, 31),
        ("formats/chain_50k.encdict", 7, 31),
        (
            "backups/chain_50k/natlangchain_20261123_032959_daily.json.gz",
            7,
            31,
        ),
        (
            "backups/chain_10m/natlangchain_20261123_033004_weekly.json.gz",
            301,
            6601,
        ),
    ] {
        let verdict = verify(&mut fixture(file).as_slice(), options())
            .unwrap()
            .verdict;
        assert_eq!(
            verdict.verdict,
            Word::Intact,
            "{file}: {:?}",
            verdict.findings
        );
        assert_eq!(
            (verdict.blocks, verdict.entries),
            (blocks, entries),
            "{file}"
        );
        assert_eq!(verdict.signatures.forged, 0);
    }
    let verdict = verify(&mut fixture("chain_50k.json").as_slice(), options())
        .unwrap()
        .verdict;
    assert_eq!(verdict.signatures.valid, 3);
    assert_eq!(verdict.signatures.unsigned, 28);
}

#[test]
fn the_verdict_does_not_depend_on_how_the_bytes_are_cut() {
    for file in [
        "chain_50k.json",
        "formats/chain_50k.gzip",
        "formats/chain_50k.encgz",
        "cases/dup_key_escaped.json",
    ] {
        let bytes = fixture(file);
        let whole = verify(&mut bytes.as_slice(), options()).unwrap();
        for size in [1, 7, 64, 4099] {
            let mut verifier = backup::Verifier::new(Options {
                threaded: false,
                ..options()
            });
            for piece in bytes.chunks(size) {
                verifier.push(piece);
            }
            assert_eq!(
                verifier.finish().unwrap(),
                whole,
                "{file} in pieces of {size}"
            );
        }
    }
}

#[test]
fn where_a_mark_is_looked_for_does_not_depend_on_how_the_bytes_are_cut() {
    for mark in ["ENC:1:LJJXsqFFFF", "ENC:2:LJJXsqFFFF", "ENC:", "ENC:1"] {
        for before in 50..80 {
            let object = format!("{}{mark}", "x".repeat(before));
            let whole = verify(&mut object.as_bytes(), options()).unwrap();
            for size in [1, 3, 64, 65, 69, 70, 71] {
                let mut verifier = backup::Verifier::new(options());
                for piece in object.as_bytes().chunks(size) {
                    verifier.push(piece);
                }
                assert_eq!(verifier.finish().unwrap(), whole, "{before} {mark} {size}");
            }
        }
    }
}

#[test]
fn an_encrypted_backup_without_a_key_can_not_be_checked() {
    let error = verify(
        &mut fixture("formats/chain_50k.enc").as_slice(),
        Options::at(NOW),
    )
    .unwrap_err();
    assert!(matches!(error, backup::Error::KeyNeeded));
}

#[test]
fn a_wrong_key_is_said_to_be_one() {
    for file in ["formats/chain_50k.enc", "formats/chain_50k.encgz"] {
        let options = Options::at(NOW).with_passphrase("not-the-passphrase".into());
        let verdict = verify(&mut fixture(file).as_slice(), options)
            .unwrap()
            .verdict;
        assert_eq!(verdict.verdict, Word::Rejected);
        assert_eq!(verdict.findings[0].code, Code::EncryptionWrongKey, "{file}");
        assert_eq!(verdict.findings.len(), 1);
    }
}

#[test]
fn files_on_which_the_service_would_start_afresh_are_rejected() {
    for (text, code) in [
        ("", Code::ObjectEmpty),
        ("null", Code::ShapeTopLevel),
        ("{}", Code::ShapeChainMissing),
        ("{\"pending_entries\":[]}", Code::ShapeChainMissing),
        ("{\"chain\":[]}", Code::ChainEmpty),
    ] {
        let verdict = verify(&mut text.as_bytes(), options()).unwrap().verdict;
        assert_eq!(verdict.verdict, Word::Rejected, "{text}");
        assert_eq!(verdict.findings[0].code, code, "{text}");
    }
    let _ = passphrase();
}

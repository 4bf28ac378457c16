//! No flip survives.

use proptest::prelude::*;

use crate::support::*;

const FILES: [&str; 5] = [
    "ec2/instances.json",
    "ec2/groups.json",
    "journal.jsonl",
    "manifest.json",
    "manifest.sig",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_flipped_cut_or_added_byte_is_noticed(
        file in 0..FILES.len(),
        place in any::<prop::sample::Index>(),
        mask in 1..=255_u8,
        what in 0..3,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("evidence");
        bundle(&folder, &key(1));
        let path = folder.join(FILES[file]);
        let mut bytes = std::fs::read(&path).unwrap();
        let place = place.index(bytes.len());
        match what {
            0 => bytes[place] ^= mask,
            1 => bytes.truncate(place),
            _ => bytes.insert(place, mask),
        }
        std::fs::write(&path, bytes).unwrap();
        prop_assert!(check(&folder).is_err());
    }

    #[test]
    fn whatever_lies_there_never_panics(manifest in prop::collection::vec(any::<u8>(), 0..300), signature in "\\PC{0,100}") {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("manifest.json"), manifest).unwrap();
        std::fs::write(folder.path().join("manifest.sig"), signature).unwrap();
        prop_assert!(check(folder.path()).is_err());
    }
}

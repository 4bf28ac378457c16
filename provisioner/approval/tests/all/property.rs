//! No change to an approval survives.

use proptest::prelude::*;

use crate::support::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_changed_byte_is_refused(place in any::<prop::sample::Index>(), mask in 1..=255_u8) {
        let mut bytes = signed("ada", 1).text().into_bytes();
        let place = place.index(bytes.len());
        bytes[place] ^= mask;
        let outcome = judge(&policy(), &[&bytes]);
        prop_assert!(outcome.accepted.is_empty());
        prop_assert_eq!(outcome.refused.len(), 1);
    }

    #[test]
    fn any_cut_or_added_byte_is_refused(place in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let bytes = signed("ada", 1).text().into_bytes();
        let place = place.index(bytes.len());
        let mut longer = bytes.clone();
        longer.insert(place, byte);
        let mut shorter = bytes.clone();
        shorter.remove(place);
        for changed in [&longer[..], &shorter[..], &bytes[..place]] {
            prop_assert!(judge(&policy(), &[changed]).accepted.is_empty());
        }
    }

    #[test]
    fn whatever_is_read_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..600), text in "\\PC{0,200}") {
        prop_assert!(judge(&policy(), &[&bytes, text.as_bytes()]).accepted.is_empty());
        let _ = approval::fingerprint_of(&text);
        let _ = approval::PrivateKey::read(&secrecy::SecretString::from(text), None);
    }
}

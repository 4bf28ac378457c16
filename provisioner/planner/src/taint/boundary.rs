//! What may stand before and after an identifier, so that it is one and not a part of another word.

use super::IdentifierKind;

/// Whether `text[start..end]` stands for itself.
pub(super) fn stands_alone(kind: IdentifierKind, text: &[u8], start: usize, end: usize) -> bool {
    let at = |index: Option<usize>| index.and_then(|index| text.get(index)).copied();
    let (before, before_that) = (at(start.checked_sub(1)), at(start.checked_sub(2)));
    let (after, after_that) = (at(Some(end)), at(Some(end + 1)));
    let word = |byte: Option<u8>, more: &[u8]| {
        byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || more.contains(&byte))
    };
    // `name.more` goes on, `name.` ends a sentence.
    let goes_on = after == Some(b'.') && word(after_that, b"_-");
    match kind {
        // `backup-of-i-0abc-2026` is about `i-0abc`.
        IdentifierKind::Id
        | IdentifierKind::Key
        | IdentifierKind::Digest
        | IdentifierKind::Address
        | IdentifierKind::Cidr => !word(before, b"") && !word(after, b""),
        // `role/web` is not `role/web-2`, a bucket not the one with a longer name; but a key in the bucket is in it.
        IdentifierKind::Arn => !word(before, b"") && !word(after, b"_-") && !goes_on,
        IdentifierKind::Name => !word(before, b"_-") && !word(after, b"_-"),
        IdentifierKind::Fingerprint => !word(before, b"+/") && !word(after, b"+/"),
        // Not the digits after a decimal point.
        IdentifierKind::Account => {
            let fraction =
                before == Some(b'.') && before_that.is_some_and(|byte| byte.is_ascii_digit());
            !word(before, b"") && !word(after, b"") && !fraction
        }
        // What is below an old name is the old one's too; `old.example.com.org` is not.
        IdentifierKind::Host => !word(before, b"_-") && !word(after, b"_-") && !goes_on,
    }
}

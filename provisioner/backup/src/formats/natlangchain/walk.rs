//! Looks into values that are already canonical, so that nothing needs to be parsed twice.

use super::literal::run_end;

/// The text of a member of an object. `name` must need no escape.
pub(super) fn member<'a>(object: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let [value] = members(object, [name]);
    value
}

/// The texts of members of an object. `names` must be in order and need no escapes.
pub(super) fn members<'a, const N: usize>(
    object: &'a [u8],
    names: [&[u8]; N],
) -> [Option<&'a [u8]>; N] {
    let mut values = [None; N];
    let mut wanted = 0;
    let mut rest = object.strip_prefix(b"{\"").unwrap_or_default();
    while let Some((key, value, after)) = first_member(rest) {
        // Keys are in order, so a name is not there once a later key is.
        while wanted < N && names[wanted] < key {
            wanted += 1;
        }
        if wanted == N {
            break;
        }
        if names[wanted] == key {
            values[wanted] = Some(value);
            wanted += 1;
        }
        rest = after;
    }
    values
}

/// The member whose key `text` begins with, behind its quote, and what follows the quote of the next key.
fn first_member(text: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let key_end = string_end(text)?;
    let value = text[key_end + 1..].strip_prefix(b": ")?;
    let (value, rest) = value.split_at(value_end(value)?);
    let rest = rest.strip_prefix(b", \"").unwrap_or_default();
    Some((&text[..key_end], value, rest))
}

/// The items of a list; nothing when the text is no list.
pub(super) fn items(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = list.strip_prefix(b"[").unwrap_or_default();
    std::iter::from_fn(move || {
        let end = value_end(rest).filter(|end| *end > 0)?;
        let item = &rest[..end];
        rest = rest[end..].strip_prefix(b", ").unwrap_or_default();
        Some(item)
    })
}

/// The position of the quote that ends the string whose inside `text` begins with.
fn string_end(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at = run_end(text, at);
        match text.get(at)? {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// The length of the value `text` begins with.
fn value_end(text: &[u8]) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = 0;
    loop {
        match text.get(at)? {
            b'"' => at += 1 + string_end(&text[at + 1..])? + 1,
            b'{' | b'[' => {
                depth += 1;
                at += 1;
            }
            b'}' | b']' => {
                if depth == 0 {
                    return Some(at);
                }
                depth -= 1;
                at += 1;
            }
            b',' if depth == 0 => return Some(at),
            _ => at += 1,
        }
    }
}

/// Appends the text a string stands for, in UTF-8; `None` when it is no string or UTF-8 can't express it.
pub(super) fn decode(string: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let inside = std::str::from_utf8(string)
        .ok()?
        .strip_prefix('"')?
        .strip_suffix('"')?;
    if !inside.contains('\\') {
        out.extend_from_slice(inside.as_bytes());
        return Some(());
    }
    let text: String = serde_json::from_slice(string).ok()?;
    out.extend_from_slice(text.as_bytes());
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_and_items_are_found() {
        let object = br#"{"a": [1, {"b": "]}\""}], "b": {"c": "d"}, "c": null}"#;
        assert_eq!(member(object, b"a"), Some(&br#"[1, {"b": "]}\""}]"#[..]));
        assert_eq!(member(object, b"b"), Some(&br#"{"c": "d"}"#[..]));
        assert_eq!(member(object, b"c"), Some(&b"null"[..]));
        assert_eq!(member(object, b"d"), None);
        assert_eq!(member(b"{}", b"a"), None);
        let [before, a, between, c] = members(object, [b"A", b"a", b"ab", b"c"]);
        assert_eq!((before, between), (None, None));
        assert_eq!(a, member(object, b"a"));
        assert_eq!(c, Some(&b"null"[..]));
        assert_eq!(member(b"[]", b"a"), None);
        let list: Vec<&[u8]> = items(br#"[1, {"b": "]}\""}, []]"#).collect();
        assert_eq!(list, [&b"1"[..], br#"{"b": "]}\""}"#, b"[]"]);
        assert_eq!(items(b"[]").count(), 0);
        assert_eq!(items(b"{}").count(), 0);
    }

    #[test]
    fn strings_are_decoded() {
        for (canonical, text) in [
            ("\"a b\"", Some("a b")),
            ("\"\\u00e9\\n\"", Some("é\n")),
            ("\"\\ud800\"", None),
            ("1", None),
        ] {
            let mut out = Vec::new();
            let decoded =
                decode(canonical.as_bytes(), &mut out).map(|()| String::from_utf8(out).unwrap());
            assert_eq!(decoded.as_deref(), text);
        }
    }
}

//! How many values a JSON text has, counted without keeping any: in memory a value takes many times its text.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Whether the text has `most` values or fewer. A fraction counts as two, since it is kept as its text; names of members don't count.
///
/// # Errors
/// When it is no JSON, as far as it was read.
pub(super) fn at_most(most: usize, text: &[u8]) -> Result<bool, serde_json::Error> {
    let mut left = Some(most);
    let mut reader = serde_json::Deserializer::from_slice(text);
    let counted = Count(&mut left).deserialize(&mut reader);
    if left.is_none() {
        return Ok(false);
    }
    counted.and_then(|()| reader.end()).map(|()| true)
}

/// How many more may come; none once there were too many.
struct Count<'a>(&'a mut Option<usize>);

impl Count<'_> {
    fn one<E: Error>(&mut self) -> Result<(), E> {
        *self.0 = self.0.and_then(|left| left.checked_sub(1));
        match self.0 {
            Some(_) => Ok(()),
            None => Err(E::custom("too many values")),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Count<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Count<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(mut self) -> Result<(), E> {
        self.one()
    }

    fn visit_bool<E: Error>(mut self, _: bool) -> Result<(), E> {
        self.one()
    }

    fn visit_i64<E: Error>(mut self, _: i64) -> Result<(), E> {
        self.one()
    }

    fn visit_u64<E: Error>(mut self, _: u64) -> Result<(), E> {
        self.one()
    }

    fn visit_f64<E: Error>(mut self, _: f64) -> Result<(), E> {
        self.one()
    }

    fn visit_str<E: Error>(mut self, _: &str) -> Result<(), E> {
        self.one()
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        self.one()?;
        while items.next_element_seed(Count(self.0))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<(), A::Error> {
        self.one()?;
        while members.next_key::<serde::de::IgnoredAny>()?.is_some() {
            members.next_value_seed(Count(self.0))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::at_most;

    #[test]
    fn values_are_counted() {
        for (text, count) in [
            ("null", 1),
            (r#"[1, -2, 3.5, "a\n", true, [], {}]"#, 9),
            (r#"{"a": {"b": [null]}, "c": 1}"#, 5),
        ] {
            assert!(at_most(count, text.as_bytes()).unwrap(), "{text}");
            assert!(!at_most(count - 1, text.as_bytes()).unwrap(), "{text}");
        }
        for text in ["", "[1,", "[] []", "nul"] {
            at_most(9, text.as_bytes()).unwrap_err();
        }
        // What comes after too many is not read.
        assert!(!at_most(2, b"[true, true, true, no JSON").unwrap());
    }
}

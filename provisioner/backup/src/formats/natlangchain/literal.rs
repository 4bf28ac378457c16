//! Stretches of strings that stand for themselves in canonical text: 0x20–0x7e without `"` and `\`.

use wide::i8x16;

/// Bytes copied at once: so many that the next special one is mostly among them, because a branch on it that can't be
/// foreseen costs more than the copying.
const WIDTH: usize = 64;
const VECTOR: usize = 16;

/// One bit for each byte that does not stand for itself, the first byte's lowest.
#[inline(always)]
fn specials(chunk: &[u8; VECTOR]) -> u32 {
    let bytes = i8x16::new(chunk.map(u8::cast_signed));
    // As signed numbers, bytes that are not ASCII come below the control characters.
    let special = bytes.simd_lt(i8x16::splat(0x20))
        | bytes.simd_eq(i8x16::splat(0x7f))
        | bytes.simd_eq(i8x16::splat(0x22))
        | bytes.simd_eq(i8x16::splat(0x5c));
    special.to_bitmask()
}

#[inline(always)]
fn is_special(byte: u8) -> bool {
    !matches!(byte, 0x20..=0x7e) || byte == b'"' || byte == b'\\'
}

/// The position of the first byte from `at` on that does not stand for itself, or the end of `input`.
#[inline(always)]
pub(super) fn run_end(input: &[u8], mut at: usize) -> usize {
    while let Some(chunk) = input.get(at..).and_then(<[u8]>::first_chunk) {
        let special = specials(chunk);
        if special != 0 {
            return at + special.trailing_zeros() as usize;
        }
        at += VECTOR;
    }
    at + input[at..]
        .iter()
        .take_while(|&&byte| !is_special(byte))
        .count()
}

/// Appends to `out` what stands for itself from `at` on, and returns where that ends.
#[inline(always)]
pub(super) fn copy_run(input: &[u8], mut at: usize, out: &mut Vec<u8>) -> usize {
    while let Some(chunk) = input.get(at..).and_then(<[u8]>::first_chunk::<WIDTH>) {
        // Most runs are short, so copying a whole chunk and taking back its end is cheaper than copying exactly.
        out.extend_from_slice(chunk);
        let (vectors, _) = chunk.as_chunks::<VECTOR>();
        let special = vectors.iter().rev().fold(0, |mask, vector| {
            mask << VECTOR | u64::from(specials(vector))
        });
        if special != 0 {
            let run = special.trailing_zeros() as usize;
            out.truncate(out.len() - WIDTH + run);
            return at + run;
        }
        at += WIDTH;
    }
    let end = run_end(input, at);
    out.extend_from_slice(&input[at..end]);
    end
}

/// The end of the string whose opening quote is at `start`, after its closing one, if nothing in it is escaped.
#[inline(always)]
pub(super) fn plain_end(input: &[u8], start: usize) -> Option<usize> {
    let end = run_end(input, start + 1);
    (input.get(end) == Some(&b'"')).then_some(end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_strings_end_at_their_quote() {
        for (text, end) in [
            ("\"\"", Some(2)),
            ("\"a\":1", Some(3)),
            ("\"a", None),
            ("\"", None),
            ("\"\\n\"", None),
            ("\"a\\\"b\"", None),
            ("\"é\"", None),
            ("\"\u{7f}\"", None),
            ("\"a\nb\"", None),
        ] {
            assert_eq!(plain_end(text.as_bytes(), 0), end, "{text:?}");
        }
    }

    #[test]
    fn runs_end_where_they_should() {
        for length in 0..60 {
            for special in 0..=0xff_u8 {
                let mut bytes = vec![b'a'; 60];
                bytes[length] = special;
                let stands_for_itself =
                    matches!(special, 0x20..=0x7e) && special != b'"' && special != b'\\';
                let end = if stands_for_itself { 60 } else { length };
                assert_eq!(run_end(&bytes, 0), end);
                let mut out = b"before".to_vec();
                assert_eq!(copy_run(&bytes, 0, &mut out), end);
                assert_eq!(out, [b"before", &bytes[..end]].concat());
            }
        }
    }
}

//! Canonical JSON: `json.dumps(value, sort_keys=True)` of Python, byte for byte, from JSON text in one pass.
//!
//! A value is read from contiguous bytes and its canonical text appended to a buffer at once. Only an object whose
//! keys come out of order is put together a second time, and what that may move is bounded. Nesting uses a stack of
//! its own, so that hostile depth can't exhaust the thread's.

use super::fault::{Fault, Scan};
use super::float;
use super::literal::plain_end;
use super::text::{self, StringFacts};
use crate::{Code, Limits};

/// Digits Python converts to an integer before it refuses (`sys.int_info.default_max_str_digits`).
const PYTHON_INTEGER_DIGITS: usize = 4_300;

/// Side observations, collected over the values of one entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) duplicate_keys: u64,
    pub(super) overflows: bool,
    pub(super) lone_surrogates: bool,
    pub(super) deepest: usize,
}

#[derive(Clone, Copy, Debug)]
struct Member {
    key_start: u32,
    key_end: u32,
    text_start: u32,
    text_end: u32,
}

#[derive(Clone, Copy, Debug)]
struct Frame {
    object: bool,
    sorted: bool,
    /// Where the text after the opening bracket begins.
    text_start: usize,
    members_start: usize,
    keys_start: usize,
}

/// The buffers of one reader, reused from value to value.
#[derive(Debug)]
pub(super) struct Canonical {
    /// Canonical text so far.
    pub(super) out: Vec<u8>,
    pub(super) facts: Facts,
    limits: Limits,
    keys: Vec<u8>,
    members: Vec<Member>,
    stack: Vec<Frame>,
    order: Vec<u32>,
    scratch: Vec<u8>,
    moved: u64,
}

impl Canonical {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            out: Vec::with_capacity(16 << 10),
            facts: Facts::default(),
            limits,
            keys: Vec::new(),
            members: Vec::new(),
            stack: Vec::new(),
            order: Vec::new(),
            scratch: Vec::new(),
            moved: 0,
        }
    }

    /// Forgets all text and observations, for the next entry.
    pub(super) fn clear(&mut self) {
        self.out.clear();
        self.facts = Facts::default();
        self.moved = 0;
        self.reset_nesting();
    }

    fn reset_nesting(&mut self) {
        self.keys.clear();
        self.members.clear();
        self.stack.clear();
    }

    /// Reads the value that starts at `start` (which must not be white space) and appends its canonical text to `out`.
    /// With [`Scan::More`] the text appended so far means nothing; the caller starts over once more bytes are there.
    pub(super) fn value(&mut self, input: &[u8], start: usize) -> Result<Scan, Fault> {
        self.reset_nesting();
        let mut at = start;
        loop {
            let Some(&byte) = input.get(at) else {
                return Ok(Scan::More);
            };
            // `at` is at the first byte of a value.
            let after = match byte {
                b'{' | b'[' => {
                    let object = byte == b'{';
                    self.open(object, at)?;
                    at = skip_space(input, at + 1);
                    match input.get(at) {
                        None => return Ok(Scan::More),
                        Some(&close) if close == if object { b'}' } else { b']' } => {
                            self.close(at)?;
                            at + 1
                        }
                        Some(_) if object => match self.key(input, at)? {
                            Scan::Done(next) => {
                                at = next;
                                continue;
                            }
                            Scan::More => return Ok(Scan::More),
                        },
                        Some(_) => continue,
                    }
                }
                _ => match self.scalar(input, at)? {
                    Scan::Done(next) => next,
                    Scan::More => return Ok(Scan::More),
                },
            };
            if self.out.len() > self.limits.canonical_bytes {
                return Err(Fault::new(
                    Code::LimitCanonicalSize,
                    at,
                    self.canonical_limit(),
                ));
            }
            match self.climb(input, after)? {
                Climb::Finished(end) => return Ok(Scan::Done(end)),
                Climb::Next(next) => at = next,
                Climb::More => return Ok(Scan::More),
            }
        }
    }

    /// Reads a string key at `start` and its colon for the caller's own use. Yields the key's code points, which lie in
    /// `input` or, when something in it is escaped, in `decoded`, and the position of the value; nothing when bytes are
    /// lacking.
    #[inline]
    pub(super) fn bare_key<'a>(
        &mut self,
        input: &'a [u8],
        start: usize,
        decoded: &'a mut Vec<u8>,
    ) -> Result<Option<(&'a [u8], usize)>, Fault> {
        if input.get(start).is_some_and(|&byte| byte != b'"') {
            return Err(Fault::new(
                Code::JsonInvalid,
                start,
                "a key in double quotes is expected",
            ));
        }
        if start >= input.len() {
            return Ok(None);
        }
        let (key, end) = if let Some(end) = plain_end(input, start) {
            (&input[start + 1..end - 1], end)
        } else {
            match self.escaped_key(input, start, decoded)? {
                Scan::Done(end) => (decoded.as_slice(), end),
                Scan::More => return Ok(None),
            }
        };
        Ok(match expect_colon(input, end)? {
            Scan::Done(value) => Some((key, value)),
            Scan::More => None,
        })
    }

    fn escaped_key(
        &mut self,
        input: &[u8],
        start: usize,
        decoded: &mut Vec<u8>,
    ) -> Result<Scan, Fault> {
        decoded.clear();
        let mark = self.out.len();
        let mut facts = StringFacts::default();
        let read = text::read(input, start, &mut self.out, Some(decoded), &mut facts);
        self.out.truncate(mark);
        read
    }

    fn canonical_limit(&self) -> String {
        format!(
            "the canonical text of an entry exceeds {} bytes",
            self.limits.canonical_bytes
        )
    }

    fn open(&mut self, object: bool, at: usize) -> Result<(), Fault> {
        if self.stack.len() >= self.limits.depth {
            return Err(Fault::new(
                Code::LimitDepth,
                at,
                format!(
                    "a value is nested more than {} levels deep",
                    self.limits.depth
                ),
            ));
        }
        self.out.push(if object { b'{' } else { b'[' });
        self.stack.push(Frame {
            object,
            sorted: true,
            text_start: self.out.len(),
            members_start: self.members.len(),
            keys_start: self.keys.len(),
        });
        self.facts.deepest = self.facts.deepest.max(self.stack.len());
        Ok(())
    }

    /// Reads `"key":` and the white space around it; the value follows.
    fn key(&mut self, input: &[u8], start: usize) -> Result<Scan, Fault> {
        match input.get(start) {
            None => return Ok(Scan::More),
            Some(b'"') => {}
            Some(_) => {
                return Err(Fault::new(
                    Code::JsonInvalid,
                    start,
                    "a key in double quotes is expected",
                ));
            }
        }
        let key_start = self.keys.len();
        let text_start = self.out.len();
        let mut facts = StringFacts::default();
        let end = match text::read(
            input,
            start,
            &mut self.out,
            Some(&mut self.keys),
            &mut facts,
        )? {
            Scan::Done(end) => end,
            Scan::More => return Ok(Scan::More),
        };
        self.facts.lone_surrogates |= facts.lone_surrogate;
        let next = match expect_colon(input, end)? {
            Scan::Done(next) => next,
            Scan::More => return Ok(Scan::More),
        };
        self.out.extend_from_slice(b": ");
        if self.members.len() >= self.limits.members {
            return Err(Fault::new(
                Code::LimitMembers,
                start,
                format!("more than {} members are open at once", self.limits.members),
            ));
        }
        let member = Member {
            key_start: offset(key_start, start)?,
            key_end: offset(self.keys.len(), start)?,
            text_start: offset(text_start, start)?,
            text_end: 0,
        };
        if let Some(frame) = self.stack.last_mut()
            && self.members.len() > frame.members_start
            && let Some(previous) = self.members.last()
        {
            let previous = &self.keys[previous.key_start as usize..previous.key_end as usize];
            frame.sorted &= previous < &self.keys[key_start..];
        }
        self.members.push(member);
        Ok(Scan::Done(next))
    }

    /// After a value: closes what closes and stops before the next value.
    fn climb(&mut self, input: &[u8], mut at: usize) -> Result<Climb, Fault> {
        loop {
            let Some(&frame) = self.stack.last() else {
                return Ok(Climb::Finished(at));
            };
            if frame.object {
                let end = offset(self.out.len(), at)?;
                if let Some(member) = self.members.last_mut() {
                    member.text_end = end;
                }
            }
            at = skip_space(input, at);
            match (input.get(at), frame.object) {
                (None, _) => return Ok(Climb::More),
                (Some(b','), object) => {
                    self.out.extend_from_slice(b", ");
                    at = skip_space(input, at + 1);
                    if at >= input.len() {
                        return Ok(Climb::More);
                    }
                    if !object {
                        return Ok(Climb::Next(at));
                    }
                    return Ok(match self.key(input, at)? {
                        Scan::Done(next) => Climb::Next(next),
                        Scan::More => Climb::More,
                    });
                }
                (Some(b'}'), true) | (Some(b']'), false) => {
                    self.close(at)?;
                    at += 1;
                }
                (Some(_), _) => {
                    return Err(Fault::new(
                        Code::JsonInvalid,
                        at,
                        "a comma or a closing bracket is expected",
                    ));
                }
            }
        }
    }

    fn close(&mut self, at: usize) -> Result<(), Fault> {
        let Some(frame) = self.stack.pop() else {
            return Ok(());
        };
        if frame.object {
            if !frame.sorted {
                self.sort_members(frame, at)?;
            }
            self.members.truncate(frame.members_start);
            self.keys.truncate(frame.keys_start);
        }
        self.out.push(if frame.object { b'}' } else { b']' });
        Ok(())
    }

    /// Writes the members of the innermost object again in the order of their keys, of equal keys only the last.
    fn sort_members(&mut self, frame: Frame, at: usize) -> Result<(), Fault> {
        self.moved += (self.out.len() - frame.text_start) as u64;
        if self.moved > self.limits.sort_bytes {
            return Err(Fault::new(
                Code::LimitWork,
                at,
                format!(
                    "ordering the keys of an entry moves more than {} bytes",
                    self.limits.sort_bytes
                ),
            ));
        }
        let members = &self.members[frame.members_start..];
        let keys = &self.keys;
        let key = |index: u32| {
            let member = &members[index as usize];
            &keys[member.key_start as usize..member.key_end as usize]
        };
        self.order.clear();
        self.order.extend(0..offset(members.len(), at)?);
        // The index breaks ties, so the last of equal keys comes last without a stable (allocating) sort.
        self.order
            .sort_unstable_by(|&left, &right| key(left).cmp(key(right)).then(left.cmp(&right)));
        self.scratch.clear();
        let mut separate = false;
        for (place, &index) in self.order.iter().enumerate() {
            if let Some(&next) = self.order.get(place + 1)
                && key(next) == key(index)
            {
                self.facts.duplicate_keys += 1;
                continue;
            }
            if separate {
                self.scratch.extend_from_slice(b", ");
            }
            separate = true;
            let member = &members[index as usize];
            self.scratch
                .extend_from_slice(&self.out[member.text_start as usize..member.text_end as usize]);
        }
        self.out.truncate(frame.text_start);
        self.out.extend_from_slice(&self.scratch);
        Ok(())
    }

    fn scalar(&mut self, input: &[u8], start: usize) -> Result<Scan, Fault> {
        match input[start] {
            b'"' => {
                let mut facts = StringFacts::default();
                let scan = text::read(input, start, &mut self.out, None, &mut facts)?;
                self.facts.lone_surrogates |= facts.lone_surrogate;
                Ok(scan)
            }
            b't' => self.literal(input, start, b"true"),
            b'f' => self.literal(input, start, b"false"),
            b'n' => self.literal(input, start, b"null"),
            b'N' => self.literal(input, start, b"NaN"),
            b'I' => self.literal(input, start, b"Infinity"),
            b'-' if input.get(start + 1) == Some(&b'I') => self.literal(input, start, b"-Infinity"),
            b'-' | b'0'..=b'9' => self.number(input, start),
            _ => Err(Fault::new(Code::JsonInvalid, start, "a value is expected")),
        }
    }

    fn literal(&mut self, input: &[u8], start: usize, word: &'static [u8]) -> Result<Scan, Fault> {
        let there = &input[start..input.len().min(start + word.len())];
        if there == word {
            self.out.extend_from_slice(word);
            return Ok(Scan::Done(start + word.len()));
        }
        if word.starts_with(there) {
            return Ok(Scan::More);
        }
        Err(Fault::new(Code::JsonInvalid, start, "a value is expected"))
    }

    fn number(&mut self, input: &[u8], start: usize) -> Result<Scan, Fault> {
        let digits_from = |from: usize| {
            input[from.min(input.len())..]
                .iter()
                .take_while(|byte| byte.is_ascii_digit())
                .count()
        };
        let whole_start = start + usize::from(input[start] == b'-');
        let whole = match input.get(whole_start) {
            None => return Ok(Scan::More),
            // A second digit after a leading zero is left for the caller, who finds no comma there.
            Some(b'0') => 1,
            Some(_) => digits_from(whole_start),
        };
        if whole == 0 {
            return Err(Fault::new(
                Code::JsonInvalid,
                start,
                "a number lacks its digits",
            ));
        }
        let mut end = whole_start + whole;
        let mut float = false;
        if input.get(end) == Some(&b'.') {
            let fraction = digits_from(end + 1);
            if end + 1 + fraction >= input.len() {
                return Ok(Scan::More);
            }
            if fraction == 0 {
                return Err(Fault::new(
                    Code::JsonInvalid,
                    end,
                    "a number ends in a point",
                ));
            }
            end += 1 + fraction;
            float = true;
        }
        if matches!(input.get(end), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(input.get(end + 1), Some(b'+' | b'-')));
            let exponent = digits_from(end + 1 + sign);
            if end + 1 + sign + exponent >= input.len() {
                return Ok(Scan::More);
            }
            if exponent == 0 {
                return Err(Fault::new(
                    Code::JsonInvalid,
                    end,
                    "a number lacks the digits of its exponent",
                ));
            }
            end += 1 + sign + exponent;
            float = true;
        }
        if end >= input.len() {
            return Ok(Scan::More);
        }
        let token = &input[start..end];
        if !float {
            if whole > PYTHON_INTEGER_DIGITS {
                return Err(Fault::new(
                    Code::JsonNumberTooLong,
                    start,
                    format!("an integer has {whole} digits, Python reads {PYTHON_INTEGER_DIGITS}"),
                ));
            }
            self.out
                .extend_from_slice(if token == b"-0" { b"0" } else { token });
            return Ok(Scan::Done(end));
        }
        if float::is_canonical(token) {
            self.out.extend_from_slice(token);
            return Ok(Scan::Done(end));
        }
        let value = std::str::from_utf8(token)
            .ok()
            .and_then(|token| token.parse::<f64>().ok())
            .ok_or_else(|| Fault::new(Code::JsonInvalid, start, "a number can't be read"))?;
        self.facts.overflows |= value.is_infinite();
        float::write(&mut self.out, value);
        Ok(Scan::Done(end))
    }
}

enum Climb {
    Finished(usize),
    Next(usize),
    More,
}

/// Positions within one entry fit 32 bits because the limits on its size do; a configured limit beyond that ends here.
fn offset(value: usize, at: usize) -> Result<u32, Fault> {
    u32::try_from(value).map_err(|_| Fault::new(Code::LimitEntrySize, at, "an entry exceeds 4 GiB"))
}

/// The position of the first byte from `at` on that is not JSON white space.
#[inline]
pub(super) fn skip_space(input: &[u8], at: usize) -> usize {
    // Mostly there is none.
    if input.get(at).is_some_and(|byte| *byte > b' ') {
        return at;
    }
    at + input[at.min(input.len())..]
        .iter()
        .take_while(|&&byte| matches!(byte, b' ' | b'\n' | b'\t' | b'\r'))
        .count()
}

/// Skips white space, one colon and white space again. Done only when the value's first byte is there.
#[inline]
pub(super) fn expect_colon(input: &[u8], at: usize) -> Result<Scan, Fault> {
    let colon = skip_space(input, at);
    match input.get(colon) {
        None => Ok(Scan::More),
        Some(b':') => {
            let next = skip_space(input, colon + 1);
            Ok(if next < input.len() {
                Scan::Done(next)
            } else {
                Scan::More
            })
        }
        Some(_) => Err(Fault::new(
            Code::JsonInvalid,
            colon,
            "a colon is expected after a key",
        )),
    }
}

/// Python's truth of a value, from its canonical text.
pub(super) fn is_truthy(text: &[u8]) -> bool {
    !matches!(
        text,
        b"null" | b"false" | b"0" | b"0.0" | b"-0.0" | b"\"\"" | b"[]" | b"{}"
    )
}

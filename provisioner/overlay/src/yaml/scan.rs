//! Characters to tokens, by the rules of YAML 1.1 as libyaml and its descendants apply them.
//!
//! What is accepted, and where and how an error is reported, follows that family: its limits on simple keys
//! (one line, 1,024 characters), its treatment of tabs, and its messages.

use std::collections::VecDeque;

/// A position: 0-based line and column, in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) index: usize,
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// Who found a mistake; it decides how the line is counted in the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Reader,
    Scanner,
    Parser,
    Composer,
}

/// A mistake in the text.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) stage: Stage,
    pub(crate) context: Option<Mark>,
    pub(crate) problem: Mark,
    pub(crate) message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ScalarStyle {
    Plain,
    Single,
    Double,
    Literal,
    Folded,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TokenKind {
    StreamEnd,
    Version(u32, u32),
    TagDirective(String, String),
    DocumentStart,
    DocumentEnd,
    BlockSequenceStart,
    BlockMappingStart,
    BlockEnd,
    FlowSequenceStart,
    FlowSequenceEnd,
    FlowMappingStart,
    FlowMappingEnd,
    BlockEntry,
    FlowEntry,
    Key,
    Value,
    Alias(String),
    Anchor(String),
    Tag(String, String),
    Scalar(String, ScalarStyle),
}

#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) start: Mark,
    pub(crate) end: Mark,
}

#[derive(Clone, Copy, Debug, Default)]
struct SimpleKey {
    possible: bool,
    required: bool,
    token: usize,
    mark: Mark,
}

type Scan<T> = Result<T, Fault>;

/// The scanner over one text.
pub(crate) struct Scanner<'a> {
    src: &'a [u8],
    pos: usize,
    mark: Mark,
    tokens: VecDeque<Token>,
    taken: usize,
    indent: isize,
    indents: Vec<isize>,
    flow_level: usize,
    keys: Vec<SimpleKey>,
    key_allowed: bool,
    finished: bool,
    max_depth: usize,
}

fn width(byte: u8) -> usize {
    match byte {
        0x00..0x80 => 1,
        0x80..0xE0 => 2,
        0xE0..0xF0 => 3,
        _ => 4,
    }
}

/// Checks that `text` has only the characters a document may have, and returns it without a byte order mark.
pub(crate) fn check_characters(text: &[u8]) -> Scan<&str> {
    let fault = |message: &str| Fault {
        stage: Stage::Reader,
        context: None,
        problem: Mark::default(),
        message: message.to_owned(),
    };
    if text.starts_with(&[0xFF, 0xFE]) || text.starts_with(&[0xFE, 0xFF]) {
        return Err(fault("UTF-16 text is not supported"));
    }
    let text = text.strip_prefix(&[0xEF, 0xBB, 0xBF]).unwrap_or(text);
    let text = std::str::from_utf8(text).map_err(|e| {
        let bad = text.get(e.valid_up_to()).copied().unwrap_or(0);
        fault(if (0x80..0xC0).contains(&bad) || bad >= 0xF8 {
            "invalid leading UTF-8 octet"
        } else if e.error_len().is_none() {
            "incomplete UTF-8 octet sequence"
        } else {
            "invalid trailing UTF-8 octet"
        })
    })?;
    let simple = |b: &u8| matches!(b, b'\t' | b'\n' | b'\r' | b' '..=b'~');
    if text.as_bytes().iter().all(simple) {
        return Ok(text);
    }
    match text.chars().find(|&c| !is_allowed(c)) {
        Some(_) => Err(fault("control characters are not allowed")),
        None => Ok(text),
    }
}

/// A character that may stand in a document.
pub(crate) fn is_allowed(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{A0}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(text: &'a str, max_depth: usize) -> Scanner<'a> {
        Scanner {
            src: text.as_bytes(),
            pos: 0,
            mark: Mark::default(),
            tokens: VecDeque::new(),
            taken: 0,
            indent: -1,
            indents: Vec::new(),
            flow_level: 0,
            keys: vec![SimpleKey::default()],
            key_allowed: true,
            finished: false,
            max_depth,
        }
    }

    /// The next token, left in place.
    pub(crate) fn peek(&mut self) -> Scan<&Token> {
        self.fill()?;
        match self.tokens.front() {
            Some(token) => Ok(token),
            None => Err(Fault {
                stage: Stage::Parser,
                context: None,
                problem: self.mark,
                message: "attempted to go past the end of stream; corrupted value?".to_owned(),
            }),
        }
    }

    /// Takes the token that was peeked.
    pub(crate) fn skip(&mut self) -> Option<Token> {
        let token = self.tokens.pop_front();
        if token.is_some() {
            self.taken += 1;
        }
        token
    }

    fn fill(&mut self) -> Scan<()> {
        loop {
            if !self.tokens.is_empty() {
                let head = self.taken;
                let Some(at) = self.keys.iter().position(|k| k.possible && k.token == head) else {
                    break;
                };
                if !self.key_is_valid(at)? {
                    break;
                }
            }
            if self.finished {
                break;
            }
            self.fetch()?;
        }
        Ok(())
    }

    fn at(&self, offset: usize) -> u8 {
        self.src.get(self.pos + offset).copied().unwrap_or(0)
    }

    fn is_end(&self) -> bool {
        self.pos >= self.src.len()
    }

    fn is_blank(&self, offset: usize) -> bool {
        matches!(self.at(offset), b' ' | b'\t')
    }

    fn is_break(&self, offset: usize) -> bool {
        match self.at(offset) {
            b'\r' | b'\n' => true,
            0xC2 => self.at(offset + 1) == 0x85,
            0xE2 => self.at(offset + 1) == 0x80 && matches!(self.at(offset + 2), 0xA8 | 0xA9),
            _ => false,
        }
    }

    fn is_breakz(&self, offset: usize) -> bool {
        self.at(offset) == 0 || self.is_break(offset)
    }

    fn is_blankz(&self, offset: usize) -> bool {
        self.is_blank(offset) || self.is_breakz(offset)
    }

    fn is_word(&self) -> bool {
        self.at(0).is_ascii_alphanumeric() || matches!(self.at(0), b'_' | b'-')
    }

    fn is_document_indicator(&self) -> bool {
        self.mark.column == 0
            && (self.src[self.pos.min(self.src.len())..].starts_with(b"---")
                || self.src[self.pos.min(self.src.len())..].starts_with(b"..."))
            && self.is_blankz(3)
    }

    fn advance(&mut self) {
        self.pos += width(self.at(0));
        self.mark.index += 1;
        self.mark.column += 1;
    }

    fn advance_by(&mut self, count: usize) {
        for _ in 0..count {
            self.advance();
        }
    }

    fn skip_line(&mut self) {
        if self.at(0) == b'\r' && self.at(1) == b'\n' {
            self.pos += 2;
            self.mark.index += 2;
        } else {
            self.pos += width(self.at(0));
            self.mark.index += 1;
        }
        self.mark.column = 0;
        self.mark.line += 1;
    }

    fn read(&mut self, into: &mut Vec<u8>) {
        let w = width(self.at(0));
        into.extend_from_slice(&self.src[self.pos..(self.pos + w).min(self.src.len())]);
        self.pos += w;
        self.mark.index += 1;
        self.mark.column += 1;
    }

    /// Reads all that follows of certain ASCII characters, none of them a line break.
    fn read_run(&mut self, into: &mut Vec<u8>, belongs: impl Fn(u8) -> bool) {
        let rest = self.src.get(self.pos..).unwrap_or_default();
        let length = rest.iter().take_while(|&&b| belongs(b)).count();
        into.extend_from_slice(&rest[..length]);
        self.pos += length;
        self.mark.index += length;
        self.mark.column += length;
    }

    fn read_line(&mut self, into: &mut Vec<u8>) {
        match self.at(0) {
            b'\r' | b'\n' | 0xC2 => into.push(b'\n'),
            0xE2 => into.extend_from_slice(&self.src[self.pos..self.pos + 3]),
            _ => return,
        }
        self.skip_line();
    }

    fn fault<T>(&self, context: Mark, message: &str) -> Scan<T> {
        Err(Fault {
            stage: Stage::Scanner,
            context: Some(context),
            problem: self.mark,
            message: message.to_owned(),
        })
    }

    fn push(&mut self, kind: TokenKind, start: Mark) {
        self.tokens.push_back(Token {
            kind,
            start,
            end: self.mark,
        });
    }

    fn fetch(&mut self) -> Scan<()> {
        self.skip_to_next_token();
        self.unroll(self.mark.column as isize);
        if self.is_end() || self.at(0) == 0 {
            return self.fetch_stream_end();
        }
        let c = self.at(0);
        if self.mark.column == 0 && c == b'%' {
            return self.fetch_directive();
        }
        if self.is_document_indicator() {
            let kind = if c == b'-' {
                TokenKind::DocumentStart
            } else {
                TokenKind::DocumentEnd
            };
            self.unroll(-1);
            self.remove_key()?;
            self.key_allowed = false;
            let start = self.mark;
            self.advance_by(3);
            self.push(kind, start);
            return Ok(());
        }
        let flow = self.flow_level > 0;
        match c {
            b'[' => self.flow_start(TokenKind::FlowSequenceStart),
            b'{' => self.flow_start(TokenKind::FlowMappingStart),
            b']' => self.flow_end(TokenKind::FlowSequenceEnd),
            b'}' => self.flow_end(TokenKind::FlowMappingEnd),
            b',' => {
                self.remove_key()?;
                self.key_allowed = true;
                let start = self.mark;
                self.advance();
                self.push(TokenKind::FlowEntry, start);
                Ok(())
            }
            b'-' if self.is_blankz(1) => self.block_entry(),
            b'?' if flow || self.is_blankz(1) => self.key(),
            b':' if flow || self.is_blankz(1) => self.value(),
            b'*' | b'&' => {
                self.save_key()?;
                self.key_allowed = false;
                self.anchor(c == b'*')
            }
            b'!' => {
                self.save_key()?;
                self.key_allowed = false;
                self.tag()
            }
            b'|' | b'>' if !flow => {
                self.remove_key()?;
                self.key_allowed = true;
                self.block_scalar(c == b'|')
            }
            b'\'' | b'"' => {
                self.save_key()?;
                self.key_allowed = false;
                self.quoted_scalar(c == b'\'')
            }
            _ => {
                let starts_plain = !(self.is_blankz(0) || b"-?:,[]{}#&*!|>'\"%@`".contains(&c))
                    || (c == b'-' && !self.is_blank(1))
                    || (!flow && matches!(c, b'?' | b':') && !self.is_blankz(1));
                if !starts_plain {
                    return self.fault(self.mark, "found character that cannot start any token");
                }
                self.save_key()?;
                self.key_allowed = false;
                self.plain_scalar()
            }
        }
    }

    fn skip_to_next_token(&mut self) {
        loop {
            while self.at(0) == b' '
                || ((self.flow_level > 0 || !self.key_allowed) && self.at(0) == b'\t')
            {
                self.advance();
            }
            if self.at(0) == b'#' {
                while !self.is_breakz(0) {
                    self.advance();
                }
            }
            if !self.is_break(0) {
                return;
            }
            self.skip_line();
            if self.flow_level == 0 {
                self.key_allowed = true;
            }
        }
    }

    fn key_is_valid(&mut self, at: usize) -> Scan<bool> {
        let key = self.keys[at];
        if !key.possible {
            return Ok(false);
        }
        if key.mark.line < self.mark.line || key.mark.index + 1024 < self.mark.index {
            if key.required {
                return self.fault(key.mark, "could not find expected ':'");
            }
            self.keys[at].possible = false;
            return Ok(false);
        }
        Ok(true)
    }

    fn save_key(&mut self) -> Scan<()> {
        let required = self.flow_level == 0 && self.indent == self.mark.column as isize;
        if self.key_allowed {
            self.remove_key()?;
            let token = self.taken + self.tokens.len();
            if let Some(last) = self.keys.last_mut() {
                *last = SimpleKey {
                    possible: true,
                    required,
                    token,
                    mark: self.mark,
                };
            }
        }
        Ok(())
    }

    fn remove_key(&mut self) -> Scan<()> {
        if let Some(last) = self.keys.last_mut() {
            if last.possible && last.required {
                let mark = last.mark;
                return self.fault(mark, "could not find expected ':'");
            }
            last.possible = false;
        }
        Ok(())
    }

    fn roll(
        &mut self,
        column: usize,
        before: Option<usize>,
        kind: TokenKind,
        mark: Mark,
    ) -> Scan<()> {
        let column = column as isize;
        if self.flow_level > 0 || self.indent >= column {
            return Ok(());
        }
        self.indents.push(self.indent);
        self.indent = column;
        if self.indents.len() > self.max_depth {
            return self.fault(
                self.mark,
                &format!("exceeded max depth of {}", self.max_depth),
            );
        }
        let token = Token {
            kind,
            start: mark,
            end: mark,
        };
        match before {
            Some(number) => self.tokens.insert(
                number.saturating_sub(self.taken).min(self.tokens.len()),
                token,
            ),
            None => self.tokens.push_back(token),
        }
        Ok(())
    }

    fn unroll(&mut self, column: isize) {
        if self.flow_level > 0 {
            return;
        }
        while self.indent > column {
            self.push(TokenKind::BlockEnd, self.mark);
            self.indent = self.indents.pop().unwrap_or(-1);
        }
    }

    fn fetch_stream_end(&mut self) -> Scan<()> {
        if self.mark.column != 0 {
            self.mark.column = 0;
            self.mark.line += 1;
        }
        self.unroll(-1);
        self.remove_key()?;
        self.key_allowed = false;
        self.finished = true;
        self.push(TokenKind::StreamEnd, self.mark);
        Ok(())
    }

    fn flow_start(&mut self, kind: TokenKind) -> Scan<()> {
        self.save_key()?;
        self.keys.push(SimpleKey {
            mark: self.mark,
            ..SimpleKey::default()
        });
        self.flow_level += 1;
        if self.flow_level > self.max_depth {
            return self.fault(
                self.mark,
                &format!("exceeded max depth of {}", self.max_depth),
            );
        }
        self.key_allowed = true;
        let start = self.mark;
        self.advance();
        self.push(kind, start);
        Ok(())
    }

    fn flow_end(&mut self, kind: TokenKind) -> Scan<()> {
        self.remove_key()?;
        if self.flow_level > 0 {
            self.flow_level -= 1;
            self.keys.pop();
        }
        self.key_allowed = false;
        let start = self.mark;
        self.advance();
        self.push(kind, start);
        Ok(())
    }

    fn block_entry(&mut self) -> Scan<()> {
        if self.flow_level == 0 {
            if !self.key_allowed {
                return self.fault(
                    self.mark,
                    "block sequence entries are not allowed in this context",
                );
            }
            self.roll(
                self.mark.column,
                None,
                TokenKind::BlockSequenceStart,
                self.mark,
            )?;
        }
        self.remove_key()?;
        self.key_allowed = true;
        let start = self.mark;
        self.advance();
        self.push(TokenKind::BlockEntry, start);
        Ok(())
    }

    fn key(&mut self) -> Scan<()> {
        if self.flow_level == 0 {
            if !self.key_allowed {
                return self.fault(self.mark, "mapping keys are not allowed in this context");
            }
            self.roll(
                self.mark.column,
                None,
                TokenKind::BlockMappingStart,
                self.mark,
            )?;
        }
        self.remove_key()?;
        self.key_allowed = self.flow_level == 0;
        let start = self.mark;
        self.advance();
        self.push(TokenKind::Key, start);
        Ok(())
    }

    fn value(&mut self) -> Scan<()> {
        let last = self.keys.len().saturating_sub(1);
        if self.key_is_valid(last)? {
            let key = self.keys[last];
            let at = key.token.saturating_sub(self.taken).min(self.tokens.len());
            self.tokens.insert(
                at,
                Token {
                    kind: TokenKind::Key,
                    start: key.mark,
                    end: key.mark,
                },
            );
            self.roll(
                key.mark.column,
                Some(key.token),
                TokenKind::BlockMappingStart,
                key.mark,
            )?;
            self.keys[last].possible = false;
            self.key_allowed = false;
        } else {
            if self.flow_level == 0 {
                if !self.key_allowed {
                    return self.fault(self.mark, "mapping values are not allowed in this context");
                }
                self.roll(
                    self.mark.column,
                    None,
                    TokenKind::BlockMappingStart,
                    self.mark,
                )?;
            }
            self.key_allowed = self.flow_level == 0;
        }
        let start = self.mark;
        self.advance();
        self.push(TokenKind::Value, start);
        Ok(())
    }

    fn fetch_directive(&mut self) -> Scan<()> {
        self.unroll(-1);
        self.remove_key()?;
        self.key_allowed = false;
        let start = self.mark;
        self.advance();
        let name = self.word();
        if name.is_empty() {
            return self.fault(start, "could not find expected directive name");
        }
        if !self.is_blankz(0) {
            return self.fault(start, "found unexpected non-alphabetical character");
        }
        let kind = match name.as_slice() {
            b"YAML" => {
                self.skip_blanks();
                let major = self.version_number(start)?;
                if self.at(0) != b'.' {
                    return self.fault(start, "did not find expected digit or '.' character");
                }
                self.advance();
                TokenKind::Version(major, self.version_number(start)?)
            }
            b"TAG" => {
                self.skip_blanks();
                let handle = self.tag_handle(true, start)?;
                if !self.is_blank(0) {
                    return self.fault(start, "did not find expected whitespace");
                }
                self.skip_blanks();
                let prefix = self.tag_uri(true, &[], start)?;
                if !self.is_blankz(0) {
                    return self.fault(start, "did not find expected whitespace or line break");
                }
                TokenKind::TagDirective(text(handle), text(prefix))
            }
            _ => return self.fault(start, "found unknown directive name"),
        };
        self.push(kind, start);
        self.skip_blanks();
        if self.at(0) == b'#' {
            while !self.is_breakz(0) {
                self.advance();
            }
        }
        if !self.is_breakz(0) {
            return self.fault(start, "did not find expected comment or line break");
        }
        if self.is_break(0) {
            self.skip_line();
        }
        Ok(())
    }

    fn word(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        while self.is_word() {
            self.read(&mut out);
        }
        out
    }

    fn skip_blanks(&mut self) {
        while self.is_blank(0) {
            self.advance();
        }
    }

    fn version_number(&mut self, start: Mark) -> Scan<u32> {
        let mut value = 0;
        let mut length = 0;
        while self.at(0).is_ascii_digit() {
            length += 1;
            if length > 2 {
                return self.fault(start, "found extremely long version number");
            }
            value = value * 10 + u32::from(self.at(0) - b'0');
            self.advance();
        }
        if length == 0 {
            return self.fault(start, "did not find expected version number");
        }
        Ok(value)
    }

    fn anchor(&mut self, alias: bool) -> Scan<()> {
        let start = self.mark;
        self.advance();
        let name = self.word();
        if name.is_empty() || !(self.is_blankz(0) || b"?:,]}%@`".contains(&self.at(0))) {
            return self.fault(
                start,
                "did not find expected alphabetic or numeric character",
            );
        }
        let name = text(name);
        self.push(
            if alias {
                TokenKind::Alias(name)
            } else {
                TokenKind::Anchor(name)
            },
            start,
        );
        Ok(())
    }

    fn tag(&mut self) -> Scan<()> {
        let start = self.mark;
        let (handle, suffix) = if self.at(1) == b'<' {
            self.advance_by(2);
            let suffix = self.tag_uri(false, &[], start)?;
            if self.at(0) != b'>' {
                return self.fault(start, "did not find the expected '>'");
            }
            self.advance();
            (Vec::new(), suffix)
        } else {
            let handle = self.tag_handle(false, start)?;
            if handle.len() > 1 && handle.first() == Some(&b'!') && handle.last() == Some(&b'!') {
                let suffix = self.tag_uri(false, &[], start)?;
                (handle, suffix)
            } else {
                let suffix = self.tag_uri(false, &handle, start)?;
                if suffix.is_empty() {
                    (Vec::new(), b"!".to_vec())
                } else {
                    (b"!".to_vec(), suffix)
                }
            }
        };
        if !self.is_blankz(0) {
            return self.fault(start, "did not find expected whitespace or line break");
        }
        self.push(TokenKind::Tag(text(handle), text(suffix)), start);
        Ok(())
    }

    fn tag_handle(&mut self, directive: bool, start: Mark) -> Scan<Vec<u8>> {
        if self.at(0) != b'!' {
            return self.fault(start, "did not find expected '!'");
        }
        let mut out = Vec::new();
        self.read(&mut out);
        while self.is_word() {
            self.read(&mut out);
        }
        if self.at(0) == b'!' {
            self.read(&mut out);
        } else if directive && out != b"!" {
            return self.fault(start, "did not find expected '!'");
        }
        Ok(out)
    }

    fn tag_uri(&mut self, directive: bool, head: &[u8], start: Mark) -> Scan<Vec<u8>> {
        let _ = directive;
        let mut out = head.get(1..).unwrap_or_default().to_vec();
        let mut found = !head.is_empty();
        while self.is_word() || (self.at(0) != 0 && b";/?:@&=+$,.!~*'()[]%".contains(&self.at(0))) {
            if self.at(0) == b'%' {
                let hex = |b: u8| char::from(b).to_digit(16);
                let (Some(high), Some(low)) = (hex(self.at(1)), hex(self.at(2))) else {
                    return self.fault(start, "did not find URI escaped octet");
                };
                out.push((high * 16 + low) as u8);
                self.advance_by(3);
            } else {
                self.read(&mut out);
            }
            found = true;
        }
        if !found {
            return self.fault(start, "did not find expected tag URI");
        }
        Ok(out)
    }

    fn block_scalar(&mut self, literal: bool) -> Scan<()> {
        let start = self.mark;
        self.advance();
        let mut keep: Option<bool> = None;
        let mut increment = 0;
        for _ in 0..2 {
            match self.at(0) {
                c @ (b'+' | b'-') if keep.is_none() => {
                    keep = Some(c == b'+');
                    self.advance();
                }
                b'0' if increment == 0 => {
                    return self.fault(start, "found an indentation indicator equal to 0");
                }
                c @ b'1'..=b'9' if increment == 0 => {
                    increment = isize::from(c - b'0');
                    self.advance();
                }
                _ => break,
            }
        }
        self.skip_blanks();
        if self.at(0) == b'#' {
            while !self.is_breakz(0) {
                self.advance();
            }
        }
        if !self.is_breakz(0) {
            return self.fault(start, "did not find expected comment or line break");
        }
        if self.is_break(0) {
            self.skip_line();
        }
        let mut indent = if increment > 0 {
            self.indent.max(0) + increment
        } else {
            0
        };
        let mut out = Vec::new();
        let mut leading_break = Vec::new();
        let mut trailing_breaks = Vec::new();
        self.block_scalar_breaks(&mut indent, &mut trailing_breaks, start)?;
        let mut leading_blank = false;
        while self.mark.column as isize == indent && !self.is_end() {
            let trailing_blank = self.is_blank(0);
            if !literal
                && !leading_blank
                && !trailing_blank
                && leading_break.first() == Some(&b'\n')
            {
                if trailing_breaks.is_empty() {
                    out.push(b' ');
                }
                leading_break.clear();
            } else {
                out.append(&mut leading_break);
            }
            out.append(&mut trailing_breaks);
            leading_blank = self.is_blank(0);
            self.read_run(&mut out, |b| matches!(b, b' '..=b'~'));
            while !self.is_breakz(0) {
                self.read(&mut out);
            }
            self.read_line(&mut leading_break);
            self.block_scalar_breaks(&mut indent, &mut trailing_breaks, start)?;
        }
        if keep != Some(false) {
            out.append(&mut leading_break);
        }
        if keep == Some(true) {
            out.append(&mut trailing_breaks);
        }
        let style = if literal {
            ScalarStyle::Literal
        } else {
            ScalarStyle::Folded
        };
        self.push(TokenKind::Scalar(text(out), style), start);
        Ok(())
    }

    fn block_scalar_breaks(
        &mut self,
        indent: &mut isize,
        breaks: &mut Vec<u8>,
        start: Mark,
    ) -> Scan<()> {
        let mut deepest = 0;
        loop {
            while (*indent == 0 || (self.mark.column as isize) < *indent) && self.at(0) == b' ' {
                self.advance();
            }
            deepest = deepest.max(self.mark.column as isize);
            if (*indent == 0 || (self.mark.column as isize) < *indent) && self.at(0) == b'\t' {
                return self.fault(
                    start,
                    "found a tab character where an indentation space is expected",
                );
            }
            if !self.is_break(0) {
                break;
            }
            self.read_line(breaks);
        }
        if *indent == 0 {
            *indent = deepest.max(self.indent + 1).max(1);
        }
        Ok(())
    }

    fn quoted_scalar(&mut self, single: bool) -> Scan<()> {
        let start = self.mark;
        self.advance();
        let quote = if single { b'\'' } else { b'"' };
        let mut out = Vec::new();
        let mut blanks = Vec::new();
        let mut leading_break = Vec::new();
        let mut trailing_breaks = Vec::new();
        loop {
            if self.is_document_indicator() {
                return self.fault(start, "found unexpected document indicator");
            }
            if self.is_end() {
                return self.fault(start, "found unexpected end of stream");
            }
            let mut leading = false;
            while !self.is_blankz(0) {
                let c = self.at(0);
                if single && c == quote && self.at(1) == quote {
                    out.push(b'\'');
                    self.advance_by(2);
                } else if c == quote {
                    break;
                } else if !single && c == b'\\' && self.is_break(1) {
                    self.advance();
                    self.skip_line();
                    leading = true;
                    break;
                } else if !single && c == b'\\' {
                    self.escape(&mut out, start)?;
                } else {
                    self.read(&mut out);
                    self.read_run(&mut out, |b| {
                        matches!(b, b'!'..=b'~') && !matches!(b, b'"' | b'\'' | b'\\')
                    });
                }
            }
            if self.at(0) == quote {
                break;
            }
            while self.is_blank(0) || self.is_break(0) {
                if self.is_blank(0) {
                    if leading {
                        self.advance();
                    } else {
                        self.read(&mut blanks);
                    }
                } else if leading {
                    self.read_line(&mut trailing_breaks);
                } else {
                    blanks.clear();
                    self.read_line(&mut leading_break);
                    leading = true;
                }
            }
            if leading {
                join_breaks(&mut out, &mut leading_break, &mut trailing_breaks);
            } else {
                out.append(&mut blanks);
            }
        }
        self.advance();
        let style = if single {
            ScalarStyle::Single
        } else {
            ScalarStyle::Double
        };
        self.push(TokenKind::Scalar(text(out), style), start);
        Ok(())
    }

    fn escape(&mut self, out: &mut Vec<u8>, start: Mark) -> Scan<()> {
        let digits = match self.at(1) {
            b'x' => 2,
            b'u' => 4,
            b'U' => 8,
            other => {
                let plain: &[u8] = match other {
                    b'0' => b"\0",
                    b'a' => b"\x07",
                    b'b' => b"\x08",
                    b't' | b'\t' => b"\t",
                    b'n' => b"\n",
                    b'v' => b"\x0B",
                    b'f' => b"\x0C",
                    b'r' => b"\r",
                    b'e' => b"\x1B",
                    b' ' => b" ",
                    b'"' => b"\"",
                    b'\'' => b"'",
                    b'\\' => b"\\",
                    b'N' => "\u{85}".as_bytes(),
                    b'_' => "\u{A0}".as_bytes(),
                    b'L' => "\u{2028}".as_bytes(),
                    b'P' => "\u{2029}".as_bytes(),
                    _ => return self.fault(start, "found unknown escape character"),
                };
                out.extend_from_slice(plain);
                self.advance_by(2);
                return Ok(());
            }
        };
        self.advance_by(2);
        let mut value = 0u32;
        for k in 0..digits {
            let Some(digit) = char::from(self.at(k)).to_digit(16) else {
                return self.fault(start, "did not find expected hexdecimal number");
            };
            value = value.wrapping_mul(16).wrapping_add(digit);
        }
        let Some(c) = char::from_u32(value) else {
            return self.fault(start, "found invalid Unicode character escape code");
        };
        out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        self.advance_by(digits);
        Ok(())
    }

    fn plain_scalar(&mut self) -> Scan<()> {
        let start = self.mark;
        let mut end = self.mark;
        let indent = self.indent + 1;
        let mut out = Vec::new();
        let mut blanks = Vec::new();
        let mut leading_break = Vec::new();
        let mut trailing_breaks = Vec::new();
        let mut leading = false;
        loop {
            if self.is_document_indicator() || self.at(0) == b'#' {
                break;
            }
            while !self.is_blankz(0) {
                let c = self.at(0);
                if (c == b':' && self.is_blankz(1))
                    || (self.flow_level > 0 && b",?[]{}".contains(&c))
                {
                    break;
                }
                if leading {
                    join_breaks(&mut out, &mut leading_break, &mut trailing_breaks);
                    leading = false;
                } else if !blanks.is_empty() {
                    out.append(&mut blanks);
                }
                self.read(&mut out);
                self.read_run(&mut out, |b| {
                    b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'/')
                });
                end = self.mark;
            }
            if !(self.is_blank(0) || self.is_break(0)) {
                break;
            }
            while self.is_blank(0) || self.is_break(0) {
                if self.is_blank(0) {
                    if leading && (self.mark.column as isize) < indent && self.at(0) == b'\t' {
                        return self
                            .fault(start, "found a tab character that violates indentation");
                    }
                    if leading {
                        self.advance();
                    } else {
                        self.read(&mut blanks);
                    }
                } else if leading {
                    self.read_line(&mut trailing_breaks);
                } else {
                    blanks.clear();
                    self.read_line(&mut leading_break);
                    leading = true;
                }
            }
            if self.flow_level == 0 && (self.mark.column as isize) < indent {
                break;
            }
        }
        self.tokens.push_back(Token {
            kind: TokenKind::Scalar(text(out), ScalarStyle::Plain),
            start,
            end,
        });
        if leading {
            self.key_allowed = true;
        }
        Ok(())
    }
}

fn join_breaks(out: &mut Vec<u8>, leading_break: &mut Vec<u8>, trailing_breaks: &mut Vec<u8>) {
    if leading_break.first() == Some(&b'\n') {
        if trailing_breaks.is_empty() {
            out.push(b' ');
        } else {
            out.append(trailing_breaks);
        }
        leading_break.clear();
    } else {
        out.append(leading_break);
        out.append(trailing_breaks);
    }
}

/// Bytes copied from valid text at character boundaries; only escaped tag octets can make them invalid.
fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
}

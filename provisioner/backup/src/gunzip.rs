//! gzip (RFC 1952) fed piece by piece: every member, every header field, padding and what follows it.

use flate2::{Decompress, FlushDecompress, Status};

use crate::finding::Findings;
use crate::{Code, Finding, Limits};

const PIECE: usize = 256 << 10;
/// Flag bits of the header.
const FHCRC: u8 = 2;
const FEXTRA: u8 = 4;
const FNAME: u8 = 8;
const FCOMMENT: u8 = 16;
const RESERVED: u8 = 0xe0;

#[derive(Debug)]
enum State {
    /// Collecting a member's header.
    Header(Vec<u8>),
    Body,
    /// Collecting CRC-32 and length.
    Trailer(Vec<u8>),
    /// After a member: another one, zeros, or something that is not gzip.
    Between(Vec<u8>),
    /// Something that is not gzip follows; it is skipped.
    Trailing,
    /// The data is broken; findings say where.
    Broken,
}

/// A decompressor that checks everything gzip lets it check.
#[derive(Debug)]
pub(crate) struct Gunzip {
    limits: Limits,
    state: State,
    inflate: Decompress,
    crc: crc32fast::Hasher,
    member_bytes: u64,
    members: u64,
    padding: bool,
    /// Position in the stored object.
    position: u64,
    /// Where the header, data or trailer being read begins: what findings name, however the input was cut.
    part: u64,
    consumed: u64,
    produced: u64,
    output: Vec<u8>,
}

impl Gunzip {
    /// A decompressor of data that begins at byte `position` of the object.
    pub(crate) fn new(limits: Limits, position: u64) -> Self {
        Self {
            limits,
            state: State::Header(Vec::new()),
            inflate: Decompress::new(false),
            crc: crc32fast::Hasher::new(),
            member_bytes: 0,
            members: 0,
            padding: false,
            position,
            part: position,
            consumed: 0,
            produced: 0,
            output: vec![0; PIECE],
        }
    }

    pub(crate) fn is_broken(&self) -> bool {
        matches!(self.state, State::Broken)
    }

    /// A header was read, so that this really is gzip.
    pub(crate) fn has_started(&self) -> bool {
        self.members > 0
    }

    fn fail(&mut self, findings: &mut Findings, code: Code, message: impl Into<String>) {
        findings.push(Finding::new(code, message).at(self.part));
        self.state = State::Broken;
    }

    /// Takes the next bytes and hands what they decompress to to `sink`.
    pub(crate) fn push(
        &mut self,
        mut bytes: &[u8],
        findings: &mut Findings,
        sink: &mut dyn FnMut(&[u8]),
    ) {
        while !bytes.is_empty() {
            let before = std::mem::discriminant(&self.state);
            let taken = match &mut self.state {
                State::Header(_) => self.header(bytes, findings),
                State::Body => self.body(bytes, findings, sink),
                State::Trailer(_) => self.trailer(bytes, findings),
                State::Between(_) => self.between(bytes, findings),
                State::Trailing | State::Broken => return,
            };
            bytes = &bytes[taken..];
            self.position += taken as u64;
            self.consumed += taken as u64;
            if std::mem::discriminant(&self.state) != before {
                self.part = self.position;
                if matches!(self.state, State::Header(_)) {
                    // Its two magic bytes were read to recognise it.
                    self.part -= 2;
                }
            }
        }
    }

    /// Ends the data. True when nothing was missing.
    pub(crate) fn finish(&mut self, findings: &mut Findings) -> bool {
        match &self.state {
            State::Header(_) | State::Body | State::Trailer(_) => {
                self.fail(
                    findings,
                    Code::GzipTruncated,
                    "the gzip data ends in the middle of a member",
                );
            }
            State::Between(seen) if !seen.is_empty() => {
                self.fail(
                    findings,
                    Code::GzipTrailingData,
                    "one byte follows the last gzip member",
                );
                self.state = State::Trailing;
            }
            _ => {}
        }
        if self.padding {
            findings.push(Finding::new(
                Code::GzipZeroPadding,
                "zero bytes follow the last gzip member",
            ));
        }
        !self.is_broken()
    }

    fn header(&mut self, bytes: &[u8], findings: &mut Findings) -> usize {
        let State::Header(collected) = &mut self.state else {
            return 0;
        };
        let before = collected.len();
        // The header's end shows only once it has been read, so it is collected in pieces and what is too much is given back.
        let take = bytes.len().min(if before < 64 { 64 } else { 4 << 10 });
        collected.extend_from_slice(&bytes[..take]);
        let collected = std::mem::take(collected);
        match Header::parse(&collected) {
            Parsed::Done(header) => {
                if header.notable {
                    findings.push(
                        Finding::new(
                            Code::GzipHeaderFields,
                            "a gzip header carries an extra field or a comment",
                        )
                        .at(self.part),
                    );
                }
                self.inflate.reset(false);
                self.crc = crc32fast::Hasher::new();
                self.member_bytes = 0;
                self.members += 1;
                self.state = State::Body;
                if self.members > self.limits.gzip_members {
                    let most = self.limits.gzip_members;
                    self.fail(
                        findings,
                        Code::LimitGzipMembers,
                        format!("more than {most} gzip members"),
                    );
                }
                header.length - before
            }
            Parsed::More if collected.len() > self.limits.gzip_header_bytes => {
                let most = self.limits.gzip_header_bytes;
                self.fail(
                    findings,
                    Code::LimitGzipHeader,
                    format!("a gzip header exceeds {most} bytes"),
                );
                take
            }
            Parsed::More => {
                self.state = State::Header(collected);
                take
            }
            Parsed::Bad(code, message) => {
                self.fail(findings, code, message);
                take
            }
        }
    }

    fn body(
        &mut self,
        bytes: &[u8],
        findings: &mut Findings,
        sink: &mut dyn FnMut(&[u8]),
    ) -> usize {
        let mut taken = 0;
        loop {
            let (in_before, out_before) = (self.inflate.total_in(), self.inflate.total_out());
            let status =
                self.inflate
                    .decompress(&bytes[taken..], &mut self.output, FlushDecompress::None);
            let read = (self.inflate.total_in() - in_before) as usize;
            let written = (self.inflate.total_out() - out_before) as usize;
            taken += read;
            let text = &self.output[..written];
            self.crc.update(text);
            self.member_bytes += written as u64;
            self.produced += written as u64;
            if written > 0 {
                sink(text);
            }
            if self.produced > self.limits.plain_bytes {
                let most = self.limits.plain_bytes;
                self.fail(
                    findings,
                    Code::LimitPlainSize,
                    format!("the decompressed text exceeds {most} bytes"),
                );
                return taken;
            }
            let stored = self.consumed + taken as u64;
            if self.produced > self.limits.ratio_grace && self.produced / self.limits.ratio > stored
            {
                let ratio = self.limits.ratio;
                self.fail(
                    findings,
                    Code::LimitRatio,
                    format!("the data expands to more than {ratio} times its size"),
                );
                return taken;
            }
            match status {
                Ok(Status::StreamEnd) => {
                    self.state = State::Trailer(Vec::with_capacity(8));
                    return taken;
                }
                Ok(_) if read == 0 && written == 0 => return taken,
                Ok(_) => {
                    if taken == bytes.len() && written < self.output.len() {
                        return taken;
                    }
                }
                Err(_) => {
                    self.fail(
                        findings,
                        Code::GzipDataCorrupt,
                        "the compressed data is damaged",
                    );
                    return taken;
                }
            }
        }
    }

    fn trailer(&mut self, bytes: &[u8], findings: &mut Findings) -> usize {
        let State::Trailer(collected) = &mut self.state else {
            return 0;
        };
        let take = bytes.len().min(8 - collected.len());
        collected.extend_from_slice(&bytes[..take]);
        let Ok(trailer) = <[u8; 8]>::try_from(collected.as_slice()) else {
            return take;
        };
        let [a, b, c, d, e, f, g, h] = trailer;
        let crc = std::mem::take(&mut self.crc).finalize();
        if u32::from_le_bytes([a, b, c, d]) != crc {
            self.fail(
                findings,
                Code::GzipChecksumMismatch,
                "the CRC-32 of a gzip member is wrong",
            );
        } else if u32::from_le_bytes([e, f, g, h]) != self.member_bytes as u32 {
            // RFC 1952 stores the length modulo 2^32.
            self.fail(
                findings,
                Code::GzipLengthMismatch,
                "the length of a gzip member is wrong",
            );
        } else {
            self.state = State::Between(Vec::new());
        }
        take
    }

    fn between(&mut self, bytes: &[u8], findings: &mut Findings) -> usize {
        let State::Between(seen) = &mut self.state else {
            return 0;
        };
        if seen.is_empty() {
            let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
            if zeros > 0 {
                self.padding = true;
                self.part += zeros as u64;
                return zeros;
            }
        }
        seen.push(bytes[0]);
        if seen.as_slice() == [0x1f] {
            return 1;
        }
        if seen.as_slice() == [0x1f, 0x8b] {
            self.state = State::Header(vec![0x1f, 0x8b]);
            return 1;
        }
        findings.push(
            Finding::new(
                Code::GzipTrailingData,
                "bytes that are not gzip follow the last gzip member",
            )
            .at(self.part),
        );
        self.state = State::Trailing;
        1
    }
}

struct Header {
    length: usize,
    /// It carries something the application never writes.
    notable: bool,
}

enum Parsed {
    Done(Header),
    More,
    Bad(Code, &'static str),
}

impl Header {
    fn parse(bytes: &[u8]) -> Parsed {
        let Some(fixed) = bytes.get(..10) else {
            return Parsed::More;
        };
        if fixed[..2] != [0x1f, 0x8b] {
            return Parsed::Bad(
                Code::GzipHeaderInvalid,
                "a gzip member does not begin like one",
            );
        }
        if fixed[2] != 8 {
            return Parsed::Bad(
                Code::GzipMethodUnknown,
                "a gzip header names an unknown compression method",
            );
        }
        let flags = fixed[3];
        if flags & RESERVED != 0 {
            return Parsed::Bad(
                Code::GzipReservedFlags,
                "a gzip header sets reserved flag bits",
            );
        }
        let mut at = 10;
        if flags & FEXTRA != 0 {
            let (Some(&low), Some(&high)) = (bytes.get(at), bytes.get(at + 1)) else {
                return Parsed::More;
            };
            at += 2 + usize::from(u16::from_le_bytes([low, high]));
        }
        for flag in [FNAME, FCOMMENT] {
            if flags & flag != 0 {
                let Some(length) = bytes
                    .get(at..)
                    .and_then(|rest| rest.iter().position(|&byte| byte == 0))
                else {
                    return Parsed::More;
                };
                at += length + 1;
            }
        }
        if flags & FHCRC != 0 {
            let (Some(covered), Some(&low), Some(&high)) =
                (bytes.get(..at), bytes.get(at), bytes.get(at + 1))
            else {
                return Parsed::More;
            };
            if u16::from_le_bytes([low, high]) != crc32fast::hash(covered) as u16 {
                return Parsed::Bad(
                    Code::GzipHeaderChecksumMismatch,
                    "the CRC-16 of a gzip header is wrong",
                );
            }
            at += 2;
        }
        if bytes.len() < at {
            return Parsed::More;
        }
        Parsed::Done(Self {
            length: at,
            notable: flags & (FEXTRA | FCOMMENT) != 0,
        })
    }
}

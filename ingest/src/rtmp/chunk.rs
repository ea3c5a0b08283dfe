//! Bytes to messages: the chunk layer (`rtmp` §5.3 and §5.4).

use std::fmt;

use bytes::Bytes;

use super::chunk_header::{ChunkHeader, EXTENDED, Extended, MAX_HEADER, be24, compare_extended};

const SET_CHUNK_SIZE: u8 = 1;
const ABORT: u8 = 2;
/// The largest chunk that means anything: a message has at most 2²⁴ − 1 bytes (`rtmp` §5.4.1).
const MAX_CHUNK_SIZE: u32 = 0x00ff_ffff;
/// What a message buffer starts with; a longer one grows as its bytes arrive, so that a header
/// alone reserves no more than this.
const FIRST_ALLOCATION: usize = 128 * 1024;
/// A format 3 chunk after a format 0 one repeats that one's timestamp as a delta, says `rtmp`
/// §5.3.1.2.4, and FFmpeg writes by it; librtmp means zero. A "delta" longer than this is the latter.
const PLAUSIBLE_DELTA_MS: u32 = 1_000;

/// What one connection may make the reader hold.
#[derive(Clone, Debug)]
pub struct ChunkLimits {
    /// Chunk streams in use at once. Encoders use two to five.
    pub chunk_streams: usize,
    /// Longest message, in bytes.
    pub message: usize,
    /// Bytes reserved for half-received messages, over all chunk streams.
    pub pending: usize,
}

impl Default for ChunkLimits {
    fn default() -> Self {
        Self { chunk_streams: 64, message: 8 << 20, pending: 16 << 20 }
    }
}

/// One RTMP message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Message type id.
    pub kind: u8,
    /// Message stream id.
    pub stream_id: u32,
    /// Milliseconds, modulo 2³².
    pub timestamp: u32,
    /// Its bytes, in a buffer of their own.
    pub payload: Bytes,
}

/// Why the byte stream can't be read on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} (chunk stream {csid}, byte {position})")]
pub struct ChunkError {
    /// Chunk stream id of the offending chunk.
    pub csid: u32,
    /// Bytes received on the connection before that chunk's header.
    pub position: u64,
    /// What is wrong with it.
    pub kind: ChunkErrorKind,
}

/// The faults of a chunk.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChunkErrorKind {
    /// Longer than [`ChunkLimits::message`].
    #[error("announces a message of {length} bytes, at most {limit} are taken")]
    MessageTooLong {
        /// Bytes announced.
        length: usize,
        /// Bytes taken.
        limit: usize,
    },
    /// More than [`ChunkLimits::chunk_streams`].
    #[error("opens more than {limit} chunk streams")]
    TooManyChunkStreams {
        /// Chunk streams taken.
        limit: usize,
    },
    /// More than [`ChunkLimits::pending`].
    #[error("would leave more than {limit} bytes in unfinished messages")]
    TooMuchPending {
        /// Bytes taken.
        limit: usize,
    },
    /// The first chunk of a chunk stream carries no message length.
    #[error("first chunk of its chunk stream has no message length (format {format})")]
    NoPreviousHeader {
        /// Chunk format, 2 or 3.
        format: u8,
    },
    /// Set Chunk Size with zero or the reserved top bit.
    #[error("chunk size {0:#x} is not legal")]
    ChunkSize(u32),
    /// A protocol control message with fewer bytes than its fields need.
    #[error("protocol control message {0} is too short")]
    ShortControl(u8),
}

/// What is known of one chunk stream.
#[derive(Debug)]
struct ChunkStream {
    csid: u32,
    /// Timestamp field of the last format 0, 1 or 2 header: absolute or delta.
    field: u32,
    /// That field was an extended one.
    extended: bool,
    /// What a format 3 chunk that starts a message adds to the timestamp.
    repeat: u32,
    timestamp: u32,
    length: usize,
    kind: u8,
    stream_id: u32,
    /// The message under way; `None` between messages.
    partial: Option<Vec<u8>>,
}

/// The chunk whose payload is being read.
#[derive(Clone, Copy, Debug)]
struct Chunk {
    /// Index of its chunk stream.
    stream: usize,
    /// Payload bytes still to come.
    remaining: usize,
}

/// Reads chunks and puts messages together. Holds no I/O; every byte handed in is consumed.
pub struct ChunkReader {
    limits: ChunkLimits,
    chunk_size: usize,
    streams: Vec<ChunkStream>,
    current: Option<Chunk>,
    /// Start of a header that came in pieces.
    header: [u8; MAX_HEADER],
    header_len: usize,
    /// Bytes consumed, counted from the connection's first.
    position: u64,
    /// Where the chunk under way began.
    chunk_position: u64,
    /// Capacity of all partial messages.
    pending: usize,
    abandoned: u64,
}

impl ChunkReader {
    /// A reader for a connection that has delivered `position` bytes (of handshake) before.
    #[must_use]
    pub const fn new(limits: ChunkLimits, position: u64) -> Self {
        Self {
            limits,
            chunk_size: 128,
            streams: Vec::new(),
            current: None,
            header: [0; MAX_HEADER],
            header_len: 0,
            position,
            chunk_position: position,
            pending: 0,
            abandoned: 0,
        }
    }

    /// Bytes consumed, counted from the connection's first.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.position
    }

    /// Messages that were given up half-way, by Abort or by a new header.
    #[must_use]
    pub const fn abandoned(&self) -> u64 {
        self.abandoned
    }

    /// Changes the longest message taken from the next header on.
    pub const fn set_message_limit(&mut self, bytes: usize) {
        self.limits.message = bytes;
    }

    /// Consumes bytes from the front of `input` until a message is complete or `input` is empty.
    ///
    /// Set Chunk Size and Abort are acted on here and not returned.
    ///
    /// # Errors
    /// When the peer breaks the format or a limit. Nothing can be read after that.
    pub fn read(&mut self, input: &mut &[u8]) -> Result<Option<Message>, ChunkError> {
        loop {
            let Chunk { stream: index, remaining } = match self.current {
                Some(current) => current,
                None => match self.read_header(input)? {
                    Some(current) => current,
                    None => return Ok(None),
                },
            };
            let (now, later) = input.split_at_checked(remaining).unwrap_or((*input, &[]));
            self.append(index, now)?;
            *input = later;
            self.position += len64(now);
            let remaining = remaining - now.len();
            if remaining > 0 {
                self.current = Some(Chunk { stream: index, remaining });
                return Ok(None);
            }
            self.current = None;
            let Some(message) = self.take_complete(index) else { continue };
            match message.kind {
                SET_CHUNK_SIZE => self.set_chunk_size(&message.payload, index)?,
                ABORT => self.abort(&message.payload, index)?,
                _ => return Ok(Some(message)),
            }
        }
    }

    /// Reads one header, over several calls where it comes in pieces.
    fn read_header(&mut self, input: &mut &[u8]) -> Result<Option<Chunk>, ChunkError> {
        if self.header_len == 0 {
            self.chunk_position = self.position;
            // The common case: the whole header is there.
            if let Some((size, current)) = self.accept_header(input)? {
                self.consume(input, size);
                return Ok(Some(current));
            }
        }
        loop {
            if let Some(current) = self.accept_collected()? {
                return Ok(Some(current));
            }
            let Some((&byte, rest)) = input.split_first() else { return Ok(None) };
            let Some(slot) = self.header.get_mut(self.header_len) else { return Ok(None) };
            *slot = byte;
            self.header_len += 1;
            *input = rest;
            self.position += 1;
        }
    }

    /// Tries the header bytes collected so far.
    fn accept_collected(&mut self) -> Result<Option<Chunk>, ChunkError> {
        let header = self.header;
        let bytes = header.get(..self.header_len).unwrap_or(&[]);
        let Some((size, chunk)) = self.accept_header(bytes)? else { return Ok(None) };
        // Bytes looked at in search of an extended timestamp that is left out: payload first, and
        // behind the end of a short chunk the start of the next header.
        let ahead = bytes.get(size..).unwrap_or(&[]);
        let (payload, next) = ahead.split_at_checked(chunk.remaining).unwrap_or((ahead, &[]));
        self.append(chunk.stream, payload)?;
        self.header_len = next.len();
        for (slot, byte) in self.header.iter_mut().zip(next) {
            *slot = *byte;
        }
        if !next.is_empty() {
            self.chunk_position = self.position.saturating_sub(len64(next));
        }
        Ok(Some(Chunk { remaining: chunk.remaining - payload.len(), ..chunk }))
    }

    fn consume(&mut self, input: &mut &[u8], size: usize) {
        *input = input.get(size..).unwrap_or(&[]);
        self.position += u64::try_from(size).unwrap_or(0);
    }

    /// Parses `bytes` as a header and starts its chunk: header size and chunk.
    fn accept_header(&mut self, bytes: &[u8]) -> Result<Option<(usize, Chunk)>, ChunkError> {
        let Some(mut header) = ChunkHeader::parse(bytes) else { return Ok(None) };
        let known = self.streams.iter().position(|stream| stream.csid == header.csid);
        let after = bytes.get(header.size..).unwrap_or(&[]);
        let extended = if header.format == 3 {
            match known.and_then(|index| self.streams.get(index)) {
                Some(stream) if stream.extended => {
                    match compare_extended(after, [stream.field, stream.timestamp]) {
                        Extended::Undecided => return Ok(None),
                        Extended::Present => header.size += 4,
                        Extended::Omitted => {}
                    }
                    true
                }
                _ => false,
            }
        } else if header.timestamp == EXTENDED {
            let Some(&[a, b, c, d]) = after.first_chunk::<4>() else { return Ok(None) };
            header.timestamp = u32::from_be_bytes([a, b, c, d]);
            header.size += 4;
            true
        } else {
            false
        };
        let index = match known {
            Some(index) => index,
            None => self.open(&header)?,
        };
        let remaining = self.start_chunk(index, &header, extended)?;
        Ok(Some((header.size, Chunk { stream: index, remaining })))
    }

    fn open(&mut self, header: &ChunkHeader) -> Result<usize, ChunkError> {
        // A first chunk of format 1 is against the text, yet FFmpeg reads and some encoders write
        // it: the previous header counts as zero. Without a length there is nothing to read.
        if header.format >= 2 {
            let kind = ChunkErrorKind::NoPreviousHeader { format: header.format };
            return Err(self.error(header.csid, kind));
        }
        if self.streams.len() >= self.limits.chunk_streams {
            let limit = self.limits.chunk_streams;
            return Err(self.error(header.csid, ChunkErrorKind::TooManyChunkStreams { limit }));
        }
        self.streams.push(ChunkStream {
            csid: header.csid,
            field: 0,
            extended: false,
            repeat: 0,
            timestamp: 0,
            length: 0,
            kind: 0,
            stream_id: 0,
            partial: None,
        });
        Ok(self.streams.len() - 1)
    }

    /// Applies a header to its chunk stream and answers the chunk's length.
    fn start_chunk(
        &mut self,
        index: usize,
        header: &ChunkHeader,
        extended: bool,
    ) -> Result<usize, ChunkError> {
        if header.format < 2 && header.length > self.limits.message {
            let kind = ChunkErrorKind::MessageTooLong {
                length: header.length,
                limit: self.limits.message,
            };
            return Err(self.error(header.csid, kind));
        }
        let chunk_size = self.chunk_size;
        let Some(stream) = self.streams.get_mut(index) else { return Ok(0) };
        if let Some(partial) = &stream.partial {
            // A full header in the middle of a message is against the text, but some senders write
            // every chunk that way. One that fits continues the message, another replaces it.
            let continues = header.format >= 2
                || (header.length == stream.length && header.kind == stream.kind);
            if continues {
                return Ok((stream.length - partial.len()).min(chunk_size));
            }
            self.pending = self.pending.saturating_sub(partial.capacity());
            self.abandoned += 1;
        }
        stream.begin(header, extended);
        Ok(stream.length.min(chunk_size))
    }

    /// Adds payload bytes to a chunk stream's message.
    fn append(&mut self, index: usize, bytes: &[u8]) -> Result<(), ChunkError> {
        let limit = self.limits.pending;
        let Some(stream) = self.streams.get_mut(index) else { return Ok(()) };
        let Some(partial) = &mut stream.partial else { return Ok(()) };
        let needed = partial.len() + bytes.len();
        if needed > partial.capacity() {
            // Grows by doubling and ends at the exact size, so that the finished buffer becomes
            // `Bytes` as it is. Messages up to the first allocation are never moved.
            let target =
                needed.max(partial.capacity() * 2).max(FIRST_ALLOCATION).min(stream.length);
            let more = target - partial.capacity();
            if self.pending + more > limit {
                let csid = stream.csid;
                return Err(self.error(csid, ChunkErrorKind::TooMuchPending { limit }));
            }
            let before = partial.capacity();
            partial.reserve_exact(target - partial.len());
            self.pending += partial.capacity() - before;
        }
        partial.extend_from_slice(bytes);
        Ok(())
    }

    fn take_complete(&mut self, index: usize) -> Option<Message> {
        let stream = self.streams.get_mut(index)?;
        let payload = stream.partial.take_if(|partial| partial.len() >= stream.length)?;
        self.pending = self.pending.saturating_sub(payload.capacity());
        Some(Message {
            kind: stream.kind,
            stream_id: stream.stream_id,
            timestamp: stream.timestamp,
            payload: Bytes::from(payload),
        })
    }

    fn set_chunk_size(&mut self, payload: &[u8], index: usize) -> Result<(), ChunkError> {
        let size = self.control_value(payload, SET_CHUNK_SIZE, index)?;
        if size == 0 || size > 0x7fff_ffff {
            return Err(self.error(self.csid(index), ChunkErrorKind::ChunkSize(size)));
        }
        self.chunk_size = usize::try_from(size.min(MAX_CHUNK_SIZE)).unwrap_or(usize::MAX);
        Ok(())
    }

    fn abort(&mut self, payload: &[u8], index: usize) -> Result<(), ChunkError> {
        let csid = self.control_value(payload, ABORT, index)?;
        let target = self.streams.iter_mut().find(|stream| stream.csid == csid);
        if let Some(partial) = target.and_then(|stream| stream.partial.take()) {
            self.pending = self.pending.saturating_sub(partial.capacity());
            self.abandoned += 1;
        }
        Ok(())
    }

    fn control_value(&self, payload: &[u8], kind: u8, index: usize) -> Result<u32, ChunkError> {
        match payload.first_chunk::<4>() {
            Some(bytes) => Ok(u32::from_be_bytes(*bytes)),
            None => Err(self.error(self.csid(index), ChunkErrorKind::ShortControl(kind))),
        }
    }

    fn csid(&self, index: usize) -> u32 {
        self.streams.get(index).map_or(0, |stream| stream.csid)
    }

    const fn error(&self, csid: u32, kind: ChunkErrorKind) -> ChunkError {
        ChunkError { csid, position: self.chunk_position, kind }
    }
}

impl ChunkStream {
    /// Starts a message with this header.
    fn begin(&mut self, header: &ChunkHeader, extended: bool) {
        match header.format {
            0 => {
                self.timestamp = header.timestamp;
                self.stream_id = header.stream_id;
                self.repeat =
                    if header.timestamp <= PLAUSIBLE_DELTA_MS { header.timestamp } else { 0 };
            }
            1 | 2 => {
                self.timestamp = self.timestamp.wrapping_add(header.timestamp);
                self.repeat = header.timestamp;
            }
            _ => self.timestamp = self.timestamp.wrapping_add(self.repeat),
        }
        if header.format < 3 {
            self.field = header.timestamp;
            self.extended = extended;
        }
        if header.format < 2 {
            self.length = header.length;
            self.kind = header.kind;
        }
        self.partial = Some(Vec::new());
    }
}

fn len64(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

impl fmt::Debug for ChunkReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChunkReader")
            .field("position", &self.position)
            .field("chunk_streams", &self.streams.len())
            .field("pending", &self.pending)
            .finish_non_exhaustive()
    }
}

/// The messages inside an aggregate one, by slices (`rtmp` §7.1.6): each an FLV tag with its stamp
/// moved so that the first one's becomes the aggregate's.
pub(super) fn split_aggregate(aggregate: &Message) -> impl Iterator<Item = Message> + '_ {
    let mut offset = 0_usize;
    let mut base = None;
    std::iter::from_fn(move || {
        let tag = aggregate.payload.get(offset..)?;
        let &[kind, s0, s1, s2, t0, t1, t2, t3, _, _, _] = tag.first_chunk::<11>()?;
        let start = offset + 11;
        let end = start + be24(s0, s1, s2);
        if end > aggregate.payload.len() {
            return None;
        }
        offset = end + 4;
        let stamp = u32::from_be_bytes([t3, t0, t1, t2]);
        let base = *base.get_or_insert(stamp);
        Some(Message {
            kind,
            stream_id: aggregate.stream_id,
            timestamp: aggregate.timestamp.wrapping_add(stamp.wrapping_sub(base)),
            payload: aggregate.payload.slice(start..end),
        })
    })
}

#[cfg(test)]
mod tests;

//! The pipe between a pool and its workers: a length, a JSON header, then bodies as they are.
//!
//! Frame: 4 bytes of header length (big endian), the header, then the bodies whose lengths the header
//! names. A worker says [`Reply::Ready`] once, then answers each job with one reply.

use std::io::{self, Read, Write};

use bytes::Bytes;
use media::{FrameRate, H264Profile};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    EncodeProfile, EncoderSettings, Gop, OutputContainer, TranscodeFault, TranscodeJob,
    job::EncodedRendition,
};

/// Most bytes of a header: twelve profiles with names of 256 bytes take less than 8 KiB.
pub(crate) const MAX_HEADER: u32 = 64 << 10;

/// Ahead of a job's input.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct JobHeader {
    pub(crate) input_len: usize,
    pub(crate) output: OutputContainer,
    pub(crate) settings: EncoderSettings,
    renditions: Vec<ProfileHeader>,
}

#[derive(Debug, Serialize, Deserialize)]
struct ProfileHeader {
    name: String,
    width: u32,
    height: u32,
    bitrate: u32,
    frame_rate: Option<(u32, u32)>,
    h264_profile: Option<ProfileName>,
    gop: Gop,
}

#[derive(Debug, Serialize, Deserialize)]
enum ProfileName {
    Baseline,
    Main,
    High,
    ConstrainedHigh,
}

impl JobHeader {
    pub(crate) fn new(job: &TranscodeJob, settings: EncoderSettings) -> Self {
        let renditions = job.renditions.iter().map(ProfileHeader::from).collect();
        Self { input_len: job.input.len(), output: job.output, settings, renditions }
    }

    pub(crate) fn profiles(self) -> Vec<EncodeProfile> {
        self.renditions.into_iter().map(EncodeProfile::from).collect()
    }
}

impl From<&EncodeProfile> for ProfileHeader {
    fn from(profile: &EncodeProfile) -> Self {
        Self {
            name: profile.name.chars().take(64).collect(),
            width: profile.width,
            height: profile.height,
            bitrate: profile.bitrate,
            frame_rate: profile.frame_rate.map(|rate| (rate.num(), rate.den())),
            h264_profile: match profile.h264_profile {
                H264Profile::EncoderDefault => None,
                H264Profile::Baseline => Some(ProfileName::Baseline),
                H264Profile::Main => Some(ProfileName::Main),
                H264Profile::High => Some(ProfileName::High),
                H264Profile::ConstrainedHigh => Some(ProfileName::ConstrainedHigh),
            },
            gop: profile.gop,
        }
    }
}

impl From<ProfileHeader> for EncodeProfile {
    fn from(header: ProfileHeader) -> Self {
        Self {
            name: header.name,
            width: header.width,
            height: header.height,
            bitrate: header.bitrate,
            frame_rate: header.frame_rate.and_then(|(num, den)| FrameRate::new(num, den)),
            h264_profile: match header.h264_profile {
                None => H264Profile::EncoderDefault,
                Some(ProfileName::Baseline) => H264Profile::Baseline,
                Some(ProfileName::Main) => H264Profile::Main,
                Some(ProfileName::High) => H264Profile::High,
                Some(ProfileName::ConstrainedHigh) => H264Profile::ConstrainedHigh,
            },
            gop: header.gop,
        }
    }
}

/// What a worker says.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Reply {
    /// It runs and waits for a job. Sent once.
    Ready,
    /// The renditions follow, in order.
    Done(Vec<RenditionHeader>),
    /// The job can't be done; no body follows.
    Fault(TranscodeFault),
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RenditionHeader {
    pub(crate) len: usize,
    width: u32,
    height: u32,
    frames: u64,
}

impl RenditionHeader {
    pub(crate) fn new(rendition: &EncodedRendition) -> Self {
        let &EncodedRendition { width, height, frames, .. } = rendition;
        Self { len: rendition.data.len(), width, height, frames }
    }

    pub(crate) fn with_body(self, data: Bytes) -> EncodedRendition {
        let Self { width, height, frames, .. } = self;
        let pixels = u64::from(width).saturating_mul(height.into()).saturating_mul(frames);
        EncodedRendition { data, width, height, frames, pixels }
    }
}

/// The length and the header, ready to be written.
pub(crate) fn encode_header(header: &impl Serialize) -> io::Result<Vec<u8>> {
    let json = serde_json::to_vec(header)?;
    let len = u32::try_from(json.len()).ok().filter(|len| *len <= MAX_HEADER);
    let len = len.ok_or_else(|| io::Error::other("header exceeds its limit"))?;
    let mut frame = Vec::with_capacity(json.len().saturating_add(4));
    frame.extend_from_slice(&len.to_be_bytes());
    frame.extend_from_slice(&json);
    Ok(frame)
}

/// Checks an announced header length.
pub(crate) fn header_len(announced: [u8; 4]) -> io::Result<usize> {
    let len = u32::from_be_bytes(announced);
    if len > MAX_HEADER {
        let text = format!("header of {len} bytes exceeds {MAX_HEADER}");
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    usize::try_from(len).map_err(io::Error::other)
}

pub(crate) fn decode_header<T: DeserializeOwned>(json: &[u8]) -> io::Result<T> {
    serde_json::from_slice(json).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))
}

/// The child's half: the next job and its input; `None` when the parent has closed the pipe.
pub(crate) fn read_job(mut from: impl Read) -> io::Result<Option<(JobHeader, Bytes)>> {
    let mut len = [0; 4];
    match from.read_exact(&mut len) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        result => result?,
    }
    let header = read_body(&mut from, header_len(len)?)?;
    let header: JobHeader = decode_header(&header)?;
    if header.input_len > TranscodeJob::MAX_INPUT {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "input exceeds its limit"));
    }
    let input = read_body(&mut from, header.input_len)?;
    Ok(Some((header, Bytes::from(input))))
}

fn read_body(from: impl Read, len: usize) -> io::Result<Vec<u8>> {
    let mut body = Vec::with_capacity(len);
    let limit = u64::try_from(len).map_err(io::Error::other)?;
    let read = from.take(limit).read_to_end(&mut body)?;
    if read < len { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(body) }
}

/// The child's half: one reply with its bodies.
pub(crate) fn write_reply(
    mut to: impl Write,
    reply: &Reply,
    bodies: &[EncodedRendition],
) -> io::Result<()> {
    to.write_all(&encode_header(reply)?)?;
    for rendition in bodies {
        to.write_all(&rendition.data)?;
    }
    to.flush()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use media::Chain;
    use proptest::prelude::*;

    use super::*;

    fn job() -> TranscodeJob {
        let profile = EncodeProfile {
            name: "720p".into(),
            width: 1280,
            height: 720,
            bitrate: 2_800_000,
            frame_rate: FrameRate::new(30_000, 1_001),
            h264_profile: H264Profile::ConstrainedHigh,
            gop: Gop::Every(Duration::from_millis(1_500)),
        };
        TranscodeJob {
            input: Chain::from(Bytes::from_static(b"segment")),
            renditions: vec![profile],
            output: OutputContainer::Mp4,
        }
    }

    #[test]
    fn job_survives_the_pipe() {
        let job = job();
        let header = JobHeader::new(&job, EncoderSettings::default());
        let mut pipe = encode_header(&header).unwrap();
        pipe.extend(job.input.bytes());
        let (header, input) = read_job(&*pipe).unwrap().unwrap();
        assert_eq!(&*input, b"segment");
        assert_eq!(header.output, OutputContainer::Mp4);
        assert_eq!(header.profiles(), job.renditions);
    }

    #[test]
    fn end_of_pipe_is_no_job_but_a_torn_job_is_an_error() {
        assert!(read_job(&b""[..]).unwrap().is_none());
        let header = JobHeader::new(&job(), EncoderSettings::default());
        let torn = encode_header(&header).unwrap();
        assert_eq!(read_job(&*torn).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn oversized_announcements_are_refused_before_they_are_read() {
        assert!(read_job(&[0xff; 8][..]).is_err());
        let mut header = JobHeader::new(&job(), EncoderSettings::default());
        header.input_len = TranscodeJob::MAX_INPUT + 1;
        let frame = encode_header(&header).unwrap();
        assert_eq!(read_job(&*frame).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
            drop(read_job(&*bytes));
        }
    }
}

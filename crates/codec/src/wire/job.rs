//! A job on the pipe: the parent writes its header and bodies, the child reads both.

use std::io::{self, Read};

use bytes::Bytes;
use media::{FrameRate, H264Profile};
use serde::{Deserialize, Serialize};

use super::{FillHeader, decode_header, header_len, invalid, read_body};
use crate::{CompareJob, EncodeProfile, EncoderSettings, Gop, OutputContainer, TranscodeJob};

/// Ahead of a job's bodies.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum JobHeader {
    /// The segment follows.
    Transcode(TranscodeHeader),
    /// The source follows, then the renditions.
    Compare(CompareHeader),
    /// Segments or an image follow.
    Fill(FillHeader),
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TranscodeHeader {
    input_len: usize,
    pub(crate) output: OutputContainer,
    pub(crate) settings: EncoderSettings,
    renditions: Vec<ProfileHeader>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CompareHeader {
    source_len: usize,
    rendition_lens: Vec<usize>,
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
    pub(crate) fn transcode(job: &TranscodeJob, settings: EncoderSettings) -> Self {
        let renditions = job.renditions.iter().map(ProfileHeader::from).collect();
        let input_len = job.input.len();
        Self::Transcode(TranscodeHeader { input_len, output: job.output, settings, renditions })
    }

    pub(crate) fn compare(job: &CompareJob) -> Self {
        let rendition_lens = job.renditions.iter().map(Bytes::len).collect();
        Self::Compare(CompareHeader { source_len: job.source.len(), rendition_lens })
    }
}

impl TranscodeHeader {
    pub(crate) fn profiles(self) -> Vec<EncodeProfile> {
        self.renditions.into_iter().map(EncodeProfile::from).collect()
    }

    fn check(&self) -> io::Result<()> {
        if self.input_len > TranscodeJob::MAX_INPUT {
            return Err(invalid("input exceeds its limit"));
        }
        Ok(())
    }
}

impl CompareHeader {
    fn check(&self) -> io::Result<()> {
        if !(1..=CompareJob::MAX_RENDITIONS).contains(&self.rendition_lens.len()) {
            return Err(invalid("another number of renditions than a comparison may have"));
        }
        let lens = self.rendition_lens.iter().copied();
        if lens.fold(self.source_len, usize::saturating_add) > CompareJob::MAX_INPUT {
            return Err(invalid("input exceeds its limit"));
        }
        Ok(())
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

/// A job as the child gets it.
#[derive(Debug)]
pub(crate) enum ReceivedJob {
    Transcode { header: TranscodeHeader, input: Bytes },
    Compare { source: Bytes, renditions: Vec<Bytes> },
    Fill { header: FillHeader, input: Bytes },
}

/// The next job with its bodies; `None` when the parent has closed the pipe.
pub(crate) fn read_job(mut from: impl Read) -> io::Result<Option<ReceivedJob>> {
    let mut len = [0; 4];
    match from.read_exact(&mut len) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        result => result?,
    }
    let header = read_body(&mut from, header_len(len)?)?;
    Ok(Some(match decode_header(&header)? {
        JobHeader::Transcode(header) => {
            header.check()?;
            let input = read_body(&mut from, header.input_len)?;
            ReceivedJob::Transcode { header, input }
        }
        JobHeader::Compare(header) => {
            header.check()?;
            let source = read_body(&mut from, header.source_len)?;
            let lens = header.rendition_lens.iter();
            let renditions =
                lens.map(|len| read_body(&mut from, *len)).collect::<io::Result<_>>()?;
            ReceivedJob::Compare { source, renditions }
        }
        JobHeader::Fill(header) => {
            header.check()?;
            let input = read_body(&mut from, header.input_len)?;
            ReceivedJob::Fill { header, input }
        }
    }))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use media::Chain;
    use proptest::prelude::*;

    use super::super::encode_header;
    use super::*;

    fn transcode_job() -> TranscodeJob {
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

    fn compare_job(renditions: usize) -> CompareJob {
        let source = Chain::from(Bytes::from_static(b"source"));
        CompareJob { source, renditions: vec![Bytes::from_static(b"rendition"); renditions] }
    }

    fn transcode_header() -> JobHeader {
        JobHeader::transcode(&transcode_job(), EncoderSettings::default())
    }

    #[test]
    fn a_transcode_survives_the_pipe() {
        let job = transcode_job();
        let mut pipe = encode_header(&transcode_header()).unwrap();
        pipe.extend(job.input.bytes());
        let received = read_job(&*pipe).unwrap().unwrap();
        let ReceivedJob::Transcode { header, input } = received else { panic!("{received:?}") };
        assert_eq!(&*input, b"segment");
        assert_eq!(header.output, OutputContainer::Mp4);
        assert_eq!(header.profiles(), job.renditions);
    }

    #[test]
    fn a_comparison_survives_the_pipe() {
        let mut job = compare_job(3);
        job.renditions[1] = Bytes::new();
        let mut pipe = encode_header(&JobHeader::compare(&job)).unwrap();
        pipe.extend(job.source.bytes());
        pipe.extend(job.renditions.iter().flatten());
        pipe.extend(b"next");
        let mut rest = &*pipe;
        let received = read_job(&mut rest).unwrap().unwrap();
        let ReceivedJob::Compare { source, renditions } = received else { panic!("{received:?}") };
        assert_eq!(&*source, b"source");
        assert_eq!(renditions, job.renditions);
        assert_eq!(rest, b"next");
    }

    #[test]
    fn end_of_pipe_is_no_job_but_a_torn_job_is_an_error() {
        assert!(read_job(&b""[..]).unwrap().is_none());
        for header in [transcode_header(), JobHeader::compare(&compare_job(1))] {
            let torn = encode_header(&header).unwrap();
            assert_eq!(read_job(&*torn).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        }
    }

    #[test]
    fn oversized_announcements_are_refused_before_they_are_read() {
        assert!(read_job(&[0xff; 8][..]).is_err());
        let mut headers = vec![transcode_header(), JobHeader::compare(&compare_job(2))];
        for header in &mut headers {
            match header {
                JobHeader::Transcode(header) => header.input_len = TranscodeJob::MAX_INPUT + 1,
                JobHeader::Compare(header) => {
                    header.rendition_lens = vec![CompareJob::MAX_INPUT / 2; 2];
                }
                JobHeader::Fill(_) => {}
            }
        }
        headers.push(JobHeader::compare(&compare_job(0)));
        headers.push(JobHeader::compare(&compare_job(CompareJob::MAX_RENDITIONS + 1)));
        for header in headers {
            let frame = encode_header(&header).unwrap();
            assert_eq!(read_job(&*frame).unwrap_err().kind(), io::ErrorKind::InvalidData);
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
            drop(read_job(&*bytes));
        }

        #[test]
        fn arbitrary_lengths_never_panic(source_len: usize, rendition_lens: Vec<usize>) {
            let header = CompareHeader { source_len, rendition_lens };
            prop_assume!(header.check().is_err() || header.source_len > 0);
            let frame = encode_header(&JobHeader::Compare(header)).unwrap();
            prop_assert!(read_job(&*frame).is_err());
        }
    }
}

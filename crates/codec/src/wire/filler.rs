//! Filler on the pipe: the job's header, and what the answer says before its pictures.

use std::io::{self, Write};

use media::VideoCodec;
use serde::{Deserialize, Serialize};

use super::{JobHeader, Reply, invalid, reply::write_with_bodies};
use crate::{FillerJob, FillerPicture, FillerProfile, FillerRendition, TranscodeFault};

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct FillHeader {
    pub(super) input_len: usize,
    /// What follows is an image, not segments.
    pub(crate) slate: bool,
    pub(crate) pictures: u16,
    pub(crate) frame_rate: u8,
    renditions: Vec<ProfileHeader>,
}

#[derive(Debug, Serialize, Deserialize)]
struct ProfileHeader {
    name: String,
    codec: CodecName,
    h264_profile_level: Option<[u8; 3]>,
    width: u32,
    height: u32,
    sample_aspect_ratio: (u16, u16),
    bitrate: u32,
}

#[derive(Debug, Serialize, Deserialize)]
enum CodecName {
    H264,
    Hevc,
    Av1,
}

/// What follows for one rendition.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum FilledHeader {
    /// Pictures of these lengths.
    Pictures(Vec<usize>),
    /// Nothing.
    Fault(TranscodeFault),
}

impl JobHeader {
    pub(crate) fn fill(job: &FillerJob) -> Self {
        Self::Fill(FillHeader {
            input_len: job.input_len(),
            slate: matches!(job.picture, FillerPicture::Slate(_)),
            pictures: job.pictures,
            frame_rate: job.frame_rate,
            renditions: job.renditions.iter().map(ProfileHeader::from).collect(),
        })
    }
}

impl FillHeader {
    pub(crate) fn profiles(self) -> Vec<FillerProfile> {
        self.renditions.into_iter().map(FillerProfile::from).collect()
    }

    pub(super) fn check(&self) -> io::Result<()> {
        if self.input_len > FillerJob::MAX_INPUT {
            return Err(invalid("input exceeds its limit"));
        }
        Ok(())
    }
}

impl From<&FillerProfile> for ProfileHeader {
    fn from(profile: &FillerProfile) -> Self {
        Self {
            name: profile.name.chars().take(64).collect(),
            codec: match profile.codec {
                VideoCodec::H264 => CodecName::H264,
                VideoCodec::Hevc => CodecName::Hevc,
                VideoCodec::Av1 => CodecName::Av1,
            },
            h264_profile_level: profile.h264_profile_level,
            width: profile.width,
            height: profile.height,
            sample_aspect_ratio: profile.sample_aspect_ratio,
            bitrate: profile.bitrate,
        }
    }
}

impl From<ProfileHeader> for FillerProfile {
    fn from(header: ProfileHeader) -> Self {
        Self {
            name: header.name,
            codec: match header.codec {
                CodecName::H264 => VideoCodec::H264,
                CodecName::Hevc => VideoCodec::Hevc,
                CodecName::Av1 => VideoCodec::Av1,
            },
            h264_profile_level: header.h264_profile_level,
            width: header.width,
            height: header.height,
            sample_aspect_ratio: header.sample_aspect_ratio,
            bitrate: header.bitrate,
        }
    }
}

/// Holds an answer against its job, before anything of it is read.
pub(crate) fn check_filled(headers: &[FilledHeader], job: &FillerJob) -> io::Result<()> {
    if headers.len() != job.renditions.len() {
        return Err(invalid("another number of renditions than asked for"));
    }
    for header in headers {
        let FilledHeader::Pictures(lens) = header else { continue };
        if lens.len() != usize::from(job.pictures) || lens.contains(&0) {
            return Err(invalid("another number of pictures than asked for"));
        }
    }
    Ok(())
}

/// The child's half: what a filler job gave.
pub(crate) fn write_filled(
    to: impl Write,
    done: &[Result<FillerRendition, TranscodeFault>],
) -> io::Result<()> {
    let headers = done.iter().map(|rendition| match rendition {
        Ok(FillerRendition { pictures }) => {
            FilledHeader::Pictures(pictures.iter().map(|picture| picture.len()).collect())
        }
        Err(fault) => FilledHeader::Fault(fault.clone()),
    });
    let pictures = done.iter().flatten().flat_map(|rendition| &rendition.pictures);
    let reply = Reply::Filled(headers.collect());
    write_with_bodies(to, &reply, pictures.map(|picture| picture.as_ref()))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::{
        FaultCause,
        wire::{self, ReceivedJob, encode_header, read_job},
    };

    fn job(picture: FillerPicture) -> FillerJob {
        let profile = FillerProfile {
            name: "source".into(),
            codec: VideoCodec::Hevc,
            h264_profile_level: Some([100, 0, 31]),
            width: 1_280,
            height: 720,
            sample_aspect_ratio: (4, 3),
            bitrate: 3_000_000,
        };
        FillerJob { picture, renditions: vec![profile; 2], pictures: 3, frame_rate: 10 }
    }

    #[test]
    fn a_filler_job_survives_the_pipe() {
        let sent = job(FillerPicture::Slate(Bytes::from_static(b"image")));
        let mut pipe = encode_header(&JobHeader::fill(&sent)).unwrap();
        pipe.extend(b"image");
        let received = read_job(&*pipe).unwrap().unwrap();
        let ReceivedJob::Fill { header, input } = received else { panic!("{received:?}") };
        assert_eq!(&*input, b"image");
        assert_eq!((header.slate, header.pictures, header.frame_rate), (true, 3, 10));
        assert_eq!(header.profiles(), sent.renditions);
    }

    #[test]
    fn an_oversized_announcement_is_refused_before_it_is_read() {
        let JobHeader::Fill(mut header) = JobHeader::fill(&job(FillerPicture::Slate(Bytes::new())))
        else {
            panic!()
        };
        header.input_len = FillerJob::MAX_INPUT + 1;
        let frame = encode_header(&JobHeader::Fill(header)).unwrap();
        assert_eq!(read_job(&*frame).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn answers_say_how_long_each_picture_is_and_are_held_against_the_job() {
        let fault = TranscodeFault::new(FaultCause::EncoderNotFound, "libx265");
        let pictures = [&b"key"[..], b"p", b"q"].map(Bytes::from_static).to_vec();
        let done = [Err(fault.clone()), Ok(FillerRendition { pictures })];
        let mut pipe = Vec::new();
        write_filled(&mut pipe, &done).unwrap();
        let header_len = wire::header_len(pipe[..4].try_into().unwrap()).unwrap();
        let (header, bodies) = pipe[4..].split_at(header_len);
        let Reply::Filled(headers) = wire::decode_header(header).unwrap() else { panic!() };
        assert_eq!(bodies, b"keypq");
        let FilledHeader::Pictures(lens) = &headers[1] else { panic!() };
        assert_eq!(*lens, [3, 1, 1]);
        let slate = FillerPicture::Slate(Bytes::new());
        assert!(check_filled(&headers, &job(slate.clone())).is_ok());
        assert!(check_filled(&headers[1..], &job(slate.clone())).is_err());
        let more = FillerJob { pictures: 4, ..job(slate) };
        assert!(check_filled(&headers, &more).is_err());
    }
}

//! The `Livepeer-Segment` header of an upload.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use media::Ladder;
use prost::Message;

use crate::{SegmentJob, TranscodeError, keccak::Hash, profile, proto};

/// What the older, unused profiles field always holds.
const LEGACY_PROFILES: &[u8] = b"invalid";
/// Most bytes of a manifest id.
pub(crate) const MAX_MANIFEST_ID: usize = 256;

/// Builds the header's message. Off-chain the signature is empty.
pub(crate) fn seg_data(
    job: &SegmentJob,
    token: &proto::AuthToken,
    hash: &Hash,
    sig: Bytes,
) -> Result<proto::SegData, TranscodeError> {
    if job.profiles.is_empty() || job.profiles.len() > Ladder::MAX_RENDITIONS {
        return Err(TranscodeError::InvalidJob("it has no profiles, or too many"));
    }
    if job.manifest_id.len() > MAX_MANIFEST_ID {
        return Err(TranscodeError::InvalidJob("its manifest id is too long"));
    }
    if job.body.is_empty() {
        return Err(TranscodeError::InvalidJob("its body is empty"));
    }
    if job.duration > SegmentJob::MAX_DURATION {
        return Err(TranscodeError::InvalidJob("it is longer than the network takes"));
    }
    let mut data = proto::SegData {
        manifest_id: Bytes::copy_from_slice(job.manifest_id.as_bytes()),
        seq: i64::try_from(job.sequence)
            .map_err(|_| TranscodeError::InvalidJob("its sequence number is out of range"))?,
        hash: Bytes::copy_from_slice(hash),
        profiles: Bytes::from_static(LEGACY_PROFILES),
        sig,
        duration: i32::try_from(job.duration.as_millis()).unwrap_or(i32::MAX),
        capabilities: Some(job.capabilities().to_wire()),
        auth_token: Some(token.clone()),
        force_session_reinit: job.force_session_reinit,
        ..proto::SegData::default()
    };
    profile::fill(&mut data, &job.profiles, job.output)
        .ok_or(TranscodeError::InvalidJob("a profile's number is out of range"))?;
    Ok(data)
}

/// The header's value.
pub(crate) fn header(data: &proto::SegData) -> String {
    STANDARD.encode(data.encode_to_vec())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use media::{Chain, RenditionProfile};

    use super::*;
    use crate::{
        BodyContainer, BodyHash, Capabilities, Capability, OutputFormat, keccak::keccak_of,
    };

    /// Header of livepeer-wire §9.2, made by a signing gateway.
    const VECTOR: &str = "CgZhYmNkZWYQ0gkaIF/nRSxpj95v4ElngMIHaIPV0nEvFsODjFSw3YnJkCzVIgdpbnZhb\
        GlkKkF4oKDWdZvDvsLkT7wwWQCNFVVIrk2sC2WLX0Ip42LVjCW67Qp02tZDs4NDY4OFOo8rM5TyW+p/OS8DyGsZslZ\
        eHDDQDzoGCgKDICoAQjIKIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4fEghkZWFkYmVlZhiA4s+qBooCI\
        YIBDlAyNDBwMzBmcHMxNng5iAGqA5AB8AGYAcDPJKABHg==";

    fn job() -> SegmentJob {
        let duration = Duration::from_secs(2);
        SegmentJob {
            manifest_id: "abcdef".into(),
            sequence: 1234,
            duration,
            source: media::VideoCodec::H264,
            profiles: vec![RenditionProfile::preset("P240p30fps16x9").unwrap()],
            output: OutputFormat::MpegTs,
            body: Chain::from(Bytes::from_static(b"segment-bytes")),
            hashed: BodyHash::default(),
            container: BodyContainer::MpegTs,
            force_session_reinit: false,
            upload_timeout: SegmentJob::default_upload_timeout(duration),
            timeout: SegmentJob::default_timeout(duration),
        }
    }

    fn token() -> proto::AuthToken {
        proto::AuthToken {
            token: (0..32).collect(),
            session_id: "deadbeef".into(),
            expiration: 1_700_000_000,
        }
    }

    /// Off-chain there is no signature; everything else is the vector's, byte for byte.
    #[test]
    fn unsigned_header_is_the_vector_without_its_signature() {
        let job = job();
        let data = seg_data(&job, &token(), &keccak_of(&job.body), Bytes::new()).unwrap();
        let vector = STANDARD.decode(VECTOR).unwrap();
        let signature_field =
            [&[0x2a, 65][..], &proto::SegData::decode(&*vector).unwrap().sig].concat();
        let at = vector.windows(67).position(|window| window == signature_field).unwrap();
        let unsigned = [&vector[..at], &vector[at + 67..]].concat();
        let ours = STANDARD.decode(header(&data)).unwrap();
        assert_eq!(hex::encode(ours), hex::encode(unsigned));
    }

    #[test]
    fn signed_header_is_the_vector() {
        let key = tickets::PrivateKey::from_bytes(&[0x46; 32]).unwrap();
        let job = job();
        let hash = job.hash();
        let signature = key.sign_hashed(&job.claim(hash)).to_bytes();
        let sig = Bytes::copy_from_slice(&signature);
        assert_eq!(header(&seg_data(&job, &token(), &hash, sig).unwrap()), VECTOR);
    }

    #[test]
    fn vector_reads_back() {
        let vector = proto::SegData::decode(&*STANDARD.decode(VECTOR).unwrap()).unwrap();
        assert_eq!(&*vector.manifest_id, b"abcdef");
        assert_eq!((vector.seq, vector.duration), (1234, 2000));
        assert_eq!(vector.auth_token, Some(token()));
        let bits = Capabilities::from_wire(&vector.capabilities.unwrap());
        assert_eq!(
            bits,
            Capabilities::new(&[Capability::H264, Capability::MpegTs, Capability::AuthToken])
        );
        let [profile] = &vector.full_profiles[..] else { panic!("one profile") };
        assert_eq!((profile.width, profile.height, profile.fps), (426, 240, 30));
    }

    #[test]
    fn jobs_beyond_the_wire_are_refused() {
        let refused =
            |job: SegmentJob| seg_data(&job, &token(), &[0; 32], Bytes::new()).unwrap_err().kind();
        let many = vec![job().profiles[0].clone(); 13];
        assert_eq!(refused(SegmentJob { profiles: many, ..job() }), "invalid_job");
        assert_eq!(refused(SegmentJob { profiles: Vec::new(), ..job() }), "invalid_job");
        assert_eq!(refused(SegmentJob { body: Chain::new(), ..job() }), "invalid_job");
        assert_eq!(refused(SegmentJob { sequence: u64::MAX, ..job() }), "invalid_job");
        let long = Duration::from_millis(300_001);
        assert_eq!(refused(SegmentJob { duration: long, ..job() }), "invalid_job");
        assert_eq!(refused(SegmentJob { manifest_id: "x".repeat(257), ..job() }), "invalid_job");
    }

    #[test]
    fn durations_are_truncated_to_milliseconds() {
        let job = SegmentJob { duration: Duration::from_micros(1_500_999), ..job() };
        assert_eq!(seg_data(&job, &token(), &[0; 32], Bytes::new()).unwrap().duration, 1500);
    }
}

//! livepeer-wire §9.2.

use base64::{Engine, engine::general_purpose::STANDARD};
use prost::Message;
use tickets::{B256, Signature, keccak256, signed::SegmentClaim};

use crate::{address, key, messages::SegData};

const HEADER: &str = "CgZhYmNkZWYQ0gkaIF/nRSxpj95v4ElngMIHaIPV0nEvFsODjFSw3YnJkCzVIgdpbnZhbGlkKkF4oK\
    DWdZvDvsLkT7wwWQCNFVVIrk2sC2WLX0Ip42LVjCW67Qp02tZDs4NDY4OFOo8rM5TyW+p/OS8DyGsZslZeHDDQDzoGCgKDI\
    CoAQjIKIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4fEghkZWFkYmVlZhiA4s+qBooCIYIBDlAyNDBwMzBmcHMx\
    Nng5iAGqA5AB8AGYAcDPJKABHg==";

#[test]
fn claim_is_flattened_hashed_and_signed() {
    let mut hash = B256::ZERO;
    hash[..6].copy_from_slice(b"browns");
    let claim = SegmentClaim {
        manifest_id: b"abcdef",
        sequence: 1234,
        hash,
        profile_names: &["P144p30fps16x9", "P240p30fps16x9"],
    };
    let flat = claim.to_bytes();
    assert_eq!(flat.len(), 86);
    assert_eq!(
        hex::encode(&flat),
        "61626364656600000000000000000000000000000000000000000000000000000000000004d262726f776e73000000\
         000000000000000000000000000000000000000000000066636134306266396330613635313761"
    );
    assert_eq!(
        hex::encode(keccak256(&flat)),
        "08a398e7e7a5a545b0b07d9e7e1eab52b4131e0df1621bd53ee6e7550a15465b"
    );
    assert_eq!(
        hex::encode(key().sign_hashed(&flat).to_bytes()),
        "7d7a86cc1ad67a5373b2fc18a2a938a7745d8e7018be951a63238cf40fc732203f5dabfaa018a6397d4a670874730\
         be03b1b2e88ba7301418340b4d65fec5f061b"
    );
}

/// The claim is put together from what a gateway wrote into its header, as an orchestrator does.
#[test]
fn header_carries_the_signature_of_its_own_claim() {
    let header = SegData::decode(&*STANDARD.decode(HEADER).unwrap()).unwrap();
    let names: Vec<_> = header.full_profiles.iter().map(|profile| &*profile.name).collect();
    assert_eq!(names, ["P240p30fps16x9"]);
    let hash = keccak256("segment-bytes");
    assert_eq!(header.hash, hash.as_slice());
    assert_eq!(
        hex::encode(hash),
        "5fe7452c698fde6fe0496780c2076883d5d2712f16c3838c54b0dd89c9902cd5"
    );
    let sequence = header.seq.try_into().unwrap();
    let claim =
        SegmentClaim { manifest_id: &header.manifest_id, sequence, hash, profile_names: &names };
    let digest = keccak256(claim.to_bytes());
    assert_eq!(
        hex::encode(digest),
        "54285dc4c356f7c3d9d6c574f7551cd7a14b0bbd6a5241cf50db2597b22d371f"
    );
    let ours = key().sign_hashed(&claim.to_bytes());
    assert_eq!(ours.to_bytes()[..], header.sig);
    let theirs = Signature::from_wire(&header.sig).unwrap();
    assert_eq!(theirs.verify(address(), digest.as_slice()), Ok(()));
    let next = SegmentClaim { sequence: sequence + 1, ..claim };
    assert!(theirs.verify(address(), keccak256(next.to_bytes()).as_slice()).is_err());
}

//! livepeer-wire §9.1.

use prost::Message;
use tickets::{B256, Signature, SignatureError, keccak256, signed};

use crate::{
    address, key,
    messages::{Capabilities, Constraints, OrchestratorRequest},
};

const REQUEST: &str = "4e166c2cd389f60c02051be1252202fc8a9d9f81b34ace389523a47cb5e70d265bcff71ffa9b\
    da088fb65f04930ca11aa5818b5c688e0d130a32f3a03e9254c91c";

fn shown(signature: Signature) -> String {
    hex::encode(signature.to_bytes())
}

#[test]
fn key_has_its_address() {
    assert_eq!(key().address(), address());
}

#[test]
fn request_is_signed_over_the_checksummed_address() {
    let message = signed::orchestrator_request(address());
    assert_eq!(message, "0x9d8A62f656a8d1615C1294fd71e9CFb3E4855A4F");
    let digest = "969fa3eae55716669979e5c87080d2ff347c38c16743686c0af60e233463b8f9";
    assert_eq!(hex::encode(keccak256(&message)), digest);
    let signature = key().sign_hashed(message.as_bytes());
    assert_eq!(shown(signature), REQUEST);
    assert_eq!(signed::verify_hashed(&signature, address(), message.as_bytes()), Ok(()));
    let lower = message.to_lowercase();
    let refused = signed::verify_hashed(&signature, address(), lower.as_bytes());
    assert!(matches!(refused, Err(SignatureError::OtherSigner(_))));
}

#[test]
fn request_is_the_vector() {
    let signature = key().sign_hashed(signed::orchestrator_request(address()).as_bytes());
    let request = OrchestratorRequest {
        address: address().to_vec(),
        sig: signature.to_bytes().into(),
        capabilities: Some(Capabilities {
            bitstring: vec![1 | 1 << 1 | 1 << 12],
            constraints: Some(Constraints {}),
        }),
    };
    assert_eq!(
        hex::encode(request.encode_to_vec()),
        format!("0a149d8a62f656a8d1615c1294fd71e9cfb3e4855a4f1241{REQUEST}1a060a0283202a00")
    );
}

#[test]
fn ping_is_answered_with_the_signature_of_its_value() {
    assert_eq!(
        shown(key().sign_hashed(b"hello")),
        "785d90a83453cedfa2406e8bc6c4ba8ec0f74e7319327db348a615b90f611ab1551fc004a7b1dd20b9a553f0599\
         5f855258cf602abe50a2a1a64f1cfeb5a6d0d1c"
    );
}

#[test]
fn results_are_signed_over_the_digest_of_digests() {
    let digests = [keccak256("rendition-0"), keccak256("rendition-1")];
    let digest = signed::renditions_digest(&digests);
    let expected = "280a8d232fedf497ed3ee90fbb9127030b958aa2b6ce582fed735d929e7a9257";
    assert_eq!(digest, expected.parse::<B256>().unwrap());
    assert_eq!(
        shown(key().sign(digest.as_slice())),
        "5d74388ef19bc0de8f6435c55353cad53b20752fffb3843a3cb228609debb18b094adb135f6c1ba508f768bc349\
         63536ea5e7e5d13135c9f9b1bd2774369ae721b"
    );
}

/// The message of a remote signer's state isn't hashed first, and has 7 bytes here.
#[test]
fn signers_state_is_signed_as_it_is() {
    assert_eq!(
        shown(key().sign(br#"{"a":1}"#)),
        "7c964e9f5f532674de2691f0187a6032096144e6ff217f1114dc81b93ad29c640e039378cf06efd14eafd4c4c82\
         359d815c8c0341a4502d3d73f640b38a387e11c"
    );
}

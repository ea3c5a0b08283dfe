//! `headgate orchestrator` as one that is paid, in a process of its own, with real media.

use std::{num::NonZeroU32, path::PathBuf, process::Stdio, time::Duration};

use bytes::Bytes;
use media::{Chain, RenditionProfile};
use orchestrator::{
    BodyContainer, BodyHash, ClientConfig, GatewayIdentity, OrchestratorClient, OutputFormat,
    PaymentFate, PaymentHeader, SegmentJob, SegmentPayment, TranscodeError,
};
use tickets::{
    ChainView, Ledger, Outcome, PaidRendition, PrivateKey, SenderFunds, SenderLimits, TicketSender,
    U256, estimated_fee, estimated_pixels,
};

use super::support::{
    node::Node,
    pushing::{TINY, segments},
};

const FLAGS: [&str; 8] = [
    "--price-per-unit",
    "1200",
    "--pixels-per-unit",
    "1",
    "--ticket-ev",
    "8000000000",
    "--ticket-check",
    "offline",
];

fn directory(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("paid-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&path).unwrap();
    path
}

fn job(sequence: u64, body: Bytes) -> SegmentJob {
    let duration = Duration::from_secs(1);
    SegmentJob {
        manifest_id: "paid".into(),
        sequence,
        duration,
        source: media::VideoCodec::H264,
        profiles: vec![RenditionProfile::preset("P144p30fps16x9").unwrap()],
        output: OutputFormat::MpegTs,
        body: Chain::from(body),
        hashed: BodyHash::default(),
        container: BodyContainer::MpegTs,
        force_session_reinit: false,
        upload_timeout: Duration::from_secs(20),
        timeout: Duration::from_secs(20),
    }
}

/// A wallet without a chain.
fn wallet(key: &PrivateKey) -> TicketSender {
    let mut sender = TicketSender::new(key.address(), SenderLimits::default());
    let plenty = U256::from(10_u64.pow(18));
    sender.handle_funds(SenderFunds {
        deposit: plenty,
        reserve: plenty,
        withdraw_round: U256::ZERO,
    });
    sender.handle_view(ChainView { l1_block: 24_000_000, ..ChainView::default() });
    sender
}

#[tokio::test]
async fn a_paid_orchestrator_works_for_who_pays() {
    let directory = directory("works");
    let keyfile = directory.join("key");
    std::fs::write(&keyfile, "07".repeat(32)).unwrap();
    let mut flags = FLAGS.to_vec();
    flags.extend(["--eth-keystore-path", keyfile.to_str().unwrap()]);
    let node = Node::start_with(&directory.join("node"), &flags).await;
    let bodies = segments(&directory, &TINY, 6, "ts").await;

    let key = PrivateKey::from_bytes(&[0x46; 32]).unwrap();
    let client = OrchestratorClient::new(ClientConfig::default()).unwrap();
    let address = node.url.parse().unwrap();
    let needs = job(0, Bytes::new()).capabilities();
    let error = client.get_orchestrator(&address, &needs).await.unwrap_err();
    assert!(error.to_string().contains("orchestrator req sig check failed"), "{error}");

    let client = client.with_identity(GatewayIdentity::sign(&key));
    let mut info = client.get_orchestrator(&address, &needs).await.unwrap();
    let signer = PrivateKey::from_bytes(&[7; 32]).unwrap().address();
    assert_eq!(info.quote().unwrap().recipient(), signer);
    let (mut sender, mut ledger) = (wallet(&key), Ledger::default());
    let rendition = PaidRendition { width: 256, height: 144, fps: 30, fps_den: 1 };
    for (sequence, body) in (0..).zip(bodies) {
        let job = job(sequence, body);
        let quote = info.quote().unwrap().clone();
        let pixels = estimated_pixels(&[rendition], job.duration);
        let fee = estimated_fee(pixels, quote.price);
        let staged = ledger.stage(&fee, &quote.params.expected_value()).unwrap();
        let batch = NonZeroU32::new(staged.tickets())
            .map(|tickets| sender.take(&quote.params, tickets).unwrap().sign(&key).unwrap());
        let header = PaymentHeader::new(&quote, key.address(), batch.as_ref());
        let payment = SegmentPayment::sign(header, &job, job.hash(), &key);
        let result = client.transcode_paid(&info, &job, &payment).await.unwrap();
        assert_eq!(payment.progress.fate(), PaymentFate::Arrived);
        let made = result.renditions[0].pixels;
        assert!(made > 256 * 144 * 25 && made <= pixels, "{made} of {pixels}");
        ledger.settle(staged, Outcome::Done(quote.price.of_pixels(made)));
        info = result.info.unwrap();
    }
    assert!(ledger.totals().debited.is_positive() && !ledger.balance().is_negative());

    let error = client.transcode(&info, &job(9, Bytes::from_static(b"x"))).await.unwrap_err();
    assert!(matches!(&error, TranscodeError::Refused { status: 403, text } if text == "ErrSegSig"));
    client.end_session(&info).await.unwrap();
}

#[tokio::test]
async fn a_price_without_a_key_is_an_error() {
    let directory = directory("refused");
    let start = async |more: &[&str]| {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_headgate"));
        command.args(["orchestrator", "--plaintext", "--addr", "127.0.0.1:0", "--data-dir"]);
        command.arg(&directory).args(FLAGS).args(more).stdin(Stdio::null()).kill_on_drop(true);
        let output = command.output().await.unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let text = start(&[]).await;
    assert!(text.contains("--eth-keystore-path"), "{text}");
    let text = start(&["--eth-keystore-path", "/nowhere/at/all"]).await;
    assert!(text.contains("can't read the key file"), "{text}");
}

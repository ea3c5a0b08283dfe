//! A paid orchestrator, and a gateway that pays it.

use std::{
    num::NonZeroU32,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use prost::Message;
use tickets::{
    Address, B256, ChainView, ExpirationParams, Ledger, Outcome, PaidRendition, Price, PrivateKey,
    ReceiverView, SenderFloat, SenderFunds, SenderLimits, TicketSender, U256, Wei, WinningTicket,
    estimated_fee, estimated_pixels,
};
use tokio::net::TcpListener;

use super::support::{Act, Orchestrator, Transport, client, job};
use crate::{
    GatewayIdentity, OrchestratorClient, OrchestratorInfo, PaymentFate, PaymentHeader, SegmentJob,
    SegmentPayment, TranscodeError, TranscodeResult, proto,
    server::{
        ChainState, OrchestratorServer, PaidConfig, RedeemError, Redeemer, SenderAccount,
        StaticChain,
    },
};

/// Pixels of the fake transcoder's two renditions.
pub(super) const PIXELS: u64 = 640 * 360 + 426 * 240;

/// Keeps what won.
#[derive(Debug, Default)]
pub(super) struct Won {
    pub(super) full: AtomicBool,
    pub(super) tickets: Mutex<Vec<WinningTicket>>,
}

impl Redeemer for Won {
    fn has_room(&self) -> bool {
        !self.full.load(Ordering::SeqCst)
    }

    fn redeem(&self, ticket: WinningTicket) -> Result<(), RedeemError> {
        self.tickets.lock().unwrap().push(ticket);
        Ok(())
    }
}

pub(super) fn key(byte: u8) -> PrivateKey {
    PrivateKey::from_bytes(&[byte; 32]).unwrap()
}

pub(super) fn state() -> ChainState {
    let round =
        ExpirationParams { creation_round: 5, creation_round_block_hash: B256::repeat_byte(9) };
    let view = ReceiverView { l1_block: 100, last_initialized_round: 5, round, active: true };
    ChainState { view, gas_price: U256::ZERO }
}

pub(super) fn account() -> SenderAccount {
    let plenty = U256::from(10_u64.pow(18));
    let funds = SenderFunds { deposit: plenty, reserve: plenty, withdraw_round: U256::ZERO };
    let float = SenderFloat {
        funds_remaining: plenty,
        pool_size: 1,
        deposit: plenty,
        ..SenderFloat::default()
    };
    SenderAccount { funds, float }
}

/// A listening orchestrator that is paid, and what it stands on.
#[derive(Debug)]
pub(super) struct PaidOrchestrator {
    pub(super) inner: Orchestrator,
    pub(super) chain: Arc<StaticChain>,
    pub(super) won: Arc<Won>,
    pub(super) address: Address,
}

impl PaidOrchestrator {
    pub(super) async fn start(price: Price, script: impl IntoIterator<Item = Act>) -> Self {
        let paid = PaidConfig::new(key(7), price);
        Self::start_as(Transport::Plaintext, paid, script).await
    }

    pub(super) async fn start_as(
        transport: Transport,
        paid: PaidConfig,
        script: impl IntoIterator<Item = Act>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let chain = Arc::new(StaticChain::new(state()));
        for byte in [0x46, 0x47] {
            chain.set_sender(key(byte).address(), Ok(account()));
        }
        let won = Arc::new(Won::default());
        let inner = Orchestrator::build(listener, transport, script, |config, transcoder| {
            let (chain, won) = (Arc::clone(&chain), Arc::clone(&won));
            OrchestratorServer::paid(config, transcoder, paid, chain, won)
        });
        Self { inner, chain, won, address: key(7).address() }
    }
}

/// A gateway's wallet and books of one session.
#[derive(Debug)]
pub(super) struct Gateway {
    pub(super) key: PrivateKey,
    pub(super) client: OrchestratorClient,
    pub(super) sender: TicketSender,
    pub(super) ledger: Ledger,
}

impl Gateway {
    pub(super) fn new(byte: u8) -> Self {
        let key = key(byte);
        let mut sender = TicketSender::new(key.address(), SenderLimits::default());
        sender.handle_funds(account().funds);
        sender.handle_view(ChainView { l1_block: 100, ..ChainView::default() });
        let client = client().with_identity(GatewayIdentity::sign(&key));
        Self { key, client, sender, ledger: Ledger::default() }
    }

    pub(super) async fn session(&self, orchestrator: &PaidOrchestrator) -> OrchestratorInfo {
        let needs = job(b"").capabilities();
        self.client.get_orchestrator(&orchestrator.inner.address, &needs).await.unwrap()
    }

    /// So many tickets for a segment.
    pub(super) fn payment(
        &mut self,
        info: &OrchestratorInfo,
        job: &SegmentJob,
        tickets: u32,
    ) -> SegmentPayment {
        let quote = info.quote().unwrap();
        let batch = NonZeroU32::new(tickets).map(|tickets| {
            self.sender.take(&quote.params, tickets).unwrap().sign(&self.key).unwrap()
        });
        let header = PaymentHeader::new(quote, self.key.address(), batch.as_ref());
        SegmentPayment::sign(header, job, job.hash(), &self.key)
    }

    /// Pays for a segment as the network does: what the credit doesn't cover (livepeer-wire §4.4).
    pub(super) async fn transcode(
        &mut self,
        info: &OrchestratorInfo,
        job: &SegmentJob,
    ) -> Result<TranscodeResult, TranscodeError> {
        let quote = info.quote().unwrap();
        let renditions: Vec<_> = job.profiles.iter().map(paid_rendition).collect();
        let fee = estimated_fee(estimated_pixels(&renditions, job.duration), quote.price);
        let staged = self.ledger.stage(&fee, &quote.params.expected_value()).unwrap();
        let payment = self.payment(info, job, staged.tickets());
        let result = self.client.transcode_paid(info, job, &payment).await;
        let outcome = match (&result, payment.progress.fate()) {
            (Ok(result), _) => {
                let pixels = result.renditions.iter().map(|rendition| rendition.pixels).sum();
                Outcome::Done(quote.price.of_pixels(pixels))
            }
            (Err(_), PaymentFate::Arrived) => Outcome::Failed,
            (Err(_), PaymentFate::InDoubt) => Outcome::NoAnswer,
            (Err(_), PaymentFate::Unsent) => Outcome::Withdrawn,
        };
        self.ledger.settle(staged, outcome);
        result
    }

    /// The answer to a payment that something was done to.
    pub(super) async fn refused(
        &self,
        info: &OrchestratorInfo,
        job: &SegmentJob,
        payment: &SegmentPayment,
        change: impl FnOnce(&mut proto::Payment),
    ) -> (u16, String) {
        let header = changed(&payment.header, change);
        let payment = SegmentPayment { header, ..payment.clone() };
        let error = self.client.transcode_paid(info, job, &payment).await.unwrap_err();
        // Terms that are over, or of before a restart: the client asks for new ones.
        if let TranscodeError::TokenRejected(text) = error {
            return (400, text);
        }
        let TranscodeError::Refused { status, text } = error else { panic!("{error}") };
        (status, text)
    }
}

/// A payment that something is done to.
pub(super) fn changed(
    header: &PaymentHeader,
    change: impl FnOnce(&mut proto::Payment),
) -> PaymentHeader {
    let bytes = STANDARD.decode(header.expose()).unwrap();
    let mut payment = proto::Payment::decode(&*bytes).unwrap();
    change(&mut payment);
    PaymentHeader::from_text(&STANDARD.encode(payment.encode_to_vec())).unwrap()
}

fn paid_rendition(profile: &media::RenditionProfile) -> PaidRendition {
    let (width, height) = (profile.width, profile.height);
    let rate = profile.frame_rate;
    let (fps, fps_den) = rate.map_or((0, 0), |rate| (rate.num(), rate.den()));
    PaidRendition { width, height, fps, fps_den }
}

pub(super) fn price(wei: u64, pixels: u64) -> Price {
    Price::new(wei, pixels).unwrap()
}

pub(super) fn segment(sequence: u64) -> SegmentJob {
    SegmentJob { sequence, timeout: Duration::from_secs(30), ..job(b"segment") }
}

pub(super) fn wei(text: &str) -> Wei {
    text.parse().unwrap()
}

//! Where payments meet the wire.

use std::{sync::Arc, time::Duration};

use tickets::{
    AccountError, Address, PrivateKey, ReceiverSecret, SessionKey, Signature, U256, Wei,
    WinningTicket, keccak256, signed,
};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};
use tracing::{debug, error, info};

use crate::{
    GatewayIdentity, Quote, proto,
    server::{
        PaidConfig, PaymentChain, PaymentTotals, Redeemer, SenderAccount,
        payment::{PaymentDesk, PaymentRefusal, QuoteRefusal, ReceivedPayment},
        refusal::Refusal,
        segment_request::Credentials,
    },
};

/// Longest wait for what the chain says about a sender.
const CHAIN_LIMIT: Duration = Duration::from_secs(2);
/// Longest value that a ping's answer is a signature of: no message that means anything on the network
/// is as short, so nobody gets one signed this way.
const MAX_PING: usize = 32;

/// The books, and what they need. It exists at orchestrators that are paid.
#[derive(Debug)]
pub(super) struct Till {
    key: PrivateKey,
    /// Checking tickets takes up to 60 ms per payment: it is done on threads that may block, and the
    /// lock is awaited.
    desk: Arc<Mutex<PaymentDesk>>,
    chain: Arc<dyn PaymentChain>,
    redeemer: Arc<dyn Redeemer>,
    opened: Instant,
}

/// A payment that was taken for a segment, and the terms for the next one.
#[derive(Debug)]
pub(super) struct Paid {
    key: SessionKey,
    price: tickets::Price,
    pub(super) quote: Quote,
}

impl Till {
    pub(super) fn new(
        config: PaidConfig,
        chain: Arc<dyn PaymentChain>,
        redeemer: Arc<dyn Redeemer>,
    ) -> Self {
        let PaidConfig { key, recipient, price, adjust_price, tickets } = config;
        let secret = ReceiverSecret::new(rand::random());
        let desk = PaymentDesk::new(recipient, secret, (price, adjust_price), tickets);
        let desk = Arc::new(Mutex::new(desk));
        Self { key, desk, chain, redeemer, opened: Instant::now() }
    }

    /// The address results are signed by.
    pub(super) const fn address(&self) -> Address {
        self.key.address()
    }

    /// Who asks for terms, by his signature (livepeer-wire §2.5).
    pub(super) fn identify(&self, request: &proto::OrchestratorRequest) -> Option<Address> {
        let address = Address::try_from(&*request.address).ok()?;
        let signature = Signature::from_wire(&request.sig).ok()?;
        GatewayIdentity::new(address, signature).ok().map(|identity| identity.address())
    }

    /// Terms for a new session.
    pub(super) async fn quote(
        &self,
        sender: Address,
        session_id: &str,
    ) -> Result<Quote, QuoteRefusal> {
        let account = self.account(sender).await;
        let key = SessionKey { sender, session_id: session_id.to_owned() };
        let state = self.chain.state();
        let mut desk = self.desk.lock().await;
        desk.quote(&key, &state, account.as_ref().map_err(String::as_str), seed())
    }

    /// Whether payments could be taken: winning tickets need a place.
    pub(super) async fn is_open(&self) -> bool {
        let redeemer = Arc::clone(&self.redeemer);
        tokio::task::spawn_blocking(move || redeemer.has_room()).await.unwrap_or(false)
    }

    /// The payment, once the segment's signature says that its sender sent it.
    pub(super) fn verify(&self, credentials: &Credentials) -> Result<ReceivedPayment, Refusal> {
        let unsigned = || Refusal::forbidden("ErrSegSig");
        if credentials.payment == proto::Payment::default() {
            return Err(unsigned());
        }
        let payment = ReceivedPayment::read(&credentials.payment)
            .map_err(|fault| Refusal::unpaid(fault.to_string()))?;
        let claim = credentials.claim().ok_or_else(unsigned)?;
        let signature = Signature::from_wire(&credentials.data.sig).map_err(|_| unsigned())?;
        signed::verify_hashed(&signature, payment.sender, &claim).map_err(|_| unsigned())?;
        Ok(payment)
    }

    /// Takes a payment. `for_work` also demands that the credit suffices for a segment.
    pub(super) async fn take(
        &self,
        payment: ReceivedPayment,
        session_id: &str,
        for_work: bool,
    ) -> Result<Paid, Refusal> {
        if !self.is_open().await {
            return Err(Refusal::internal());
        }
        let account = self.account(payment.sender).await;
        let key = SessionKey { sender: payment.sender, session_id: session_id.to_owned() };
        let (state, now, redeemer) =
            (self.chain.state(), self.opened.elapsed(), Arc::clone(&self.redeemer));
        let mut desk = Arc::clone(&self.desk).lock_owned().await;
        // The task ends even when the gateway goes away: no winning ticket gets lost.
        let task = tokio::task::spawn_blocking(move || {
            let account = account.as_ref().map_err(String::as_str);
            let taken = desk.take(now, &key, &payment, &state, account);
            let result = taken.result.and_then(|()| {
                let credit = if for_work { desk.check_credit(&key, payment.price) } else { Ok(()) };
                credit.map_err(PaymentRefusal::from)
            });
            let quote = desk.quote(&key, &state, account, seed());
            drop(desk);
            redeem(&*redeemer, taken.winning);
            settle(key, payment.price, result, quote)
        });
        task.await.unwrap_or_else(|_| Err(Refusal::internal()))
    }

    /// Charges a segment's work.
    pub(super) async fn debit(&self, paid: &Paid, pixels: u64) {
        let now = self.opened.elapsed();
        let mut desk = self.desk.lock().await;
        let fee = desk.debit(now, &paid.key, pixels, paid.price);
        let balance = desk.balance(&paid.key);
        debug!(sender = %paid.key.sender, %fee, %balance, "segment charged");
    }

    /// The signature of a result (livepeer-wire §5.1).
    pub(super) async fn sign_results(&self, renditions: Vec<bytes::Bytes>) -> Option<Signature> {
        let key = self.key.clone();
        let signing = move || {
            let digests: Vec<_> = renditions.iter().map(keccak256).collect();
            key.sign(signed::renditions_digest(&digests).as_slice())
        };
        tokio::task::spawn_blocking(signing).await.ok()
    }

    /// The answer to a ping; `None` to one that is too long.
    pub(super) fn pong(&self, value: &[u8]) -> Option<Signature> {
        (value.len() <= MAX_PING).then(|| self.key.sign_hashed(value))
    }

    pub(super) async fn totals(&self) -> PaymentTotals {
        self.desk.lock().await.totals().clone()
    }

    pub(super) async fn balance(&self, key: &SessionKey) -> Wei {
        self.desk.lock().await.balance(key)
    }

    async fn account(&self, sender: Address) -> Result<SenderAccount, String> {
        match timeout(CHAIN_LIMIT, self.chain.sender(sender)).await {
            Ok(account) => account,
            Err(_) => Err("the chain did not answer in time".to_owned()),
        }
    }
}

fn seed() -> U256 {
    U256::from_be_bytes::<32>(rand::random())
}

fn redeem(redeemer: &dyn Redeemer, winning: Vec<WinningTicket>) {
    for ticket in winning {
        let (hash, face_value) = (ticket.ticket.hash(), ticket.ticket.face_value);
        match redeemer.redeem(ticket) {
            Ok(()) => info!(%hash, %face_value, "a ticket won"),
            Err(error) => error!(%hash, %face_value, %error, "a ticket won"),
        }
    }
}

fn settle(
    key: SessionKey,
    price: tickets::Price,
    result: Result<(), PaymentRefusal>,
    quote: Result<Quote, QuoteRefusal>,
) -> Result<Paid, Refusal> {
    match (result, quote) {
        (Err(PaymentRefusal::Account(AccountError::TooManyAccounts)), _) => {
            Err(Refusal::forbidden("OrchestratorCapped"))
        }
        (Err(refusal), _) => {
            debug!(sender = %key.sender, session = key.session_id, %refusal, "payment refused");
            Err(Refusal::unpaid(refusal.to_string()))
        }
        (Ok(()), Err(refusal)) => {
            debug!(sender = %key.sender, %refusal, "no terms for the next segment");
            Err(Refusal::internal())
        }
        (Ok(()), Ok(quote)) => Ok(Paid { key, price, quote }),
    }
}

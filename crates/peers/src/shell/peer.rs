//! One peer: the library's connection, and what comes from it.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use rtc::{
    ice::mdns::MulticastDnsMode,
    interceptor::{Registry, Slot},
    peer_connection::{
        configuration::setting_engine::SettingEngineBuilder,
        sdp::RTCSessionDescription,
        state::{RTCIceGatheringState, RTCPeerConnectionState},
        transport::RTCDtlsRole,
    },
    shared::error::Error,
};
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};
use tokio_util::task::TaskTracker;
use tracing::debug;
use webrtc::peer_connection::{PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler};

use super::{media_engine::media_engine, peers::Place, runtime::PeerRuntime};
use crate::{
    key_frame_wishes::KeyFrameWishes,
    receive_chain::ReceiveChain,
    received::Received,
    sdp::{Answer, Credentials, Offer, Setup},
};

/// Packets that may wait for their reader: 400 ms at 12 Mbit/s. Further ones are dropped; their reader
/// takes that for loss.
const PACKETS_QUEUED: usize = 512;
/// How long the library may take for an answer. It has to ask nobody.
const ANSWER_LIMIT: Duration = Duration::from_secs(3);
/// How long it may take to say goodbye.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);
/// Packets that may be this late and still count: retransmissions are. The library's default is 64.
const REPLAY_WINDOW: usize = 1_024;
/// Where the library binds before it gets the shared port: in the same family, since it pairs an address
/// of its own with none of another.
const PRIVATE_V4: &str = "127.0.0.1:0";
const PRIVATE_V6: &str = "[::1]:0";

/// Why there is no peer, or no restart.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// As many peers as may be.
    #[error("no room for another WebRTC peer")]
    Full,
    /// The library's answer rejects the video.
    #[error("the offer has no video format that this gateway takes")]
    NoCommonFormat,
    /// The library failed.
    #[error("the offer can't be answered: {0}")]
    Library(#[from] Error),
    /// The library took too long.
    #[error("the offer was not answered in time")]
    Late,
}

/// What happens with a peer.
#[derive(Debug)]
pub enum PeerEvent {
    /// The way to the client is there, and keys are agreed on.
    Connected,
    /// Something came from it.
    Received(Received),
    /// It is gone for good. Always the last event.
    Ended,
}

/// One client. Dropping it ends the connection without a word; [`Peer::close`] says goodbye.
pub struct Peer {
    connection: Arc<dyn PeerConnection>,
    received: mpsc::Receiver<Received>,
    state: watch::Receiver<State>,
    told_connected: bool,
    wishes: Arc<KeyFrameWishes>,
    offer: Offer,
    place: Place,
}

impl std::fmt::Debug for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Peer").field("state", &*self.state.borrow()).finish_non_exhaustive()
    }
}

/// What the library's callbacks said last.
#[derive(Clone, Copy, Debug, Default)]
struct State {
    /// How often all local candidates were gathered: after each description.
    gathered: u64,
    connected: bool,
    ended: bool,
}

impl Peer {
    pub(super) async fn answer(
        place: Place,
        tasks: TaskTracker,
        offer: Offer,
    ) -> Result<(Self, Answer), PeerError> {
        let (sender, received) = mpsc::channel(PACKETS_QUEUED);
        let (states, state) = watch::channel(State::default());
        let negotiated = Arc::new(OnceLock::new());
        let wishes = Arc::new(KeyFrameWishes::default());
        let chain = ReceiveChain::new(
            Arc::clone(&negotiated),
            offer.repairs.clone(),
            offer.passed_over.clone(),
            Arc::clone(&wishes),
            Box::new(move |received| sender.try_send(received).is_ok()),
        );
        let runtime = PeerRuntime {
            shared: Arc::clone(&place.shared),
            inbox: Arc::clone(&place.inbox),
            tasks,
            gone: place.gone.clone(),
        };
        let private = if place.shared.addr.is_ipv4() { PRIVATE_V4 } else { PRIVATE_V6 };
        let built = PeerConnectionBuilder::new()
            .with_media_engine(media_engine()?)
            .with_setting_engine(settings(offer.setup).build())
            .with_interceptor_registry(Registry::new().with(Slot::NackGenerator, chain))
            .with_runtime(Arc::new(runtime))
            .with_handler(Arc::new(Callbacks(states)))
            .with_udp_addrs(vec![private])
            .with_tcp_addrs(vec![private])
            .build();
        // The library's state goes through its future by value: kept off the stack.
        let connection: Arc<dyn PeerConnection> = Arc::new(Box::pin(built).await?);
        let mut peer = Self {
            connection,
            received,
            state,
            told_connected: false,
            wishes,
            offer: offer.clone(),
            place,
        };
        let answer = peer.describe(offer).await?;
        if negotiated.set(answer.negotiated.clone()).is_err() {
            return Err(PeerError::Late);
        }
        Ok((peer, answer))
    }

    /// Restarts ICE (RFC 8445 §9) with the client's new credentials: the answer has new ones of ours. The
    /// client may come from other addresses then; ports, keys and media stay. When it fails, part of it may
    /// have been done: whether the client still gets through, its silence will tell.
    ///
    /// # Errors
    /// When the library does.
    pub async fn restart(&mut self, credentials: Credentials) -> Result<Answer, PeerError> {
        self.describe(self.offer.restarted(credentials)).await
    }

    /// The client's credentials.
    #[must_use]
    pub const fn client_credentials(&self) -> &Credentials {
        self.offer.credentials()
    }

    /// Asks for key frames of these sources, all in one packet, within 50 ms.
    pub fn ask_key_frames(&self, sources: impl IntoIterator<Item = u32>) {
        self.wishes.wish(sources);
    }

    /// What happens next. Cancel safe.
    pub async fn next(&mut self) -> PeerEvent {
        loop {
            let state = *self.state.borrow_and_update();
            if state.ended {
                return PeerEvent::Ended;
            }
            if state.connected && !std::mem::replace(&mut self.told_connected, true) {
                return PeerEvent::Connected;
            }
            tokio::select! {
                biased;
                // Without callbacks there is no driver.
                changed = self.state.changed() => if changed.is_err() { return PeerEvent::Ended },
                received = self.received.recv() => match received {
                    Some(received) => return PeerEvent::Received(received),
                    None => return PeerEvent::Ended,
                },
            }
        }
    }

    /// Ends the connection, and tells the client.
    pub async fn close(self) {
        match timeout(CLOSE_LIMIT, self.connection.close()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => debug!(%error, "a WebRTC peer did not close"),
            Err(_late) => debug!("a WebRTC peer did not close in time"),
        }
    }

    async fn describe(&mut self, offer: Offer) -> Result<Answer, PeerError> {
        let described = timeout(ANSWER_LIMIT, self.describe_in_time(&offer));
        let answer = described.await.map_err(|_late| PeerError::Late)??;
        self.offer = offer;
        Ok(answer)
    }

    async fn describe_in_time(&mut self, offer: &Offer) -> Result<Answer, PeerError> {
        let gathered = self.state.borrow().gathered;
        let remote = RTCSessionDescription::offer(offer.text.clone())?;
        self.connection.set_remote_description(remote).await?;
        let answer = self.connection.create_answer(None).await?;
        self.connection.set_local_description(answer).await?;
        let complete = self.state.wait_for(|state| state.gathered > gathered || state.ended).await;
        complete.map_err(|_gone| PeerError::Late)?;
        let text = self.connection.local_description().await.ok_or(PeerError::Late)?.sdp;
        let answer = Answer::new(&text, &self.place.shared.candidates, &offer.simulcast);
        let answer = answer.ok_or(PeerError::NoCommonFormat)?;
        // Random names of 16 characters: another peer's would be a miracle.
        let named = self.place.name(answer.credentials().ufrag());
        if named { Ok(answer) } else { Err(PeerError::Late) }
    }
}

fn settings(setup: Setup) -> SettingEngineBuilder {
    let role = match setup {
        Setup::TheyConnect => RTCDtlsRole::Server,
        Setup::WeConnect => RTCDtlsRole::Client,
    };
    SettingEngineBuilder::new()
        .with_lite(true)
        .with_answering_dtls_role(role)
        .with_include_loopback_candidate(true)
        // Its socket would be wrapped like the peer's own, and take half of the datagrams.
        .with_multicast_dns_mode(MulticastDnsMode::Disabled)
        .with_srtp_replay_protection_window(REPLAY_WINDOW)
}

/// What the library calls, on its driver: nothing here may wait.
struct Callbacks(watch::Sender<State>);

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Callbacks {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            self.0.send_modify(|it| it.gathered += 1);
        }
    }

    /// A client that is silent is `Disconnected`, often for a moment only: its reader knows better.
    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        if state == RTCPeerConnectionState::Connected {
            self.0.send_modify(|it| it.connected = true);
        }
        if [RTCPeerConnectionState::Failed, RTCPeerConnectionState::Closed].contains(&state) {
            self.0.send_modify(|it| it.ended = true);
        }
    }
}

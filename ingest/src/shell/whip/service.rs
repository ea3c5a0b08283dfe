//! `POST /whip`, `POST /whip/{key}`, and the sessions below `/whip/session/`.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Path, Request, State},
    response::Response,
    routing::any,
};
use http::{Method, request::Parts};
use http_body_util::{BodyExt as _, Limited};
use media::Redacted;
use peers::{FRAGMENT_BYTES_MAX, Fragment, OFFER_BYTES_MAX, Offer, PeerError};
use tokio::{sync::oneshot, time::timeout};
use tracing::{debug, info};

use super::{
    WhipContext, WhipMetrics,
    feed::Feed,
    reply::{self, Done},
    session::Session,
    sessions::{Command, Entry, Sessions},
};
use crate::{
    ConnectionId, PublishRequest, Refusal, StreamKey,
    shell::{PublisherSeat, now},
    whip::{Bearer, PatchAction, WhipRefusal, WhipRequest, WhipSession},
};

struct Service {
    context: WhipContext,
    sessions: Arc<Sessions>,
}

/// Takes publishers over WHIP (RFC 9725): merge it with other routers.
///
/// For limits per address, the listener puts a `ConnectInfo<SocketAddr>` into each request's extensions.
pub fn whip_service(context: WhipContext) -> Router {
    let service = Arc::new(Service { context, sessions: Arc::default() });
    Router::new()
        .route("/whip", any(endpoint))
        .route("/whip/", any(endpoint))
        .route("/whip/{*key}", any(endpoint_of_key))
        .route("/whip/session/{name}", any(session))
        .with_state(service)
}

async fn endpoint(State(service): State<Arc<Service>>, request: Request) -> Response {
    service.endpoint(None, request).await
}

async fn endpoint_of_key(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
    request: Request,
) -> Response {
    service.endpoint(Some(&key), request).await
}

async fn session(
    State(service): State<Arc<Service>>,
    Path(name): Path<String>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let done = match parts.method {
        Method::PATCH => service.patch(&name, &parts, body).await,
        Method::DELETE => service.delete(&name, &parts).await,
        ref method if WhipRequest::only_reads(method) => Ok(Done::Nothing),
        _ => Err(WhipRefusal::Method(WhipRequest::methods(true))),
    };
    service.respond(done, true)
}

impl Service {
    async fn endpoint(&self, key: Option<&str>, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let done = match parts.method {
            Method::POST => Box::pin(self.publish(key, &parts, body)).await,
            ref method if WhipRequest::only_reads(method) => Ok(Done::Nothing),
            _ => Err(WhipRefusal::Method(WhipRequest::methods(false))),
        };
        self.respond(done, false)
    }

    fn respond(&self, done: Result<Done, WhipRefusal>, of_session: bool) -> Response {
        self.context.metrics.answered(done.as_ref().err());
        let mut response = match done {
            Ok(done) => done.response(&self.context.config.ice_servers),
            Err(refusal) => {
                debug!(status = refusal.status().as_u16(), %refusal, "WHIP request refused");
                reply::refused(&refusal)
            }
        };
        reply::finish(&mut response, of_session);
        response
    }

    async fn publish(
        &self,
        key: Option<&str>,
        parts: &Parts,
        body: Body,
    ) -> Result<Done, WhipRefusal> {
        let WhipRequest::Publish { key, bearer } = WhipRequest::publish(&parts.headers, key)?
        else {
            return Err(WhipRefusal::NoKey);
        };
        let client = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0);
        let share = self
            .sessions
            .take_place(client.map(|client| client.ip()), self.context.config.sessions_per_ip);
        let share =
            share.ok_or(WhipRefusal::Full("this address has as many sessions as it may"))?;
        // An offer is read by nobody's leave yet, so it takes a place of its address while it comes.
        let offer = Offer::parse(&self.text(body, OFFER_BYTES_MAX).await?)?;
        let connection = ConnectionId::next();
        let query = parts.uri.query().map(|query| Redacted::new(query.to_owned()));
        let seat = self.admit(connection, client, key, query).await?;
        let left_out = offer.layers_left_out();
        let state = WhipSession::new(bearer.as_ref(), offer.credentials().clone());
        let agent = parts.headers.get(http::header::USER_AGENT);
        seat.health.over_whip(agent.and_then(|agent| agent.to_str().ok()));
        let (stream, watch_page) = (seat.stream.clone(), seat.watch_page.clone());
        let mut feed = Feed::new(connection, seat, &offer, &self.context, now());
        let (peer, answer) = match self.context.peers.answer(offer).await {
            Ok(answered) => answered,
            Err(error) => {
                feed.end(crate::EndReason::ProtocolError, &self.context).await;
                return Err(unanswered(&error));
            }
        };
        info!(%connection, client = client.map(tracing::field::display), %stream, "publishing over WHIP");
        feed.agree(answer.layers());
        let layers = answer.layers().len();
        if layers > 0 {
            info!(%connection, %stream, layers, left_out, "layers of the simulcast are tracks of their own");
        } else if left_out > 0 {
            info!(%connection, %stream, left_out, "of the simulcast, the first layer is taken");
        }
        let etag = state.etag();
        let (place, commands) = self.sessions.enter(state);
        let location = format!("/whip/session/{}", place.name);
        let session = Session {
            connection,
            context: self.context.clone(),
            peer,
            feed,
            commands,
            connected: false,
            connect_by: now() + self.context.config.connect_timeout,
            place,
            share,
        };
        self.context.tasks.spawn(session.run());
        Ok(Done::Created { location, etag, answer: answer.text().to_owned(), watch_page })
    }

    async fn admit(
        &self,
        connection: ConnectionId,
        client: Option<SocketAddr>,
        key: StreamKey,
        query: Option<Redacted<String>>,
    ) -> Result<PublisherSeat, WhipRefusal> {
        if self.context.shutdown.is_cancelled() {
            return Err(Refusal::ShuttingDown.into());
        }
        let peer = client.unwrap_or_else(|| ([0, 0, 0, 0], 0).into());
        let request = PublishRequest { connection, peer, app: String::new(), key, query };
        let decision =
            timeout(self.context.config.admission_timeout, self.context.admission.admit(request))
                .await;
        let late = |_| Err(Refusal::Rejected("admission took too long".to_owned()));
        decision.unwrap_or_else(late).map_err(|refusal| {
            info!(%connection, %peer, "publish refused: {refusal}");
            self.context.ingest.publish_ended("refused");
            refusal.into()
        })
    }

    async fn patch(&self, name: &str, parts: &Parts, body: Body) -> Result<Done, WhipRefusal> {
        let WhipRequest::Patch { if_match } = WhipRequest::patch(&parts.headers)? else {
            return Err(WhipRefusal::NoSession);
        };
        let entry = self.sessions.find(name)?;
        entry.state.lock().await.check(Bearer::of(&parts.headers).as_ref())?;
        // Other requests need not wait for this one's body.
        let fragment = Fragment::parse(&self.text(body, FRAGMENT_BYTES_MAX).await?)?;
        let metrics = Arc::clone(&self.context.metrics);
        // A client that gives up does not stop a restart halfway: it will ask for its answer again.
        let patched = self.context.tasks.spawn(patch_session(entry, if_match, fragment, metrics));
        patched.await.map_err(|_ended| WhipRefusal::NoSession)?
    }

    async fn delete(&self, name: &str, parts: &Parts) -> Result<Done, WhipRefusal> {
        let entry = self.sessions.find(name)?;
        entry.state.lock().await.check(Bearer::of(&parts.headers).as_ref())?;
        if !self.sessions.remove(name) {
            return Err(WhipRefusal::NoSession);
        }
        // A session that is gone already has ended.
        drop(entry.commands.send(Command::End).await);
        Ok(Done::Ended)
    }

    async fn text(&self, body: Body, most: usize) -> Result<String, WhipRefusal> {
        let collected =
            timeout(self.context.config.body_timeout, Limited::new(body, most).collect());
        let collected = collected.await.map_err(|_late| WhipRefusal::Body)?;
        let bytes = collected.map_err(|error| {
            let long = error.is::<http_body_util::LengthLimitError>();
            if long { WhipRefusal::TooLarge(most) } else { WhipRefusal::Body }
        })?;
        String::from_utf8(bytes.to_bytes().into()).map_err(|_not_text| WhipRefusal::Body)
    }
}

async fn patch_session(
    entry: Arc<Entry>,
    if_match: Option<String>,
    fragment: Fragment,
    metrics: Arc<WhipMetrics>,
) -> Result<Done, WhipRefusal> {
    let mut state = entry.state.lock().await;
    match state.patch(if_match.as_deref(), fragment)? {
        PatchAction::Candidates => Ok(Done::Nothing),
        PatchAction::AlreadyRestarted(fragment) => {
            let fragment = fragment.expose().clone();
            Ok(Done::Restarted { etag: state.etag(), fragment })
        }
        PatchAction::Restart(credentials) => {
            let (reply, answer) = oneshot::channel();
            let command = Command::Restart(credentials.clone(), reply);
            entry.commands.send(command).await.map_err(|_gone| WhipRefusal::NoSession)?;
            let answer = answer.await.map_err(|_gone| WhipRefusal::NoSession)?;
            let fragment = answer.map_err(WhipRefusal::RestartFailed)?;
            state.restarted(credentials, fragment.clone());
            metrics.restarts.inc();
            Ok(Done::Restarted { etag: state.etag(), fragment })
        }
    }
}

fn unanswered(error: &PeerError) -> WhipRefusal {
    match error {
        PeerError::Full => WhipRefusal::Full("the gateway has no room for another WebRTC peer"),
        PeerError::Late => WhipRefusal::Full("the offer was not answered in time; try again"),
        PeerError::NoCommonFormat | PeerError::Library(_) => {
            WhipRefusal::Unanswerable(error.to_string())
        }
    }
}

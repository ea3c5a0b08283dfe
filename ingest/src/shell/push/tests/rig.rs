//! A root that notes what it is given, and the service in front of it.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, body::Body, response::Response};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use media::{Chain, RenditionName, StreamName};
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt as _;

use crate::{
    BoxFuture, PushAdmission, PushConfig, PushContext, PushMetrics,
    push::{
        PushAnswer, PushContainer, PushRefusal, PushRequest, PushedRendition, PushedSegment,
        fixture,
    },
    push_service,
};

/// What was handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pushed {
    pub(super) sequence: u64,
    pub(super) units: usize,
    pub(super) out_of_order: bool,
}

/// What the root does with the next segments.
#[derive(Clone, Debug)]
pub(super) enum Behaviour {
    Answer,
    Refuse(PushRefusal),
    Panic,
}

pub(super) struct Root {
    pub(super) pushed: Mutex<Vec<Pushed>>,
    pub(super) behaviour: Mutex<Behaviour>,
    /// An answer takes one permit.
    pub(super) gate: Semaphore,
    pub(super) admits_after: Mutex<Duration>,
}

impl PushAdmission for Root {
    fn admit<'a>(
        &'a self,
        request: &'a PushRequest,
    ) -> BoxFuture<'a, Result<StreamName, PushRefusal>> {
        let after = *self.admits_after.lock().unwrap();
        Box::pin(async move {
            tokio::time::sleep(after).await;
            match request.bearer.as_ref().map(|key| key.expose()) {
                Some("key") => Ok(StreamName::new(request.manifest.expose()).unwrap()),
                _ => Err(PushRefusal::Forbidden("no such key".to_owned())),
            }
        })
    }

    fn push(
        &self,
        _stream: StreamName,
        request: PushRequest,
        segment: PushedSegment,
    ) -> BoxFuture<'_, Result<PushAnswer, PushRefusal>> {
        self.pushed.lock().unwrap().push(Pushed {
            sequence: request.sequence,
            units: segment.units.len(),
            out_of_order: segment.out_of_order,
        });
        let behaviour = self.behaviour.lock().unwrap().clone();
        Box::pin(async move {
            self.gate.acquire().await.unwrap().forget();
            let names = ["high", "low"].map(|name| RenditionName::new(name).unwrap());
            match behaviour {
                Behaviour::Panic => panic!("the root broke"),
                Behaviour::Refuse(refusal) => Err(refusal),
                Behaviour::Answer if !segment.has_video() => {
                    Ok(PushAnswer::copies(&segment, names))
                }
                Behaviour::Answer => {
                    let rendition = |name: RenditionName| PushedRendition {
                        body: Chain::from(Bytes::from(format!("{name} of {}", request.sequence))),
                        container: PushContainer::MpegTs,
                        name,
                    };
                    Ok(PushAnswer { renditions: names.into_iter().map(rendition).collect() })
                }
            }
        })
    }
}

pub(super) struct Rig {
    pub(super) root: Arc<Root>,
    pub(super) metrics: Arc<PushMetrics>,
    pub(super) shutdown: CancellationToken,
    router: Router,
}

/// A response with its body read.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: http::HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

impl Rig {
    pub(super) fn new(config: PushConfig) -> Self {
        let root = Arc::new(Root {
            pushed: Mutex::default(),
            behaviour: Mutex::new(Behaviour::Answer),
            gate: Semaphore::new(1_000),
            admits_after: Mutex::new(Duration::ZERO),
        });
        let metrics = Arc::new(PushMetrics::default());
        let shutdown = CancellationToken::new();
        let router = push_service(PushContext {
            admission: Arc::clone(&root) as Arc<dyn PushAdmission>,
            config,
            metrics: Arc::clone(&metrics),
            tasks: TaskTracker::new(),
            shutdown: shutdown.clone(),
        });
        Self { root, metrics, shutdown, router }
    }

    /// Answers wait until permits are added.
    pub(super) fn close_gate(&self) {
        self.root.gate.forget_permits(1_000);
    }

    pub(super) fn behave(&self, behaviour: Behaviour) {
        *self.root.behaviour.lock().unwrap() = behaviour;
    }

    pub(super) fn pushed(&self) -> Vec<Pushed> {
        self.root.pushed.lock().unwrap().clone()
    }

    pub(super) fn sequences(&self) -> Vec<u64> {
        self.pushed().iter().map(|pushed| pushed.sequence).collect()
    }

    pub(super) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        read(response).await
    }

    /// Segment `sequence` of stream `a`, renditions wanted.
    pub(super) async fn put(&self, sequence: u64, body: Bytes) -> Answer {
        self.send(put(sequence, body)).await
    }

    /// Until so many segments have been handed over.
    pub(super) async fn until_pushed(&self, count: usize) {
        while self.pushed().len() < count {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

pub(super) fn put(sequence: u64, body: Bytes) -> Request<Body> {
    Request::put(format!("/live/a/{sequence}.ts"))
        .header("Authorization", "Bearer key")
        .header("Accept", "multipart/mixed")
        .header("Content-Duration", "1000")
        .body(Body::from(body))
        .unwrap()
}

pub(super) async fn read(response: Response) -> Answer {
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer { status: parts.status, headers: parts.headers, body }
}

/// A second of video that no other number has.
pub(super) fn body(number: u8) -> Bytes {
    let video = fixture::video(900_000 + u64::from(number) * 90_000, 25, true);
    fixture::file(PushContainer::MpegTs, Some(&video), None)
}

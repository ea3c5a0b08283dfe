//! Answers to pushed segments: what is released is handed back to the client that pushed it.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use bytes::Bytes;
use container::{mp4, ts::TsWriter};
use ingest::push::{PushAnswer, PushContainer, PushRefusal, PushedRendition};
use media::{
    Chain, GapReason, PresentationSegment, RenditionName, RenditionOutcome, SequenceNumber,
    TrackSegment,
};
use tokio::sync::oneshot;

/// How a pushed segment is to be answered.
#[derive(Debug)]
pub(crate) struct Asked {
    /// How renditions are packed.
    pub container: PushContainer,
    /// Whether the client wants any back.
    pub wants_renditions: bool,
    /// Where the answer goes.
    pub reply: oneshot::Sender<Result<PushAnswer, PushRefusal>>,
}

impl Asked {
    /// A client that is gone is not answered.
    pub(crate) fn answer(self, answer: Result<PushAnswer, PushRefusal>) {
        drop(self.reply.send(answer));
    }

    /// Whether anybody takes renditions.
    pub(crate) fn takes_renditions(&self) -> bool {
        self.wants_renditions && !self.reply.is_closed()
    }
}

/// A pushed segment whose renditions are awaited.
#[derive(Debug)]
struct Awaited {
    /// What it became, as a rule one segment.
    sequences: Vec<SequenceNumber>,
    released: Vec<PresentationSegment>,
    asked: Asked,
}

/// The pushes of one stream that wait for their answer, in order. The push service bounds their number.
#[derive(Debug, Default)]
pub(crate) struct PushAnswers {
    awaited: VecDeque<Awaited>,
    /// Continuity counters of transport streams go on from segment to segment.
    writers: HashMap<RenditionName, TsWriter>,
}

impl PushAnswers {
    /// Answers when all of these numbers are released.
    pub(crate) fn expect(&mut self, sequences: Vec<SequenceNumber>, asked: Asked) {
        if sequences.is_empty() {
            let nothing = PushRefusal::Unusable("too little media for a segment".to_owned());
            asked.answer(Err(nothing));
            return;
        }
        self.awaited.push_back(Awaited { sequences, released: Vec::new(), asked });
    }

    /// A number was released: numbers are released in order, and so are answers.
    pub(crate) fn released(&mut self, segment: &PresentationSegment) {
        let Some(first) = self.awaited.front_mut() else { return };
        if !first.sequences.contains(&segment.source.sequence) {
            return;
        }
        first.released.push(segment.clone());
        if first.released.len() < first.sequences.len() {
            return;
        }
        if let Some(done) = self.awaited.pop_front() {
            let answer = self.answer(&done.released, &done.asked);
            done.asked.answer(answer);
        }
    }

    /// Gaps refuse whatever is wanted; files are written only for who takes them.
    fn answer(
        &mut self,
        released: &[PresentationSegment],
        asked: &Asked,
    ) -> Result<PushAnswer, PushRefusal> {
        let Some(first) = released.first() else { return Ok(PushAnswer::default()) };
        let (container, takes_renditions) = (asked.container, asked.takes_renditions());
        let audio: Vec<_> = released.iter().filter_map(|it| it.source.audio.clone()).collect();
        let audio = joined(&audio)?;
        let mut renditions = Vec::with_capacity(first.renditions.len());
        for (index, rendition) in first.renditions.iter().enumerate() {
            let mut tracks = Vec::with_capacity(released.len());
            for segment in released {
                match segment.renditions.get(index).map(|it| &it.outcome) {
                    Some(RenditionOutcome::Media(track)) => tracks.push(Arc::clone(track)),
                    Some(RenditionOutcome::Gap(reason)) => return Err(refusal(*reason)),
                    None => return Err(PushRefusal::NoOrchestrator),
                }
            }
            let Some(video) = joined(&tracks)? else { continue };
            if !takes_renditions {
                continue;
            }
            let name = rendition.name.clone();
            let body = self.file(&name, container, &video, audio.as_ref())?;
            renditions.push(PushedRendition { name, container, body });
        }
        Ok(PushAnswer { renditions })
    }

    fn file(
        &mut self,
        name: &RenditionName,
        container: PushContainer,
        video: &TrackSegment,
        audio: Option<&TrackSegment>,
    ) -> Result<Chain, PushRefusal> {
        let failed = |error: String| {
            PushRefusal::Transient(format!("a rendition can't be written: {error}"))
        };
        match container {
            PushContainer::Mp4 => {
                mp4::write_file(video, audio).map_err(|error| failed(error.to_string()))
            }
            PushContainer::MpegTs => {
                let writer = self.writers.entry(name.clone()).or_default();
                let file: Result<Bytes, _> = writer.segment(Some(video), audio);
                file.map(Chain::from).map_err(|error| failed(error.to_string()))
            }
        }
    }
}

/// Pieces of one track after another as one, where all have the same header.
fn joined(pieces: &[Arc<TrackSegment>]) -> Result<Option<TrackSegment>, PushRefusal> {
    let Some((first, rest)) = pieces.split_first() else { return Ok(None) };
    let mut whole = TrackSegment::clone(first);
    for piece in rest {
        if piece.init.bytes != whole.init.bytes {
            let text = "the segment changes its parameters in the middle";
            return Err(PushRefusal::Unusable(text.to_owned()));
        }
        whole.samples.extend(piece.samples.iter().cloned());
        whole.parts.extend(piece.parts.iter().cloned());
    }
    Ok(Some(whole))
}

fn refusal(reason: GapReason) -> PushRefusal {
    match reason {
        GapReason::NoOrchestrator | GapReason::NoDecoder => PushRefusal::NoOrchestrator,
        GapReason::FleetFull => PushRefusal::Full("every orchestrator is at work for others"),
        GapReason::AttemptsFailed => PushRefusal::Unusable("every attempt failed".to_owned()),
        GapReason::Quarantined => {
            PushRefusal::Unusable("two orchestrators can't transcode it".to_owned())
        }
        GapReason::NotTranscodable => {
            PushRefusal::Unusable("it does not start with a picture".to_owned())
        }
        GapReason::Deadline => PushRefusal::Transient("no orchestrator was fast enough".to_owned()),
        GapReason::PublisherAway => PushRefusal::Transient("the stream has a hole here".to_owned()),
    }
}

//! What is asked for, when, and how often.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant, UNIX_EPOCH},
};

use bytes::Bytes;
use container::cmaf;
use media::{
    AacParameters, Chain, CodecParameters, H264Parameters, InitSegment, MediaDuration, Part,
    PresentationSegment, ReadyMade, RenditionName, RenditionOutcome, RenditionSegment, Sample,
    Segment, SequenceNumber, Timescale, Timestamp, Track, TrackId, TrackSegment,
};
use prometheus_client::metrics::counter::Counter;
use router::BoxFuture;
use segmenter::Filler;
use tokio::sync::oneshot;

use super::{FillerMaking, FillerOrder, NoFiller, StreamFiller};
use crate::config::{FillerKind, PublisherPolicy};

type Made = Result<Filler, NoFiller>;
type Asked = Vec<(FillerOrder, oneshot::Sender<Made>)>;

/// Keeps what is asked for, until the test answers.
#[derive(Debug, Default)]
struct Bench(Mutex<Asked>);

impl Bench {
    fn asked(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    fn answer(&self, filler: Made) -> FillerOrder {
        let (order, sender) = self.0.lock().unwrap().pop().unwrap();
        sender.send(filler).unwrap();
        order
    }
}

impl FillerMaking for Bench {
    fn make(&self, order: FillerOrder) -> BoxFuture<'static, Made> {
        let (sender, made) = oneshot::channel();
        self.0.lock().unwrap().push((order, sender));
        Box::pin(async { made.await.unwrap_or(Err(NoFiller::Now)) })
    }
}

pub(super) fn init(height: u32) -> Arc<InitSegment> {
    let parameters = if height == 0 {
        CodecParameters::Aac(Arc::new(AacParameters {
            audio_specific_config: Bytes::from_static(&[0x11, 0x90]),
            object_type: 2,
            sampling_rate: 48_000,
            channels: 2,
            frame_samples: 1_024,
        }))
    } else {
        CodecParameters::H264(Arc::new(H264Parameters {
            sps: vec![Bytes::from_static(&[0x67, 0x64, 0x00, 0x1f])],
            pps: vec![Bytes::from_static(&[0x68, 0xeb])],
            profile_level: [0x64, 0, 0x1f],
            width: height * 2,
            height,
            sample_aspect_ratio: (1, 1),
            frame_rate: None,
            may_reorder: false,
        }))
    };
    let id = if height == 0 { TrackId::AUDIO } else { TrackId::VIDEO };
    let timescale = if height == 0 { Timescale::new(48_000).unwrap() } else { Timescale::VIDEO };
    Arc::new(cmaf::init_segment(&Track { id, timescale, parameters }).unwrap())
}

/// Of the source's audio.
#[cfg(feature = "local")]
pub(super) fn silence() -> Filler {
    let frame = Chain::from(Bytes::from_static(b"hush"));
    Filler { audio: Some(segmenter::FillerSound { init: init(0), frame }), ..Filler::default() }
}

fn track(init: &Arc<InitSegment>, body: &'static [u8]) -> Option<Arc<TrackSegment>> {
    lasting(init, body, 1)
}

/// A track of one sample, which lasts so many ticks.
fn lasting(init: &Arc<InitSegment>, body: &'static [u8], ticks: u32) -> Option<Arc<TrackSegment>> {
    let body = Chain::from(Bytes::from_static(body));
    let payload = body.clone();
    let sample = Sample { duration: ticks, composition_offset: 0, sync: true, payload };
    let duration = MediaDuration::new(ticks.into(), Timescale::VIDEO);
    let parts = vec![Part { duration, independent: true, body }];
    let (init, samples) = (Arc::clone(init), vec![sample]);
    Some(Arc::new(TrackSegment { init, base_decode_time: 0, samples, parts }))
}

struct Stream {
    filler: StreamFiller,
    bench: Arc<Bench>,
    source: Arc<InitSegment>,
    sound: Arc<InitSegment>,
    rung: Arc<InitSegment>,
    now: Instant,
}

impl Stream {
    fn new(kind: FillerKind) -> Self {
        let bench = Arc::new(Bench::default());
        let slate = Some("slate.png".into());
        let policy = PublisherPolicy { filler: kind, slate, ..PublisherPolicy::default() };
        let length = Duration::from_secs(2);
        let maker: Arc<dyn FillerMaking> = bench.clone();
        let filler = StreamFiller::new(Some(maker), &policy, length, Counter::default());
        let now = tokio::time::Instant::now().into_std();
        Self { filler, bench, source: init(720), sound: init(0), rung: init(360), now }
    }

    fn segment(&self, body: Option<&'static [u8]>) -> Segment {
        Segment {
            sequence: SequenceNumber(1),
            discontinuity: false,
            independent: true,
            start: Timestamp::new(0, Timescale::VIDEO),
            duration: MediaDuration::new(180_000, Timescale::VIDEO),
            program_date_time: UNIX_EPOCH,
            video: body.and_then(|body| track(&self.source, body)),
            audio: body.and_then(|body| track(&self.sound, body)),
            ready_made: Vec::new(),
            filler: false,
            closed: self.now,
        }
    }

    /// A segment whose video lasts so many seconds, cut.
    fn piece(&mut self, body: &'static [u8], independent: bool, seconds: u32) {
        let video = lasting(&self.source, body, seconds * 90_000);
        self.filler.cut(&Segment { independent, video, ..self.segment(None) });
    }

    /// What a last picture would be taken from now.
    fn last(&mut self) -> Vec<u8> {
        self.gap();
        let order = self.bench.answer(Err(NoFiller::Now));
        let file = order.last.to_contiguous();
        file.strip_prefix(&self.source.bytes[..]).expect("its header").to_vec()
    }

    /// A segment of the publisher's, cut and listed with a rung.
    fn media(&mut self, body: &'static [u8], independent: bool) {
        let segment = Segment { independent, ..self.segment(Some(body)) };
        self.filler.cut(&segment);
        let name = RenditionName::new("360p").unwrap();
        let outcome = RenditionOutcome::Media(track(&self.rung, b"rung").unwrap());
        let renditions = vec![RenditionSegment { name, outcome }];
        self.filler.listed(&PresentationSegment { source: Arc::new(segment), renditions });
        self.filler.begin(self.now);
    }

    fn gap(&mut self) {
        self.filler.cut(&self.segment(None));
        self.filler.begin(self.now);
    }

    async fn made(&mut self) -> bool {
        let made = self.filler.ready().await;
        self.filler.made(self.now, made.as_ref());
        self.filler.begin(self.now);
        made.is_ok()
    }
}

#[tokio::test]
async fn the_last_segments_are_asked_to_stand_still_in_every_rendition() {
    let mut stream = Stream::new(FillerKind::LastPicture);
    stream.media(b"old", true);
    stream.media(b"key", true);
    // A long GOP that was cut: this decodes only behind the one before.
    stream.media(b"rest", false);
    assert_eq!(stream.bench.asked(), 0, "nothing while media come");
    stream.filler.wanted();
    stream.filler.begin(stream.now);
    stream.filler.begin(stream.now);
    assert_eq!(stream.bench.asked(), 1, "one at a time");
    let order = stream.bench.answer(Ok(Filler::default()));
    let expected = [&stream.source.bytes[..], b"keyrest"].concat();
    assert_eq!(order.last.to_contiguous(), expected);
    let names: Vec<_> =
        order.pictures.iter().map(|it| it.name.as_ref().map(ToString::to_string)).collect();
    assert_eq!(names, [None, Some("360p".to_owned())]);
    assert!(Arc::ptr_eq(&order.silence.audio.unwrap().init, &stream.sound), "its own header");
    assert!(order.pictures.iter().all(|it| it.bitrate >= 300_000));
    assert!(stream.made().await);
    stream.filler.begin(stream.now);
    assert_eq!(stream.bench.asked(), 0, "it is there");
}

#[tokio::test]
async fn of_a_gop_without_end_the_first_pieces_are_kept() {
    let mut stream = Stream::new(FillerKind::LastPicture);
    stream.media(b"key", true);
    for _ in 0..20 {
        stream.piece(b"+", false, 0);
    }
    assert_eq!(stream.last(), b"key+++++++");
    stream.piece(b"next", true, 2);
    assert_eq!(stream.last(), b"next");
}

#[tokio::test]
async fn no_more_is_decoded_than_takes_a_moment() {
    let mut stream = Stream::new(FillerKind::LastPicture);
    stream.media(b"old", true);
    stream.piece(b"key", true, 12);
    stream.piece(b"+", false, 1);
    assert_eq!(stream.last(), b"key", "however long it is");
    stream.piece(b"key", true, 4);
    stream.piece(b"+", false, 4);
    stream.piece(b"-", false, 4);
    // Short enough, but behind what was left out.
    stream.piece(b"-", false, 1);
    assert_eq!(stream.last(), b"key+");
}

#[tokio::test]
async fn who_is_refused_asks_again_with_the_next_stand_in_and_not_for_ever() {
    let mut stream = Stream::new(FillerKind::LastPicture);
    stream.media(b"key", true);
    let mut asked = 0;
    for _ in 0..10 {
        stream.gap();
        if stream.bench.asked() > 0 {
            asked += 1;
            stream.bench.answer(Err(NoFiller::Now));
            assert!(!stream.made().await);
            assert_eq!(stream.bench.asked(), 0, "not before the next stand-in");
        }
    }
    assert_eq!(asked, 4);
    stream.media(b"key", true);
    stream.gap();
    assert_eq!(stream.bench.asked(), 1, "another absence, another try");
}

#[tokio::test]
async fn what_can_never_be_made_is_asked_for_once_an_absence() {
    let mut stream = Stream::new(FillerKind::LastPicture);
    stream.media(b"key", true);
    stream.gap();
    stream.bench.answer(Err(NoFiller::Ever));
    assert!(!stream.made().await);
    for _ in 0..3 {
        stream.gap();
        assert_eq!(stream.bench.asked(), 0);
    }
    stream.media(b"key", true);
    stream.gap();
    assert_eq!(stream.bench.asked(), 1, "another absence");
}

#[tokio::test]
async fn work_ends_when_media_are_back() {
    let mut stream = Stream::new(FillerKind::LastPicture);
    stream.media(b"key", true);
    stream.filler.wanted();
    stream.filler.begin(stream.now);
    stream.media(b"key", true);
    let (_, sender) = stream.bench.0.lock().unwrap().pop().unwrap();
    assert!(sender.is_closed(), "nobody waits for it");
}

#[tokio::test]
async fn what_is_switched_off_or_was_never_shown_is_not_asked_for() {
    let mut stream = Stream::new(FillerKind::Off);
    stream.media(b"key", true);
    stream.gap();
    assert_eq!(stream.bench.asked(), 0);
    let mut stream = Stream::new(FillerKind::LastPicture);
    stream.gap();
    assert_eq!(stream.bench.asked(), 0);
}

#[tokio::test]
async fn filler_of_layers_stands_in_for_them() {
    let mut stream = Stream::new(FillerKind::LastPicture);
    let layer =
        ReadyMade { name: RenditionName::of_layer(360, 1), media: track(&stream.rung, b"x") };
    let audio = ReadyMade { name: RenditionName::of_audio(2), media: track(&stream.sound, b"x") };
    let segment = Segment { ready_made: vec![layer, audio], ..stream.segment(Some(b"key")) };
    stream.filler.cut(&segment);
    let listed = PresentationSegment { source: Arc::new(segment), renditions: Vec::new() };
    stream.filler.listed(&listed);
    stream.gap();
    let order = stream.bench.answer(Err(NoFiller::Now));
    assert_eq!(order.pictures.len(), 2);
    assert_eq!(order.silence.ready_made.len(), 1, "silence for the second audio track");
}

#[tokio::test]
async fn a_picture_is_forgotten_when_media_come_without_one() {
    for (kind, pictures) in [(FillerKind::LastPicture, 0), (FillerKind::Slate, 2)] {
        let mut stream = Stream::new(kind);
        stream.media(b"key", true);
        // The camera is off, or another publisher has none.
        let audio = track(&stream.sound, b"sound");
        stream.filler.cut(&Segment { audio, ..stream.segment(None) });
        stream.gap();
        let order = stream.bench.answer(Err(NoFiller::Now));
        assert!(order.last.is_empty());
        assert_eq!(order.pictures.len(), pictures, "{kind:?}");
        assert!(order.silence.audio.is_some());
        stream.media(b"back", true);
        stream.gap();
        assert_eq!(stream.bench.answer(Err(NoFiller::Now)).pictures.len(), 2);
    }
}

#[tokio::test]
async fn names_that_nobody_lists_any_more_are_forgotten() {
    let mut stream = Stream::new(FillerKind::LastPicture);
    for layer in 1..=3 {
        let name = RenditionName::of_layer(360, layer);
        let ready_made = vec![ReadyMade { name, media: track(&stream.rung, b"x") }];
        let segment = Segment { ready_made, ..stream.segment(Some(b"key")) };
        stream.filler.cut(&segment);
        let source = Arc::new(segment);
        stream.filler.listed(&PresentationSegment { source, renditions: Vec::new() });
    }
    // A gap has no names, and nothing is forgotten for it.
    let source = Arc::new(stream.segment(None));
    stream.filler.listed(&PresentationSegment { source, renditions: Vec::new() });
    stream.gap();
    let order = stream.bench.answer(Err(NoFiller::Now));
    let names: Vec<_> =
        order.pictures.iter().map(|it| it.name.as_ref().map(ToString::to_string)).collect();
    assert_eq!(names, [None, Some(RenditionName::of_layer(360, 3).to_string())]);
}

//! A publisher, the segmenter, and a watcher that checks every rule on what comes out.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use media::{
    AacParameters, AccessUnit, Chain, CodecParameters, H264Parameters, RenditionName, Segment,
    SequenceNumber, Timescale, Timestamp, Track, TrackId, TrackSegment,
};

use crate::{
    Filler, FillerPictures, FillerSound, FillerTrack, Output, Segmenter, SegmenterConfig, Stats,
    fixture::instant,
};

/// A real 1280x720 High profile SPS and its PPS, so that CMAF headers can be written.
pub(super) fn video_track(pps: u8) -> Track {
    let sps = [
        0x67, 0x64, 0x00, 0x1f, 0xac, 0xd9, 0x40, 0x50, 0x05, 0xbb, 0x01, 0x10, 0x00, 0x00, 0x03,
        0x00, 0x10, 0x00, 0x00, 0x03, 0x03, 0xc0, 0xf1, 0x83, 0x19, 0x60,
    ];
    Track {
        id: TrackId::VIDEO,
        timescale: Timescale::VIDEO,
        parameters: CodecParameters::H264(Arc::new(H264Parameters {
            sps: vec![Bytes::copy_from_slice(&sps)],
            pps: vec![Bytes::copy_from_slice(&[0x68, 0xeb, 0xe3, 0xcb, 0x22, pps])],
            profile_level: [0x64, 0x00, 0x1f],
            width: 1_280,
            height: 720,
            sample_aspect_ratio: (1, 1),
            frame_rate: None,
            may_reorder: true,
        })),
    }
}

/// A layer of that height, with 16:9 pictures.
pub(super) fn layer_track(id: u32, height: u32, pps: u8) -> Track {
    let track = video_track(pps);
    let CodecParameters::H264(parameters) = &track.parameters else { panic!("H.264") };
    let (width, parameters) = (height * 16 / 9, (**parameters).clone());
    let parameters = H264Parameters { width, height, ..parameters };
    let parameters = CodecParameters::H264(Arc::new(parameters));
    Track { id: TrackId(id), parameters, ..track }
}

/// AAC-LC stereo at 44.1 or 48 kHz, HE-AAC at a core rate of 24 kHz.
pub(super) fn audio_track(rate: u32) -> Track {
    let (object_type, config): (u8, &[u8]) = match rate {
        44_100 => (2, &[0x12, 0x10]),
        24_000 => (5, &[0x2b, 0x11, 0x88, 0x00]),
        _ => (2, &[0x11, 0x90]),
    };
    Track {
        id: TrackId::AUDIO,
        timescale: Timescale::new(rate).unwrap(),
        parameters: CodecParameters::Aac(Arc::new(AacParameters {
            audio_specific_config: Bytes::copy_from_slice(config),
            object_type,
            sampling_rate: rate,
            channels: 2,
            frame_samples: 1_024,
        })),
    }
}

/// Twenty pictures for two seconds and silence, for the source, a rung and another audio track.
pub(super) fn filler(audio_rate: u32) -> Filler {
    let init = |track| Arc::new(container::cmaf::init_segment(&track).unwrap());
    let picture = |index: u8| Chain::from(Bytes::copy_from_slice(&[index; 7]));
    let pictures = FillerPictures {
        init: init(video_track(0xee)),
        pictures: (0..20).map(picture).collect(),
        interval: 9_000,
    };
    let sound = FillerSound { init: init(audio_track(audio_rate)), frame: picture(99) };
    let name = |text| RenditionName::parse(text).unwrap();
    Filler {
        video: Some(pictures.clone()),
        audio: Some(sound.clone()),
        ready_made: vec![
            (name("360p"), FillerTrack::Pictures(pictures)),
            (name("audio-2"), FillerTrack::Sound(sound)),
        ],
    }
}

/// A segmenter with a clock, what came out of it, and everything that went in.
pub(super) struct Rig {
    pub(super) segmenter: Segmenter,
    pub(super) segments: Vec<Arc<Segment>>,
    pub(super) refused: usize,
    now: u64,
    /// Number of the next access unit; its payload says it.
    next: u64,
    /// Address of each payload.
    pushed: Vec<*const u8>,
    audio_rate: u32,
}

impl Rig {
    pub(super) fn new(config: SegmenterConfig) -> Self {
        Self {
            segmenter: Segmenter::new(config, SequenceNumber::FIRST),
            segments: Vec::new(),
            refused: 0,
            now: 0,
            next: 0,
            pushed: Vec::new(),
            audio_rate: 48_000,
        }
    }

    /// With video and 48 kHz audio announced.
    pub(super) fn with_both(config: SegmenterConfig) -> Self {
        let mut rig = Self::new(config);
        rig.track(video_track(0xc0));
        rig.track(audio_track(48_000));
        rig
    }

    pub(super) fn track(&mut self, track: Track) {
        if track.id == TrackId::AUDIO {
            self.audio_rate = track.timescale.get();
        }
        self.segmenter.set_track(instant(self.now), track);
        self.drain();
    }

    pub(super) const fn now(&self) -> u64 {
        self.now
    }

    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_000 + self.now)
    }

    /// Lets time pass, waking the segmenter whenever it asks for it.
    pub(super) fn until(&mut self, millis: u64) {
        while let Some(due) = self.segmenter.poll_timeout().filter(|due| *due <= instant(millis)) {
            let due = due.saturating_duration_since(instant(0)).as_millis();
            self.now = self.now.max(u64::try_from(due).unwrap());
            let (now, wall) = (instant(self.now), self.wall());
            self.segmenter.handle_timeout(now, wall);
            self.drain();
            let again = self.segmenter.poll_timeout();
            assert!(again.is_none_or(|again| again > now), "it must not ask for the past");
        }
        self.now = self.now.max(millis);
    }

    fn push(&mut self, track: TrackId, dts: i64, pts: i64, random_access: bool) {
        let payload = Bytes::from(self.next.to_be_bytes().to_vec());
        self.pushed.push(payload.as_ptr());
        self.next += 1;
        let unit = AccessUnit {
            track,
            dts,
            pts,
            random_access,
            payload: Chain::from(payload),
            arrived: instant(self.now),
        };
        self.segmenter.push(instant(self.now), self.wall(), unit);
        self.drain();
    }

    /// A picture, in milliseconds.
    pub(super) fn picture(&mut self, dts: i64, pts: i64, key: bool) {
        self.push(TrackId::VIDEO, dts * 90, pts * 90, key);
    }

    /// A picture, in ticks.
    pub(super) fn raw_picture(&mut self, dts: i64, pts: i64, key: bool) {
        self.push(TrackId::VIDEO, dts, pts, key);
    }

    /// An audio frame stamped in milliseconds, as RTMP does.
    pub(super) fn sound(&mut self, millis: i64) {
        let ticks = millis * i64::from(self.audio_rate) / 1_000;
        self.push(TrackId::AUDIO, ticks, ticks, true);
    }

    /// An audio frame, in ticks.
    pub(super) fn raw_sound(&mut self, ticks: i64) {
        self.push(TrackId::AUDIO, ticks, ticks, true);
    }

    /// A picture of a layer, in milliseconds.
    pub(super) fn layer(&mut self, id: u32, dts: i64, pts: i64, key: bool) {
        self.push(TrackId(id), dts * 90, pts * 90, key);
    }

    /// A frame of a further audio track, in its ticks.
    pub(super) fn raw_alternate(&mut self, id: u32, ticks: i64) {
        self.push(TrackId(id), ticks, ticks, true);
    }

    /// Whether a segment has each layer, or further audio track, by name.
    pub(super) fn ready_made(&self, name: &str) -> Vec<bool> {
        let found = |segment: &Arc<Segment>| {
            let mut all = segment.ready_made.iter();
            all.any(|it| it.name.as_str() == name && it.media.is_some())
        };
        self.segments.iter().map(found).collect()
    }

    pub(super) fn new_publisher(&mut self) {
        self.segmenter.new_publisher(instant(self.now));
        self.drain();
    }

    pub(super) fn discontinuity(&mut self) {
        self.segmenter.discontinuity(instant(self.now));
        self.drain();
    }

    pub(super) fn set_filler(&mut self, filler: Filler) {
        self.segmenter.set_filler(filler);
    }

    pub(super) fn close(&mut self) {
        let wall = self.wall();
        self.segmenter.close(instant(self.now), wall);
        self.drain();
    }

    pub(super) fn leave(&mut self) {
        let wall = self.wall();
        self.segmenter.publisher_left(instant(self.now), wall);
        self.drain();
    }

    pub(super) fn end(&mut self) {
        self.segmenter.end(instant(self.now));
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.segmenter.poll_output() {
            match output {
                Output::Segment(segment) => self.segments.push(segment),
                Output::LongGop { .. } => self.refused += 1,
                Output::Unwritable { track, error } => panic!("track {track}: {error}"),
            }
        }
    }

    pub(super) fn stats(&self) -> Stats {
        self.segmenter.stats()
    }

    /// Durations in milliseconds.
    pub(super) fn millis(&self) -> Vec<u128> {
        self.segments.iter().map(|segment| segment.duration.to_std().as_millis()).collect()
    }

    /// Pushes video of `pictures` and audio of `sounds` milliseconds in the order of their decoding
    /// times, in step with wall time that begins at `now`. Stamps begin at `base`.
    pub(super) fn play(&mut self, base: i64, pictures: &[(i64, i64, bool)], sounds: &[i64]) {
        let begin = i64::try_from(self.now).unwrap();
        let (mut pictures, mut sounds) =
            (pictures.iter().peekable(), sounds.iter().copied().peekable());
        loop {
            let sound_first = match (pictures.peek(), sounds.peek()) {
                (Some(picture), Some(sound)) => *sound < picture.0,
                (None, Some(_)) => true,
                (Some(_), None) => false,
                (None, None) => return,
            };
            if sound_first {
                let Some(at) = sounds.next() else { return };
                self.until(u64::try_from(begin + at).unwrap());
                self.sound(base + at);
            } else {
                let Some(&(dts, pts, key)) = pictures.next() else { return };
                self.until(u64::try_from((begin + dts).max(0)).unwrap());
                self.picture(base + dts, base + pts, key);
            }
        }
    }

    /// Ends the stream and checks every rule on everything that came out.
    pub(super) fn finish(mut self) -> Self {
        self.end();
        self.check();
        self
    }

    /// The rules that hold for every source.
    pub(super) fn check(&mut self) {
        let target = u64::from(self.segmenter.target_duration());
        assert_eq!(u64::from(self.segmenter.target_duration()), target);
        for segment in &self.segments {
            check_length(segment, target);
            for track in media(segment) {
                check_file(track);
                assert!(track.samples[0].sync || !segment.independent, "{segment:?}");
            }
        }
        for pair in self.segments.windows(2) {
            check_step(&pair[0], &pair[1]);
        }
        assert!(self.segments.first().is_none_or(|first| !first.discontinuity));
        self.check_account();
    }

    /// Every access unit is in one segment, by reference, or counted as dropped.
    fn check_account(&self) {
        let mut seen = BTreeSet::new();
        let of_publisher = self.segments.iter().filter(|segment| !segment.filler);
        let tracks = of_publisher.flat_map(|segment| media(segment));
        for sample in tracks.flat_map(|track| &track.samples) {
            let bytes = sample.payload.to_contiguous();
            let number = u64::from_be_bytes(bytes[..].try_into().unwrap());
            assert!(seen.insert(number), "unit {number} twice");
            assert_eq!(bytes.as_ptr(), self.pushed[usize::try_from(number).unwrap()]);
        }
        let stats = self.stats();
        let dropped = stats.dropped_video + stats.dropped_audio + stats.dropped_unknown;
        assert_eq!(seen.len() as u64 + dropped, self.next, "{stats:?}");
        let (stand_ins, media): (Vec<_>, Vec<_>) =
            self.segments.iter().partition(|segment| segment.is_gap() || segment.filler);
        assert_eq!(media.len() as u64, stats.segments);
        assert_eq!(stand_ins.len() as u64, stats.stand_ins);
        let filler = stand_ins.iter().filter(|segment| segment.filler);
        assert_eq!(filler.count() as u64, stats.filler);
    }
}

fn check_length(segment: &Segment, target: u64) {
    assert!(!segment.duration.is_zero());
    assert!(segment.duration.rounded_seconds() <= target, "{} > {target}", segment.duration);
    assert!(segment.duration.to_std() < Duration::from_millis(target * 1_000 + 500));
}

/// The parts hold the samples, in order, as the very bytes that were pushed.
fn check_file(track: &TrackSegment) {
    assert!(!track.samples.is_empty());
    assert!(track.samples.iter().all(|sample| sample.duration > 0));
    let body: Vec<_> = track.body().map(|piece| piece.as_ptr()).collect();
    let mut rest = body.iter();
    for piece in track.samples.iter().flat_map(|sample| &sample.payload) {
        assert!(rest.any(|at| *at == piece.as_ptr()), "a payload was copied or is missing");
    }
    let parts = track.parts.iter().map(|part| part.duration).sum::<media::MediaDuration>();
    assert_eq!(parts, track.duration());
}

fn check_step(before: &Segment, after: &Segment) {
    assert_eq!(after.sequence, before.sequence.next());
    assert_eq!(after.start.ticks(), end_of(before));
    let step = after.program_date_time.duration_since(before.program_date_time);
    let step = step.expect("program date time must not go back");
    if after.discontinuity {
        assert!(step + Duration::from_nanos(1) >= before.duration.to_std());
        return;
    }
    let drift = step.abs_diff(before.duration.to_std());
    assert!(drift <= Duration::from_nanos(1), "{step:?} is not {}", before.duration);
    for (name, b) in named(after) {
        if let Some((_, a)) = named(before).find(|(other, _)| *other == name) {
            let end = a.base_decode_time + a.duration().ticks();
            assert_eq!(b.base_decode_time, end, "tfdt of {name}");
            assert!(Arc::ptr_eq(&a.init, &b.init), "a new header needs a discontinuity");
        }
    }
}

/// All media of a segment.
fn media(segment: &Segment) -> impl Iterator<Item = &Arc<TrackSegment>> {
    named(segment).map(|(_, media)| media)
}

/// All media of a segment, by name.
pub(super) fn named(segment: &Segment) -> impl Iterator<Item = (&str, &Arc<TrackSegment>)> {
    let ready_made = segment.ready_made.iter().map(|it| (it.name.as_str(), it.media.as_ref()));
    let main = [("source", segment.video.as_ref()), ("audio", segment.audio.as_ref())];
    main.into_iter().chain(ready_made).filter_map(|(name, media)| Some((name, media?)))
}

/// Where a segment ends, in ticks of 90 kHz.
pub(super) fn end_of(segment: &Segment) -> i64 {
    segment.start.ticks() + i64::try_from(segment.duration.ticks()).unwrap()
}

/// Presentation times of a track's samples.
pub(super) fn presentation(track: &TrackSegment) -> Vec<Timestamp> {
    let mut dts = i64::try_from(track.base_decode_time).unwrap();
    let mut times = Vec::new();
    for sample in &track.samples {
        let pts = dts + i64::from(sample.composition_offset);
        times.push(Timestamp::new(pts, track.init.track.timescale));
        dts += i64::from(sample.duration);
    }
    times
}

/// Pictures `(dts, pts, key)` in milliseconds: `gops` closed GOPs of `length` pictures each, at
/// `rate.0 / rate.1` per second, with up to `reordered` B-frames in a row.
pub(super) fn gops(
    gops: i64,
    length: i64,
    rate: (i64, i64),
    reordered: i64,
) -> Vec<(i64, i64, bool)> {
    let millis = |index: i64| (index * 2_000 * rate.1 + rate.0).div_euclid(2 * rate.0);
    let delay = i64::from(reordered > 0);
    let mut order = Vec::new();
    for gop in 0..gops {
        order.push((gop * length, true));
        let mut shown = 1;
        while shown < length {
            let anchor = (shown + reordered).min(length - 1);
            order.push((gop * length + anchor, false));
            order.extend((shown..anchor).map(|index| (gop * length + index, false)));
            shown = anchor + 1;
        }
    }
    let picture = |(decoded, (shown, key)): (usize, (i64, bool))| {
        (millis(i64::try_from(decoded).unwrap() - delay), millis(shown), key)
    };
    order.into_iter().enumerate().map(picture).collect()
}

/// Key frames at these milliseconds, pictures at 25 per second in between, up to `end`.
pub(super) fn scenes(keys: &[i64], end: i64) -> Vec<(i64, i64, bool)> {
    (0..end / 40).map(|index| (index * 40, index * 40, keys.contains(&(index * 40)))).collect()
}

/// Stamps of AAC frames of 1024 samples, rounded to milliseconds.
pub(super) fn sounds(rate: i64, end: i64) -> Vec<i64> {
    (0..).map(|index| index * 1_024_000 / rate).take_while(|at| *at < end).collect()
}

//! The figures of one track.

use media::{AccessUnit, Timescale, Timestamp, Track, TrackId, TrackKind};

use super::{
    GopFigures, TrackFigures, gops::Gops, millis, reordering::Reordering, ring::Ring,
    transit::Transit,
};

/// Slots of a quarter of a second, ten seconds of them and the open one.
const SLOT: i64 = 250_000;
const SLOTS: usize = 41;
const A_SECOND: i64 = 4;
const TEN_SECONDS: i64 = 40;
/// Units further apart than this are not one after the other, in microseconds: there was a hole.
const GAP: i64 = 3_000_000;
/// An interval is irregular when it is off the usual one by more than a quarter and this, in microseconds:
/// RTMP's timestamps are whole milliseconds.
const ROUNDING: i64 = 1_500;
/// Media that a frame rate is measured over at least, in microseconds.
const RATE_OVER: i64 = 1_000_000;
/// Media times are held within this, in microseconds: three hundred years.
const MEDIA_LIMIT: i64 = i64::MAX / 1_000;

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    bytes: u64,
    /// Intervals between units, how long they are together, and those that are off the usual.
    intervals: u32,
    media: i64,
    irregular: u32,
    /// Depth of reordering.
    depth: u8,
}

/// Measures one track.
#[derive(Debug)]
pub(super) struct TrackMeter {
    pub(super) id: TrackId,
    pub(super) kind: TrackKind,
    timescale: Timescale,
    codec: String,
    picture: Option<(u32, u32)>,
    declared_rate: Option<u32>,
    sound: Option<(u32, u8)>,
    slots: Ring<Slot, SLOTS>,
    /// Arrival of the newest unit.
    pub(super) arrived: Option<i64>,
    /// Decoding time of the newest unit on this timeline.
    media: Option<i64>,
    /// Sixteen times the usual interval between units.
    interval: i64,
    gops: Gops,
    reordering: Reordering,
    pub(super) transit: Transit,
    units: u64,
}

impl TrackMeter {
    pub(super) fn new(track: &Track) -> Self {
        let mut meter = Self {
            id: track.id,
            kind: track.kind(),
            timescale: track.timescale,
            codec: String::new(),
            picture: None,
            declared_rate: None,
            sound: None,
            slots: Ring::new(SLOT),
            arrived: None,
            media: None,
            interval: 0,
            gops: Gops::default(),
            reordering: Reordering::default(),
            transit: Transit::new(),
            units: 0,
        };
        meter.set(track);
        meter
    }

    /// Takes new parameters. Answers whether the picture's size is another.
    pub(super) fn set(&mut self, track: &Track) -> bool {
        self.kind = track.kind();
        if self.timescale != track.timescale {
            self.timescale = track.timescale;
            self.restart();
        }
        self.codec = track.parameters.rfc6381();
        let picture = track.parameters.picture().map(|(_, picture)| picture);
        let rate = picture.and_then(|picture| picture.frame_rate);
        self.declared_rate = rate.and_then(|rate| u32::try_from(rate.millihertz()).ok());
        self.sound = track.parameters.sound().map(|it| (it.sampling_rate, it.channels));
        let before = std::mem::replace(&mut self.picture, picture.map(|it| it.display_size()));
        before.is_some() && before != self.picture
    }

    /// Takes a unit that arrived at `at`.
    pub(super) fn push(&mut self, at: i64, unit: &AccessUnit) {
        let media = micros(unit.dts, self.timescale);
        self.units += 1;
        self.arrived = Some(self.arrived.map_or(at, |before| before.max(at)));
        self.transit.push(at, media);
        let interval = self.media.replace(media).map(|before| media.saturating_sub(before));
        if interval.is_some_and(|interval| interval >= GAP) {
            self.gops.restart();
        }
        let interval = interval.filter(|interval| (1..GAP).contains(interval));
        let irregular = interval.is_some_and(|interval| self.is_irregular(interval));
        let mut depth = 0;
        if self.kind == TrackKind::Video {
            self.gops.push(media, unit.random_access);
            depth = self.reordering.push(unit.pts);
        }
        let Some(slot) = self.slots.at(at) else { return };
        let bytes = u64::try_from(unit.payload.len()).unwrap_or(u64::MAX);
        slot.bytes = slot.bytes.saturating_add(bytes);
        slot.depth = slot.depth.max(depth);
        if let Some(interval) = interval {
            slot.intervals += 1;
            slot.media += interval;
            slot.irregular += u32::from(irregular);
        }
    }

    fn is_irregular(&mut self, interval: i64) -> bool {
        if self.interval == 0 {
            self.interval = interval * 16;
        }
        let usual = self.interval / 16;
        self.interval += interval.min(usual * 4) - usual;
        (interval - usual).abs() > usual / 4 + ROUNDING
    }

    /// Another timeline begins.
    pub(super) fn restart(&mut self) {
        self.media = None;
        self.gops.restart();
        self.reordering.restart();
        self.transit.restart();
    }

    /// Lets time pass: `at` is what rates are of, `now` this moment.
    pub(super) fn advance(&mut self, at: i64, now: i64) {
        self.slots.advance(at);
        self.transit.advance(now);
    }

    pub(super) const fn media(&self) -> Option<i64> {
        self.media
    }

    /// Everything, as of `now`. `even` is whether units arrive one by one.
    pub(super) fn figures(&self, now: i64, announced: Option<u32>, even: bool) -> TrackFigures {
        let video = self.kind == TrackKind::Video && self.units > 0;
        let (sampling_rate, channels) = self.sound.unzip();
        let (width, height) = self.picture.unzip();
        let lately = self.lately();
        let evenly = |micros: Option<i64>| micros.filter(|_| even).map(millis);
        TrackFigures {
            id: self.id,
            kind: self.kind,
            codec: self.codec.clone(),
            width,
            height,
            sampling_rate,
            channels,
            units: self.units,
            silent_ms: millis(now.saturating_sub(self.arrived.unwrap_or(0))),
            bitrate: self.bitrate(A_SECOND),
            bitrate_10s: self.bitrate(TEN_SECONDS),
            frame_rate: video.then(|| frame_rate(&lately)).flatten(),
            announced_frame_rate: video.then_some(self.declared_rate.or(announced)).flatten(),
            irregular_permille: video.then(|| irregular(&lately)).flatten(),
            gop: video.then(|| self.gop()),
            reordering: video.then_some(lately.depth),
            jitter_ms: evenly((self.units > 1).then(|| self.transit.jitter())),
            jitter_peak_ms: evenly(self.transit.peak()),
        }
    }

    fn lately(&self) -> Slot {
        self.slots.complete(TEN_SECONDS).chain([self.slots.open()]).fold(Slot::default(), |a, b| {
            Slot {
                bytes: a.bytes.saturating_add(b.bytes),
                intervals: a.intervals.saturating_add(b.intervals),
                media: a.media.saturating_add(b.media),
                irregular: a.irregular.saturating_add(b.irregular),
                depth: a.depth.max(b.depth),
            }
        })
    }

    /// Bit/s of up to so many whole slots; `None` before there are enough for a second.
    fn bitrate(&self, slots: i64) -> Option<u64> {
        let (mut bytes, mut count) = (0_u64, 0_u64);
        for slot in self.slots.complete(slots) {
            bytes = bytes.saturating_add(slot.bytes);
            count += 1;
        }
        let enough = i64::try_from(count).is_ok_and(|count| count >= A_SECOND);
        let micros = count.checked_mul(u64::try_from(SLOT).ok()?)?;
        enough.then(|| bytes.saturating_mul(8_000_000).checked_div(micros)).flatten()
    }

    fn gop(&self) -> GopFigures {
        let recent = self.gops.recent();
        GopFigures {
            last_ms: self.gops.lengths().map(|(last, _)| last),
            longest_ms: self.gops.lengths().map(|(_, longest)| longest),
            usual_ms: recent.map(|(_, usual, _)| usual),
            shortest_lately_ms: recent.map(|(shortest, ..)| shortest),
            jumps_lately: self.gops.jumps(),
            longest_lately_ms: recent.map(|(.., longest)| longest),
            current_ms: self.gops.current().unwrap_or_default(),
        }
    }
}

fn frame_rate(lately: &Slot) -> Option<u32> {
    let thousandths = i64::from(lately.intervals).checked_mul(1_000_000_000)?;
    let rate = (lately.media >= RATE_OVER).then(|| thousandths.checked_div(lately.media)).flatten();
    u32::try_from(rate?).ok()
}

fn irregular(lately: &Slot) -> Option<u64> {
    let all = u64::from(lately.intervals);
    (lately.media >= RATE_OVER)
        .then(|| (u64::from(lately.irregular) * 1_000).checked_div(all))
        .flatten()
}

fn micros(ticks: i64, timescale: Timescale) -> i64 {
    // Nearly all are; the general way is for absurd stamps.
    let whole = ticks.checked_mul(1_000_000).map(|scaled| scaled / i64::from(timescale.get()));
    let micros = whole.unwrap_or_else(|| {
        let millis = Timestamp::new(ticks, timescale).rescale(Timescale::MILLIS).ticks();
        millis.saturating_mul(1_000)
    });
    micros.clamp(-MEDIA_LIMIT, MEDIA_LIMIT)
}

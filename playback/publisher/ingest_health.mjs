// How a stream arrives, as the gateway sees it: asked for with the stream's key, and put into words.

const LOOK_MS = 1_000;
// A gateway that does not answer may be back in a moment; …
const UNREACHABLE_MS = 4_000;
// … who has no live stream, or asked too often, is not in such a hurry: the gateway counts wrong keys.
const UNKNOWN_MS = 60_000;
const REQUEST_MS = 8_000;
const HISTORY = 60;
// The history's scale begins here, so that a quiet line is not blown up.
const LEAST_TOP = 500_000;

// What an answer means: `{ state, report, waitMs }`, where `state` is one of
//   live · away (the publisher) · off (the air) · refused (the key) · limited (asked too often) · unreachable
export function read(status, body, retryAfterS) {
  if (status === 200 && body) {
    return { state: body.publishing ? 'live' : 'away', report: body, waitMs: LOOK_MS };
  }
  if (status === 401) return { state: 'refused', report: null, waitMs: UNKNOWN_MS };
  if (status === 404) return { state: 'off', report: null, waitMs: UNKNOWN_MS };
  const atLeast = (ms) => Math.max(ms, (Number(retryAfterS) || 0) * 1000);
  if (status === 429) return { state: 'limited', report: null, waitMs: atLeast(UNKNOWN_MS) };
  return { state: 'unreachable', report: null, waitMs: atLeast(UNREACHABLE_MS) };
}

// Asks again and again, while the page is looked at. `show` is told what comes of it.
export class IngestHealth {
  #stopped = new AbortController();
  #key;
  #show;

  constructor({ key, show }) {
    this.#key = key;
    this.#show = show;
  }

  async run() {
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      let waitMs = LOOK_MS;
      if (document.visibilityState !== 'hidden') {
        const seen = await this.#ask();
        if (signal.aborted) return;
        this.#show(seen);
        ({ waitMs } = seen);
      }
      await new Promise((resolve) => {
        const done = () => {
          clearTimeout(timer);
          signal.removeEventListener('abort', done);
          resolve();
        };
        const timer = setTimeout(done, waitMs);
        signal.addEventListener('abort', done);
      });
    }
  }

  stop() {
    this.#stopped.abort();
  }

  async #ask() {
    const { signal } = this.#stopped;
    // By hand: Safari has `AbortSignal.any` since 17.4 only.
    const request = new AbortController();
    const abort = () => request.abort();
    const timer = setTimeout(abort, REQUEST_MS);
    signal.addEventListener('abort', abort);
    try {
      const response = await fetch('/ingest-health', {
        headers: { Authorization: `Bearer ${this.#key}` }, cache: 'no-store', credentials: 'omit',
        signal: request.signal,
      });
      const body = await response.json().catch(() => null);
      return read(response.status, body, response.headers.get('Retry-After'));
    } catch {
      return read(0, null, null);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
    }
  }
}

// ---- words ----

export function bitrateText(value) {
  if (!Number.isFinite(value)) return '–';
  return value < 1e6 ? `${Math.round(value / 1e3)} kbit/s` : `${(value / 1e6).toFixed(1)} Mbit/s`;
}

export function secondsText(ms) {
  return Number.isFinite(ms) ? `${(ms / 1000).toFixed(1)} s` : '–';
}

// How long something lasts, as people say it.
export function lastingText(ms) {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

const CODECS = [['avc', 'H.264'], ['hvc', 'HEVC'], ['hev', 'HEVC'], ['av01', 'AV1'], ['mp4a', 'AAC'], ['opus', 'Opus']];
const codecText = (codec) => CODECS.find(([prefix]) => codec.startsWith(prefix))?.[1] ?? codec;
const OVER = { rtmp: 'RTMP', rtmps: 'RTMPS', whip: 'WebRTC', push: 'HTTP push' };
const CHANNELS = { 1: 'mono', 2: 'stereo' };
const rate = (value) => String(Number(value.toFixed(1)));
const signed = (value) => (value > 0 ? `+${value}` : String(value).replace('-', '−'));

const active = (track) => track.units > 0 && track.silent_ms < 3_000;
const tallest = (tracks) => tracks.reduce((best, it) => ((it.height ?? 0) > (best?.height ?? 0) ? it : best), null);

// The picture that counts: track 1, or where that pauses the largest that doesn't.
export function mainVideo(report) {
  const videos = report.tracks.filter(({ kind }) => kind === 'video');
  return videos.filter(active).find(({ id }) => id === 1) ?? tallest(videos.filter(active)) ?? videos[0] ?? null;
}

function videoFigures(video, layers) {
  if (!video) return [['Picture', 'None']];
  const { gop } = video;
  const frames = video.frame_rate === null ? '–' : rate(video.frame_rate);
  const announced = video.announced_frame_rate === null ? '' : ` of ${rate(video.announced_frame_rate)}`;
  const usual = gop?.usual_ms ?? null;
  const interval = usual === null ? `${secondsText(gop?.current_ms)} so far` : secondsText(usual);
  const order = video.reordering ? `B-frames (${video.reordering})` : 'no B-frames';
  return [
    ['Frames a second', `${frames}${announced}`],
    ['Keyframe every', interval],
    ['Picture', `${video.width} × ${video.height}${layers > 1 ? ` · ${layers} sizes` : ''}`],
    ['Video', `${codecText(video.codec)} · ${order}`],
  ];
}

function soundFigure(audio) {
  if (!audio) return ['Sound', 'None'];
  const channels = CHANNELS[audio.channels] ?? `${audio.channels} channels`;
  return ['Sound', `${codecText(audio.codec)} · ${Number((audio.sampling_rate / 1000).toFixed(1))} kHz · ${channels}`];
}

// What can be lost: packets over WebRTC, pictures and sounds in the gateway.
function lossFigures({ lost_permille: lost, counts }) {
  const dropped = ['queue_full', 'video_unreadable', 'audio_unreadable', 'after_loss', 'out_of_order', 'old_timeline', 'no_parameters']
    .reduce((sum, cause) => sum + (counts[cause]?.total ?? 0), 0);
  const packets = lost === null ? [] : [['Packets lost', `${(lost / 10).toFixed(1)} %`]];
  return [...packets, ['Dropped units', String(dropped)]];
}

function clockText({ clock_drift_ppm: ppm }) {
  if (ppm === null) return 'Measuring';
  if (Math.abs(ppm) < 100) return 'Exact';
  return `${(Math.abs(ppm) / 10_000).toFixed(2)} % ${ppm > 0 ? 'fast' : 'slow'}`;
}

// What is shown of a report: `[[name, value], …]`.
export function figures(report) {
  const video = mainVideo(report);
  const layers = report.tracks.filter((track) => track.kind === 'video' && active(track)).length;
  const audio = report.tracks.find((track) => track.kind === 'audio' && track.units > 0) ?? null;
  const lead = video ?? audio;
  const even = lead?.jitter_ms ?? null;
  const jitter = even === null ? [] : [['Arrival jitter', `${even} ms, peak ${lead.jitter_peak_ms ?? even} ms`]];
  const behind = report.behind_ms === null ? [] : [['Behind', secondsText(report.behind_ms)]];
  const skew = report.skew === null ? [] : [['Sound to picture', `${signed(report.skew.arrival_ms)} ms`]];
  const clock = report.transport === 'push' ? [] : [['Encoder’s clock', clockText(report)]];
  return [
    ['Bitrate', bitrateText(report.bitrate)],
    ...videoFigures(video, layers),
    soundFigure(audio),
    ...jitter, ...behind, ...lossFigures(report), ...skew, ...clock,
    ['Longest silence', secondsText(report.longest_silence_ms)],
    ['Comes over', OVER[report.transport] ?? report.transport],
    ['Sent with', report.encoder ?? 'Unknown'],
    ['Connected for', lastingText(report.connected_ms)],
  ];
}

// Bitrates of the last minute as points of a polyline 59 wide and 24 high.
export function sparkline(history) {
  const top = Math.max(LEAST_TOP, ...history) * 1.1;
  const first = HISTORY - history.length;
  return history.map((bitrate, index) => `${first + index},${(24 - (bitrate / top) * 23).toFixed(1)}`).join(' ');
}

// A warning in two sentences, and since when.
export function warningWords({ problem, advice, for_ms: forMs }) {
  const detail = `${advice[0].toUpperCase()}${advice.slice(1)}.`;
  return { title: problem, detail, since: `for ${lastingText(forMs)}` };
}

// ---- elements ----

const isSame = (a, b) => a?.length === b.length && a.every((it, index) => it === b[index]);

// Shows warnings in a list, without touching what did not change: screen readers tell what is new.
export function showWarnings(list, warnings) {
  const kinds = warnings.map(({ kind }) => kind);
  if (!isSame([...list.children].map((item) => item.dataset.kind), kinds)) {
    const kept = new Map([...list.children].map((item) => [item.dataset.kind, item]));
    list.replaceChildren(...kinds.map((kind) => kept.get(kind) ?? warningItem(kind)));
  }
  warnings.forEach((warning, index) => {
    const item = list.children[index];
    const { title, detail, since } = warningWords(warning);
    item.dataset.level = warning.level;
    const [, words, lasting] = item.children;
    if (lasting.textContent !== since) lasting.textContent = since;
    [title, detail].forEach((text, at) => {
      if (words.children[at].textContent !== text) words.children[at].textContent = text;
    });
  });
  list.hidden = warnings.length === 0;
}

function warningItem(kind) {
  const make = (name, className) => Object.assign(document.createElement(name), { className });
  const item = make('li', 'warning');
  item.dataset.kind = kind;
  const lamp = make('span', 'lamp');
  lamp.setAttribute('aria-hidden', 'true');
  const words = document.createElement('div');
  words.append(make('p', 'title'), make('p', 'advice'));
  // It changes all the time, which nobody wants to be told.
  const lasting = make('span', 'since');
  lasting.setAttribute('aria-hidden', 'true');
  item.append(lamp, words, lasting);
  return item;
}

// How the upload is doing: figures from `RTCPeerConnection.getStats`, and what they mean.

// Loss is taken over so many readings: single reports are too coarse for a share.
const LOSS_READINGS = 5;
const BAD_LOSS = 0.05;
const SOME_LOSS = 0.01;
const LONG_ROUND_TRIP_MS = 300;
// Below this share of what was asked for, something is wrong.
const ENOUGH_FRAMES = 0.7;

// What counts of a stats report (anything with `forEach`), or null where no video is sent yet.
export function snapshot(report) {
  const byId = new Map();
  report.forEach((entry) => byId.set(entry.id, entry));
  const entries = [...byId.values()];
  const video = entries.filter((it) => it.type === 'outbound-rtp' && it.kind === 'video');
  const sent = entries.filter((it) => it.type === 'outbound-rtp');
  if (video.length === 0) return null;
  const active = video.filter((it) => it.active !== false && it.frameHeight);
  const largest = active.reduce((best, it) => (it.frameHeight > (best?.frameHeight ?? 0) ? it : best), null);
  const remote = entries.filter((it) => it.type === 'remote-inbound-rtp');
  const pair = entries.find((it) => it.type === 'candidate-pair' && it.nominated && it.state === 'succeeded');
  const sum = (list, name) => list.reduce((total, it) => total + (it[name] ?? 0), 0);
  const roundTrip = pair?.currentRoundTripTime ?? Math.max(0, ...remote.map((it) => it.roundTripTime ?? 0));
  return {
    at: video[0].timestamp,
    bytes: sum(sent, 'bytesSent'),
    packets: sum(sent, 'packetsSent'),
    lost: sum(remote, 'packetsLost'),
    frames: largest?.framesSent ?? 0,
    width: largest?.frameWidth ?? 0,
    height: largest?.frameHeight ?? 0,
    limit: largest?.qualityLimitationReason ?? 'none',
    roundTripMs: roundTrip > 0 ? roundTrip * 1000 : null,
    layers: active.length,
    protocol: byId.get(pair?.localCandidateId)?.protocol ?? null,
  };
}

// Turns snapshots into readings, one after the other.
export class Health {
  #snapshots = [];

  reset() {
    this.#snapshots = [];
  }

  // Readings since the last snapshot, or null where this is the first of a connection.
  add(next) {
    const last = this.#snapshots.at(-1);
    // Counters begin again with each connection.
    if (last && (next.at <= last.at || next.bytes < last.bytes)) this.reset();
    this.#snapshots.push(next);
    if (this.#snapshots.length > LOSS_READINGS + 1) this.#snapshots.shift();
    if (this.#snapshots.length < 2) return null;
    const [oldest, before] = [this.#snapshots[0], this.#snapshots.at(-2)];
    const seconds = (next.at - before.at) / 1000;
    const packets = next.packets - oldest.packets;
    const lost = Math.max(0, next.lost - oldest.lost);
    const frames = next.height === before.height ? Math.max(0, next.frames - before.frames) : null;
    return {
      bitrate: ((next.bytes - before.bytes) * 8) / seconds,
      framesPerSecond: frames === null ? null : frames / seconds,
      width: next.width,
      height: next.height,
      limit: next.limit,
      roundTripMs: next.roundTripMs,
      loss: packets > 0 ? Math.min(1, lost / packets) : 0,
      layers: next.layers,
      protocol: next.protocol,
    };
  }
}

// Of what is said again and again, what holds: something else counts once it was said so often in a row.
const STEADY = 3;

export class Steady {
  #said = null;
  #next = null;
  #times = 0;

  reset() {
    this.#said = null;
  }

  add(next) {
    this.#times = next.text === this.#next?.text ? this.#times + 1 : 1;
    this.#next = next;
    if (this.#said === null || this.#times >= STEADY) this.#said = next;
    return this.#said;
  }
}

// What the readings mean, without figures, which would change all the time: `{ level: 'good' | 'fair' | 'bad', text }`. `wanted` has `framesPerSecond`, `still`
// (a screen, which sends pictures only when something moves) and `hidden` (the picture is switched off).
export function verdict(readings, wanted) {
  const say = (level, text) => ({ level, text });
  if (readings.bitrate < 1_000) return say('bad', 'Nothing is being sent. Check your connection.');
  if (readings.loss >= BAD_LOSS) {
    return say('bad', 'Much of the data is lost on the way. A cable, or a place nearer to the router, helps.');
  }
  if (readings.limit === 'bandwidth') {
    return say('fair', 'Your upload is too slow for this quality: the picture is simplified. A lower bitrate or resolution looks better.');
  }
  if (readings.limit === 'cpu') {
    return say('fair', 'This device can’t keep up. Choose a lower resolution or frame rate, or close other programs.');
  }
  if (readings.loss >= SOME_LOSS) {
    return say('fair', 'Some data is lost on the way and sent again. Viewers should not notice yet.');
  }
  const few = readings.framesPerSecond !== null && readings.framesPerSecond < wanted.framesPerSecond * ENOUGH_FRAMES;
  if (few && !wanted.still && !wanted.hidden) {
    return say('fair', 'Fewer frames arrive than you chose. Cameras slow down in low light.');
  }
  if (readings.roundTripMs > LONG_ROUND_TRIP_MS) {
    return say('fair', 'The way to the gateway is slow. The stream works, and recovers from losses late.');
  }
  return say('good', wanted.hidden ? 'All is well. Viewers see a black picture.' : 'All is well. Your stream arrives as it should.');
}

export function share(value) {
  if (value === 0) return '0 %';
  return value < 0.001 ? '< 0.1 %' : `${(value * 100).toFixed(1)} %`;
}

export function bitrateText(value) {
  return value < 1e6 ? `${Math.round(value / 1e3)} kbit/s` : `${(value / 1e6).toFixed(1)} Mbit/s`;
}

const LIMITS = { none: 'Nothing', bandwidth: 'Your upload', cpu: 'This device', other: 'The browser' };
export const limitText = (limit) => LIMITS[limit] ?? LIMITS.other;

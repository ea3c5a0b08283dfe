import assert from 'node:assert/strict';
import test from 'node:test';

import { keyIn, STATES } from '../../player/owner.mjs';
import { ownersPage } from '../gateway_view.mjs';
import { figures, IngestHealth, lastingText, mainVideo, read, sparkline, warningWords } from '../ingest_health.mjs';

const video = (change = {}) => ({
  id: 1, kind: 'video', codec: 'avc1.64001f', width: 1280, height: 720, units: 900, silent_ms: 20, frame_rate: 29.97,
  announced_frame_rate: 30, gop: { usual_ms: 8333, current_ms: 400 }, reordering: 2, jitter_ms: 6, jitter_peak_ms: 41, ...change,
});
const audio = (change = {}) => ({
  id: 2, kind: 'audio', codec: 'mp4a.40.2', sampling_rate: 44_100, channels: 2, units: 1400, silent_ms: 10, ...change,
});
const report = (change = {}) => ({
  publishing: true, transport: 'rtmp', encoder: 'OBS', connected_ms: 83_000, tracks: [video(), audio()],
  bitrate: 2_400_000, bitrate_history: [1e6, 2e6], behind_ms: 40, lost_permille: null, counts: {},
  skew: { arrival_ms: -12 }, clock_drift_ppm: null, longest_silence_ms: 240, ...change,
});

test('answers mean a state, and how soon to ask again', () => {
  const state = (...answer) => read(...answer).state;
  assert.deepEqual([state(200, report()), state(200, report({ publishing: false }))], ['live', 'away']);
  assert.deepEqual([state(401, {}), state(404, {}), state(0, null), state(200, null)], ['refused', 'off', 'unreachable', 'unreachable']);
  assert.deepEqual([state(429, {}), state(503, null, '30')], ['limited', 'unreachable']);
});

test('who has no live stream is asked for seldom, and no sooner than the gateway wants', () => {
  const waitMs = (...answer) => read(...answer).waitMs;
  // Twenty wrong keys a minute are what the gateway takes of an address.
  assert.deepEqual([waitMs(401, {}), waitMs(404, {}), waitMs(429, {}, '7')], [60_000, 60_000, 60_000]);
  assert.deepEqual([waitMs(429, {}, '90'), waitMs(503, null, '30')], [90_000, 30_000]);
  assert.ok(waitMs(0, null, null) < 10_000, 'a moment’s silence is soon over');
});

test('owners are told of each state without figures of now', () => {
  const states = [401, 404, 429, 0].map((status) => read(status, null, null).state);
  states.push(read(200, report({ publishing: false }), null).state);
  for (const state of states) assert.ok(STATES[state], state);
  assert.match(STATES[read(429, null, null).state], /too often.*Trying again/);
});

// An owner's page whose questions `answer` answers with a promise, and whose time goes by hand.
function page(t, answer) {
  Object.defineProperty(globalThis, 'document', { value: { visibilityState: 'visible' }, configurable: true });
  t.after(() => delete globalThis.document);
  t.mock.timers.enable({ apis: ['setTimeout'] });
  // What older browsers lack.
  t.mock.method(AbortSignal, 'any', () => assert.fail('AbortSignal.any'));
  t.mock.method(globalThis, 'fetch', (url, { signal }) => answer(signal));
  const listeners = new Set();
  const add = EventTarget.prototype.addEventListener;
  const remove = EventTarget.prototype.removeEventListener;
  t.mock.method(EventTarget.prototype, 'addEventListener', function addListener(type, listener, ...rest) {
    listeners.add(listener);
    return add.call(this, type, listener, ...rest);
  });
  t.mock.method(EventTarget.prototype, 'removeEventListener', function removeListener(type, listener, ...rest) {
    listeners.delete(listener);
    return remove.call(this, type, listener, ...rest);
  });
  const shown = [];
  const health = new IngestHealth({ key: 'key-1', show: ({ state }) => shown.push(state) });
  const running = health.run();
  const pass = async (ms) => {
    await new Promise(setImmediate);
    t.mock.timers.tick(ms);
    await new Promise(setImmediate);
  };
  return { health, running, shown, listeners, pass };
}

test('a page that is open for long keeps no listener of any look', async (t) => {
  const { health, running, shown, listeners, pass } = page(t, async () => Response.json(report()));
  for (let look = 0; look < 20; look += 1) await pass(1_000);
  assert.equal(shown.length, 21);
  assert.ok(listeners.size <= 1, `${listeners.size} listeners`);
  health.stop();
  await running;
  assert.equal(listeners.size, 0);
});

test('a question without an answer ends in time, or when the page is closed', async (t) => {
  const never = (signal) => new Promise((resolve, reject) => {
    const fail = () => {
      signal.removeEventListener('abort', fail);
      reject(signal.reason);
    };
    signal.addEventListener('abort', fail);
  });
  const { health, running, shown, listeners, pass } = page(t, never);
  await pass(7_900);
  assert.deepEqual(shown, []);
  await pass(200);
  assert.deepEqual(shown, ['unreachable']);
  await pass(4_000);
  health.stop();
  await running;
  assert.deepEqual([shown.length, listeners.size], [1, 0]);
});

test('figures are told as people read them', () => {
  const shown = Object.fromEntries(figures(report()));
  assert.deepEqual(
    [shown.Bitrate, shown['Frames a second'], shown['Keyframe every'], shown.Picture, shown.Video, shown.Sound],
    ['2.4 Mbit/s', '30 of 30', '8.3 s', '1280 × 720', 'H.264 · B-frames (2)', 'AAC · 44.1 kHz · stereo'],
  );
  assert.equal(shown['Arrival jitter'], '6 ms, peak 41 ms');
  assert.equal(shown['Sound to picture'], '−12 ms');
  assert.equal(shown['Encoder’s clock'], 'Measuring');
  assert.equal(shown['Dropped units'], '0');
  assert.ok(!('Packets lost' in shown));
  const lossy = Object.fromEntries(figures(report({ transport: 'whip', lost_permille: 24, clock_drift_ppm: -1_300, counts: { after_loss: { total: 7 } } })));
  assert.deepEqual([lossy['Packets lost'], lossy['Dropped units'], lossy['Encoder’s clock']], ['2.4 %', '7', '0.13 % slow']);
});

test('what a publisher does not send is said, not left out', () => {
  const none = Object.fromEntries(figures(report({ tracks: [], skew: null, behind_ms: null, bitrate: null })));
  assert.deepEqual([none.Picture, none.Sound, none.Bitrate], ['None', 'None', '–']);
  const young = video({ gop: { usual_ms: null, current_ms: 3000 }, frame_rate: null, announced_frame_rate: null });
  const first = Object.fromEntries(figures(report({ tracks: [young] })));
  assert.deepEqual([first['Keyframe every'], first['Frames a second']], ['3.0 s so far', '–']);
});

test('of several layers the one counts that is watched', () => {
  const small = video({ id: 3, height: 180 });
  const middle = video({ id: 4, height: 360 });
  assert.equal(mainVideo(report({ tracks: [small, video(), middle] })).id, 1);
  assert.equal(mainVideo(report({ tracks: [video({ silent_ms: 9_000 }), small, middle] })).id, 4);
  const layers = Object.fromEntries(figures(report({ tracks: [small, video(), middle, audio()] })));
  assert.equal(layers.Picture, '1280 × 720 · 3 sizes');
});

test('a warning is two sentences', () => {
  const warning = { problem: 'Keyframe every 8.3 s', advice: 'set it to 2 s in OBS', for_ms: 125_000 };
  assert.deepEqual(warningWords(warning), { title: 'Keyframe every 8.3 s', detail: 'Set it to 2 s in OBS.', since: 'for 2 min' });
  assert.deepEqual([0, 59_900, 60_000, 7_260_000].map(lastingText), ['0 s', '59 s', '1 min', '2 h 1 min']);
});

test('the newest bitrate is at the right edge', () => {
  assert.equal(sparkline([]), '');
  const points = sparkline([0, 1e6]).split(' ');
  assert.deepEqual([points[0], points[1].split(',')[0]], ['58,24.0', '59']);
});

test('the key stays in the fragment, whatever is in it', () => {
  const page = ownersPage('http://gate.example/watch/cam', 'a+b/c d&#x');
  assert.equal(new URL(page).pathname, '/watch/cam');
  assert.equal(keyIn(new URL(page).hash), 'a+b/c d&#x');
  assert.equal(keyIn('#monkey=1'), '');
});

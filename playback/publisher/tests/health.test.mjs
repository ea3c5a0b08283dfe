import assert from 'node:assert/strict';
import test from 'node:test';

import { Health, share, snapshot, Steady, verdict } from '../health.mjs';

// A report of two layers and sound, after so many seconds.
function report(second, { lost = 0, limit = 'none' } = {}) {
  const layer = (rid, height, bytes) => ({
    id: rid, type: 'outbound-rtp', kind: 'video', timestamp: 1000 * second, bytesSent: bytes * second,
    packetsSent: 100 * second, framesSent: 30 * second, frameWidth: (height * 16) / 9, frameHeight: height,
    qualityLimitationReason: limit,
  });
  const entries = [
    layer('l', 360, 50_000), layer('h', 720, 250_000),
    { id: 'a', type: 'outbound-rtp', kind: 'audio', bytesSent: 16_000 * second, packetsSent: 50 * second },
    { id: 'r', type: 'remote-inbound-rtp', packetsLost: lost, roundTripTime: 0.3 },
    { id: 'p', type: 'candidate-pair', nominated: true, state: 'succeeded', currentRoundTripTime: 0.04, localCandidateId: 'c' },
    { id: 'c', type: 'local-candidate', protocol: 'udp' },
  ];
  return new Map(entries.map((entry) => [entry.id, entry]));
}

test('readings are of the time between two snapshots, all layers and the sound together', () => {
  const health = new Health();
  assert.equal(health.add(snapshot(report(1))), null);
  const readings = health.add(snapshot(report(3)));
  assert.deepEqual(readings, {
    bitrate: (50_000 + 250_000 + 16_000) * 8, framesPerSecond: 30, width: 1280, height: 720, limit: 'none',
    roundTripMs: 40, loss: 0, layers: 2, protocol: 'udp',
  });
});

test('loss is what was lost lately, and nothing is read across connections', () => {
  const health = new Health();
  for (let second = 1; second <= 3; second += 1) health.add(snapshot(report(second)));
  const lossy = health.add(snapshot(report(4, { lost: 75 })));
  assert.equal(lossy.loss, 75 / 750);
  let last = lossy;
  for (let second = 5; second <= 10; second += 1) last = health.add(snapshot(report(second, { lost: 75 })));
  assert.equal(last.loss, 0);
  assert.equal(health.add(snapshot(report(2))), null, 'counters that fell are those of a new connection');
  assert.equal(snapshot(new Map()), null);
});

test('the verdict names the worst thing first', () => {
  const fine = { bitrate: 2e6, framesPerSecond: 30, loss: 0, limit: 'none', roundTripMs: 40 };
  const wanted = { framesPerSecond: 30, still: false, hidden: false };
  const judge = (change, wish = {}) => verdict({ ...fine, ...change }, { ...wanted, ...wish });
  assert.equal(judge({}).level, 'good');
  assert.match(judge({ bitrate: 0, limit: 'cpu' }).text, /Nothing is being sent/);
  assert.deepEqual([judge({ loss: 0.08, limit: 'cpu' }).level, judge({ loss: 0.02 }).level], ['bad', 'fair']);
  assert.match(judge({ limit: 'bandwidth' }).text, /upload is too slow/);
  assert.match(judge({ limit: 'cpu' }).text, /can’t keep up/);
  assert.match(judge({ framesPerSecond: 12 }).text, /Fewer frames/);
  assert.equal(judge({ framesPerSecond: 2 }, { still: true }).level, 'good');
  assert.match(judge({ framesPerSecond: 2 }, { hidden: true }).text, /black picture/);
  assert.match(judge({ roundTripMs: 500 }).text, /slow/);
});

test('shares are told as people read them', () => {
  assert.deepEqual([0, 0.0004, 0.021].map(share), ['0 %', '< 0.1 %', '2.1 %']);
});

test('a verdict that comes and goes is not told', () => {
  const steady = new Steady();
  const told = [...'aabaabbb'].map((text) => steady.add({ text }).text);
  assert.equal(told.join(''), 'aaaaaaab');
  steady.reset();
  assert.equal(steady.add({ text: 'a' }).text, 'a');
});

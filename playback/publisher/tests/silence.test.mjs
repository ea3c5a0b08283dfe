import assert from 'node:assert/strict';
import test from 'node:test';

import { Silence, traffic } from '../silence.mjs';

// Looks every 400 ms; `received` says what has come by each.
function firstSilence(received, sentEach = 25) {
  const silence = new Silence();
  return received.findIndex((bytes, look) => silence.add({ at: look * 400, sent: look * sentEach, received: bytes }));
}

test('who sends and hears nothing for a while has lost the way', () => {
  assert.equal(firstSilence([10, 20, 30, 30, 30, 30, 30]), 6);
  assert.equal(firstSilence([10, 20, 30, 30, 30, 30, 40, 50]), -1);
});

test('a server that always answers seldom is given more time', () => {
  const seldom = [10, 10, 10, 20, 20, 20, 30, 30, 30];
  const lost = firstSilence([...seldom, ...Array(20).fill(30)]);
  assert.equal(lost, 6 + (4 * 1_200) / 400);
});

test('who sends next to nothing can’t tell', () => {
  assert.equal(firstSilence(Array(40).fill(10), 0.4), -1);
});

test('a browser that does not count what comes is not told of silence', () => {
  assert.equal(firstSilence(Array(40).fill(0)), -1);
});

test('the time before the first answer is no pause of the server', () => {
  assert.equal(firstSilence([...Array(10).fill(0), ...Array(10).fill(10)]), 14);
});

test('traffic is summed over all streams and pairs', () => {
  const report = new Map([
    ['a', { type: 'outbound-rtp', packetsSent: 3 }], ['b', { type: 'outbound-rtp', packetsSent: 4 }],
    ['c', { type: 'candidate-pair', bytesReceived: 50, timestamp: 7 }], ['d', { type: 'candidate-pair', timestamp: 9 }],
  ]);
  assert.deepEqual(traffic(report), { at: 9, sent: 7, received: 50 });
});

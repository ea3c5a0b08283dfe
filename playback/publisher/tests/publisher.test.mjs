import assert from 'node:assert/strict';
import test from 'node:test';

import { keyIn } from '../choice.mjs';
import { backOffMs } from '../publisher.mjs';
import { bitrateOf, recommendedBitrate, validQuality, videoEncodings, USUAL } from '../quality.mjs';
import { captureWords, mayTryAgain, refusalWords } from '../words.mjs';

test('waits grow to a bound, are spread, and keep to what the server asks for', () => {
  const waits = [0, 1, 2, 3, 4, 5, 60].map((attempt) => backOffMs(attempt, 0.5));
  assert.deepEqual(waits, [0, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000]);
  assert.ok(backOffMs(3, 0) < 4_000 && backOffMs(3, 0.999) > 4_000);
  assert.equal(backOffMs(0, 0.5, 7), 7_000);
});

test('the largest layer comes first and each smaller one costs less', () => {
  const [single] = videoEncodings({ ...USUAL, bitrate: 2e6 });
  assert.deepEqual(single, { maxBitrate: 2e6, maxFramerate: 30 });
  const layers = videoEncodings({ ...USUAL, bitrate: 2e6, simulcast: true });
  assert.deepEqual(layers.map(({ rid, scaleResolutionDownBy }) => [rid, scaleResolutionDownBy]), [['h', 1], ['m', 2], ['l', 4]]);
  assert.ok(layers[0].maxBitrate > layers[1].maxBitrate && layers[1].maxBitrate > layers[2].maxBitrate);
});

test('a recommended bitrate grows with size and rate', () => {
  const at = (height, framesPerSecond) => recommendedBitrate({ height, framesPerSecond });
  assert.ok(at(360, 30) < at(720, 30) && at(720, 30) < at(1080, 30));
  assert.ok(at(720, 60) > at(720, 30) && at(720, 60) < 2 * at(720, 30));
  assert.equal(bitrateOf({ ...USUAL, bitrate: 0 }), at(720, 30));
});

test('a stored choice that is not on offer any more becomes the usual', () => {
  assert.deepEqual(validQuality(null), USUAL);
  assert.deepEqual(validQuality({ height: 481, framesPerSecond: 60, bitrate: 'x', simulcast: 'yes' }), { ...USUAL, framesPerSecond: 60 });
});

test('every refusal of a gateway has words, and the server’s own are kept', () => {
  for (const status of [401, 403, 404, 405, 406, 409, 415, 422, 429, 500, 503, 418]) {
    const { title, detail } = refusalWords({ status, reason: 'because of this' });
    assert.ok(title && detail.includes('“Because of this.”'), String(status));
  }
  assert.match(refusalWords({ status: 409, reason: '' }).title, /Somebody is live/);
});

test('a lost stream comes back after what passes, and not after what stays', () => {
  const again = [409, 429, 500, 502, 503].filter((status) => !mayTryAgain({ status }));
  const never = [400, 401, 403, 404, 406, 415, 422].filter((status) => mayTryAgain({ status }));
  assert.deepEqual([again, never], [[], []]);
});

test('who declines to share a screen is not told of a fault', () => {
  const declined = { name: 'NotAllowedError' };
  assert.equal(captureWords(declined, 'screen'), null);
  assert.match(captureWords(declined, 'camera').title, /blocked/);
});

test('the key is read from the fragment as it stands', () => {
  assert.equal(keyIn('#key=a+b/c%20d&x=1'), 'a+b/c d');
  assert.equal(keyIn('#x=1&key=k%'), 'k%');
  assert.equal(keyIn('#monkey=1'), '');
  assert.equal(keyIn(''), '');
});

import assert from 'node:assert/strict';
import test from 'node:test';

import { nextAttempt, Publisher } from '../publisher.mjs';
import { USUAL } from '../quality.mjs';

const OFFER = 'v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=ice-ufrag:new1\r\na=ice-pwd:newpassword\r\na=mid:0\r\n';
const STEP_MS = 100;

class Sender {
  transport = Object.assign(new EventTarget(), { state: 'connected' });

  getParameters() {
    return { encodings: [] };
  }
}

// A connection that comes about at once. Its server answers media until it is made `silent`.
class Connection extends EventTarget {
  static all = [];
  connectionState = 'new';
  silent = false;
  #senders = [new Sender(), new Sender()];
  #received = 1;

  constructor() {
    super();
    Connection.all.push(this);
  }

  getSenders() {
    return this.#senders;
  }

  addTransceiver() {
    return {};
  }

  async createOffer() {
    return { type: 'offer', sdp: OFFER };
  }

  async setLocalDescription() {}

  async setRemoteDescription() {
    this.connectionState = 'connected';
  }

  async getStats() {
    if (!this.silent) this.#received += 1;
    const at = performance.now();
    return new Map([
      ['out', { type: 'outbound-rtp', packetsSent: at }],
      ['pair', { type: 'candidate-pair', bytesReceived: this.#received, timestamp: at }],
    ]);
  }

  // The server says goodbye.
  hangUp() {
    this.#senders[0].transport.state = 'closed';
    this.#senders[0].transport.dispatchEvent(new Event('statechange'));
  }

  close() {
    this.connectionState = 'closed';
  }
}

// A stream of a browser whose time goes by hand, and a gateway that answers offers, but no other request.
function stream(t) {
  Connection.all = [];
  const globals = {
    window: new EventTarget(), RTCPeerConnection: Connection, RTCRtpSender: {}, MediaStream: class MediaStream {},
  };
  Object.assign(globalThis, globals);
  t.after(() => Object.keys(globals).forEach((name) => delete globalThis[name]));
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let now = 0;
  t.mock.method(performance, 'now', () => now);
  t.mock.method(Math, 'random', () => 0.5);
  const requests = [];
  t.mock.method(globalThis, 'fetch', (url, { method, signal }) => {
    requests.push({ method, at: now });
    return new Promise((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason));
      if (method !== 'POST') return;
      const response = new Response('v=0', { status: 201, headers: { Location: '/whip/7' } });
      resolve(Object.defineProperty(response, 'url', { value: url }));
    });
  });
  const phases = [];
  const publisher = new Publisher({
    endpoint: 'https://gate.example/whip', key: 'key-1', media: () => ({ video: null, audio: null }),
    quality: () => USUAL, report: ({ phase, seconds }) => phases.push(seconds ? `${phase} ${seconds}` : phase),
  });
  const settle = async () => {
    for (let turn = 0; turn < 10; turn += 1) await new Promise(setImmediate);
  };
  const pass = async (ms) => {
    await settle();
    for (const end = now + ms; now < end;) {
      now += STEP_MS;
      t.mock.timers.tick(STEP_MS);
      await settle();
    }
  };
  const times = (method) => requests.filter((request) => request.method === method).map(({ at }) => at);
  return { publisher, phases, pass, times };
}

test('only who was live for a while starts anew with the waits', () => {
  assert.deepEqual([nextAttempt(0, 0), nextAttempt(4, 9_900), nextAttempt(4, 10_000)], [1, 5, 0]);
});

test('a session after a good one is asked for at once, though the server never hears of the old one’s end', async (t) => {
  const { publisher, phases, pass, times } = stream(t);
  const running = publisher.run();
  await pass(12_000);
  Connection.all[0].hangUp();
  await pass(0);
  assert.deepEqual([times('POST'), times('DELETE')], [[0, 12_000], [12_000]]);
  assert.deepEqual(phases, ['connecting', 'live', 'renewing', 'live']);
  const stopped = publisher.stop();
  await pass(5_000);
  await Promise.all([stopped, running]);
  assert.equal(times('DELETE').length, 2);
});

test('a gateway that ends each session at once is asked more and more seldom', async (t) => {
  const { publisher, phases, pass, times } = stream(t);
  const running = publisher.run();
  for (const wait of [1_000, 2_000, 4_000, 8_000]) {
    await pass(0);
    Connection.all.at(-1).hangUp();
    await pass(wait);
  }
  assert.deepEqual(times('POST'), [0, 1_000, 3_000, 7_000, 15_000]);
  assert.deepEqual(phases.filter((phase) => phase.startsWith('waiting')), ['waiting 1', 'waiting 2', 'waiting 4', 'waiting 8']);
  const stopped = publisher.stop();
  await pass(5_000);
  await Promise.all([stopped, running]);
});

test('a lost way is asked for several times within a session, then for a session', async (t) => {
  const { publisher, pass, times } = stream(t);
  const running = publisher.run();
  await pass(20_000);
  Connection.all[0].silent = true;
  await pass(20_000);
  assert.equal(times('PATCH').length, 3);
  assert.equal(times('POST').length, 2);
  assert.deepEqual(times('POST')[1], times('DELETE')[0]);
  const stopped = publisher.stop();
  await pass(5_000);
  await Promise.all([stopped, running]);
});

test('the end of a stream waits for the server, but not for ever', async (t) => {
  const { publisher, pass, times } = stream(t);
  const running = publisher.run();
  await pass(1_000);
  let isDone = false;
  const stopped = publisher.stop().then(() => { isDone = true; });
  await pass(3_000);
  assert.deepEqual([times('DELETE'), isDone], [[1_000], false]);
  await pass(2_000);
  assert.ok(isDone);
  await Promise.all([stopped, running]);
});

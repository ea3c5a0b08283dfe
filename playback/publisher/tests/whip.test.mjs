import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import test from 'node:test';

import { Refused, Unreachable, WhipSession } from '../whip.mjs';

const ENDPOINT = 'https://gate.example/whip';
const turn = () => new Promise(setImmediate);

// A server that answers what `answers` says to a method, and where that says nothing, never.
function server(t, answers) {
  // What older browsers lack.
  t.mock.method(AbortSignal, 'any', () => assert.fail('AbortSignal.any'));
  const requests = [];
  t.mock.method(globalThis, 'fetch', (url, { method, signal, headers, keepalive = false }) => {
    requests.push({ method, url, key: headers.Authorization, keepalive });
    return new Promise((resolve, reject) => {
      const fail = () => reject(signal.reason);
      if (signal.aborted) return fail();
      signal.addEventListener('abort', fail);
      return answers[method] && resolve(answers[method]());
    });
  });
  return requests;
}

function created() {
  const headers = { Location: '/whip/7', 'Content-Type': 'application/sdp' };
  const response = new Response('v=0', { status: 201, headers });
  return Object.defineProperty(response, 'url', { value: ENDPOINT });
}

// What became of a promise so far.
function watched(promise) {
  const seen = { error: null, done: false };
  promise.then(() => { seen.done = true; }, (error) => { Object.assign(seen, { error, done: true }); });
  return seen;
}

test('a session is made, restarted and ended at the address that the server gave it', async (t) => {
  const requests = server(t, {
    POST: created, PATCH: () => new Response('a=ice-ufrag:x', { status: 200 }), DELETE: () => new Response(''),
  });
  const session = new WhipSession(ENDPOINT, 'key-1');
  assert.equal((await session.publish('v=0')).answer, 'v=0');
  assert.equal(await session.restart('a=ice-ufrag:y'), 'a=ice-ufrag:x');
  await session.end();
  await session.end();
  const resource = 'https://gate.example/whip/7';
  assert.deepEqual(requests.map(({ method, url }) => [method, url]), [['POST', ENDPOINT], ['PATCH', resource], ['DELETE', resource]]);
  assert.ok(requests.every(({ key }) => key === 'Bearer key-1'));
  assert.ok(requests[2].keepalive, 'it outlives the page');
});

test('a request that nobody answers ends in time, and leaves nothing at the stream’s signal', async (t) => {
  server(t, {});
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { signal } = new AbortController();
  const asked = watched(new WhipSession(ENDPOINT, 'key-1').publish('v=0', signal));
  t.mock.timers.tick(11_900);
  await turn();
  assert.ok(!asked.done);
  t.mock.timers.tick(200);
  await turn();
  assert.ok(asked.error instanceof Unreachable);
  assert.equal(getEventListeners(signal, 'abort').length, 0);
});

test('a restart of ICE and the end of a session are not waited for as long', async (t) => {
  const requests = server(t, { POST: created });
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const session = new WhipSession(ENDPOINT, 'key-1');
  await session.publish('v=0');
  const restarted = watched(session.restart('a=ice-ufrag:y'));
  const ended = watched(session.end());
  assert.deepEqual(requests.map(({ method }) => method), ['POST', 'PATCH', 'DELETE']);
  t.mock.timers.tick(3_900);
  await turn();
  assert.deepEqual([restarted.done, ended.done], [false, false]);
  t.mock.timers.tick(200);
  await turn();
  assert.ok(restarted.error instanceof Unreachable);
  assert.deepEqual(ended, { done: true, error: null });
});

test('who stops meanwhile is not told of an unreachable server', async (t) => {
  const requests = server(t, {});
  const stopped = new AbortController();
  const asked = watched(new WhipSession(ENDPOINT, 'key-1').publish('v=0', stopped.signal));
  await turn();
  stopped.abort();
  await turn();
  assert.equal(asked.error, stopped.signal.reason);
  await assert.rejects(new WhipSession(ENDPOINT, 'key-1').publish('v=0', stopped.signal), stopped.signal.reason);
  assert.equal(requests.length, 2);
});

test('a refusal keeps the server’s words, and when to come again', async (t) => {
  server(t, { POST: () => new Response(' taken \n', { status: 409, headers: { 'Content-Type': 'text/plain', 'Retry-After': '4' } }) });
  const { signal } = new AbortController();
  await assert.rejects(new WhipSession(ENDPOINT, 'key-1').publish('v=0', signal), (error) => {
    assert.ok(error instanceof Refused);
    assert.deepEqual([error.status, error.reason, error.retryAfterS], [409, 'taken', 4]);
    return true;
  });
  assert.equal(getEventListeners(signal, 'abort').length, 0);
});

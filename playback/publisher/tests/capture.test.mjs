import assert from 'node:assert/strict';
import test from 'node:test';

import { Capture, NO_MICROPHONE } from '../capture.mjs';
import { USUAL } from '../quality.mjs';

const CHOICE = { camera: '', microphone: '' };

class Track {
  enabled = true;
  stopped = false;

  constructor(kind) {
    this.kind = kind;
  }

  stop() {
    this.stopped = true;
  }
}

// The part of a browser that a capture uses. `sources` are the tracks that go into the newest mix.
function browser(t) {
  const state = { sources: [] };
  const stream = (...tracks) => ({
    getVideoTracks: () => tracks.filter(({ kind }) => kind === 'video'),
    getAudioTracks: () => tracks.filter(({ kind }) => kind === 'audio'),
  });
  const mediaDevices = {
    getUserMedia: async ({ video, audio }) => {
      state.microphone = audio ? new Track('audio') : null;
      return stream(...[video && new Track('video'), state.microphone].filter(Boolean));
    },
    getDisplayMedia: async () => {
      state.screenSound = new Track('audio');
      return stream(new Track('video'), state.screenSound);
    },
  };
  class AudioContext {
    constructor() {
      state.sources = [];
    }

    createMediaStreamDestination() {
      return { stream: stream(new Track('audio')) };
    }

    createMediaStreamSource([track]) {
      return { connect: () => state.sources.push(track) };
    }

    async close() {}
  }
  function MediaStream(tracks) {
    return tracks;
  }
  const globals = { navigator: { mediaDevices }, AudioContext, MediaStream };
  for (const [name, value] of Object.entries(globals)) {
    const before = Object.getOwnPropertyDescriptor(globalThis, name);
    Object.defineProperty(globalThis, name, { value, configurable: true });
    t.after(() => (before ? Object.defineProperty(globalThis, name, before) : delete globalThis[name]));
  }
  return state;
}

const isHeard = (capture, { sources }) => capture.audio.enabled && sources.every(({ enabled }) => enabled);

test('who mutes the microphone, shows a screen with sound and unmutes is heard', async (t) => {
  const state = browser(t);
  const capture = new Capture(() => {});
  await capture.openMicrophone(CHOICE);
  assert.equal(capture.audio, state.microphone);
  capture.setMuted(true);
  assert.ok(!capture.audio.enabled);
  await capture.openScreen(USUAL);
  assert.deepEqual(state.sources, [state.microphone, state.screenSound]);
  assert.ok(!capture.audio.enabled, 'the mix is muted as well');
  capture.setMuted(false);
  assert.ok(isHeard(capture, state));
});

test('a track that outlives its mix follows what was said to the mix', async (t) => {
  const state = browser(t);
  const capture = new Capture(() => {});
  await capture.openMicrophone(CHOICE);
  await capture.openScreen(USUAL);
  capture.setMuted(true);
  await capture.openMicrophone({ ...CHOICE, microphone: NO_MICROPHONE });
  assert.equal(capture.audio, state.screenSound);
  assert.ok(!capture.audio.enabled);
  capture.setMuted(false);
  assert.ok(capture.audio.enabled);
});

test('a microphone that is opened while muted stays unheard', async (t) => {
  browser(t);
  const capture = new Capture(() => {});
  capture.setMuted(true);
  await capture.openCamera(CHOICE, USUAL);
  assert.deepEqual([capture.audio.enabled, capture.video.enabled], [false, true]);
});

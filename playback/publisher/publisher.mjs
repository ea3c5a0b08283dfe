// Keeps one stream going: a session, ICE restarts within it, and further sessions when it is lost.

import { AUDIO_BITRATE, videoEncodings } from './quality.mjs';
import { preferH264, restartFragment, restartedAnswer } from './sdp.mjs';
import { Silence, traffic } from './silence.mjs';
import { Refused, Unreachable, WhipSession } from './whip.mjs';
import { mayTryAgain } from './words.mjs';

// How long a first connection may take.
const CONNECT_MS = 15_000;
// A connection that falters may find its way by itself; after so long ICE is restarted …
const HEAL_MS = 1_500;
// … which may take so long until media flow again, …
const RESTART_MS = 6_000;
// … and may be asked for again so long, while the server can't be reached: then it has let go of the session.
const RESTARTS_MS = 12_000;
const RESTART_PAUSE_MS = 1_000;
// How often it is looked whether anything comes back.
const LOOK_MS = 400;
// Waits before further sessions.
const BACK_OFF_MS = [0, 1_000, 2_000, 4_000, 8_000, 15_000];
// Live for so long, a session was a good one: the next is asked for at once.
const STEADY_MS = 10_000;

// No way for media, though the server answered.
export class NoWay extends Error {}

// The wait before another session, the first being number 0; a random part keeps many publishers apart.
export function backOffMs(attempt, random, retryAfterS = null) {
  const usual = BACK_OFF_MS[Math.min(attempt, BACK_OFF_MS.length - 1)];
  return Math.max(usual * (0.75 + random / 2), (retryAfterS ?? 0) * 1000);
}

// The number of the next attempt, after one that was live for so long.
export const nextAttempt = (attempt, liveMs) => (liveMs >= STEADY_MS ? 0 : attempt + 1);

// `media` has `video` and `audio` (a MediaStreamTrack, or null) and is read at each new session; `quality` as
// well. `report({ phase, … })` is told what goes on:
//   connecting · live { watchPage } · healing · restarting · waiting { seconds, error } · renewing
export class Publisher {
  #options;
  #session = null;
  #pc = null;
  #answer = '';
  #stopped = new AbortController();

  constructor(options) {
    this.#options = options;
  }

  // The open connection, for statistics.
  get connection() {
    return this.#pc;
  }

  // Runs until `stop`, or throws what ended it: Refused, Unreachable, NoWay.
  async run() {
    const { report } = this.#options;
    const { signal } = this.#stopped;
    let wasLive = false;
    let attempt = 0;
    while (!signal.aborted) {
      report({ phase: wasLive ? 'renewing' : 'connecting' });
      let failure = null;
      let liveAt = null;
      try {
        const watchPage = await this.#open();
        wasLive = true;
        liveAt = performance.now();
        report({ phase: 'live', watchPage });
        await this.#keep(watchPage);
      } catch (error) {
        if (signal.aborted) break;
        if (!wasLive || (error instanceof Refused && !mayTryAgain(error))) {
          this.#close();
          throw error;
        }
        failure = error;
      }
      // Nobody waits for the server to hear of a session's end: mostly there is no way to tell it.
      this.#close();
      attempt = nextAttempt(attempt, liveAt === null ? 0 : performance.now() - liveAt);
      const wait = backOffMs(attempt, Math.random(), failure?.retryAfterS);
      if (wait > 0) {
        report({ phase: 'waiting', seconds: Math.ceil(wait / 1000), error: failure });
        await this.#pause(wait);
      }
    }
    this.#close();
  }

  // Ends the stream. Resolves when the server knows, or does not answer.
  async stop() {
    this.#stopped.abort();
    await this.#close();
  }

  // Sends other tracks from now on, without a new session.
  async replace({ video, audio }) {
    const [videoSender, audioSender] = this.#pc?.getSenders() ?? [];
    await videoSender?.replaceTrack(video);
    await audioSender?.replaceTrack(audio);
    await this.applyQuality();
  }

  // Another bitrate and frame rate from now on. Simulcast is a matter of the next session.
  async applyQuality() {
    const sender = this.#pc?.getSenders()[0];
    if (!sender) return;
    const parameters = sender.getParameters();
    if (!parameters.encodings?.length) return;
    const wanted = videoEncodings(this.#options.quality());
    parameters.encodings.forEach((encoding, index) => {
      const { maxBitrate, maxFramerate } = wanted[index] ?? wanted[0];
      Object.assign(encoding, { maxBitrate, maxFramerate });
    });
    // A picture of another size is a break for viewers; fewer pictures are not.
    parameters.degradationPreference = 'maintain-resolution';
    await sender.setParameters(parameters).catch(() => {});
  }

  async #open() {
    const { endpoint, key, media, quality } = this.#options;
    const { signal } = this.#stopped;
    const pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
    this.#pc = pc;
    const { video, audio } = media();
    const streams = [new MediaStream([video, audio].filter(Boolean))];
    const sendEncodings = videoEncodings(quality());
    const forVideo = pc.addTransceiver(video ?? 'video', { direction: 'sendonly', streams, sendEncodings });
    // Always there, so that a microphone can come later.
    pc.addTransceiver(audio ?? 'audio', {
      direction: 'sendonly', streams, sendEncodings: [{ maxBitrate: AUDIO_BITRATE }],
    });
    offerH264First(forVideo);

    // The offer goes out before candidates are gathered: the server needs none, and may first name servers to
    // gather them with.
    const offer = await pc.createOffer();
    const session = new WhipSession(endpoint, key);
    this.#session = session;
    const { answer, iceServers, watchPage } = await session.publish(offer.sdp, signal);
    // Stopped meanwhile: `stop` found no session to end yet.
    if (signal.aborted) await session.end();
    signal.throwIfAborted();
    if (iceServers.length > 0) pc.setConfiguration({ bundlePolicy: 'max-bundle', iceServers });
    await pc.setLocalDescription(offer);
    await pc.setRemoteDescription({ type: 'answer', sdp: answer });
    this.#answer = answer;
    await this.applyQuality();
    if (!(await this.#until(isConnected, CONNECT_MS))) {
      signal.throwIfAborted();
      throw new NoWay('media can’t reach the server');
    }
    return watchPage;
  }

  // Returns when the session is lost.
  async #keep(watchPage) {
    const { report } = this.#options;
    const { signal } = this.#stopped;
    for (;;) {
      const silent = await this.#trouble();
      signal.throwIfAborted();
      if (isOver(this.#pc)) return;
      if (!silent) {
        report({ phase: 'healing' });
        await this.#until((pc) => isConnected(pc) || needsRestart(pc), HEAL_MS);
      }
      if ((silent || !isConnected(this.#pc)) && !(await this.#restart())) return;
      report({ phase: 'live', watchPage });
    }
  }

  // Waits for trouble. Whether it is silence; the browser noticed itself where not.
  async #trouble() {
    const silence = new Silence();
    while (!(await this.#until((pc) => !isConnected(pc), LOOK_MS))) {
      if (this.#stopped.signal.aborted || isOver(this.#pc)) return false;
      if (silence.add(await this.#traffic())) return true;
    }
    return false;
  }

  async #traffic() {
    return traffic(await this.#pc.getStats());
  }

  // Whether the server is heard again, and not only once, within RESTART_MS.
  async #isHeard() {
    const until = performance.now() + RESTART_MS;
    let before = null;
    let heard = 0;
    while (performance.now() < until && !this.#stopped.signal.aborted && !isOver(this.#pc)) {
      const { received } = await this.#traffic();
      // A pair of addresses that is given up changes the sum as well, but once.
      if (before !== null && received !== before) heard += 1;
      if (heard >= 2 && isConnected(this.#pc)) return true;
      before = received;
      await this.#until(() => false, LOOK_MS / 4);
    }
    return false;
  }

  // Whether media flow again.
  async #restart() {
    const { report } = this.#options;
    const { signal } = this.#stopped;
    const pc = this.#pc;
    const until = performance.now() + RESTARTS_MS;
    report({ phase: 'restarting' });
    while (performance.now() < until && !signal.aborted && !isOver(pc)) {
      try {
        const offer = await pc.createOffer({ iceRestart: true });
        const fragment = await this.#session.restart(restartFragment(offer.sdp), signal);
        // Set only now: had the server not answered, the old connection would be as it was.
        await pc.setLocalDescription(offer);
        this.#answer = restartedAnswer(this.#answer, fragment);
        await pc.setRemoteDescription({ type: 'answer', sdp: this.#answer });
        return await this.#isHeard();
      } catch (error) {
        // Anything but silence means that this session has no future.
        if (!(error instanceof Unreachable)) return false;
      }
      await this.#pause(RESTART_PAUSE_MS);
    }
    return false;
  }

  // Whether the connection came to fulfil `condition` in time.
  #until(condition, limitMs) {
    const pc = this.#pc;
    const { signal } = this.#stopped;
    const dtls = pc.getSenders()[0]?.transport ?? null;
    return new Promise((resolve) => {
      const watched = [[pc, 'connectionstatechange'], [dtls, 'statechange'], [signal, 'abort']];
      const look = () => {
        if (condition(pc)) finish(true);
        else if (signal.aborted || isOver(pc)) finish(false);
      };
      const timer = limitMs === null ? null : setTimeout(() => finish(false), limitMs);
      const finish = (result) => {
        clearTimeout(timer);
        for (const [target, event] of watched) target?.removeEventListener(event, look);
        resolve(result);
      };
      for (const [target, event] of watched) target?.addEventListener(event, look);
      look();
    });
  }

  // Waits, but no longer than until the network is back or the stream is stopped.
  #pause(ms) {
    const { signal } = this.#stopped;
    return new Promise((resolve) => {
      const finish = () => {
        clearTimeout(timer);
        window.removeEventListener('online', finish);
        signal.removeEventListener('abort', finish);
        resolve();
      };
      const timer = setTimeout(finish, ms);
      window.addEventListener('online', finish);
      signal.addEventListener('abort', finish);
      if (signal.aborted) finish();
    });
  }

  // Resolves when the server knows that the session has ended; never throws.
  async #close() {
    const [session, pc] = [this.#session, this.#pc];
    this.#session = null;
    this.#pc = null;
    pc?.close();
    await session?.end();
  }
}

function offerH264First(transceiver) {
  const codecs = RTCRtpSender.getCapabilities?.('video')?.codecs;
  try {
    if (codecs) transceiver.setCodecPreferences?.(preferH264(codecs));
  } catch {
    // The browser's own order then; the server chooses H.264 where it is offered.
  }
}

const isConnected = (pc) => pc.connectionState === 'connected' && !isOver(pc);
const needsRestart = (pc) => pc.connectionState === 'failed';
// The server said goodbye, or the encryption broke: no restart of ICE helps.
function isOver(pc) {
  const dtls = pc.getSenders()[0]?.transport?.state;
  return pc.connectionState === 'closed' || dtls === 'closed' || dtls === 'failed';
}

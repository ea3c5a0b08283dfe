// One WHIP session (RFC 9725) as HTTP requests; knows nothing of peer connections.

import { iceServers, parseLinks, watchPage } from './links.mjs';

const REQUEST_MS = 12_000;
// Who restarts ICE asks again while there is time, perhaps over another network; …
const RESTART_MS = 4_000;
// … and who ends a session does not depend on the answer.
const END_MS = 4_000;
// A server's words are shown, but not whole pages of them.
const REASON_CHARS = 300;

// The server said no.
export class Refused extends Error {
  constructor(status, reason, retryAfterS) {
    super(reason || `status ${status}`);
    this.status = status;
    this.reason = reason;
    this.retryAfterS = retryAfterS;
  }
}

// There was no answer.
export class Unreachable extends Error {}

export class WhipSession {
  #endpoint;
  #key;
  #url = null;

  constructor(endpoint, key) {
    this.#endpoint = endpoint;
    this.#key = key;
  }

  // Posts the offer. Gives `{ answer, iceServers, watchPage }`.
  async publish(offer, signal) {
    const { response, text } = await this.#send('POST', this.#endpoint, {
      headers: { 'Content-Type': 'application/sdp' }, body: offer, signal,
    });
    const location = response.headers.get('Location');
    if (response.status !== 201 || !location) {
      throw new Refused(response.status, 'the server answered, but not as a WHIP server does', null);
    }
    this.#url = new URL(location, response.url).href;
    const links = parseLinks(response.headers.get('Link'));
    return {
      answer: text, iceServers: iceServers(links), watchPage: watchPage(links, response.url),
    };
  }

  // Restarts ICE with the client's fragment. Gives the server's.
  async restart(fragment, signal) {
    // `*`: whatever ICE session the server has is replaced (RFC 9725 §4.3.2).
    const headers = { 'Content-Type': 'application/trickle-ice-sdpfrag', 'If-Match': '*' };
    const { response, text } = await this.#send('PATCH', this.#url, {
      headers, body: fragment, signal, limitMs: RESTART_MS,
    });
    if (response.status !== 200) throw new Refused(response.status, 'ICE was not restarted', null);
    return text;
  }

  // Ends the session at the server, also while the page is being closed. Never throws: who does not hear of
  // it notices the silence.
  async end() {
    const url = this.#url;
    this.#url = null;
    if (url) await this.#send('DELETE', url, { keepalive: true, limitMs: END_MS }).catch(() => {});
  }

  async #send(method, url, { headers = {}, signal, limitMs = REQUEST_MS, ...rest }) {
    // By hand: Safari has `AbortSignal.any` since 17.4 only.
    const request = new AbortController();
    const abort = () => request.abort();
    const timer = setTimeout(abort, limitMs);
    signal?.addEventListener('abort', abort);
    if (signal?.aborted) abort();
    let response;
    let text;
    try {
      response = await fetch(url, {
        ...rest, method, signal: request.signal, cache: 'no-store', credentials: 'omit',
        headers: { ...headers, Authorization: `Bearer ${this.#key}` },
      });
      text = await response.text();
    } catch (error) {
      signal?.throwIfAborted();
      throw new Unreachable(String(error));
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
    }
    if (!response.ok) throw refusal(response, text);
    return { response, text };
  }
}

function refusal(response, text) {
  const isText = (response.headers.get('Content-Type') ?? '').startsWith('text/plain');
  const reason = isText ? text.trim().slice(0, REASON_CHARS) : '';
  const seconds = Number(response.headers.get('Retry-After'));
  return new Refused(response.status, reason, seconds > 0 ? seconds : null);
}

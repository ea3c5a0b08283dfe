// Notices that the way to the server is lost, seconds before the browser says so: we send, and hear nothing.

// Servers answer media several times a second; after so long something is wrong, …
const SILENCE_MS = 1_600;
// … unless this server was never quick to answer: then after so many of its longest pauses.
const PAUSES = 4;
// Who sends next to nothing hears next to nothing.
const SENT_LEAST = 20;

// What goes out and comes in, of a stats report: STUN is not counted among `received`.
export function traffic(report) {
  const found = { at: 0, sent: 0, received: 0 };
  report.forEach((entry) => {
    if (entry.type === 'outbound-rtp') found.sent += entry.packetsSent ?? 0;
    if (entry.type === 'candidate-pair') {
      found.received += entry.bytesReceived ?? 0;
      found.at = Math.max(found.at, entry.timestamp);
    }
  });
  return found;
}

export class Silence {
  #heard = null;
  #longestMs = 0;

  // Whether there is silence, after another look.
  add({ at, sent, received }) {
    const heard = this.#heard;
    // Nothing ever came: then this browser does not count it, and the pause says nothing.
    if (!heard && received === 0) return false;
    if (!heard || received !== heard.received) {
      if (heard) this.#longestMs = Math.max(this.#longestMs, at - heard.at);
      this.#heard = { at, sent, received };
      return false;
    }
    const limit = Math.max(SILENCE_MS, PAUSES * this.#longestMs);
    return at - heard.at >= limit && sent - heard.sent >= SENT_LEAST;
  }
}

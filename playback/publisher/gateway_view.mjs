// What the gateway sees of a stream while it is published, beside what the browser knows of it.

import { IngestHealth, showWarnings } from './ingest_health.mjs';

// What the page's own health says already, and in time.
const SAID_HERE = ['no_sound', 'silent'];

const element = (id) => document.getElementById(id);

// The watch page with the key in its fragment, which is not sent: for the owner alone.
export function ownersPage(watchPage, key) {
  return `${watchPage.split('#')[0]}#key=${encodeURIComponent(key)}`;
}

export class GatewayView {
  #health = null;

  start(key) {
    this.stop();
    this.#health = new IngestHealth({ key, show: ({ state, report }) => this.#show(state === 'live' ? report.warnings : []) });
    this.#health.run();
  }

  stop() {
    this.#health?.stop();
    this.#health = null;
    this.#show([]);
  }

  #show(warnings) {
    const shown = warnings.filter(({ kind }) => !SAID_HERE.includes(kind));
    showWarnings(element('warnings'), shown);
    element('seen').hidden = shown.length === 0;
  }
}

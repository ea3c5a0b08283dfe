// What the page shows of a running stream: level, figures, their history.

import { bitrateText, limitText, share } from './health.mjs';
import { place, words } from './meter.mjs';

const HISTORY = 60;
// The history's scale begins here, so that a quiet line is not blown up.
const LEAST_TOP = 500_000;
// Screen readers are told of the level this often.
const TELL_MS = 2_000;

const element = (id) => document.getElementById(id);

export function setText(target, text) {
  const place = typeof target === 'string' ? element(target) : target;
  if (place.textContent !== text) place.textContent = text;
}

export function clock(seconds) {
  const two = (value) => String(value).padStart(2, '0');
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, Math.floor(seconds) % 60];
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

export class LevelView {
  #toldAt = 0;
  #state = null;

  show({ level, peak }, now, state) {
    const cover = element('cover');
    cover.style.transform = `scaleX(${1 - place(level)})`;
    const mark = element('peak');
    mark.style.transform = `translateX(calc(${(place(peak) * 100).toFixed(1)}% - 2px))`;
    mark.style.visibility = peak > -60 ? 'visible' : 'hidden';
    if (now - this.#toldAt < TELL_MS && state === this.#state) return;
    this.#toldAt = now;
    this.#state = state;
    const word = state === 'on' ? words(peak) : state;
    const meter = element('meter');
    meter.setAttribute('aria-valuenow', String(Math.round(level)));
    meter.setAttribute('aria-valuetext', word);
    setText('sound', word[0].toUpperCase() + word.slice(1));
  }
}

export class HealthView {
  #bitrates = [];

  show(readings) {
    setText('bitrate', bitrateText(readings.bitrate));
    if (readings.framesPerSecond !== null) setText('frames', String(Math.round(readings.framesPerSecond)));
    const layers = readings.layers > 1 ? ` · ${readings.layers} sizes` : '';
    setText('size', readings.height ? `${readings.width} × ${readings.height}${layers}` : '–');
    setText('round-trip', readings.roundTripMs === null ? '–' : `${Math.max(1, Math.round(readings.roundTripMs))} ms`);
    setText('loss', share(readings.loss));
    setText('limit', limitText(readings.limit));
    setText('protocol', readings.protocol?.toUpperCase() ?? '–');
    this.#bitrates.push(readings.bitrate);
    if (this.#bitrates.length > HISTORY) this.#bitrates.shift();
    this.#draw();
  }

  // Nothing is known at the moment; the history stays.
  blank() {
    for (const id of ['bitrate', 'frames', 'size', 'round-trip', 'loss', 'limit', 'protocol']) setText(id, '–');
  }

  clear() {
    this.blank();
    this.#bitrates = [];
    this.#draw();
  }

  #draw() {
    const top = Math.max(LEAST_TOP, ...this.#bitrates) * 1.1;
    const first = HISTORY - this.#bitrates.length;
    const points = this.#bitrates.map((bitrate, index) => `${first + index},${(24 - (bitrate / top) * 23).toFixed(1)}`);
    const line = points.join(' ');
    element('history').querySelector('polyline').setAttribute('points', line);
    const area = points.length > 1 ? `${first},24 ${line} ${HISTORY - 1},24` : '';
    element('history').querySelector('polygon').setAttribute('points', area);
  }
}

// What only the owner of a stream sees on its watch page: how it arrives at the gateway.

import { figures, IngestHealth, showWarnings, sparkline } from '../publisher/ingest_health.mjs';

const STORED = 'headgate.owner.';

// Storage may be forbidden; then the key is not kept.
function attempt(action) {
  try {
    return action();
  } catch {
    return null;
  }
}

// The key in a fragment, such as `#key=a+b`; a plus sign is one.
export function keyIn(fragment) {
  const found = /[#&]key=([^&]*)/.exec(fragment)?.[1] ?? '';
  return attempt(() => decodeURIComponent(found)) ?? found;
}

// Takes the key out of the address, where bookmarks and screenshots would keep it, and keeps it for this tab.
function takeKey(id) {
  const given = keyIn(location.hash);
  if (given) {
    history.replaceState(null, '', location.pathname + location.search);
    attempt(() => sessionStorage.setItem(STORED + id, given));
  }
  return given || attempt(() => sessionStorage.getItem(STORED + id)) || '';
}

const WORDS = { good: 'Good', fair: 'Could be better', bad: 'In trouble', away: 'Publisher away' };
// What is said of states without figures of now.
export const STATES = {
  off: 'The stream is not live. Its figures appear here within a minute of its start.',
  away: 'The publisher is away. These figures are its last.',
  refused: 'No live stream has this key. Check the key; if it is right, the stream is off air.',
  limited: 'The gateway was asked too often from your address. Trying again in a minute.',
  unreachable: 'The gateway does not answer. Trying again.',
  other: 'This key belongs to another stream than the one on this page.',
};
const WELL = 'All is well: the stream arrives as it should.';

function make(name, properties = {}, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
}

function svg(name, attributes) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

class Panel {
  #id;
  #badge = make('span', { className: 'badge' });
  #note = make('p', { className: 'owner-note' });
  #warnings = make('ul', { className: 'warnings' });
  #figures = make('dl', { className: 'readings figures' });
  #line = svg('polyline', { points: '' });
  #area = svg('polygon', { points: '' });

  constructor(id, onForget) {
    this.#id = id;
    const forget = make('button', { type: 'button', textContent: 'Hide' });
    forget.addEventListener('click', onForget);
    this.#warnings.setAttribute('role', 'status');
    this.#badge.setAttribute('role', 'status');
    const title = make('h2', { textContent: 'How your stream arrives' });
    const hint = make('p', { className: 'hint', textContent: 'Only you see this: it takes your stream key.' });
    const head = make('header', { className: 'owner-head' }, make('div', {}, title, hint), this.#badge, forget);
    this.element = make('section', { className: 'owner' }, head, this.#note, this.#warnings, this.#figures);
    this.element.setAttribute('aria-label', 'How your stream arrives');
    this.show({ state: 'connecting', report: null });
  }

  show({ state, report }) {
    const other = report && report.playback_id !== this.#id;
    const said = other ? 'other' : state;
    const shown = other ? null : report;
    this.element.dataset.state = said;
    this.element.dataset.health = shown?.health ?? 'none';
    this.#badge.textContent = WORDS[shown?.health] ?? (said === 'connecting' ? 'Asking' : 'No figures');
    const warnings = (said === 'live' && shown?.warnings) || [];
    const well = said === 'live' && warnings.length === 0 ? WELL : '';
    const note = STATES[said] ?? well;
    if (this.#note.textContent !== note) this.#note.textContent = note;
    this.#note.hidden = note === '';
    showWarnings(this.#warnings, warnings);
    this.#figures.hidden = !shown;
    if (shown) this.#showFigures(shown);
  }

  #showFigures(report) {
    const shown = figures(report);
    if (this.#figures.childElementCount !== shown.length) {
      this.#figures.replaceChildren(...shown.map(() => make('div', {}, make('dt'), make('dd'))));
      const history = svg('svg', { class: 'history', viewBox: '0 0 59 24', preserveAspectRatio: 'none', 'aria-hidden': 'true' });
      history.append(this.#area, this.#line);
      this.#figures.firstElementChild.classList.add('wide');
      this.#figures.firstElementChild.append(history);
    }
    shown.forEach(([name, value], index) => {
      const [title, text] = this.#figures.children[index].children;
      if (title.textContent !== name) title.textContent = name;
      if (text.textContent !== value) Object.assign(text, { textContent: value, title: value });
    });
    const points = sparkline(report.bitrate_history);
    this.#line.setAttribute('points', points);
    const first = 60 - report.bitrate_history.length;
    this.#area.setAttribute('points', points ? `${first},24 ${points} 59,24` : '');
  }
}

let open = null;

// Shows the panel of the stream with this playback id below `place`, where there is a key for it.
export function showToOwner(id, place) {
  const key = takeKey(id);
  if (!key) return;
  open?.();
  const panel = new Panel(id, () => {
    attempt(() => sessionStorage.removeItem(STORED + id));
    open?.();
  });
  const health = new IngestHealth({ key, show: (seen) => panel.show(seen) });
  open = () => {
    open = null;
    health.stop();
    panel.element.remove();
  };
  place.append(panel.element);
  health.run();
}

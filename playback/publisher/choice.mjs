// What the person chose the last time, and the stream key of this tab.

import { validQuality } from './quality.mjs';

const CHOICE = 'headgate.publish.choice';
const KEY = 'headgate.publish.key';

// Storage may be full or forbidden; then nothing is remembered.
function attempt(action) {
  try {
    return action();
  } catch {
    return null;
  }
}

export function loadChoice() {
  const stored = attempt(() => JSON.parse(localStorage.getItem(CHOICE))) ?? {};
  const text = (value) => (typeof value === 'string' ? value : '');
  return {
    camera: text(stored.camera), microphone: text(stored.microphone), quality: validQuality(stored.quality),
  };
}

export function saveChoice(choice) {
  attempt(() => localStorage.setItem(CHOICE, JSON.stringify(choice)));
}

// The key in a fragment, such as `#key=a+b`; empty where there is none. A plus sign is one: keys have them.
export function keyIn(fragment) {
  const found = /[#&]key=([^&]*)/.exec(fragment)?.[1] ?? '';
  return attempt(() => decodeURIComponent(found)) ?? found;
}

// Takes the key out of the address, where bookmarks and screenshots would keep it, and keeps it for this tab.
export function takeKey() {
  const fromAddress = keyIn(location.hash);
  if (location.hash !== '') history.replaceState(null, '', location.pathname + location.search);
  if (fromAddress) saveKey(fromAddress);
  return fromAddress || attempt(() => sessionStorage.getItem(KEY)) || '';
}

export function saveKey(key) {
  attempt(() => sessionStorage.setItem(KEY, key));
}

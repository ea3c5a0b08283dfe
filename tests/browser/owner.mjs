// Opens a watch page in headless Chromium as the owner, with the key in the fragment, and prints what it saw as
// one JSON object.
// Usage: node owner.mjs WATCH_PAGE KEY WARNING|none [SCREENSHOTS]; it waits for a warning whose text holds WARNING,
// or for figures without one. SCREENSHOTS-desktop.png and SCREENSHOTS-phone.png are written. Without a KEY
// (an empty one) it is a viewer.
import { AUTOPLAY, launch } from './chromium.mjs';

const [url, key, wanted, screenshots] = process.argv.slice(2);
const LIMIT_MS = 60_000;

const browser = await launch(AUTOPLAY);
const page = await browser.newPage({ viewport: { width: 1280, height: 1000 } });
const errors = [];
const requested = [];
page.on('pageerror', (error) => errors.push(String(error)));
page.on('request', (request) => requested.push(request.url()));
await page.goto(key ? `${url}#key=${encodeURIComponent(key)}` : url);

const look = () => page.evaluate(() => ({
  panel: document.querySelector('.owner') !== null,
  state: document.querySelector('.owner')?.dataset.state ?? null,
  health: document.querySelector('.owner')?.dataset.health ?? null,
  warnings: [...document.querySelectorAll('.warning')].map((item) => item.innerText.replace(/\s+/g, ' ').trim()),
  figures: Object.fromEntries([...document.querySelectorAll('.figures > div')].map((it) => [...it.querySelectorAll('dt, dd')].map((text) => text.textContent))),
  note: document.querySelector('.owner-note')?.textContent ?? null,
  playing: document.body.dataset.state === 'live',
}));
const good = (seen) => {
  if (!key) return seen.playing;
  if (wanted === 'none') return seen.state === 'live' && seen.warnings.length === 0 && seen.figures['Keyframe every'] !== undefined;
  if (wanted === 'refused') return seen.state === 'refused';
  return seen.playing && seen.warnings.some((text) => text.includes(wanted));
};

let seen = await look();
for (const end = Date.now() + LIMIT_MS; !good(seen) && Date.now() < end;) {
  await page.waitForTimeout(250);
  seen = await look();
}
if (screenshots) {
  await page.screenshot({ path: `${screenshots}-desktop.png`, fullPage: true });
  await page.setViewportSize({ width: 390, height: 844 });
  await page.waitForTimeout(500);
  await page.screenshot({ path: `${screenshots}-phone.png`, fullPage: true });
}
console.log(JSON.stringify({
  ...seen, good: good(seen), address: page.url(), errors,
  keyInRequests: key !== '' && requested.some((request) => request.includes(key)),
  askedForHealth: requested.some((request) => request.endsWith('/ingest-health')),
  loadedPanel: requested.some((request) => request.includes('/owner-')),
}));
await browser.close();

// Goes live with the publish page in headless Chromium, its fake camera and microphone, and prints what it saw
// as one JSON object.
// Usage: node publish_page.mjs GATEWAY KEY SECONDS [SCREENSHOT]; the seconds count from when it is live.
import { FAKE_DEVICES, launch } from './chromium.mjs';

const [gateway, key, seconds, screenshot] = process.argv.slice(2);
const LIVE_LIMIT_MS = 30_000;

const browser = await launch(...FAKE_DEVICES);
const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
await context.grantPermissions(['camera', 'microphone'], { origin: new URL(gateway).origin });
const page = await context.newPage();
const errors = [];
const requested = [];
page.on('pageerror', (error) => errors.push(String(error)));
page.on('console', (message) => { if (message.type() === 'error') errors.push(message.text()); });
page.on('request', (request) => requested.push(`${request.method()} ${request.url()}`));

await page.goto(`${gateway}/publish#key=${encodeURIComponent(key)}`);
await page.waitForSelector('body[data-preview="on"]');
const address = page.url();
await page.click('#start');

const text = (id) => page.textContent(`#${id}`);
const began = Date.now();
await page.waitForFunction(
  () => document.body.dataset.phase === 'live' || document.getElementById('message').dataset.level === 'bad',
  null, { timeout: LIVE_LIMIT_MS },
);
const seen = {
  address,
  live: (await page.getAttribute('body', 'data-phase')) === 'live',
  liveAfterMs: Date.now() - began,
  title: await text('message-title'),
  detail: await text('message-detail'),
};
if (seen.live) {
  await page.waitForFunction(() => document.getElementById('bitrate').textContent !== '–');
  await page.click('#mute');
  seen.muted = await page.getAttribute('#mute', 'aria-pressed');
  await page.click('#mute');
  await page.waitForTimeout(Number(seconds) * 1000);
  Object.assign(seen, {
    phase: await page.getAttribute('body', 'data-phase'),
    bitrate: await text('bitrate'), frames: await text('frames'), protocol: await text('protocol'),
    watchPage: await page.evaluate(() => document.querySelector('#watch a')?.href ?? null),
    ownersPage: await page.evaluate(() => document.getElementById('own-link')?.href ?? null),
  });
  if (screenshot) await page.screenshot({ path: screenshot });
  await page.click('#start');
  await page.waitForSelector('body[data-phase="idle"]');
  seen.ended = await text('message-title');
}
seen.keyInRequests = requested.some((request) => request.includes(key));
seen.elsewhere = requested.filter((request) => !request.includes(new URL(gateway).host));
seen.deleted = requested.some((request) => request.startsWith('DELETE '));
console.log(JSON.stringify({ ...seen, errors }));
await browser.close();

// Watches a page in headless Chromium and prints what it saw as one JSON object.
// Usage: node watch.mjs URL SECONDS [SCREENSHOT]; the seconds count from the first moving picture.
import { AUTOPLAY, launch } from './chromium.mjs';

const [url, seconds, screenshot] = process.argv.slice(2);
const START_LIMIT_MS = 60_000;
const SAMPLE_MS = 250;

const browser = await launch(AUTOPLAY);
const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
const errors = [];
page.on('pageerror', (error) => errors.push(String(error)));
await page.goto(url);

const sample = () => page.evaluate(() => {
  const video = document.querySelector('video');
  const quality = video.getVideoPlaybackQuality();
  return {
    at: performance.now(),
    position: video.currentTime,
    width: video.videoWidth,
    height: video.videoHeight,
    decoded: quality.totalVideoFrames,
    dropped: quality.droppedVideoFrames,
    error: video.error?.message ?? null,
  };
});
const pause = () => new Promise((resolve) => setTimeout(resolve, SAMPLE_MS));

const began = Date.now();
let last = await sample();
while (last.position === 0 || last.decoded === 0) {
  if (Date.now() - began > START_LIMIT_MS) {
    if (screenshot) await page.screenshot({ path: screenshot });
    console.log(JSON.stringify({ started: false, errors, text: await page.innerText('body') }));
    await browser.close();
    process.exit(0);
  }
  await pause();
  last = await sample();
}

const startedAfter = Date.now() - began;
const first = last;
let longestStill = 0;
let still = 0;
const sizes = new Set();
for (const end = Date.now() + Number(seconds) * 1000; Date.now() < end;) {
  await pause();
  const now = await sample();
  still = now.position > last.position ? 0 : still + (now.at - last.at);
  longestStill = Math.max(longestStill, still);
  if (now.error) errors.push(now.error);
  sizes.add(`${now.width}x${now.height}`);
  last = now;
}
if (screenshot) await page.screenshot({ path: screenshot });
console.log(JSON.stringify({
  started: true,
  startedAfterMs: startedAfter,
  watchedSeconds: (last.at - first.at) / 1000,
  playedSeconds: last.position - first.position,
  longestStillMs: longestStill,
  decodedFrames: last.decoded - first.decoded,
  droppedFrames: last.dropped - first.dropped,
  sizes: [...sizes],
  errors,
}));
await browser.close();

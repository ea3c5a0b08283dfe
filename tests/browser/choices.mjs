// Chooses the last audio track and the highest quality of a watch page in headless Chromium, and prints what
// became of it as one JSON object.
// Usage: node choices.mjs URL SECONDS [SCREENSHOT]; the seconds count from the choice.
import { AUTOPLAY, launch } from './chromium.mjs';

const [url, seconds, screenshot] = process.argv.slice(2);
const START_LIMIT_MS = 60_000;

const browser = await launch(AUTOPLAY);
const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
const errors = [];
const asked = [];
page.on('pageerror', (error) => errors.push(String(error)));
page.on('request', (request) => asked.push(new URL(request.url()).pathname));
await page.goto(url);
await page.waitForFunction(() => document.querySelector('video').currentTime > 0, null, { timeout: START_LIMIT_MS });

const options = (name) => page.locator(`#${name} option`).allInnerTexts();
const position = () => page.evaluate(() => document.querySelector('video').currentTime);
const seen = { audio: await options('audio'), quality: await options('quality') };
seen.offered = await page.locator('#audio').isVisible();
if (seen.offered) await page.selectOption('#audio', { index: seen.audio.length - 1 });
await page.selectOption('#quality', { index: 1 });
asked.length = 0;
const before = await position();
await new Promise((resolve) => setTimeout(resolve, Number(seconds) * 1000));
seen.playedSeconds = (await position()) - before;
seen.asked = [...new Set(asked.filter((path) => path.endsWith('.m4s')).map((path) => path.split('/').at(-2)))].sort();
if (screenshot) await page.screenshot({ path: screenshot });
console.log(JSON.stringify({ ...seen, errors }));
await browser.close();

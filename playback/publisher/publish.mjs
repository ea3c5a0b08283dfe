// The publish page: what the person does, and what it comes to.

import { Capture, listDevices, mayCapture, NO_MICROPHONE } from './capture.mjs';
import { loadChoice, saveChoice, saveKey, takeKey } from './choice.mjs';
import { GatewayView, ownersPage } from './gateway_view.mjs';
import { Health, snapshot, Steady, verdict } from './health.mjs';
import { LevelMeter } from './meter.mjs';
import { clock, HealthView, LevelView, setText } from './panel.mjs';
import { NoWay, Publisher } from './publisher.mjs';
import { BITRATES, FRAME_RATES, HEIGHTS, recommendedBitrate } from './quality.mjs';
import { hasH264 } from './sdp.mjs';
import { Refused, Unreachable } from './whip.mjs';
import { captureWords, NO_WAY, refusalWords, UNREACHABLE } from './words.mjs';

const READ_MS = 1_000;
// What an interruption lost is reported so long after it, and says nothing about what comes.
const SETTLE_MS = 3_000;
// Without a sound for so long, the microphone is said to be silent.
const SILENCE_MS = 10_000;
const SILENCE_DB = -55;
const NOTHING_SENT = ['calm', 'Nothing is sent yet', 'Enter your stream key, check your picture and sound, and go live.'];
const READY = ['good', 'Ready', 'Nothing is sent until you go live.'];

const element = (id) => document.getElementById(id);
const choice = loadChoice();
const capture = new Capture(onDeviceEnded);
const meter = new LevelMeter();
const levelView = new LevelView();
const health = new Health();
const steady = new Steady();
const healthView = new HealthView();
const gatewayView = new GatewayView();
let publisher = null;
let isLive = false;
let liveSince = null;
let settledAt = 0;
let muted = false;
let hidden = false;
let wakeLock = null;
let heardAt = performance.now();

// ---- what is shown ----

const PHASES = { idle: 'Off air', busy: 'Connecting', live: 'On air', trouble: 'Reconnecting', ending: 'Ending' };

function showPhase(phase) {
  document.body.dataset.phase = phase;
  setText('state', PHASES[phase]);
}

function say(level, title, detail) {
  const message = element('message');
  message.dataset.level = level;
  const role = level === 'bad' ? 'alert' : 'status';
  if (message.getAttribute('role') !== role) message.setAttribute('role', role);
  setText('message-title', title);
  setText('message-detail', detail);
}

function showRunning(running) {
  document.body.dataset.running = running ? 'yes' : 'no';
  setText('start-text', running ? 'End stream' : 'Go live');
  element('start').querySelector('use').setAttribute('href', running ? '#i-stop' : '#i-go');
  for (const id of ['key', 'simulcast']) element(id).disabled = running;
}

function showCapture() {
  const { video } = capture;
  const preview = element('preview');
  const stream = video ? new MediaStream([video]) : null;
  if (preview.srcObject?.getVideoTracks()[0] !== video) preview.srcObject = stream;
  document.body.dataset.preview = video ? 'on' : 'off';
  // Only phones say which way a camera looks; what comes of a capture card must not be mirrored.
  document.body.dataset.mirror = video?.getSettings().facingMode === 'user' ? 'yes' : 'no';
  for (const source of document.getElementsByName('source')) {
    if (video) source.checked = (source.value === 'screen') === capture.isScreen;
  }
  meter.attach(capture.audio);
  applySwitches();
}

function applySwitches() {
  if (capture.video) capture.video.enabled = !hidden;
  capture.setMuted(muted);
  const show = (id, track, pressed) => {
    element(id).disabled = !track;
    element(id).setAttribute('aria-pressed', String(pressed));
  };
  show('mute', capture.audio, muted);
  show('hide', capture.video, hidden);
}

function fill(select, options, value) {
  select.replaceChildren(...options.map(([text, id]) => new Option(text, id)));
  select.value = options.some(([, id]) => String(id) === String(value)) ? String(value) : String(options[0][1]);
}

async function showDevices() {
  const { cameras, microphones } = await listDevices();
  const listed = (devices) => devices.map(({ id, label }) => [label, id]);
  const otherwise = (devices, text) => (devices.length > 0 ? [] : [[text, '']]);
  const used = (track, chosen) => track?.getSettings().deviceId ?? chosen;
  const camera = capture.isScreen ? choice.camera : used(capture.video, choice.camera);
  fill(element('camera'), [...otherwise(cameras, 'Default camera'), ...listed(cameras)], camera);
  const microphone = choice.microphone === NO_MICROPHONE ? NO_MICROPHONE : choice.microphone || used(capture.audio, '');
  const none = [['No microphone', NO_MICROPHONE]];
  fill(element('microphone'), [...otherwise(microphones, 'Default microphone'), ...listed(microphones), ...none], microphone);
}

function showQuality() {
  const { quality } = choice;
  fill(element('height'), HEIGHTS.map((height) => [`${height}p`, height]), quality.height);
  fill(element('rate'), FRAME_RATES.map((rate) => [`${rate} a second`, rate]), quality.framesPerSecond);
  const megabits = (bitrate) => `${Number((bitrate / 1e6).toFixed(1))} Mbit/s`;
  const recommended = `Recommended (${megabits(recommendedBitrate(quality))})`;
  const bitrates = BITRATES.map((bitrate) => [`At most ${megabits(bitrate)}`, bitrate]);
  fill(element('limit-bitrate'), [[recommended, 0], ...bitrates], quality.bitrate);
  element('simulcast').checked = quality.simulcast;
}

function showWatchPage(address) {
  const place = element('watch');
  element('own').hidden = !address;
  if (address) element('own-link').href = ownersPage(address, element('key').value.trim());
  element('copy').disabled = !address;
  if (!address) return setText(place, isLive ? 'Ask the gateway’s operator' : 'Known once you are live');
  const link = document.createElement('a');
  Object.assign(link, { href: address, target: '_blank', rel: 'noopener noreferrer' });
  link.textContent = address.replace(/^https?:\/\//, '');
  return place.replaceChildren(link);
}

// ---- picture and sound ----

// Runs what opens devices. Whether it worked; where not, it has been said why.
async function open(source, action) {
  try {
    await action();
    if (!publisher) say(...READY);
    return true;
  } catch (error) {
    const words = captureWords(error, source);
    if (words) say('bad', words.title, words.detail);
    return false;
  } finally {
    showCapture();
    await showDevices().catch(() => {});
    await publisher?.replace(capture).catch(() => {});
  }
}

const openCamera = () => open('camera', () => capture.openCamera(choice, choice.quality));

const openScreen = () => open('screen', async () => {
  await capture.openScreen(choice.quality);
  // Whoever shows a screen mostly speaks as well; without a microphone it is shown all the same.
  if (!capture.audio) await capture.openMicrophone(choice).catch(() => {});
});

function onDeviceEnded(source) {
  showCapture();
  publisher?.replace(capture).catch(() => {});
  if (source === 'screen') openCamera();
  else if (source === 'microphone') say('bad', 'The microphone has gone', 'Choose another one in the list.');
  else say('bad', 'The camera has gone', 'Choose another one in the list.');
}

// ---- the stream ----

function onPhase({ phase, watchPage, seconds, error }) {
  isLive = phase === 'live';
  if (!isLive) healthView.blank();
  switch (phase) {
    case 'connecting':
      showPhase('busy');
      return say('calm', 'Connecting', 'The gateway is asked whether you may go live.');
    case 'live':
      health.reset();
      steady.reset();
      showPhase('live');
      showWatchPage(watchPage);
      gatewayView.start(element('key').value.trim());
      if (liveSince === null) {
        liveSince = performance.now();
        return say('good', 'You are live', 'The first seconds are on their way.');
      }
      settledAt = performance.now() + SETTLE_MS;
      return say('good', 'You are live again', 'The stream goes on.');
    case 'healing':
      showPhase('trouble');
      return say('fair', 'The connection falters', 'Waiting a moment for it to find its way.');
    case 'restarting':
      showPhase('trouble');
      return say('fair', 'Looking for another way', 'Your network changed or dropped out. The stream goes on as soon as there is a way.');
    case 'renewing':
      showPhase('trouble');
      return say('fair', 'Connecting anew', 'The old connection is lost. Viewers wait for you.');
    default: {
      showPhase('trouble');
      const why = error && failureWords(error);
      const again = `Trying again in ${seconds} s.${why?.said ?? ''}`;
      return say('fair', why?.title ?? 'The connection is lost', again);
    }
  }
}

function failureWords(error) {
  if (error instanceof Refused) return refusalWords(error);
  if (error instanceof NoWay) return NO_WAY;
  if (error instanceof Unreachable) return UNREACHABLE;
  return { title: 'This browser can’t publish', detail: String(error?.message ?? error) };
}

async function start() {
  const field = element('key');
  const key = field.value.trim();
  field.setAttribute('aria-invalid', String(key === ''));
  if (key === '') {
    say('bad', 'The stream key is missing', 'It is what your gateway’s operator gave you. Enter it, then go live.');
    return field.focus();
  }
  saveKey(key);
  showRunning(true);
  if (!capture.video) {
    const source = document.querySelector('[name="source"]:checked').value;
    if (!(await (source === 'screen' ? openScreen() : openCamera()))) return showRunning(false);
  }
  const current = new Publisher({
    endpoint: new URL('/whip', location.href).href,
    key,
    media: () => capture,
    quality: () => choice.quality,
    report: (what) => { if (publisher === current) onPhase(what); },
  });
  publisher = current;
  keepAwake();
  let failure = null;
  try {
    await current.run();
  } catch (error) {
    failure = failureWords(error);
  }
  if (publisher === current) finish(failure);
}

function finish(failure) {
  publisher = null;
  isLive = false;
  liveSince = null;
  wakeLock?.release().catch(() => {});
  wakeLock = null;
  health.reset();
  healthView.clear();
  gatewayView.stop();
  showPhase('idle');
  showRunning(false);
  setText('elapsed', '0:00');
  if (failure) say('bad', failure.title, failure.detail);
  else say('calm', 'The stream has ended', 'Nothing is sent any more. You can go live again at any time.');
}

async function stop() {
  const ending = publisher;
  if (!ending) return;
  showPhase('ending');
  say('calm', 'Ending', 'The gateway is told that you are done.');
  await ending.stop();
}

// Phones switch their screens off, and the camera with it.
async function keepAwake() {
  if (document.visibilityState !== 'visible' || !publisher) return;
  wakeLock = await navigator.wakeLock?.request('screen').catch(() => null) ?? null;
}

function soundWords() {
  if (!capture.audio) return ' There is no sound.';
  if (muted) return ' Your microphone is muted.';
  return performance.now() - heardAt > SILENCE_MS ? ' Your microphone is silent.' : '';
}

async function read() {
  const pc = publisher?.connection;
  if (liveSince !== null) setText('elapsed', clock((performance.now() - liveSince) / 1000));
  const video = capture.video?.getSettings();
  setText('picture', video?.height ? `${video.width} × ${video.height}` : '');
  if (!pc || !isLive || performance.now() < settledAt) return;
  const taken = snapshot(await pc.getStats());
  const readings = taken && health.add(taken);
  if (!readings || !isLive) return;
  healthView.show(readings);
  if (!capture.video) return say('bad', 'You are live without a picture', 'Choose a camera in the list, or show your screen.');
  // What the camera can't do is not missed on the way.
  const framesPerSecond = Math.min(choice.quality.framesPerSecond, video?.frameRate ?? Infinity);
  const wanted = { framesPerSecond, still: capture.isScreen, hidden };
  const { level, text } = steady.add(verdict(readings, wanted));
  return say(level, 'You are live', `${text}${soundWords()}`);
}

// ---- wiring ----

function onQuality() {
  const number = (id) => Number(element(id).value);
  choice.quality = {
    height: number('height'), framesPerSecond: number('rate'), bitrate: number('limit-bitrate'),
    simulcast: element('simulcast').checked,
  };
  saveChoice(choice);
  showQuality();
  capture.applyQuality(choice.quality);
  publisher?.applyQuality();
}

function onDevice(id) {
  choice[id] = element(id).value;
  saveChoice(choice);
  if (id === 'microphone') return open('camera', () => capture.openMicrophone(choice));
  return capture.isScreen ? undefined : openCamera();
}

function wire() {
  element('setup').addEventListener('submit', (event) => {
    event.preventDefault();
    if (publisher) stop();
    else if (document.body.dataset.running !== 'yes') start();
  });
  element('open').addEventListener('click', openCamera);
  element('mute').addEventListener('click', () => { muted = !muted; applySwitches(); });
  element('hide').addEventListener('click', () => { hidden = !hidden; applySwitches(); });
  for (const id of ['camera', 'microphone']) element(id).addEventListener('change', () => onDevice(id));
  for (const id of ['height', 'rate', 'limit-bitrate', 'simulcast']) element(id).addEventListener('change', onQuality);
  for (const source of document.getElementsByName('source')) {
    source.addEventListener('change', () => (source.value === 'screen' ? openScreen() : openCamera()));
  }
  element('key').addEventListener('input', () => element('key').removeAttribute('aria-invalid'));
  element('reveal').addEventListener('click', () => {
    const shown = element('key').type === 'text';
    element('key').type = shown ? 'password' : 'text';
    element('reveal').setAttribute('aria-pressed', String(!shown));
  });
  element('copy').addEventListener('click', async () => {
    await navigator.clipboard.writeText(element('watch').querySelector('a').href).catch(() => {});
    element('copy').setAttribute('aria-label', 'Copied');
    setTimeout(() => element('copy').setAttribute('aria-label', 'Copy the watch page’s address'), 2_000);
  });
  navigator.mediaDevices.addEventListener('devicechange', () => showDevices().catch(() => {}));
  window.addEventListener('hashchange', () => { if (!publisher) element('key').value = takeKey(); });
  window.addEventListener('beforeunload', (event) => { if (publisher) event.preventDefault(); });
  window.addEventListener('pagehide', () => publisher?.stop());
  document.addEventListener('visibilitychange', keepAwake);
  // Sound is measured only once the page was touched.
  for (const event of ['pointerdown', 'keydown']) window.addEventListener(event, () => meter.resume());
  setInterval(() => read().catch(() => {}), READ_MS);
  const draw = (now) => {
    const state = !capture.audio ? 'no sound' : muted ? 'muted' : 'on';
    const measured = meter.read(now);
    if (measured.level > SILENCE_DB || state !== 'on') heardAt = now;
    levelView.show(measured, now, state);
    requestAnimationFrame(draw);
  };
  requestAnimationFrame(draw);
}

function explainInsecure(key) {
  const { hostname, port, pathname } = location;
  const path = pathname.replace(/\/$/, '');
  const inner = port || '80';
  setText('explain-host', ` from ${location.host}`);
  const link = element('explain-https');
  link.href = `https://${hostname}${path}${key ? `#key=${encodeURIComponent(key)}` : ''}`;
  setText(link, `https://${hostname}${path}`);
  setText('explain-local', `http://localhost:${inner}${path}`);
  setText('explain-tunnel', `ssh -N -L ${inner}:localhost:${inner} ${hostname}`);
  element('desk').hidden = true;
  element('explain').hidden = false;
}

async function main() {
  const key = takeKey();
  element('key').value = key;
  showRunning(false);
  showQuality();
  if (!window.isSecureContext || !navigator.mediaDevices) return explainInsecure(key);
  if (!navigator.mediaDevices.getDisplayMedia) document.querySelector('[value="screen"]').disabled = true;
  wire();
  await showDevices().catch(() => {});
  const codecs = window.RTCRtpSender?.getCapabilities?.('video')?.codecs;
  if (codecs && !hasH264(codecs)) {
    say('bad', 'This browser can’t send H.264', 'The gateway takes no other video. Chrome, Edge and Safari send it.');
  } else {
    say(...NOTHING_SENT);
  }
  if (await mayCapture()) await openCamera();
}

main();

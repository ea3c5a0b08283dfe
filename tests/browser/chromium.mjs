// The headless Chromium of every test.
import { chromium } from 'playwright-core';

const ARGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync',
  '--disable-background-networking', '--disable-component-update',
];
// Media plays without a click.
export const AUTOPLAY = '--autoplay-policy=no-user-gesture-required';
// A camera and a microphone that are made up, and need no permission.
export const FAKE_DEVICES = ['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream'];

// Starts it, with these flags beside the usual ones.
export const launch = (...args) => chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: [...ARGS, ...args],
});

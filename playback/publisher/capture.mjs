// Camera, microphone and screen: which there are, and what comes of them.

import { cameraConstraints, screenConstraints } from './quality.mjs';

const VOICE = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
// Not to have a microphone is a choice as well.
export const NO_MICROPHONE = 'none';

// `{ cameras, microphones }`, each `[{ id, label }]`. Without permission browsers tell neither ids nor names.
export async function listDevices() {
  const devices = await navigator.mediaDevices.enumerateDevices();
  const named = (kind, what) => devices
    .filter((device) => device.kind === kind && device.deviceId !== '')
    .map(({ deviceId, label }, index) => ({ id: deviceId, label: label || `${what} ${index + 1}` }));
  return { cameras: named('videoinput', 'Camera'), microphones: named('audioinput', 'Microphone') };
}

// Where the browser says so: whether cameras may be used without a question.
export async function mayCapture() {
  try {
    const status = await navigator.permissions.query({ name: 'camera' });
    return status.state === 'granted';
  } catch {
    return false;
  }
}

export class Capture {
  #camera = null;
  #microphone = null;
  #screen = null;
  #screenSound = null;
  #mix = null;
  #muted = false;
  #ended;

  // `ended(source)` is told when 'camera', 'microphone' or 'screen' stops by itself.
  constructor(ended) {
    this.#ended = ended;
  }

  get video() {
    return this.#screen ?? this.#camera;
  }

  get audio() {
    return this.#mix?.track ?? this.#microphone ?? this.#screenSound;
  }

  get isScreen() {
    return this.#screen !== null;
  }

  // Opens camera and microphone with one question. `choice` has `camera` and `microphone` (ids or '').
  async openCamera(choice, quality) {
    const wantsSound = choice.microphone !== NO_MICROPHONE;
    const wanted = (camera, microphone) => ({
      video: { ...cameraConstraints(quality), ...exactly(camera) },
      audio: wantsSound ? { ...VOICE, ...exactly(microphone) } : false,
    });
    const stream = await firstOf([
      wanted(choice.camera, choice.microphone),
      // What was chosen may have gone; a camera without a microphone is better than nothing.
      wanted('', ''),
      { video: cameraConstraints(quality) },
    ]);
    this.#replaceScreen(null, null);
    this.#camera = this.#exchange(this.#camera, stream.getVideoTracks()[0] ?? null, 'camera');
    this.#setMicrophone(stream.getAudioTracks()[0] ?? null);
  }

  async openMicrophone(choice) {
    if (choice.microphone === NO_MICROPHONE) return this.#setMicrophone(null);
    const stream = await firstOf([{ audio: { ...VOICE, ...exactly(choice.microphone) } }, { audio: VOICE }]);
    return this.#setMicrophone(stream.getAudioTracks()[0] ?? null);
  }

  // The browser lets the person choose what of the screen; its sound comes along where that can be had.
  async openScreen(quality) {
    const options = { video: screenConstraints(quality), audio: true };
    const stream = await navigator.mediaDevices.getDisplayMedia(options);
    const [video] = stream.getVideoTracks();
    // Text has to stay sharp.
    video.contentHint = 'detail';
    this.#replaceScreen(video, stream.getAudioTracks()[0] ?? null);
    this.#camera = this.#exchange(this.#camera, null, 'camera');
  }

  // Brings what is open to another quality, as far as it can.
  async applyQuality(quality) {
    const constraints = this.#screen ? screenConstraints(quality) : cameraConstraints(quality);
    await this.video?.applyConstraints(constraints).catch(() => {});
  }

  // Whether sound goes out as silence: that of now, and what is opened later.
  setMuted(muted) {
    this.#muted = muted;
    this.#applyMuted();
  }

  close() {
    this.#replaceScreen(null, null);
    this.#camera = this.#exchange(this.#camera, null, 'camera');
    this.#setMicrophone(null);
  }

  #setMicrophone(track) {
    this.#microphone = this.#exchange(this.#microphone, track, 'microphone');
    this.#remix();
  }

  #replaceScreen(video, sound) {
    this.#screen = this.#exchange(this.#screen, video, 'screen');
    this.#screenSound = this.#exchange(this.#screenSound, sound, null);
    this.#remix();
  }

  #exchange(old, track, source) {
    if (old && old !== track) {
      old.onended = null;
      old.stop();
    }
    if (track && source) track.onended = () => this.#lose(source);
    return track;
  }

  #lose(source) {
    if (source === 'screen') this.#replaceScreen(null, null);
    else if (source === 'microphone') this.#setMicrophone(null);
    else this.#camera = this.#exchange(this.#camera, null, 'camera');
    this.#ended(source);
  }

  // Two sounds go out as one. A single one goes out as it is: that costs no delay.
  #remix() {
    this.#mix?.context.close().catch(() => {});
    this.#mix = null;
    if (this.#microphone && this.#screenSound) this.#mix = mixOf([this.#microphone, this.#screenSound]);
    this.#applyMuted();
  }

  // Each of them: a track takes along what it was told, into a mix and out of one.
  #applyMuted() {
    for (const track of [this.#microphone, this.#screenSound, this.#mix?.track]) {
      if (track) track.enabled = !this.#muted;
    }
  }
}

function mixOf(tracks) {
  const context = new AudioContext();
  const out = context.createMediaStreamDestination();
  for (const track of tracks) context.createMediaStreamSource(new MediaStream([track])).connect(out);
  return { context, track: out.stream.getAudioTracks()[0] };
}

// `exact`, for otherwise browsers prefer a camera whose sizes fit better.
const exactly = (id) => (id ? { deviceId: { exact: id } } : {});

// Opens what can be opened of these, the earlier the better.
async function firstOf(wishes) {
  for (const [index, wish] of wishes.entries()) {
    try {
      return await navigator.mediaDevices.getUserMedia(wish);
    } catch (error) {
      const isMissing = ['NotFoundError', 'OverconstrainedError'].includes(error.name);
      if (!isMissing || index === wishes.length - 1) throw error;
    }
  }
  return null;
}

// Publishes Chromium's fake camera and microphone over WHIP, and prints what it saw as one JSON object.
// Usage: node publish.mjs ENDPOINT TOKEN SECONDS [restart] [tell=URL] [nossrc] [simulcast] [pause]
//                          [moving] [prefer=A,B] [tcp] [via=PORT] [beats]
//   restart    ICE is restarted in the middle, as when a phone changes networks
//   tell=URL   this is asked for right before
//   nossrc     the offer names no SSRC, which is legal
//   simulcast  three layers are offered
//   pause      the first layer stops after a third of the time, and goes on after the second third
//   moving     a drawn picture in place of the camera's, of which much changes all the time
//   prefer=A,B codecs of the video, in this order, and no others
//   tcp        of the answer's candidates only those over TCP are used
//   via=PORT   those over UDP are taken to be at this port: a relay's
//   beats      in place of the fake devices: white and a tone for a tenth of each second, black and silence else
import { AUTOPLAY, FAKE_DEVICES, launch } from './chromium.mjs';

const [endpoint, token, seconds, ...options] = process.argv.slice(2);

const browser = await launch(AUTOPLAY, ...FAKE_DEVICES);
const page = await browser.newPage();
// Cameras are given to pages of loopback addresses; which page does not matter.
await page.goto(new URL('/no-such-page', endpoint).href);

const seen = await page.evaluate(async ({ endpoint, token, seconds, options }) => {
  const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  const wants = (option) => options.includes(option);
  const attribute = (sdp, name) => new RegExp(`^a=${name}:(.*)$`, 'm').exec(sdp)[1].trim();
  const gathered = async () => { while (pc.iceGatheringState !== 'complete') await sleep(10); };
  const send = (method, url, headers, body) =>
    fetch(url, { method, headers: { Authorization: `Bearer ${token}`, ...headers }, body });

  // The clock of sound decides when it is bright.
  const beats = async () => {
    const canvas = Object.assign(document.createElement('canvas'), { width: 640, height: 360 });
    const picture = canvas.getContext('2d');
    // Grain, so that a picture takes more than one packet.
    const grain = [0, 235].map((base) => {
      const tile = new OffscreenCanvas(canvas.width + 64, canvas.height);
      const pixels = new ImageData(tile.width, tile.height);
      pixels.data.forEach((_, at) => { pixels.data[at] = at % 4 === 3 ? 255 : base + Math.random() * 20; });
      tile.getContext('2d').putImageData(pixels, 0, 0);
      return tile;
    });
    const sound = new AudioContext({ sampleRate: 48_000 });
    const tone = new OscillatorNode(sound, { frequency: 1_000 });
    const volume = new GainNode(sound, { gain: 0 });
    const heard = sound.createMediaStreamDestination();
    tone.connect(volume).connect(heard);
    await sound.resume();
    const begin = sound.currentTime + 1;
    for (let beat = 0; beat < seconds + 30; beat += 1) {
      volume.gain.setValueAtTime(0.5, begin + beat);
      volume.gain.setValueAtTime(0, begin + beat + 0.1);
    }
    tone.start();
    let last = { at: 0, bright: 0 };
    const draw = (now) => {
      requestAnimationFrame(draw);
      const since = sound.currentTime - begin;
      const bright = Number(since >= 0 && since % 1 < 0.1);
      if (bright === last.bright && now - last.at < 30) return;
      last = { at: now, bright };
      picture.drawImage(grain[bright], -Math.random() * 64, 0);
    };
    requestAnimationFrame(draw);
    return new MediaStream([...canvas.captureStream().getTracks(), ...heard.stream.getTracks()]);
  };

  const pc = new RTCPeerConnection();
  const video = { width: 1280, height: 720, frameRate: 30 };
  const stream = wants('beats') ? await beats()
    : await navigator.mediaDevices.getUserMedia({ video, audio: true });
  if (wants('moving')) {
    const canvas = Object.assign(document.createElement('canvas'), { width: 1280, height: 720 });
    const context = canvas.getContext('2d');
    const draw = () => {
      for (let drawn = 0; drawn < 10; drawn += 1) {
        context.fillStyle = `hsl(${Math.random() * 360} 80% 50%)`;
        context.fillRect(Math.random() * 1280, Math.random() * 720, 40, 40);
      }
    };
    setInterval(draw, 1000 / 30);
    stream.removeTrack(stream.getVideoTracks()[0]);
    stream.addTrack(canvas.captureStream(30).getVideoTracks()[0]);
  }
  const layers = [
    { rid: 'h' }, { rid: 'm', scaleResolutionDownBy: 2 }, { rid: 'l', scaleResolutionDownBy: 4 },
  ];
  const transceiver = pc.addTransceiver(stream.getVideoTracks()[0], {
    direction: 'sendonly', streams: [stream], sendEncodings: wants('simulcast') ? layers : [{}],
  });
  pc.addTransceiver(stream.getAudioTracks()[0], { direction: 'sendonly', streams: [stream] });
  const preferred = options.find((option) => option.startsWith('prefer='))?.slice(7).split(',');
  if (preferred) {
    const { codecs } = RTCRtpReceiver.getCapabilities('video');
    const named = (name) => codecs.filter((codec) => codec.mimeType === `video/${name}`);
    transceiver.setCodecPreferences([...preferred.flatMap(named), ...named('rtx')]);
  }
  if (wants('beats')) {
    // Of less bandwidth fewer bits come, not smaller pictures.
    const sender = transceiver.sender;
    await sender.setParameters({ ...sender.getParameters(), degradationPreference: 'maintain-resolution' });
  }
  await pc.setLocalDescription();
  await gathered();
  let offer = pc.localDescription.sdp;
  if (wants('nossrc')) {
    offer = offer.split('\r\n').filter((line) => !/^a=(ssrc|msid)/.test(line)).join('\r\n');
  }

  const began = performance.now();
  const response = await send('POST', endpoint, { 'Content-Type': 'application/sdp' }, offer);
  let answer = await response.text();
  if (wants('tcp')) answer = answer.replace(/^a=candidate:\S+ 1 udp .*\r\n/gm, '');
  const via = options.find((option) => option.startsWith('via='))?.slice(4);
  if (via) {
    answer = answer.replace(/^a=candidate:\S+ 1 tcp .*\r\n/gm, '')
      .replace(/^(a=candidate:\S+ 1 udp \d+ \S+) \d+/gm, `$1 ${via}`);
  }
  if (!response.ok) return { published: false, status: response.status, text: answer, offer };
  const location = new URL(response.headers.get('Location'), endpoint).href;
  await pc.setRemoteDescription({ type: 'answer', sdp: answer });
  while (pc.connectionState !== 'connected') {
    if (performance.now() - began > 15_000) return { published: false, text: pc.connectionState };
    await sleep(10);
  }
  const connectedAfterMs = performance.now() - began;

  const stats = async () => {
    const found = { layers: {}, codec: null, frames: 0, keyFrames: 0, retransmitted: 0, protocol: null, audioPackets: 0 };
    const report = await pc.getStats();
    report.forEach((it) => {
      if (it.type === 'outbound-rtp' && it.kind === 'video') {
        found.frames += it.framesSent ?? 0;
        found.layers[it.rid ?? ''] = it.framesSent ?? 0;
        found.codec = report.get(it.codecId)?.mimeType ?? found.codec;
        found.keyFrames += it.keyFramesEncoded ?? 0;
        found.retransmitted += it.retransmittedPacketsSent ?? 0;
      }
      if (it.type === 'outbound-rtp' && it.kind === 'audio') found.audioPackets += it.packetsSent;
      if (it.type === 'candidate-pair' && it.nominated) {
        found.protocol = report.get(it.localCandidateId).protocol;
      }
    });
    return found;
  };

  const sendFirst = async (active) => {
    const parameters = transceiver.sender.getParameters();
    parameters.encodings[0].active = active;
    await transceiver.sender.setParameters(parameters);
  };

  let restart = null;
  if (wants('restart')) {
    await sleep((seconds * 1000) / 2);
    const told = options.find((option) => option.startsWith('tell='))?.slice(5);
    if (told) await fetch(told, { mode: 'no-cors' });
    const before = performance.now();
    pc.restartIce();
    await pc.setLocalDescription();
    await gathered();
    const own = pc.localDescription.sdp;
    const fragment = ['ice-ufrag', 'ice-pwd'].map((name) => `a=${name}:${attribute(own, name)}\r\n`);
    const headers = { 'Content-Type': 'application/trickle-ice-sdpfrag', 'If-Match': '*' };
    const restarted = await send('PATCH', location, headers, fragment.join(''));
    const text = await restarted.text();
    restart = { status: restarted.status, etag: restarted.headers.get('ETag') };
    if (restarted.ok) {
      const renewed = ['ice-ufrag', 'ice-pwd'].reduce((sdp, name) =>
        sdp.replace(new RegExp(`^a=${name}:.*$`, 'gm'), `a=${name}:${attribute(text, name)}`), answer);
      await pc.setRemoteDescription({ type: 'answer', sdp: renewed });
      while (!['connected', 'completed'].includes(pc.iceConnectionState)) await sleep(10);
      restart.tookMs = performance.now() - before;
    }
    await sleep((seconds * 1000) / 2);
  } else if (wants('pause')) {
    await sleep((seconds * 1000) / 3);
    await sendFirst(false);
    await sleep((seconds * 1000) / 3);
    await sendFirst(true);
    await sleep((seconds * 1000) / 3);
  } else {
    await sleep(seconds * 1000);
  }
  const { width, height } = transceiver.sender.track.getSettings();
  const found = await stats();
  const ended = await send('DELETE', location);
  return {
    published: true, connectedAfterMs, restart, ...found, width, height,
    offer, etag: response.headers.get('ETag'), deleteStatus: ended.status,
  };
}, { endpoint, token, seconds: Number(seconds), options });
console.log(JSON.stringify(seen));
await browser.close();

import assert from 'node:assert/strict';
import test from 'node:test';

import { credentialsOf, hasH264, preferH264, restartFragment, restartedAnswer } from '../sdp.mjs';

const lines = (...all) => all.map((line) => `${line}\r\n`).join('');

const OFFER = lines(
  'v=0', 'o=- 42 2 IN IP4 127.0.0.1', 's=-', 't=0 0', 'a=group:BUNDLE 0 1',
  'm=video 9 UDP/TLS/RTP/SAVPF 96 97', 'c=IN IP4 0.0.0.0', 'a=ice-ufrag:new1', 'a=ice-pwd:newpasswordnewpassword1',
  'a=mid:0', 'a=sendonly',
  'm=audio 9 UDP/TLS/RTP/SAVPF 111', 'a=ice-ufrag:new1', 'a=ice-pwd:newpasswordnewpassword1', 'a=mid:1',
);
const ANSWER = lines(
  'v=0', 'o=- 9007199254740993 7 IN IP4 0.0.0.0', 's=-', 't=0 0', 'a=group:BUNDLE 0 1', 'a=ice-lite',
  'm=video 9 UDP/TLS/RTP/SAVPF 96', 'a=ice-ufrag:old', 'a=ice-pwd:oldpasswordoldpassword', 'a=mid:0',
  'a=candidate:1 1 udp 2130706431 192.0.2.1 8189 typ host', 'a=end-of-candidates',
  'm=audio 9 UDP/TLS/RTP/SAVPF 111', 'a=ice-ufrag:old', 'a=ice-pwd:oldpasswordoldpassword', 'a=mid:1',
);
const FRAGMENT = lines(
  'a=ice-lite', 'a=ice-ufrag:srv2', 'a=ice-pwd:serverpasswordserverpw', 'm=video 9 UDP/TLS/RTP/SAVPF 96', 'a=mid:0',
  'a=candidate:1 1 udp 2130706431 198.51.100.7 8189 typ host', 'a=end-of-candidates',
);

test('a restart is asked for with the new credentials and the first section', () => {
  assert.equal(restartFragment(OFFER), lines(
    'a=ice-ufrag:new1', 'a=ice-pwd:newpasswordnewpassword1', 'm=video 9 UDP/TLS/RTP/SAVPF 96 97', 'a=mid:0',
  ));
  assert.throws(() => restartFragment('v=0\r\n'), /no ICE credentials/);
});

test('the restarted answer has the server’s new side in every section, and all else as it was', () => {
  const answer = restartedAnswer(ANSWER, FRAGMENT);
  assert.equal(answer.match(/a=ice-ufrag:srv2\r\n/g).length, 2);
  assert.equal(answer.match(/a=ice-pwd:serverpasswordserverpw\r\n/g).length, 2);
  assert.ok(!answer.includes('old'));
  assert.ok(!answer.includes('192.0.2.1') && answer.includes('198.51.100.7'));
  // The candidate stands in the first section.
  assert.ok(answer.indexOf('198.51.100.7') < answer.indexOf('m=audio'));
  // Session ids go beyond what numbers of JavaScript hold; only the version is raised.
  assert.ok(answer.includes('o=- 9007199254740993 8 IN IP4 0.0.0.0\r\n'));
  const kept = (text) => text.split('\r\n').filter((line) => !/^(a=(ice-ufrag|ice-pwd|candidate)|o=)/.test(line)).sort();
  assert.deepEqual(kept(answer), kept(ANSWER));
});

test('candidates stay where the fragment names none, and further restarts work on the result', () => {
  const bare = lines('a=ice-ufrag:srv3', 'a=ice-pwd:thirdpasswordthirdpass');
  const answer = restartedAnswer(restartedAnswer(ANSWER, FRAGMENT), bare);
  assert.deepEqual(credentialsOf(answer), { 'ice-ufrag': 'srv3', 'ice-pwd': 'thirdpasswordthirdpass' });
  assert.ok(answer.includes('198.51.100.7') && answer.includes('o=- 9007199254740993 9 '));
  assert.throws(() => restartedAnswer(ANSWER, 'a=ice-lite\r\n'), /no ICE credentials/);
});

test('H.264 is offered first, whole pictures in several packets before others', () => {
  const codecs = [
    { mimeType: 'video/VP8' },
    { mimeType: 'video/rtx' },
    { mimeType: 'video/H264', sdpFmtpLine: 'packetization-mode=0;profile-level-id=42e01f' },
    { mimeType: 'video/H264', sdpFmtpLine: 'level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f' },
    { mimeType: 'video/H264', sdpFmtpLine: 'packetization-mode=1;profile-level-id=640c1f' },
    { mimeType: 'video/AV1' },
  ];
  const [vp8, rtx, zero, first, second, av1] = codecs;
  assert.deepEqual(preferH264(codecs), [first, second, zero, vp8, rtx, av1]);
  assert.ok(hasH264(codecs));
  assert.ok(!hasH264([vp8, rtx, av1]));
});

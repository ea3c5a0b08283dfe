import assert from 'node:assert/strict';
import test from 'node:test';

import { iceServers, parseLinks, watchPage } from '../links.mjs';

test('servers and the watch page are read from one field', () => {
  const links = parseLinks(
    '<stun:stun.example.net>; rel="ice-server", '
    + '<turn:turn.example.net?transport=udp>; rel="ice-server"; username="a,b;c"; credential="p\\"w"; credential-type="password", '
    + '</watch/studio>; rel="alternate"; type="text/html"',
  );
  assert.deepEqual(iceServers(links), [
    { urls: 'stun:stun.example.net' },
    { urls: 'turn:turn.example.net?transport=udp', username: 'a,b;c', credential: 'p"w' },
  ]);
  assert.equal(watchPage(links, 'https://gate.example/whip'), 'https://gate.example/watch/studio');
});

test('relations are compared as RFC 8288 says', () => {
  const [link] = parseLinks('</w>; Rel=ALTERNATE; rel="other"');
  assert.deepEqual(link, { target: '/w', parameters: { rel: 'ALTERNATE' } });
  assert.equal(watchPage([link], 'http://gate.example/'), 'http://gate.example/w');
  assert.equal(watchPage(parseLinks('</w>; rel="next alternate"'), 'http://g/'), 'http://g/w');
});

test('what is no web page is not linked to', () => {
  for (const field of [null, '', 'junk', '<x>', '<javascript:alert(1)>; rel=alternate', '<http://[>; rel=alternate',
    '</x.m3u8>; rel=alternate; type="application/vnd.apple.mpegurl"']) {
    assert.equal(watchPage(parseLinks(field), 'http://gate.example/'), null, String(field));
  }
});

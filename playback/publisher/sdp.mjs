// What is read from and written into session descriptions. Texts in, texts out.

const CREDENTIALS = ['ice-ufrag', 'ice-pwd'];

const linesOf = (sdp) => sdp.split(/\r?\n/).filter((line) => line !== '');
const textOf = (lines) => lines.map((line) => `${line}\r\n`).join('');

// The ICE credentials of a description or fragment: `{ 'ice-ufrag', 'ice-pwd' }`, or null.
export function credentialsOf(sdp) {
  const found = {};
  for (const line of linesOf(sdp)) {
    for (const name of CREDENTIALS) {
      if (line.startsWith(`a=${name}:`)) found[name] ??= line.slice(name.length + 3).trim();
    }
  }
  return CREDENTIALS.every((name) => found[name]) ? found : null;
}

// The fragment that asks for an ICE restart with an offer's new credentials (RFC 9725 §4.3.2). Candidates are
// left out: a server that waits for checks learns our addresses from them.
export function restartFragment(offer) {
  const lines = linesOf(offer);
  const credentials = credentialsOf(offer);
  if (!credentials) throw new Error('the offer has no ICE credentials');
  const attributes = CREDENTIALS.map((name) => `a=${name}:${credentials[name]}`);
  // All sections are bundled: the first stands for all (RFC 8840 §9.2).
  const media = lines.find((line) => line.startsWith('m='));
  const mid = lines.find((line) => line.startsWith('a=mid:'));
  return textOf([...attributes, ...(media && mid ? [media, mid] : [])]);
}

// The stored answer after an ICE restart: the server's new credentials in every place, and its candidates
// where the fragment names any. Everything else was agreed on and stays.
export function restartedAnswer(answer, fragment) {
  const credentials = credentialsOf(fragment);
  if (!credentials) throw new Error('the server named no ICE credentials');
  const isCandidate = (line) => /^a=(candidate:|end-of-candidates)/.test(line);
  const candidates = linesOf(fragment).filter(isCandidate);
  const lines = linesOf(answer)
    .filter((line) => candidates.length === 0 || !isCandidate(line))
    .map((line) => {
      const name = CREDENTIALS.find((known) => line.startsWith(`a=${known}:`));
      return name ? `a=${name}:${credentials[name]}` : raisedVersion(line);
    });
  // They go to the end of the first section, which stands for all.
  const sections = lines.flatMap((line, index) => (line.startsWith('m=') ? [index] : []));
  const at = sections.length > 1 ? sections[1] : lines.length;
  return textOf([...lines.slice(0, at), ...candidates, ...lines.slice(at)]);
}

// A changed description has a higher version in its origin line (RFC 8866 §5.2).
function raisedVersion(line) {
  const origin = /^(o=\S+ \S+ )(\d+)( .*)$/.exec(line);
  return origin ? `${origin[1]}${BigInt(origin[2]) + 1n}${origin[3]}` : line;
}

const isH264 = (codec) => codec.mimeType.toLowerCase() === 'video/h264';

// The browser's codecs (`RTCRtpSender.getCapabilities('video').codecs`) in the order in which they are
// offered: H.264 first, and of that the packets that can carry a picture in several parts.
export function preferH264(codecs) {
  const rank = (codec) => {
    if (!isH264(codec)) return 2;
    return /(^|;)\s*packetization-mode=1(;|$)/.test(codec.sdpFmtpLine ?? '') ? 0 : 1;
  };
  // Sorting keeps the browser's own order among equals.
  return [...codecs].sort((a, b) => rank(a) - rank(b));
}

export const hasH264 = (codecs) => codecs.some(isH264);

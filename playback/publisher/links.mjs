// `Link` header fields (RFC 8288), as far as WHIP uses them.

// Splits at commas that are neither in <…> nor in "…".
const LINK = /<([^>]*)>((?:\s*;\s*[\w!#$&+.^`|~*-]+(?:\s*=\s*(?:"(?:[^"\\]|\\.)*"|[^\s";,]+))?)*)/g;
const PARAMETER = /;\s*([\w!#$&+.^`|~*-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s";,]+)))?/g;

// Links of a field's value: `[{ target, parameters }]`, names of parameters in lower case.
export function parseLinks(field) {
  return [...(field ?? '').matchAll(LINK)].map(([, target, text]) => {
    const parameters = {};
    for (const [, name, quoted, plain] of text.matchAll(PARAMETER)) {
      // The first of a name counts (RFC 8288 §3.3).
      parameters[name.toLowerCase()] ??= quoted?.replace(/\\(.)/g, '$1') ?? plain ?? '';
    }
    return { target, parameters };
  });
}

const related = (links, relation) =>
  links.filter(({ parameters }) => (parameters.rel ?? '').toLowerCase().split(/\s+/).includes(relation));

// The servers for `RTCConfiguration.iceServers` (RFC 9725 §4.6).
export function iceServers(links) {
  return related(links, 'ice-server').map(({ target, parameters }) => {
    const { username, credential } = parameters;
    return username === undefined ? { urls: target } : { urls: target, username, credential };
  });
}

// Where the stream can be watched, as a URL of HTTP; null where the server does not say.
export function watchPage(links, base) {
  for (const { target, parameters } of related(links, 'alternate')) {
    if ((parameters.type ?? 'text/html') !== 'text/html') continue;
    try {
      const url = new URL(target, base);
      if (['http:', 'https:'].includes(url.protocol)) return url.href;
    } catch {
      // Not an address: as if it were not there.
    }
  }
  return null;
}

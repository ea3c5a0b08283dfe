// What people are told: refusals and faults in plain language.

const sentence = (text) => {
  const trimmed = text.trim();
  if (trimmed === '') return '';
  const first = trimmed[0].toUpperCase() + trimmed.slice(1);
  return /[.!?]$/.test(first) ? first : `${first}.`;
};

const saying = (reason) => (reason ? ` The gateway says: “${sentence(reason)}”` : '');

// Status → title, and what to do. `again` is whether a stream that was live keeps trying.
const REFUSALS = {
  401: ['Stream key missing or wrong', 'Check the stream key and start again.', false],
  403: ['Stream key refused', 'Check the stream key: a letter too many or too few is enough. If it is right, the stream may have been switched off.', false],
  404: ['Not available here', 'This gateway does not take streams from browsers. Its operator can switch that on (WHIP).', false],
  405: ['Not available here', 'This gateway does not take streams from browsers. Its operator can switch that on (WHIP).', false],
  409: ['Somebody is live with this key', 'Stop the other publisher, or wait a few seconds if it has just gone, and start again.', true],
  429: ['Too many attempts', 'Wait a moment and start again.', true],
  503: ['The gateway takes no new streams now', 'It is full, or about to restart. Try again in a little while.', true],
};
const FORMAT = ['This browser’s video can’t be used', 'Another browser may do: Chrome, Edge and Safari send H.264.', false];
const FORMAT_STATUSES = [406, 415, 422];

const known = (status) => REFUSALS[status] ?? (FORMAT_STATUSES.includes(status) ? FORMAT : null);

// `{ title, detail, said }` for a refusal; `said` is the gateway's own words.
export function refusalWords({ status, reason }) {
  const words = known(status);
  const said = saying(reason);
  if (words) return { title: words[0], detail: `${words[1]}${said}`, said };
  const title = status >= 500 ? 'The gateway has a problem' : 'The gateway refused';
  return { title, detail: `It answered with status ${status}.${said}`, said };
}

// Whether a stream that was live may hope for another answer later.
export function mayTryAgain({ status }) {
  return known(status)?.[2] ?? status >= 500;
}

export const UNREACHABLE = {
  title: 'The gateway does not answer', detail: 'Check your internet connection, then start again.',
};
export const NO_WAY = {
  title: 'No connection for video',
  detail: 'The gateway answered, but video can’t reach it. A firewall may block it: try another network, or ask its operator whether the WebRTC port is open.',
};

// What `getUserMedia` and `getDisplayMedia` fail with. Null: the person changed their mind.
export function captureWords(error, source) {
  const what = source === 'screen' ? 'screen' : 'camera or microphone';
  switch (error?.name) {
    case 'NotAllowedError':
    case 'SecurityError':
      if (source === 'screen') return null;
      return {
        title: 'Camera and microphone are blocked',
        detail: 'Allow them for this page: the symbol beside the address opens its permissions. Then try again.',
      };
    case 'NotFoundError':
      return { title: `No ${what} found`, detail: 'Connect one, and choose it in the list.' };
    case 'NotReadableError':
    case 'AbortError':
      return { title: `The ${what} can’t be opened`, detail: 'Another program may be using it. Close that, and try again.' };
    case 'OverconstrainedError':
      return { title: `The ${what} has gone`, detail: 'Choose another one in the list.' };
    default:
      return { title: `The ${what} can’t be opened`, detail: String(error?.message ?? error) };
  }
}

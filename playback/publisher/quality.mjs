// Sizes, frame rates and bitrates, and what they mean for cameras and encoders.

export const HEIGHTS = [1080, 720, 480, 360];
export const FRAME_RATES = [60, 30, 24, 15];
export const BITRATES = [8e6, 6e6, 4.5e6, 3e6, 2e6, 1.2e6, 0.7e6, 0.4e6];
export const AUDIO_BITRATE = 128_000;

export const USUAL = { height: 720, framesPerSecond: 30, bitrate: 0, simulcast: false };

// Bits for each pixel of a frame: what H.264 of a camera needs at 30 frames a second.
const BITS_PER_PIXEL = 0.1;
// Twice the frames need less than twice the bits.
const FRAMES_EXPONENT = 0.6;

const widthOf = (height) => Math.round((height * 16) / 9 / 2) * 2;

// In bit/s, for where no bitrate is chosen; a multiple of 100 kbit/s.
export function recommendedBitrate({ height, framesPerSecond }) {
  const bits = widthOf(height) * height * 30 * BITS_PER_PIXEL * (framesPerSecond / 30) ** FRAMES_EXPONENT;
  return Math.max(3e5, Math.round(bits / 1e5) * 1e5);
}

export const bitrateOf = (quality) => quality.bitrate || recommendedBitrate(quality);

// What of a stored choice is still on offer; the usual for the rest.
export function validQuality(stored) {
  const among = (list, value, usual) => (list.includes(value) ? value : usual);
  return {
    height: among(HEIGHTS, stored?.height, USUAL.height),
    framesPerSecond: among(FRAME_RATES, stored?.framesPerSecond, USUAL.framesPerSecond),
    bitrate: among([0, ...BITRATES], stored?.bitrate, USUAL.bitrate),
    simulcast: stored?.simulcast === true,
  };
}

// Constraints for a camera; it comes as near as it can.
export function cameraConstraints({ height, framesPerSecond }) {
  return {
    width: { ideal: widthOf(height) }, height: { ideal: height }, frameRate: { ideal: framesPerSecond },
  };
}

// Constraints for a screen: never larger than chosen, in its own shape.
export function screenConstraints({ height, framesPerSecond }) {
  return {
    width: { max: widthOf(height) }, height: { max: height },
    frameRate: { ideal: framesPerSecond, max: framesPerSecond },
  };
}

// `RTCRtpEncodingParameters`, the largest layer first: a server that takes no simulcast gets that one
// (RFC 8853 §5.3, JSEP §5.10).
export function videoEncodings(quality) {
  const whole = { maxBitrate: bitrateOf(quality), maxFramerate: quality.framesPerSecond };
  if (!quality.simulcast) return [whole];
  const layer = (rid, scale, share, least) => ({
    rid, ...whole, scaleResolutionDownBy: scale, maxBitrate: Math.max(least, Math.round(whole.maxBitrate * share)),
  });
  return [layer('h', 1, 1, 0), layer('m', 2, 0.3, 200_000), layer('l', 4, 0.1, 100_000)];
}

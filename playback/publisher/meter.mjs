// How loud the outgoing sound is.

// What is shown, in dB below full scale.
const FLOOR_DB = -60;
const FALL_DB_PER_S = 30;
const HOLD_MS = 1_200;

// 0 for silence, 1 for full scale; linear in dB.
export const place = (db) => Math.min(1, Math.max(0, 1 - db / FLOOR_DB));

export function words(db) {
  if (db <= -55) return 'silent';
  if (db < -35) return 'quiet';
  if (db < -6) return 'good';
  return 'too loud';
}

export class LevelMeter {
  #context = null;
  #analyser = null;
  #source = null;
  #samples = null;
  #level = FLOOR_DB;
  #peak = FLOOR_DB;
  #peakAt = 0;
  #lastAt = 0;

  // Listens to this track, or to none.
  attach(track) {
    this.#source?.disconnect();
    this.#source = null;
    if (!track) return;
    this.#context ??= new AudioContext();
    this.resume();
    if (!this.#analyser) {
      this.#analyser = this.#context.createAnalyser();
      this.#analyser.fftSize = 2048;
      this.#samples = new Float32Array(this.#analyser.fftSize);
    }
    this.#source = this.#context.createMediaStreamSource(new MediaStream([track]));
    this.#source.connect(this.#analyser);
  }

  // Browsers start measuring only when the person has done something on the page.
  resume() {
    if (this.#context?.state === 'suspended') this.#context.resume().catch(() => {});
  }

  // Level and recent peak, in dB below full scale.
  read(now) {
    const fallen = this.#level - (FALL_DB_PER_S * (now - this.#lastAt)) / 1000;
    this.#level = Math.max(FLOOR_DB, fallen, this.#source ? this.#measure() : FLOOR_DB);
    this.#lastAt = now;
    if (this.#level >= this.#peak || now - this.#peakAt > HOLD_MS) {
      this.#peak = this.#level;
      this.#peakAt = now;
    }
    return { level: this.#level, peak: this.#peak };
  }

  #measure() {
    this.#analyser.getFloatTimeDomainData(this.#samples);
    let highest = 0;
    for (const sample of this.#samples) highest = Math.max(highest, Math.abs(sample));
    return highest > 0 ? 20 * Math.log10(highest) : FLOOR_DB;
  }
}

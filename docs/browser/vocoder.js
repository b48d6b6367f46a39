// An exported vocoder in the browser: the steps of audiodiff/runtime/vocoder.py on onnxruntime-web.
import { STFT, hann, positionalNoise, spectrumRows, withMagnitude } from "./signal.js";

const ESTIMATE = -1;

export class Vocoder {
  // folder: where `audiodiff export MODEL --to onnx` wrote; ort: the module onnxruntime-web.
  static async load(folder, ort) {
    const answer = await fetch(`${folder}/model.json`);
    if (!answer.ok) throw new Error(`There is no exported model in ${folder}/: model.json is missing.`);
    const settings = await answer.json();
    if (settings.format !== 1) throw new Error(`The model has format ${settings.format}; this page reads 1.`);
    if (!settings.vocoder || settings.vocoder.head.name !== "anchored" || settings.vocoder.delay) {
      throw new Error("This page runs vocoders with an anchored head, such as speech.");
    }
    const sessions = {};
    const matched = settings.vocoder.head.output_matching ? ["envelope"] : [];
    for (const name of ["mel", "level", "condition", "network", ...matched]) {
      sessions[name] = await ort.InferenceSession.create(`${folder}/vocoder.${name}.onnx`);
    }
    return new Vocoder(settings.vocoder, sessions, ort);
  }

  constructor(settings, sessions, ort) {
    this.settings = settings;
    this.sessions = sessions;
    this.ort = ort;
    this.sampleRate = settings.mel.sample_rate;
    this.stft = new STFT(settings.mel.n_fft, settings.mel.hop_length);
  }

  // Numbers of steps of the recommended sampler and grid.
  get steps() {
    const { sampler, grid } = this.settings.defaults;
    return this.settings.schedules.filter((run) => run.sampler === sampler && run.grid === grid).map((run) => run.steps);
  }

  async run(name, inputs) {
    const feeds = {};
    for (const [key, [data, shape]] of Object.entries(inputs)) {
      feeds[key] = new this.ort.Tensor("float32", Float32Array.from(data), shape);
    }
    const outputs = await this.sessions[name].run(feeds);
    return Object.fromEntries(Object.entries(outputs).map(([key, tensor]) => [key, tensor.data]));
  }

  // The log-mel [n_mels, n_frames] of mono samples at the model's rate, row after row.
  async mel(samples) {
    const { n_fft: nFft, hop_length: hop, win_length: winLength, centring, padding } = this.settings.mel;
    const count = Math.ceil(samples.length / hop);
    const length = Math.max(count, Math.ceil(nFft / hop)) * hop;
    const amount = centring === "center" ? nFft / 2 : (nFft - hop) / 2;
    const padded = new Float32Array(length + 2 * amount);
    const at = (i) => (i < samples.length ? samples[i] : 0);
    for (let i = -amount; i < length + amount; i++) {
      const inside = i < 0 ? -i : i >= length ? 2 * (length - 1) - i : i;
      padded[i + amount] = inside === i || padding === "reflect" ? at(inside) : 0;
    }
    const window = new Float64Array(nFft);
    window.set(hann(winLength), (nFft - winLength) / 2);
    const { re, im } = spectrumRows(padded, window, hop, count);
    const power = re.map((value, i) => value * value + im[i] * im[i]);
    return (await this.run("mel", { power: [power, [1, count, this.stft.nBins]] })).log_mel;
  }

  // Samples at the model's rate -> samples made anew from their mel alone.
  async vocode(samples, { steps = this.settings.defaults.steps, seed = 0, onStep = () => {} } = {}) {
    const { sampler, grid } = this.settings.defaults;
    const table = this.settings.schedules.find(
      (run) => run.sampler === sampler && run.grid === grid && run.steps === steps,
    );
    if (!table) throw new Error(`The export has no run of ${steps} steps.`);
    if (!samples.length) throw new Error("The recording is empty.");
    const logMel = await this.mel(samples);
    const gain = await this.gain(logMel);
    if (gain === null) return new Float32Array(samples.length);
    const made = await this.sample(table, logMel, gain, seed, onStep);
    const back = 10 ** (-gain / 20);
    return made.subarray(0, samples.length).map((value) => value * back);
  }

  // The gain that brings a mel to the level of the training audio (dB); null for silence.
  async gain(logMel) {
    const { level, mel } = this.settings;
    const shape = [1, mel.n_mels, logMel.length / mel.n_mels];
    const { power } = await this.run("level", { log_mel: [logMel, shape] });
    const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
    const audible = Array.from(power).filter((value) => value > 10 ** (level.silence_db / 10));
    if (!audible.length) return null;
    if (level.reference_db === null) return 0;
    const gate = mean(audible) * 10 ** (-level.gate_db / 10);
    const loudness = 10 * Math.log10(mean(audible.filter((value) => value >= gate)));
    return Math.max(-level.most_gain_db, Math.min(level.most_gain_db, level.reference_db - loudness));
  }

  async sample(table, logMel, gain, seed, onStep) {
    const count = logMel.length / this.settings.mel.n_mels;
    const mel = await this.run("condition", {
      log_mel: [logMel, [1, this.settings.mel.n_mels, count]],
      gain_db: [[gain], []],
    });
    const noise = this.noise(mel, count, seed);
    const known = [];
    const mixed = (weights) => {
      while (known.length < weights.length) known.push(noise(table.columns[known.length]));
      const total = new Float32Array(known[0].length);
      weights.forEach((weight, column) => {
        if (weight) known[column].forEach((value, i) => (total[i] += weight * value));
      });
      return total;
    };
    for (const [index, call] of table.calls.entries()) {
      const [skip, out, input, level] = call.coefficients;
      const x = mixed(call.weights);
      const output = await this.network(x.map((value) => input * value), level, mel, count);
      if (table.columns[known.length] !== ESTIMATE) throw new Error("The export's table of steps is damaged.");
      known.push(x.map((value, i) => skip * value + out * output[i]));
      onStep(index + 1, table.calls.length);
    }
    return mixed(table.output);
  }

  async network(x, level, mel, count) {
    const { head } = this.settings;
    const { nBins } = this.stft;
    const noisy = this.stft.spectrum(x);
    let start = noisy;
    for (let i = 0; i < head.input_projections; i++) {
      start = this.stft.spectrum(this.stft.waveform(withMagnitude(start, mel.anchor)));
    }
    start = withMagnitude(start, mel.anchor.map((value, i) => value / mel.envelope[i]));
    const sides = ({ re, im }, scale) => {
      const out = new Float32Array(2 * re.length);
      for (let i = 0; i < re.length; i++) {
        out[2 * i] = re[i] / (scale ? scale[i] : 1);
        out[2 * i + 1] = im[i] / (scale ? scale[i] : 1);
      }
      return out;
    };
    const shape = [1, count, nBins, 2];
    const { correction, gain } = await this.run("network", {
      noisy: [sides(noisy, mel.envelope), shape],
      start: [sides(start), shape],
      c_noise: [[level], [1]],
      hidden: [mel.hidden, [1, mel.hidden.length / count, count]],
    });
    const spectrum = {
      re: start.re.map((value, i) => value + correction[2 * i]),
      im: start.im.map((value, i) => value + correction[2 * i + 1]),
    };
    const magnitude = mel.anchor.map((value, i) => value * gain[i]);
    const { output_projections: full, output_momentum: momentum, output_half_projections: half } = head;
    let { waveform } = this.stft.project(spectrum, magnitude, full, momentum, half);
    for (let i = 0; i < (head.output_matching ?? 0); i++) {
      const rows = this.stft.spectrum(waveform);
      const gain = await this.gains(rows, mel.envelope, count);
      const times = (side) => side.map((value, place) => value * gain[place]);
      waveform = this.stft.waveform({ re: times(rows.re), im: times(rows.im) });
    }
    return waveform;
  }

  // What brings a spectrum to an envelope, as LevelMatcher of audiodiff/signal/matching.py.
  async gains({ re, im }, envelope, count) {
    const { nBins } = this.stft;
    const limit = this.settings.head.matching_limit;
    const magnitude = re.map((value, i) => Math.hypot(value, im[i]));
    const { envelope: measured } = await this.run("envelope", { magnitude: [magnitude, [1, count, nBins]] });
    const logGain = measured.map((value, i) => Math.max(-limit, Math.min(limit, Math.log(envelope[i] / value))));
    return logGain.map((value, i) => {
      const before = i < nBins ? value : logGain[i - nBins];
      const after = i + nBins < logGain.length ? logGain[i + nBins] : value;
      return Math.exp((before + value + after) / 3);
    });
  }

  // Draws of the model's noise, as FrontEnd.noise of audiodiff/runtime/front_ends.py.
  noise(mel, count, seed) {
    const { prior } = this.settings;
    const length = count * this.stft.hop;
    let first = null;
    const draw = (number) => {
      if (number && prior.renewals) {
        if (!first) draw(0);
        const rows = this.turned(first, seed, number, count);
        return this.stft.project(rows, mel.anchor, prior.renewals, prior.momentum).waveform;
      }
      const white = positionalNoise(seed, number, length);
      if (prior.name !== "shaped") return white;
      const rows = this.stft.spectrum(white);
      if (!prior.projections) {
        const scale = mel.envelope.map((value) => value / Math.sqrt(0.375 * this.stft.nFft));
        const shaped = { re: rows.re.map((value, i) => value * scale[i]), im: rows.im.map((value, i) => value * scale[i]) };
        return this.stft.waveform(shaped);
      }
      const made = this.stft.project(rows, mel.anchor, prior.projections, prior.momentum, prior.half_projections);
      first ??= made.rows;
      return made.waveform;
    };
    return draw;
  }

  turned(rows, seed, draw, count) {
    const { turn_frames: every, turn_bins: bins } = this.settings.prior;
    const { nBins } = this.stft;
    const nKnots = Math.ceil((nBins - 1) / bins) + 1;
    const last = Math.floor((count - 1) / every) + 2;
    const values = positionalNoise(seed, draw, last * 2 * nKnots);
    const knot = (time, side, bin) => {
      const low = Math.min(Math.floor(bin / bins), nKnots - 1);
      const share = bin / bins - low;
      const place = (2 * time + side) * nKnots + low;
      return values[place] * (1 - share) + (share ? values[place + 1] * share : 0);
    };
    const out = { re: new Float32Array(rows.re.length), im: new Float32Array(rows.im.length) };
    for (let frame = 0; frame < count; frame++) {
      const time = Math.floor(frame / every);
      const share = (frame % every) / every;
      for (let bin = 0; bin < nBins; bin++) {
        const real = knot(time, 0, bin) * (1 - share) + knot(time + 1, 0, bin) * share;
        const imaginary = knot(time, 1, bin) * (1 - share) + knot(time + 1, 1, bin) * share;
        const i = frame * nBins + bin;
        out.re[i] = rows.re[i] * real - rows.im[i] * imaginary;
        out.im[i] = rows.re[i] * imaginary + rows.im[i] * real;
      }
    }
    return out;
  }
}

// A mono WAV of 16 bits.
export function wav(samples, sampleRate) {
  const bytes = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  const text = (place, letters) => [...letters].forEach((letter, i) => bytes.setUint8(place + i, letter.charCodeAt(0)));
  text(0, "RIFF");
  bytes.setUint32(4, 36 + 2 * samples.length, true);
  text(8, "WAVEfmt ");
  bytes.setUint32(16, 16, true);
  bytes.setUint16(20, 1, true);
  bytes.setUint16(22, 1, true);
  bytes.setUint32(24, sampleRate, true);
  bytes.setUint32(28, 2 * sampleRate, true);
  bytes.setUint16(32, 2, true);
  bytes.setUint16(34, 16, true);
  text(36, "data");
  bytes.setUint32(40, 2 * samples.length, true);
  samples.forEach((value, i) => bytes.setInt16(44 + 2 * i, Math.max(-1, Math.min(1, value)) * 32767, true));
  return new Blob([bytes.buffer], { type: "audio/wav" });
}

// Noise and frames in plain JavaScript: the numbers of audiodiff/runtime/noise.py and audiodiff/runtime/frames.py.
// A spectrum is {re, im}, rows of nBins values one after the other; a waveform has hop samples for every row.

const MASK = (1n << 64n) - 1n;
const BLOCK = 4096;

// One well-mixed 64-bit number from several integers (the finalizer of splitmix64).
function mixKey(...parts) {
  let state = 0n;
  for (const part of parts) {
    state = (state + (BigInt(part) & MASK) + 0x9e3779b97f4a7c15n) & MASK;
    state = ((state ^ (state >> 30n)) * 0xbf58476d1ce4e5b9n) & MASK;
    state = ((state ^ (state >> 27n)) * 0x94d049bb133111ebn) & MASK;
    state ^= state >> 31n;
  }
  return state;
}

// MT19937 (M. Matsumoto and T. Nishimura, 1998), seeded with 32 bits.
function twister(seed) {
  const state = new Uint32Array(624);
  state[0] = seed;
  for (let i = 1; i < 624; i++) {
    const last = state[i - 1] ^ (state[i - 1] >>> 30);
    state[i] = Math.imul(last, 1812433253) + i;
  }
  let place = 624;
  return () => {
    if (place === 624) {
      for (let i = 0; i < 624; i++) {
        const y = (state[i] & 0x80000000) | (state[(i + 1) % 624] & 0x7fffffff);
        state[i] = state[(i + 397) % 624] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
      }
      place = 0;
    }
    let y = state[place++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  };
}

function noiseBlock(key) {
  const next = twister(Number(key & 0xffffffffn));
  const values = new Float32Array(BLOCK);
  for (let i = 0; i < BLOCK; i++) values[i] = (next() & 0xffffff) * 2 ** -24;
  // Box and Muller, sixteen numbers at a time: eight radii, then eight angles.
  for (let start = 0; start < BLOCK; start += 16) {
    for (let i = start; i < start + 8; i++) {
      const radius = Math.sqrt(-2 * Math.log(1 - values[i]));
      const angle = 2 * Math.PI * values[i + 8];
      values[i] = radius * Math.cos(angle);
      values[i + 8] = radius * Math.sin(angle);
    }
  }
  return values;
}

// Normal noise at places 0 to length, one row: the same for a seed and a draw, whatever the length.
export function positionalNoise(seed, draw, length) {
  const out = new Float32Array(length);
  for (let block = 0; block * BLOCK < length; block++) {
    const values = noiseBlock(mixKey(seed, draw, 0, block));
    out.set(values.subarray(0, Math.min(BLOCK, length - block * BLOCK)), block * BLOCK);
  }
  return out;
}

class FFT {
  constructor(size) {
    if (size & (size - 1)) throw new Error(`This page needs frames of a power of two; the model has ${size}.`);
    this.size = size;
    this.cos = new Float64Array(size / 2);
    this.sin = new Float64Array(size / 2);
    this.reversed = new Uint32Array(size);
    const bits = Math.log2(size);
    for (let i = 0; i < size / 2; i++) {
      this.cos[i] = Math.cos((2 * Math.PI * i) / size);
      this.sin[i] = Math.sin((2 * Math.PI * i) / size);
    }
    for (let i = 0; i < size; i++) {
      let index = 0;
      for (let bit = 0; bit < bits; bit++) if (i & (1 << bit)) index |= 1 << (bits - 1 - bit);
      this.reversed[i] = index;
    }
  }

  // In place; sign -1 is the transform, +1 its inverse times the size.
  run(re, im, sign) {
    const { size, cos, sin, reversed } = this;
    for (let i = 0; i < size; i++) {
      const j = reversed[i];
      if (j > i) {
        [re[i], re[j]] = [re[j], re[i]];
        [im[i], im[j]] = [im[j], im[i]];
      }
    }
    for (let half = 1; half < size; half *= 2) {
      const stride = size / (2 * half);
      for (let start = 0; start < size; start += 2 * half) {
        for (let k = 0; k < half; k++) {
          const a = start + k;
          const b = a + half;
          const c = cos[k * stride];
          const s = sign * sin[k * stride];
          const x = re[b] * c - im[b] * s;
          const y = re[b] * s + im[b] * c;
          re[b] = re[a] - x;
          im[b] = im[a] - y;
          re[a] += x;
          im[a] += y;
        }
      }
    }
  }
}

export function hann(length) {
  return Float64Array.from({ length }, (_, i) => Math.sin((Math.PI * i) / length) ** 2);
}

// Complex spectrum rows of a signal, one row every hop samples.
export function spectrumRows(padded, window, hop, count) {
  const size = window.length;
  const nBins = size / 2 + 1;
  const fft = new FFT(size);
  const re = new Float32Array(count * nBins);
  const im = new Float32Array(count * nBins);
  const x = new Float64Array(size);
  const y = new Float64Array(size);
  for (let row = 0; row < count; row++) {
    for (let i = 0; i < size; i++) x[i] = padded[row * hop + i] * window[i];
    y.fill(0);
    fft.run(x, y, -1);
    for (let bin = 0; bin < nBins; bin++) {
      re[row * nBins + bin] = x[bin];
      im[row * nBins + bin] = y[bin];
    }
  }
  return { re, im };
}

export function withMagnitude(spectrum, magnitude) {
  const { re, im } = spectrum;
  const out = { re: new Float32Array(re.length), im: new Float32Array(im.length) };
  for (let i = 0; i < re.length; i++) {
    const factor = magnitude[i] / Math.sqrt(re[i] * re[i] + im[i] * im[i] + 1e-14);
    out.re[i] = re[i] * factor;
    out.im[i] = im[i] * factor;
  }
  return out;
}

// STFT with a periodic Hann window, frames centred on (i + 0.5) * hop, and its least-squares inverse.
export class STFT {
  constructor(nFft, hop) {
    this.nFft = nFft;
    this.hop = hop;
    this.nBins = nFft / 2 + 1;
    this.window = hann(nFft);
    this.pad = (nFft - hop) / 2;
    this.fft = new FFT(nFft);
  }

  spectrum(waveform) {
    const count = Math.ceil(waveform.length / this.hop);
    const padded = new Float32Array((count - 1) * this.hop + this.nFft);
    padded.set(waveform, this.pad);
    return spectrumRows(padded, this.window, this.hop, count);
  }

  waveform(spectrum) {
    const { nFft, nBins, hop, window } = this;
    const count = spectrum.re.length / nBins;
    const length = (count - 1) * hop + nFft;
    const added = new Float64Array(length);
    const squares = new Float64Array(length);
    const x = new Float64Array(nFft);
    const y = new Float64Array(nFft);
    for (let row = 0; row < count; row++) {
      for (let bin = 0; bin < nBins; bin++) {
        const real = spectrum.re[row * nBins + bin];
        const edge = bin === 0 || bin === nBins - 1;
        const imaginary = edge ? 0 : spectrum.im[row * nBins + bin];
        x[bin] = real;
        y[bin] = imaginary;
        if (!edge) {
          x[nFft - bin] = real;
          y[nFft - bin] = -imaginary;
        }
      }
      this.fft.run(x, y, 1);
      for (let i = 0; i < nFft; i++) {
        added[row * hop + i] += (x[i] / nFft) * window[i];
        squares[row * hop + i] += window[i] * window[i];
      }
    }
    const out = new Float32Array(count * hop);
    for (let i = 0; i < out.length; i++) out[i] = added[this.pad + i] / squares[this.pad + i];
    return out;
  }

  // Fast Griffin-Lim; see STFT.project of audiodiff/runtime/frames.py.
  project(spectrum, magnitude, iterations, momentum, halfIterations = 0) {
    let rows = spectrum;
    if (halfIterations) {
      const half = new STFT(this.nFft / 2, this.hop / 2);
      const low = (values) => lower(values, this.nBins, half.nBins);
      const halfRows = { re: low(rows.re), im: low(rows.im) };
      const made = half.iterate(halfRows, low(magnitude), halfIterations, momentum);
      rows = {
        re: replaced(rows.re, made.re, this.nBins, half.nBins),
        im: replaced(rows.im, made.im, this.nBins, half.nBins),
      };
    }
    rows = withMagnitude(this.iterate(rows, magnitude, iterations, momentum), magnitude);
    return { rows, waveform: this.waveform(rows) };
  }

  iterate(spectrum, magnitude, iterations, momentum) {
    let rows = spectrum;
    let older = null;
    for (let iteration = 0; iteration < iterations; iteration++) {
      const newest = this.waveform(withMagnitude(rows, magnitude));
      const mixed = older ? newest.map((value, i) => older[i] + (1 + momentum) * (value - older[i])) : newest;
      rows = this.spectrum(mixed);
      older = newest;
    }
    return rows;
  }
}

function lower(values, nBins, nLow) {
  const count = values.length / nBins;
  const out = new Float32Array(count * nLow);
  for (let row = 0; row < count; row++) out.set(values.subarray(row * nBins, row * nBins + nLow), row * nLow);
  return out;
}

function replaced(values, low, nBins, nLow) {
  const out = values.slice();
  for (let row = 0; row < values.length / nBins; row++) {
    out.set(low.subarray(row * nLow, (row + 1) * nLow), row * nBins);
  }
  return out;
}

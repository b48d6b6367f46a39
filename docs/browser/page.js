import * as ort from "./ort/ort.wasm.min.mjs";
import { Vocoder, wav } from "./vocoder.js";

const LONGEST = 20; // seconds: longer recordings are cut

const at = (id) => document.getElementById(id);
const say = (text) => (at("status").textContent = text);

ort.env.wasm.numThreads = 1; // several need a server that isolates the page from other origins
ort.env.wasm.wasmPaths = new URL("./ort/", import.meta.url).href;

async function decoded(file, sampleRate) {
  const context = new OfflineAudioContext(1, 1, sampleRate);
  const audio = await context.decodeAudioData(await file.arrayBuffer());
  const samples = new Float32Array(Math.min(audio.length, LONGEST * sampleRate));
  for (let channel = 0; channel < audio.numberOfChannels; channel++) {
    const values = audio.getChannelData(channel);
    for (let i = 0; i < samples.length; i++) samples[i] += values[i] / audio.numberOfChannels;
  }
  return samples;
}

async function vocode(vocoder) {
  let samples;
  try {
    samples = await decoded(at("file").files[0], vocoder.sampleRate);
  } catch {
    throw new Error("The file is not a recording that this browser can read.");
  }
  const begin = performance.now();
  const onStep = (done, all) => say(`Step ${done} of ${all} ...`);
  const made = await vocoder.vocode(samples, { steps: Number(at("steps").value), seed: Number(at("seed").value), onStep });
  const seconds = (performance.now() - begin) / 1000;
  URL.revokeObjectURL(at("player").src);
  at("player").src = URL.createObjectURL(wav(made, vocoder.sampleRate));
  at("player").hidden = false;
  const length = made.length / vocoder.sampleRate;
  say(`${length.toFixed(1)} s of sound in ${seconds.toFixed(1)} s.`);
}

try {
  const vocoder = await Vocoder.load("./model", ort);
  for (const steps of vocoder.steps) at("steps").add(new Option(steps, steps));
  at("steps").value = vocoder.settings.defaults.steps;
  at("start").disabled = false;
  say("Ready.");
  at("form").addEventListener("submit", async (event) => {
    event.preventDefault();
    at("start").disabled = true;
    say("Working ...");
    await new Promise((done) => setTimeout(done)); // lets the page show it
    await vocode(vocoder).catch((error) => say(error.message));
    at("start").disabled = false;
  });
  window.vocoder = vocoder; // for whoever tries things in the console
} catch (error) {
  say(error.message);
}

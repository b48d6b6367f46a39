// Players: wavesurfer.js draws each and plays it; here are its buttons, its keys, and that one sound plays at a time.
window.audiodiff = (() => {
  "use strict";
  const surfers = new Map();
  const sources = new WeakMap();
  let sounding = null;
  let current = null;

  // One sound at a time, whoever plays it: this page's players, Gradio's, or the browser's.
  const hush = media => {
    if (sounding && sounding !== media) sounding.pause();
    sounding = media;
  };
  const play = HTMLMediaElement.prototype.play;
  HTMLMediaElement.prototype.play = function () {
    hush(this);
    return play.call(this);
  };
  document.addEventListener("play", event => {
    if (event.target instanceof HTMLMediaElement) hush(event.target);
  }, true);

  const clock = seconds => {
    const tenths = Math.floor(Math.max(0, seconds) * 10 + 1e-6);
    return `${Math.floor(tenths / 600)}:${String(Math.floor(tenths / 10) % 60).padStart(2, "0")}.${tenths % 10}`;
  };
  const peaks = text => Float32Array.from(atob(text), letter => letter.charCodeAt(0) / 255);
  const surferOf = root => surfers.get(root);
  const secondsOf = root => Number(root.dataset.seconds);

  // Words that are written into the page come with each player, in the language of the page.
  const say = (root, text, values = {}) => (JSON.parse(root.dataset.words ?? "{}")[text] ?? text)
    .replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);

  const toggle = root => {
    const surfer = surferOf(root);
    if (!surfer) return;
    const media = surfer.getMediaElement();
    if (media.error) media.load();  // the connection may be back
    current = root;
    surfer.playPause().catch(() => show(root));
  };
  const seek = (root, seconds) => {
    surferOf(root)?.setTime(Math.min(secondsOf(root), Math.max(0, seconds)));
    show(root);
  };

  const show = root => {
    const surfer = surferOf(root), button = root.querySelector("[data-do=toggle]");
    const seconds = surfer.getCurrentTime(), name = root.dataset.name, playing = surfer.isPlaying();
    // a failure stays until it plays: the pause that comes after it shows its time, too
    root.querySelector(".ad-at").textContent =
      surfer.getMediaElement().error ? say(root, "cannot be fetched; try again") : clock(seconds);
    const action = say(root, playing ? "Pause" : "Play");
    if (button.textContent !== action) {
      button.textContent = action;
      button.setAttribute("aria-label", say(root, playing ? "Pause {name}" : "Play {name}", { name }));
    }
    const slider = root.querySelector(".ad-wave");
    slider.setAttribute("aria-valuenow", seconds.toFixed(1));
    slider.setAttribute("aria-valuetext", say(
      root, "{at} of {length} seconds", { at: seconds.toFixed(1), length: secondsOf(root).toFixed(1) }));
  };

  // The buttons of a card say what they do; to who cannot see the card, also to which take.
  const name = root => {
    const card = root.closest(".ad-card");
    if (!card) return;
    card.setAttribute("role", "group");
    card.setAttribute("aria-label", root.dataset.name);
    for (const button of card.querySelectorAll(":scope .row button, :scope .row a"))
      button.setAttribute("aria-label", say(
        root, "{action}: {name}", { action: button.textContent.trim(), name: root.dataset.name }));
  };

  const mount = root => {
    const media = root.querySelector("audio"), wave = root.querySelector(".ad-wave");
    media.removeAttribute("controls");
    wave.replaceChildren();
    const surfer = WaveSurfer.create({
      container: wave, media, height: "auto", peaks: [peaks(root.dataset.peaks)], duration: secondsOf(root),
      waveColor: "rgb(255 255 255 / 45%)", progressColor: "rgb(255 255 255 / 80%)", cursorColor: "#fff",
      cursorWidth: 3, dragToSeek: true, hideScrollbar: true,
    });
    surfers.set(root, surfer);
    sources.set(root, media.getAttribute("src"));
    const slider = {
      role: "slider", tabindex: "0", "aria-label": say(root, "Position in {name}", { name: root.dataset.name }), "aria-valuemin": "0",
      "aria-valuemax": secondsOf(root).toFixed(1),
    };
    for (const [name, value] of Object.entries(slider)) wave.setAttribute(name, value);
    for (const event of ["timeupdate", "play", "pause", "finish", "seeking"]) surfer.on(event, () => show(root));
    media.addEventListener("error", () => { if (surferOf(root) === surfer) show(root); });
    surfer.on("interaction", () => { current = root; });
    show(root);
    root.dataset.ready = "";
    name(root);
  };
  const unmount = root => {
    surferOf(root).pause();
    surferOf(root).destroy();
    surfers.delete(root);
    root.removeAttribute("data-ready");
    if (current === root) current = null;
  };
  // Gradio may turn one player into another, or into none, by changing its parts.
  const stale = root => !root.isConnected || !root.matches(".ad-player[data-ready]") ||
    root.querySelector("audio") !== surferOf(root).getMediaElement() ||
    root.querySelector("audio").getAttribute("src") !== sources.get(root);
  const settle = () => {
    for (const root of [...surfers.keys()]) if (stale(root)) unmount(root);
    for (const root of document.querySelectorAll(".ad-player:not([data-ready])")) mount(root);
  };
  const watch = () => {
    settle();
    new MutationObserver(settle).observe(
      document.body, { childList: true, subtree: true, attributeFilter: ["src", "class", "data-peaks"] });
  };
  if (document.body) watch(); else document.addEventListener("DOMContentLoaded", watch);

  document.addEventListener("click", event => {
    const button = event.target.closest?.(".ad-player [data-do]");
    if (!button) return;
    const root = button.closest(".ad-player");
    if (button.dataset.do === "toggle") toggle(root);
    if (button.dataset.do === "repeat") {
      const media = root.querySelector("audio");
      media.loop = !media.loop;
      button.setAttribute("aria-pressed", String(media.loop));
    }
  });

  // Space plays and pauses wherever it means nothing else; the arrows seek in the player that has the focus.
  const busy = "input, textarea, select, button, a, summary, audio, video, [contenteditable=true], [role=tab], " +
    "[role=option], [role=radio], [role=checkbox], [role=button]";
  document.addEventListener("keydown", event => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented) return;
    const focused = event.target.closest?.(".ad-player .ad-wave")?.closest(".ad-player") ?? null;
    if (event.key === " " && (focused || !event.target.closest?.(busy))) {
      const seen = [...surfers.keys()].filter(root => root.checkVisibility());
      const root = focused ?? (current?.checkVisibility() ? current : seen[0]);
      if (!root) return;
      event.preventDefault();
      toggle(root);
    } else if (focused) {
      const now = surferOf(focused).getCurrentTime();
      const to = { ArrowLeft: now - 1, ArrowRight: now + 1, Home: 0, End: secondsOf(focused) }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      seek(focused, to);
    }
  });

  return { surferOf, mount, settle, toggle, seek, clock, say };
})();

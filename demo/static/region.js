// Regions of a clip to replace: drawn and heard on its picture; the field for text beside it rules.
window.audiodiffRegion = (() => {
  "use strict";
  const watch = (element, name) => {
    const field = () => document.querySelector(`#${name} textarea, #${name} input`);
    let root = null, surfer = null, plugin = null, drawing = false, added = false, touched = null;

    // the picture may be there before the field is
    const written = () => (field()?.value ?? "").split(/[\s,]+/).map(part => part.split(":").map(Number))
      .filter(([start, stop]) => start >= 0 && stop > start);
    const look = { color: "rgb(255 255 255 / 45%)" };
    const draw = () => {  // what the field says
      if (!plugin) return;
      drawing = true;
      plugin.clearRegions();
      touched = null;
      const length = Number(root.dataset.seconds);
      for (const [start, stop] of written())
        if (start < length) plugin.addRegion({ start, end: Math.min(stop, length), ...look });
      drawing = false;
    };
    const beats = () => {
      const box = root.querySelector("[data-do=snap]");
      return box?.checked ? root.dataset.beats.split(" ").map(Number) : [];
    };
    const nearest = (seconds, among) => among.reduce(
      (best, beat) => Math.abs(beat - seconds) < Math.abs(best - seconds) ? beat : best, among[0]);
    const snap = region => {
      const among = [...beats(), ...(beats().length ? [0, Number(root.dataset.seconds)] : [])].sort((a, b) => a - b);
      if (!among.length) return;
      const start = nearest(region.start, among);
      let end = nearest(region.end, among);
      if (end <= start) end = among.find(beat => beat > start) ?? region.end;
      if (end > start) region.setOptions({ start, end });
    };
    const write = region => {
      snap(region);
      touched = region;
      const ends = plugin.getRegions().map(each => [each.start, each.end]).sort((a, b) => a[0] - b[0]);
      field().value = ends.map(pair => pair.map(end => Number(end.toFixed(3))).join(":")).join(" ");
      drawing = true;
      field().dispatchEvent(new Event("input", { bubbles: true }));
      drawing = false;
    };
    const mount = () => {
      surfer?.destroy();
      [surfer, plugin] = [null, null];
      root = element.querySelector(".ad-region");
      if (!root) return;
      root.querySelector(".ad-wave").replaceChildren();
      plugin = WaveSurfer.Regions.create();
      surfer = WaveSurfer.create({
        container: root.querySelector(".ad-wave"), media: root.querySelector("audio"), height: "auto",
        peaks: [Float32Array.from(atob(root.dataset.peaks), letter => letter.charCodeAt(0) / 255)],
        duration: Number(root.dataset.seconds), plugins: [plugin], waveColor: "rgb(255 255 255 / 45%)",
        progressColor: "rgb(255 255 255 / 80%)", cursorColor: "#fff", cursorWidth: 3, hideScrollbar: true,
      });
      surfer.on("ready", () => {
        plugin.enableDragSelection(look);
        draw();
        root.dataset.ready = "";
      });
      plugin.on("region-created", region => {
        if (drawing) return;
        if (!added) for (const other of plugin.getRegions()) if (other !== region) other.remove();
        write(region);
      });
      plugin.on("region-updated", write);
      plugin.on("region-clicked", region => { touched = region; });
    };
    const hear = () => {
      const region = plugin.getRegions().includes(touched) ? touched : plugin.getRegions()[0];
      if (surfer.isPlaying()) surfer.pause();
      else if (region) region.play(true);
      else surfer.play();
    };

    element.addEventListener("pointerdown", event => { added = event.shiftKey; }, true);
    element.addEventListener("click", event => {
      if (event.target.closest("[data-do=hear]")) hear();
    });
    document.addEventListener("input", event => {
      if (event.target === field() && !drawing) draw();
    });
    // Gradio may turn one clip into another by changing its parts.
    const clip = () => element.querySelector(".ad-region audio")?.getAttribute("src") ?? "";
    let shown = "";
    const settle = () => {
      if (clip() !== shown || (root && !root.isConnected)) { shown = clip(); mount(); }
    };
    new MutationObserver(settle).observe(element, { childList: true, subtree: true, attributeFilter: ["src"] });
    settle();
  };
  return { watch };
})();

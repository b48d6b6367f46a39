// The strip of takes and the large player above it: what needs no server.
window.audiodiffTakes = (() => {
  "use strict";
  let chosen = [];  // takes to compare, at most two
  let playing = null;
  let focus = null;
  let only = false;

  const main = () => document.querySelector(".ad-main");
  const strip = () => document.querySelector(".ad-strip");
  const itemOf = take => strip()?.querySelector(`.ad-take[data-take="${CSS.escape(take)}"]`);
  const deck = name => main().querySelector(`[data-deck=${name}]`);
  const rootOf = name => deck(name).querySelector(".ad-player");
  const say = (text, values) => window.audiodiff.say(strip().querySelector("section"), text, values);
  const comparing = () => !main().querySelector(".ad-ab").hidden;

  const put = (name, take) => {
    deck(name).innerHTML = itemOf(take).dataset.opened;
    window.audiodiff.settle();
    return rootOf(name);
  };
  const near = element => element.scrollIntoView({ block: "nearest", behavior: "smooth" });

  const open = take => {
    if (!itemOf(take)) return;
    endComparing();
    main().hidden = false;
    const root = playing === take && rootOf("a") ? rootOf("a") : put("a", take);
    playing = take;
    window.audiodiff.toggle(root);
    near(main());
    decorate();
  };

  // Both are brought to the level of the softer one: louder always sounds better at first.
  const compare = take => {
    chosen = chosen.includes(take) ? chosen.filter(other => other !== take) : [...chosen, take].slice(-2);
    if (chosen.length === 2) startComparing(); else endComparing();
    decorate();
  };
  const startComparing = () => {
    main().hidden = false;
    playing = null;
    const roots = [put("a", chosen[0]), put("b", chosen[1])];
    const levels = roots.map(root => root.dataset.loudness === "" ? NaN : Number(root.dataset.loudness));
    const softest = Math.min(...levels);
    roots.forEach((root, index) => {
      const media = root.querySelector("audio");
      media.preload = "auto";
      media.volume = Number.isNaN(softest) ? 1 : 10 ** ((softest - levels[index]) / 20);
    });
    main().querySelector("[data-do=close]").textContent = say("End comparing");
    main().querySelector(".ad-ab").hidden = false;
    hear("a", false);
    near(main());
  };
  const hear = (name, go) => {
    const other = name === "a" ? "b" : "a", from = rootOf(other), to = rootOf(name);
    const surfer = window.audiodiff.surferOf(from), at = surfer.getCurrentTime(), was = surfer.isPlaying();
    surfer.pause();
    deck(name).hidden = false;
    deck(other).hidden = true;
    if (go) window.audiodiff.seek(to, at);
    if (was) window.audiodiff.toggle(to);
    main().querySelector("[data-do=switch]").textContent =
      say("Switch to {deck}", { deck: other.toUpperCase() });
    const softer = -20 * Math.log10(to.querySelector("audio").volume);
    const heard = softer > 0.05
      ? "You hear {deck}, {name}, turned down by {db} dB; A and B are equally loud."
      : "You hear {deck}, {name}; A and B are equally loud.";
    main().querySelector(".ad-ab [role=status]").textContent =
      say(heard, { deck: name.toUpperCase(), name: to.dataset.name, db: softer.toFixed(1) });
  };
  const endComparing = () => {
    if (!main() || !comparing()) return;
    main().querySelector(".ad-ab").hidden = true;
    deck("b").replaceChildren();
    deck("b").hidden = true;
    deck("a").hidden = false;
    const media = deck("a").querySelector("audio");
    if (media) media.volume = 1;
    chosen = [];
    window.audiodiff.settle();
  };

  const handle = (element, button) => {
    const take = button.dataset.take;
    if (button.dataset.do === "play") open(take);
    else if (button.dataset.do === "compare") compare(take);
    else if (button.dataset.do === "only") { only = !only; decorate(); }
    else return false;
    return true;
  };
  document.addEventListener("click", event => {
    const button = event.target.closest?.(".ad-main [data-do]");
    if (!button || button.closest(".ad-player")) return;
    if (button.dataset.do === "play") open(button.dataset.take);
    if (button.dataset.do === "switch") hear(deck("a").hidden ? "a" : "b", true);
    if (button.dataset.do === "close") { endComparing(); decorate(); }
  });

  // The server draws the strip anew; what is chosen here, and where the focus was, stays.
  const decorate = () => {
    const element = strip();
    if (!element) return;
    chosen = chosen.filter(itemOf);
    for (const button of element.querySelectorAll("[data-do=compare]"))
      button.setAttribute("aria-pressed", String(chosen.includes(button.dataset.take)));
    for (const item of element.querySelectorAll(".ad-take"))
      item.toggleAttribute("data-playing", item.dataset.take === playing);
    const filter = element.querySelector("[data-do=only]");
    if (!filter) only = false;
    filter?.setAttribute("aria-pressed", String(only));
    element.querySelector("section")?.toggleAttribute("data-only", only);
  };
  const nameOf = button => button.getAttribute("aria-label") ?? button.textContent;
  const refocus = element => {
    const active = document.activeElement;
    if (focus === null || (active && active !== document.body && !element.contains(active))) return;
    const buttons = [...element.querySelectorAll("button, a[download]")];
    const same = buttons.find(button => nameOf(button) === focus);
    const next = same ?? element.querySelector("[data-do=undelete]") ?? buttons[0];
    if (next && next !== active) next.focus({ preventScroll: true });
  };
  const watch = element => {
    const changed = () => {
      decorate();
      refocus(element);
      const link = element.querySelector("a[data-auto]");
      if (link) { link.removeAttribute("data-auto"); link.click(); }
    };
    element.addEventListener("focusin", event => {
      const button = event.target.closest("button, a[download]");
      focus = button && nameOf(button);
    });
    document.addEventListener("pointerdown", event => { if (!element.contains(event.target)) focus = null; });
    let shown;
    new MutationObserver(() => {
      const version = element.querySelector("section")?.dataset.version;
      if (version !== shown) { shown = version; changed(); }
    }).observe(element, { childList: true, subtree: true, attributes: true });
    decorate();
  };
  return { handle, watch };
})();

// What Gradio leaves out of its own components, for keyboards and screen readers.
(() => {
  "use strict";
  const mend = () => {
    // an empty box shows an icon; a name without a role is not read out
    for (const box of document.querySelectorAll(".empty[aria-label]:not([role])")) box.setAttribute("role", "img");
    // browsers let the Tab key stop at a list that scrolls; it closes at that moment, and the focus is lost
    for (const list of document.querySelectorAll("[role=listbox]:not([tabindex])")) list.tabIndex = -1;
    // a picture is a button that nobody has named; the player below it has the same label, and shows it
    for (const button of document.querySelectorAll("button:has(> .image-frame):not([aria-label])")) {
      const labels = button.closest(".ad-card")?.querySelectorAll("[data-testid=block-label]") ?? [];
      const label = [...labels].map(each => each.textContent.trim()).find(Boolean);
      if (label) button.setAttribute("aria-label", label);
    }
    // which take the buttons of a card are for
    for (const card of document.querySelectorAll(".ad-card:has(.ad-player[data-name])")) {
      const take = card.querySelector(".ad-player").dataset.name;
      for (const button of card.querySelectorAll(".row button")) {
        const name = `${button.textContent.trim()}, ${take}`;
        if (button.closest(".ad-player")) continue; // those of the player have names
        if (button.getAttribute("aria-label") !== name) button.setAttribute("aria-label", name);
      }
    }
    // a link around a button is one thing to click on, and one stop of the Tab key
    for (const button of document.querySelectorAll("a[download] > button:not([tabindex])")) button.tabIndex = -1;
  };
  const watch = () => {
    mend();
    new MutationObserver(mend).observe(document.body, { childList: true, subtree: true });
  };
  if (document.body) watch(); else document.addEventListener("DOMContentLoaded", watch);
})();

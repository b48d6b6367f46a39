"""How the page looks beyond what the tabs' own rules say: contrast, focus, sizes, what is busy.

Every colour is one of Gradio's variables, or stands once for light and once for dark. `:not(#none)` fits everything
and makes a rule as strong as one with an identifier: some fields of Gradio switch the outline off with `!important`.
"""

STYLE = """
.ad-unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);
  white-space: nowrap; }
.gradio-container:not(#none) :focus-visible { outline: 3px solid var(--primary-700) !important;
  outline-offset: 2px !important; }
.dark .gradio-container:not(#none) :focus-visible, .gradio-container.dark:not(#none) :focus-visible {
  outline-color: var(--primary-400) !important; }
.gradio-container .icon-button, .gradio-container .component-wrapper button { min-width: 24px; min-height: 24px; }
.gradio-container input[type="range"] { height: 24px; }
.gradio-container a[download]:has(> button) { display: inline-flex; min-width: 24px; min-height: 24px; }
.gradio-container .secondary-wrap input { padding-right: 1.5em; text-overflow: ellipsis; }
[id^="pick-"] .remove-all { display: none; }
#about h1 { margin-bottom: 0.25rem; }
button[aria-busy="true"] { cursor: progress; opacity: 0.85; }
button[aria-busy="true"]::after { content: ""; display: inline-block; width: 1em; height: 1em; margin-left: 0.5em;
  border: 2px solid currentcolor; border-right-color: transparent; border-radius: 50%;
  animation: ad-turn 0.9s linear infinite; }
@keyframes ad-turn { to { transform: rotate(1turn); } }
@media (prefers-reduced-motion: reduce) { button[aria-busy="true"]::after { animation: none; } }
"""

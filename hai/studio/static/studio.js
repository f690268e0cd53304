// The terminal gets the keys as soon as it is there; /?fontsize=18 chooses the size of the font.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  const desk = document.getElementById("desk");
  if (desk) {
    desk.src = "/terminal" + window.location.search;
    desk.addEventListener("load", () => desk.focus());
    return;
  }
  const terminal = document.getElementById("terminal");
  const wanted = parseInt(new URLSearchParams(window.location.search).get("fontsize"), 10);
  if (wanted >= 8 && wanted <= 40) {
    terminal.dataset.fontSize = String(wanted);
  }
  new MutationObserver((_, observer) => {
    const keys = terminal.querySelector("textarea");
    if (keys) {
      keys.focus();
      observer.disconnect();
    }
  }).observe(terminal, { childList: true, subtree: true });
});

// The terminal gets the keys as soon as it shows something, and whenever the page gets the focus.
// /?fontsize=18 chooses the size of the font.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  const desk = document.getElementById("desk");
  if (desk) {
    desk.src = "/terminal" + window.location.search;
    desk.addEventListener("load", () => desk.contentWindow.focus());
    window.addEventListener("focus", () => desk.contentWindow.focus());
    return;
  }
  const terminal = document.getElementById("terminal");
  const wanted = parseInt(new URLSearchParams(window.location.search).get("fontsize"), 10);
  if (wanted >= 8 && wanted <= 40) {
    terminal.dataset.fontSize = String(wanted);
  }
  const focus = () => {
    const keys = terminal.querySelector("textarea");
    if (keys) {
      keys.focus();
    }
  };
  new MutationObserver(focus).observe(document.body, { attributeFilter: ["class"] });
  window.addEventListener("focus", focus);
  terminal.addEventListener("click", focus);
});

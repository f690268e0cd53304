// The list and what is free are asked for again and again while the page is in sight; a page that
// waits for a service asks once more.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  const waiting = document.querySelector("form[data-again]");
  if (waiting) {
    setTimeout(() => waiting.submit(), 1500);
    return;
  }
  if (!document.getElementById("list")) {
    return;
  }
  const away = document.getElementById("away");
  const shown = new Map();

  const put = (text) => {
    const fresh = new DOMParser().parseFromString(text, "text/html");
    for (const id of ["list", "capacity"]) {
      const now = document.getElementById(id);
      const next = fresh.getElementById(id);
      if (next && shown.get(id) !== next.innerHTML && !now.contains(document.activeElement)) {
        now.replaceChildren(...next.childNodes);
        shown.set(id, now.innerHTML);
      }
    }
  };

  const look = async () => {
    try {
      if (!document.hidden) {
        const reply = await fetch("/containers/live");
        if (reply.status === 401 || reply.status === 403) {
          window.location.reload();
          return;
        }
        away.hidden = reply.ok;
        if (reply.ok) {
          put(await reply.text());
        }
      }
    } catch {
      away.hidden = false;
    }
    setTimeout(look, 2000);
  };
  setTimeout(look, 2000);
});

// The list and what is free are asked for again and again while the page is in sight; a page that
// waits for a service asks once more. Whatever goes away meanwhile, what was written stays.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  const waiting = document.querySelector("form[data-again]");
  if (waiting) {
    setTimeout(() => waiting.submit(), 1500);
    return;
  }
  const start = document.getElementById("start");
  if (!start) {
    return;
  }
  const away = document.getElementById("away");
  const shown = new Map();
  let said = "";
  let seen = document.querySelector("[data-passes]") ? "" : new Date().toLocaleTimeString();

  const say = (...lines) => {
    if (said !== lines.join("\n")) {
      said = lines.join("\n");
      away.replaceChildren(...lines.map((line) => {
        const paragraph = document.createElement("p");
        paragraph.append(line);
        return paragraph;
      }));
      away.hidden = lines.length === 0;
    }
  };

  const wait = (...lines) => {
    const age = seen ? `What you see here is of ${seen}. ` : "";
    say(...lines, `${age}This page tries again by itself, and what you wrote stays.`);
  };

  const isBack = () => {
    seen = new Date().toLocaleTimeString();
    say();
    for (const box of document.querySelectorAll("[data-passes]")) {
      if (box.dataset.passes === "asked") {
        box.textContent = "The platform answers again. What you asked for meanwhile may not have been " +
          "done: look at the list, and ask again if it was not.";
        delete box.dataset.passes;
      } else {
        box.remove();
      }
    }
  };

  const put = (text) => {
    const fresh = new DOMParser().parseFromString(text, "text/html");
    const user = fresh.getElementById("list").dataset.user;
    if (user !== document.getElementById("list").dataset.user) {
      window.location.assign("/containers"); // somebody else has logged in
      return;
    }
    for (const id of ["list", "capacity", "group"]) {
      const now = document.getElementById(id);
      const next = fresh.getElementById(id);
      if (shown.get(id) !== next.innerHTML && !now.contains(document.activeElement)) {
        shown.set(id, next.innerHTML);
        exchange(now, next);
      }
    }
  };

  // What was written or chosen in a part outlives its exchange.
  const exchange = (now, next) => {
    const boxes = [...now.querySelectorAll("article input")].filter((box) => box.value);
    const written = boxes.map((box) => [box.closest("article").id, box.name, box.value]);
    const chosen = now.value;
    now.replaceChildren(...next.childNodes);
    for (const [card, name, value] of written) {
      const box = document.querySelector(`#${card} input[name=${name}]`);
      if (box) {
        box.value = value;
      }
    }
    if (chosen !== undefined) { // options that move from one list to another choose themselves
      now.value = chosen;
      if (now.value !== chosen) {
        now.add(new Option(chosen, chosen, true, true));
      }
    }
  };

  // Not logged in any more: nothing of the platform's stays in sight, but what was written does.
  const leave = () => {
    const texts = [...start.elements].filter((box) => box.type !== "checkbox" && box.value);
    if (texts.length === 0) {
      window.location.assign("/containers");
      return;
    }
    for (const id of ["list", "capacity"]) {
      document.getElementById(id).replaceChildren();
      shown.delete(id);
    }
    const link = document.createElement("a");
    Object.assign(link, { href: "/", target: "_blank", textContent: "Log in in another tab" });
    seen = "";
    wait("You are not logged in any more.", link);
  };

  const look = async () => {
    try {
      if (!document.hidden) {
        const reply = await fetch("/containers/live");
        const text = await reply.text();
        if (reply.status === 401 || reply.status === 403) {
          leave();
        } else if (reply.ok) {
          isBack();
          put(text);
        } else {
          const told = new DOMParser().parseFromString(text, "text/html");
          wait("The platform does not answer.", told.querySelector("p")?.textContent ?? text);
        }
      }
    } catch {
      wait("Studio does not answer.");
    }
    setTimeout(look, 2000);
  };
  setTimeout(look, 2000);
});

// The keys of `ftcore label`. Every page works without them, by its buttons.
"use strict";

// After a page came, clicks and keys count only from here on: the second half of a double click belongs to the last page.
const SETTLED = 250; // milliseconds

let ready = false;
let sent = false;

window.addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload(); // a page from before may be judged already
  setTimeout(() => {
    ready = true;
    document.documentElement.dataset.ready = "";
  }, SETTLED);
});

document.addEventListener("submit", (event) => {
  if (!ready || sent) event.preventDefault();
  else sent = true;
});

// The token has done its work; it need not stay in sight, nor in the history.
if (new URLSearchParams(location.search).has("token")) history.replaceState(null, "", location.pathname);

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("textarea, input, select");
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    const button = typing && typing.form && typing.form.querySelector("[data-enter]");
    if (button) button.click();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (typing) {
    if (event.key === "Escape") typing.blur();
    return;
  }
  if (event.key === "Enter" && event.target.closest("button, a, summary")) return;
  if (ranks(event.key)) return event.preventDefault();
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const button = [...document.querySelectorAll("[data-keys]")].find((each) => each.dataset.keys.split(" ").includes(key));
  if (!button || button.disabled) return;
  event.preventDefault();
  button.click();
  const details = button.closest("details");
  if (details && details.open) {
    details.querySelector("textarea").focus();
    details.scrollIntoView({ block: "nearest" });
  }
});

// In a ranking a digit gives an answer the next place; 0 takes all places back. True if the key was one of these.
function ranks(key) {
  const places = [...document.querySelectorAll("[data-rank]")];
  if (places.length === 0 || !/^[0-9]$/.test(key)) return false;
  if (key === "0") places.forEach((place) => { place.value = ""; });
  const chosen = places.find((place) => place.dataset.rank === key);
  if (chosen && !chosen.value) chosen.value = String(1 + places.filter((place) => place.value).length);
  return true;
}

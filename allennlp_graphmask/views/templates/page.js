"use strict";
// Pointing at a line, a mention or a role, or moving to it by keyboard, shows its description beside it.
const tip = document.createElement("div");
tip.className = "tip";
tip.hidden = true;
tip.setAttribute("aria-hidden", "true");  // the element's own label is the same
document.body.append(tip);

function showTip(element, event) {
  tip.textContent = element.dataset.tip || element.getAttribute("aria-label");
  tip.hidden = false;
  const box = element.getBoundingClientRect();
  const isPointed = event instanceof MouseEvent;
  const x = isPointed ? event.clientX : box.left + box.width / 2;
  const y = isPointed ? event.clientY + 16 : box.bottom + 6;
  const left = Math.max(8, Math.min(x - tip.offsetWidth / 2, document.documentElement.clientWidth - tip.offsetWidth - 8));
  const above = y + tip.offsetHeight > window.innerHeight ? (isPointed ? event.clientY - 12 : box.top - 6) - tip.offsetHeight : y;
  tip.style.left = `${left + window.scrollX}px`;
  tip.style.top = `${Math.max(4, above) + window.scrollY}px`;
}

function findDescribed(event) {
  return event.target instanceof Element ? event.target.closest("[data-tip]") : null;
}

document.addEventListener("mouseover", (event) => { const element = findDescribed(event); if (element) showTip(element, event); else tip.hidden = true; });
document.addEventListener("mouseleave", () => { tip.hidden = true; });
document.addEventListener("focusin", (event) => { const element = findDescribed(event); if (element) showTip(element, event); else tip.hidden = true; });
document.addEventListener("focusout", () => { tip.hidden = true; });
document.addEventListener("keydown", (event) => { if (event.key === "Escape") tip.hidden = true; });

// The Tab key stops at one of many elements; the arrow keys move between them.
for (const group of document.querySelectorAll("[data-roving]")) {
  const all = () => [...group.querySelectorAll("[tabindex]")].filter((element) => !element.closest(".k-none") && element.getClientRects().length);
  all().forEach((element, number) => element.setAttribute("tabindex", number ? "-1" : "0"));
  group.addEventListener("focusin", (event) => {
    if (!event.target.hasAttribute("tabindex")) return;
    group.querySelectorAll('[tabindex="0"]').forEach((element) => element.setAttribute("tabindex", "-1"));
    event.target.setAttribute("tabindex", "0");
  });
  group.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const elements = all();
    const place = elements.indexOf(event.target);
    if (place < 0) return;
    let next = null;
    if (step) next = elements[(place + step + elements.length) % elements.length];
    else if (event.key === "Home") next = elements[0];
    else if (event.key === "End") next = elements[elements.length - 1];
    if (next) { event.preventDefault(); next.focus(); }
  });
}

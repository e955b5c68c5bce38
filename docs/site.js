// What the theme lacks for axe: wide tables that scroll by the keyboard, too (it wraps them when the page has loaded), and a name.
window.addEventListener("load", () => {
  document.querySelectorAll(".md-typeset__scrollwrap").forEach((wrapper) => { wrapper.tabIndex = 0; });
  document.querySelector(".md-search")?.setAttribute("aria-label", "Search");
});

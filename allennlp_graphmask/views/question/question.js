
// The links between the mentions of a question's supports, drawn over the text wherever the browser has placed it.
function drawQuestion(data) {
  const supports = document.querySelector(".supports");
  // The links lie under the text; over it are what is pointed at and the names of hops.
  const canvas = supports.querySelector(".links");
  const over = supports.querySelector(".over");
  const count = document.getElementById("link-count");
  // An object for each link, of lists with an entry for each.
  const fields = Object.entries(data.links);
  const links = (data.links.source || []).map((_, number) => Object.fromEntries(fields.map(([name, values]) => [name, values[number]])));
  const space = "http://www.w3.org/2000/svg";
  let pinned = null;
  let pointed = null;
  let unchecked = 0;
  const marks = new Map();
  for (const mark of supports.querySelectorAll("mark")) {
    for (const node of mark.dataset.nodes.split(" ")) {
      if (!marks.has(node)) marks.set(node, []);
      marks.get(node).push(mark);
    }
  }

  function make(parent, name, attributes) {
    const element = document.createElementNS(space, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    parent.append(element);
    return element;
  }

  // The first line of a mention, relative to the supports; null while it is folded.
  function place(node, frame) {
    const pieces = (marks.get(String(node)) || []).flatMap((mark) => [...mark.getClientRects()]);
    if (!pieces.length) return null;
    const line = pieces.filter((piece) => Math.abs(piece.top - pieces[0].top) < 6);
    const left = Math.min(...line.map((piece) => piece.left)) - frame.left;
    const right = Math.max(...line.map((piece) => piece.right)) - frame.left;
    return { left, right, top: line[0].top - frame.top, bottom: line[0].bottom - frame.top, middle: (left + right) / 2, support: marks.get(String(node))[0].closest(".support") };
  }

  function chosen() {
    const layer = document.querySelector('input[name="layer"]:checked')?.id.slice("layer-".length) ?? "any";
    const which = document.querySelector('input[name="links"]:checked').value;
    const focus = pointed ?? pinned;
    const relations = new Set([...document.querySelectorAll('input[name="relation"]:checked')].map((input) => Number(input.value)));
    unchecked = 0;
    return links.filter((link) => {
      if (layer !== "any" && !link.kept.includes(Number(layer))) return false;
      const isMeant = focus
        ? focus.includes(String(link.source)) || focus.includes(String(link.target))
        : link.chain || which === "all" || (which === "answer" && link.answer);
      if (!isMeant || relations.has(link.relation)) return isMeant;
      unchecked += 1;
      return false;
    });
  }

  // From one mention to another: between the sides of mentions beside each other, else from below to above, bowed a little so
  // that links in both directions and of several relations lie apart.
  function curve(from, to, bow, isSameSupport) {
    const apart = Math.max(from.left, to.left) - Math.min(from.right, to.right);
    const bent = 10 + bow;
    if (apart > 24 && !isSameSupport) {
      const isRight = to.left >= from.right;
      const x1 = isRight ? from.right + 1 : from.left - 1;
      const x2 = isRight ? to.left - 2 : to.right + 2;
      const y1 = (from.top + from.bottom) / 2;
      const y2 = (to.top + to.bottom) / 2;
      const pull = Math.max(26, Math.abs(x2 - x1) / 2) * (isRight ? 1 : -1);
      return [x1, y1, x1 + pull, y1 - bent, x2 - pull, y2 - bent, x2, y2];
    }
    const isDown = to.top >= from.bottom - 4;
    const x1 = from.middle + bow / 3;
    const x2 = to.middle + bow / 3;
    const y1 = isDown ? from.bottom : from.top;
    const y2 = isDown ? to.top - 2 : to.bottom + 2;
    if (Math.abs(to.top - from.top) < 8) {
      return [x1, from.top, x1, from.top - 22 - bow, x2, to.top - 22 - bow, x2, to.top - 2];
    }
    const side = 18 + bow;
    return [x1, y1, x1 + side, y1 + (y2 - y1) * 0.35, x2 + side, y2 - (y2 - y1) * 0.35, x2, y2];
  }

  function middle([x1, y1, x2, y2, x3, y3, x4, y4]) {
    return [(x1 + 3 * x2 + 3 * x3 + x4) / 8, (y1 + 3 * y2 + 3 * y3 + y4) / 8];
  }

  function draw() {
    const frame = canvas.getBoundingClientRect();
    canvas.replaceChildren();
    over.replaceChildren();
    const definitions = make(canvas, "defs", {});
    data.relations.forEach((relation, number) => {
      const marker = make(definitions, "marker", { id: `head-${number}`, viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 8.5, markerHeight: 8.5, markerUnits: "userSpaceOnUse", orient: "auto" });
      make(marker, "path", { d: "M0 0.6L8 4L0 7.4Z", fill: relation.colour });
    });
    const shown = chosen();
    const badges = [];
    let hidden = 0;
    const between = new Map();
    // The links of chains come last, that is on top.
    for (const link of shown.slice().sort((a, b) => Number(a.chain) - Number(b.chain))) {
      const from = place(link.source, frame);
      const to = place(link.target, frame);
      if (!from || !to || link.source === link.target) { hidden += 1; continue; }
      const pair = [link.source, link.target].sort().join(" ");
      const already = between.get(pair) || 0;
      between.set(pair, already + 1);
      const relation = data.relations[link.relation];
      const points = curve(from, to, 9 * already, from.support === to.support);
      const path = `M${points[0]} ${points[1]}C${points.slice(2).join(" ")}`;
      const isStrong = link.place !== "";
      make(canvas, "path", { class: "link", d: path, stroke: relation.colour, "stroke-width": isStrong ? 3 : 1.5, "stroke-opacity": isStrong ? 1 : 0.62, "stroke-dasharray": relation.dashes, "marker-end": `url(#head-${link.relation})` });
      const layers = link.scores.map((score, layer) => `layer ${layer} ${link.kept.includes(layer) ? "kept" : "dropped"}, ${score}`);
      const hover = make(over, "path", { class: "hover", d: path });
      hover.dataset.tip = `${relation.name}: ${data.names[link.source]} \u2192 ${data.names[link.target]}\n${layers.join("; ")}`;
      if (isStrong) badges.push([middle(points), link.place, relation.colour]);
    }
    for (const [[x, y], number, colour] of badges) {
      const badge = make(over, "g", { class: "badge" });
      const half = 5 + 5 * String(number).length;
      make(badge, "rect", { x: x - half, y: y - 10, width: 2 * half, height: 20, rx: 10, stroke: colour });
      make(badge, "text", { x, y: y + 4 }).textContent = number;
    }
    const drawn = shown.length - hidden;
    count.textContent = `${drawn} ${drawn === 1 ? "link" : "links"} drawn` + (hidden ? `, ${hidden} more from or to folded text` : "") + (unchecked ? `, ${unchecked} more of relations that are not ticked` : "") + ".";
  }

  // At most one drawing a frame, however many events there are.
  let waiting = 0;
  function redraw() {
    if (!waiting) waiting = requestAnimationFrame(() => { waiting = 0; draw(); });
  }

  function nodesOf(event) {
    const mark = event.target instanceof Element ? event.target.closest("mark[data-nodes]") : null;
    return mark && supports.contains(mark) ? mark.dataset.nodes.split(" ") : null;
  }

  function point(nodes) {
    if (String(nodes) === String(pointed)) return;
    pointed = nodes;
    redraw();
  }

  function pin(event) {
    const nodes = nodesOf(event);
    pinned = nodes && String(nodes) !== String(pinned) ? nodes : null;
    for (const mark of supports.querySelectorAll("mark[role]")) {
      mark.setAttribute("aria-pressed", String(pinned !== null && String(mark.dataset.nodes.split(" ")) === String(pinned)));
      mark.classList.toggle("lit", mark.getAttribute("aria-pressed") === "true");
    }
    redraw();
  }

  supports.addEventListener("mouseover", (event) => point(nodesOf(event)));
  supports.addEventListener("mouseleave", () => point(null));
  supports.addEventListener("focusin", (event) => point(nodesOf(event)));
  supports.addEventListener("focusout", () => point(null));
  supports.addEventListener("click", (event) => { if (nodesOf(event)) pin(event); });
  supports.addEventListener("keydown", (event) => {
    if (nodesOf(event) && (event.key === "Enter" || event.key === " ")) { event.preventDefault(); pin(event); }
  });
  for (const input of document.querySelectorAll("input")) input.addEventListener("change", redraw);
  for (const input of document.querySelectorAll('input[name="links"]')) {
    // With more links, more of the text is needed.
    input.addEventListener("change", () => {
      document.getElementById("whole-texts").checked = input.value !== "chain";
      const others = document.getElementById("other-supports");
      if (others) others.open = input.value !== "chain";
    });
  }
  for (const details of supports.querySelectorAll("details")) details.addEventListener("toggle", redraw);
  new ResizeObserver(redraw).observe(supports);
  // Printing lays out the text again: it gets the paper's width first, and the links are drawn to fit.
  window.addEventListener("beforeprint", () => { document.documentElement.classList.add("printing"); draw(); });
  window.addEventListener("afterprint", () => { document.documentElement.classList.remove("printing"); redraw(); });
  draw();
}

const linksData = document.getElementById("links-data");
if (linksData) drawQuestion(JSON.parse(linksData.textContent));


// The tables again, from the sums of the cells of a cube that the filters leave.
const data = JSON.parse(document.getElementById("report-data").textContent);
const selects = [...document.querySelectorAll("[data-filter]")];
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0, roundingMode: "halfEven" });
const short = new Intl.NumberFormat("en", { maximumSignificantDigits: 2, roundingMode: "halfEven" });
const formatShare = (share) => {
  // Without the digits that depend on the order of terms.
  const percentage = 100 * Number(share.toPrecision(12));
  return `${(percentage >= 10 ? whole : short).format(percentage)} %`;
};

// For each cell of a cube the part that it belongs to: what one run has of one series.
const parts = [];
const numbers = new Map(data.series.map((series, number) => [series.join("\n"), number]));
for (const cube of Object.values(data.cubes)) {
  const { run, focus, verified } = cube.dimensions;
  cube.part = (run?.cells ?? []).map((value, cell) => {
    const file = run.values[value];
    const series = numbers.get([data.sources[file], focus.values[focus.cells[cell]], verified.values[verified.cells[cell]]].join("\n"));
    let number = parts.findIndex((part) => part.file === file && part.series === series);
    if (number < 0) number = parts.push({ file, series }) - 1;
    return number;
  });
}
// For each cell the row of a table that it belongs to.
for (const table of data.tables) {
  const cube = data.cubes[table.cube];
  const rows = new Map(table.rows.map((key, number) => [key.join("\n"), number]));
  const columns = table.keys.map((name) => cube.dimensions[name]);
  table.row = cube.part.map((_, cell) => rows.get(columns.map((column) => column.values[column.cells[cell]]).join("\n")) ?? -1);
  table.names = [...new Set([table.count, ...table.ratios.flatMap((ratio) => [ratio.numerator, ratio.denominator])])];
}

// The numbers of the cells that the filters leave.
function selectCells(cube) {
  const chosen = selects.filter((select) => select.selectedIndex > 0 && cube.dimensions[select.dataset.filter]).map((select) => {
    const column = cube.dimensions[select.dataset.filter];
    return [column.cells, column.values.indexOf(select.value)];
  });
  return [...cube.part.keys()].filter((cell) => chosen.every(([cells, value]) => cells[cell] === value));
}

// The sums of a table: those of each part in each row, and behind the rows those of all.
function sumUp(table, cube, selected) {
  const width = table.names.length;
  const sums = Array.from({ length: table.rows.length + 1 }, () => parts.map(() => new Float64Array(width)));
  const columns = table.names.map((name) => cube.counts[name]);
  for (const cell of selected) {
    const row = table.row[cell];
    const own = row < 0 ? null : sums[row][cube.part[cell]];
    const total = sums[table.rows.length][cube.part[cell]];
    for (let number = 0; number < width; number += 1) {
      if (own) own[number] += columns[number][cell];
      total[number] += columns[number][cell];
    }
  }
  return sums;
}

const addAll = (sums) => sums.reduce((total, one) => total.map((value, number) => value + one[number]));
function write(element, text) { if (element.textContent !== text) element.textContent = text; }

function formatInterval(shares) {
  if (shares.length < 2) return "";
  const mean = shares.reduce((one, other) => one + other, 0) / shares.length;
  const variance = shares.reduce((sum, share) => sum + (share - mean) ** 2, 0) / (shares.length - 1);
  const half = data.quantiles[shares.length] * Math.sqrt(variance / shares.length);
  return `${formatShare(Math.max(0, mean - half))} to ${formatShare(Math.min(1, mean + half))}`;
}

function fillShare(element, share, mark, interval) {
  element.querySelector(".kept").setAttribute("width", (110 * (share ?? 0)).toFixed(1));
  element.querySelector(".mark")?.setAttribute("x", (108 * (mark ?? 0)).toFixed(1));
  write(element.querySelector(".number"), share === null ? "–" : formatShare(share));
  write(element.querySelector(".interval"), interval);
}

function fill(table, element, selected) {
  const sums = sumUp(table, data.cubes[table.cube], selected);
  const totals = sums[table.rows.length];
  const place = (name) => table.names.indexOf(name);
  const divide = (ratio, own, total) => {
    const denominator = (ratio.of_all ? total : own)[place(ratio.denominator)];
    return denominator ? own[place(ratio.numerator)] / denominator : null;
  };
  const random = table.ratios.find((ratio) => ratio.name === "random_share");
  const [first, ...others] = table.ratios.filter((ratio) => ratio !== random);
  const partsOf = data.series.map((_, series) => [...parts.keys()].filter((part) => parts[part].series === series));
  // Rows without anything are left out, and those behind the first ones unless all are asked for.
  const areAllShown = element.closest("section").querySelector(".all-rows")?.checked ?? true;
  let numShown = 0;
  table.rows.forEach((_, number) => {
    const row = element.tBodies[0].rows[number];
    const isEmpty = sums[number].every((part) => !part[place(table.count)]);
    const isMore = !isEmpty && numShown >= data.shown_rows;
    row.classList.toggle("empty", isEmpty);
    row.classList.toggle("more", isMore);
    numShown += !isEmpty;
    if (isEmpty || (isMore && !areAllShown)) return;
    let column = table.keys.length;
    for (const own of partsOf) {
      const sum = addAll(own.map((part) => sums[number][part]));
      const total = addAll(own.map((part) => totals[part]));
      const count = sum[place(table.count)];
      write(row.cells[column], count ? count.toLocaleString("en") : "–");
      const shares = own.map((part) => divide(first, sums[number][part], totals[part])).filter((one) => one !== null);
      const share = count ? divide(first, sum, total) : null;
      fillShare(row.cells[column + 1], share, random && divide(random, sum, total), count ? formatInterval(shares) : "");
      others.forEach((ratio, position) => {
        const value = divide(ratio, sum, total);
        write(row.cells[column + 2 + position], value === null ? "–" : ratio.name === "times_random" ? value.toFixed(2) : formatShare(value));
      });
      column += 2 + others.length + table.has_examples;
    }
  });
}

const elements = [...document.querySelectorAll("[data-table]")];
function refresh() {
  const selected = Object.fromEntries(Object.entries(data.cubes).map(([name, cube]) => [name, selectCells(cube)]));
  const chosen = selects.filter((select) => select.selectedIndex > 0);
  elements.forEach((element, number) => {
    const table = data.tables[number];
    fill(table, element, selected[table.cube]);
    const without = chosen.filter((select) => !data.cubes[table.cube].dimensions[select.dataset.filter]);
    const note = element.closest("section").querySelector(".unfiltered");
    note.hidden = !without.length;
    note.textContent = `Not filtered by ${without.map((select) => select.dataset.filter).join(" and ")}.`;
  });
  document.getElementById("state").textContent = chosen.length ? "filtered" : "";
}

for (const control of [...selects, ...document.querySelectorAll(".all-rows")]) control.addEventListener("change", refresh);
document.getElementById("reset").addEventListener("click", () => { selects.forEach((select) => { select.selectedIndex = 0; }); refresh(); });


// A click on a heading sorts the pages of each text, and the texts by the first of their pages; a second one turns the order.
function addSorting(table) {
  const headings = [...table.tHead.rows[0].cells];
  const valueOf = (row, column) => Number(row.cells[column].dataset.value);
  const rowsOf = (body) => [...body.rows].filter((row) => !row.classList.contains("text"));
  function sort(column) {
    const isDescending = headings[column].getAttribute("aria-sort") === "ascending";
    headings.forEach((heading) => heading.removeAttribute("aria-sort"));
    headings[column].setAttribute("aria-sort", isDescending ? "descending" : "ascending");
    const compare = (one, other) => (valueOf(one, column) - valueOf(other, column)) * (isDescending ? -1 : 1);
    for (const body of table.tBodies) body.append(...rowsOf(body).sort(compare));
    table.append(...[...table.tBodies].sort((one, other) => compare(rowsOf(one)[0], rowsOf(other)[0])));
  }
  headings.forEach((heading, column) => {
    if (!("sort" in heading.dataset)) return;
    const button = document.createElement("button");
    button.append(...heading.childNodes);
    button.addEventListener("click", () => sort(column));
    heading.append(button);
  });
}

const index = document.querySelector("table.index");
if (index) addSorting(index);

// Tables sort by a click on a heading, and filter by words and comparisons: pruned lr>0.01
const number = /^[+-]?[\d.]+(e[+-]?\d+)?(?= |$)(?! [a-z])/i;  // "1,234", "−0.5", "81.2 [77, 85]"
const seconds = {s: 1, min: 60, h: 3600};

function valueOf(cell) {
  const text = cell.textContent.trim().replaceAll(",", "").replace("−", "-");
  if (text === "" || text === "–") return null;
  if (number.test(text)) return parseFloat(text);
  const parts = [...text.matchAll(/(\d+) (h|min|s)\b/g)];
  if (parts.length) return parts.reduce((sum, [, n, unit]) => sum + n * seconds[unit], 0);
  return text.toLowerCase();
}

function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a).localeCompare(String(b), undefined, {numeric: true});
}

function sortBy(table, column, heading) {
  const rising = heading.getAttribute("aria-sort") !== "ascending";
  for (const other of heading.parentElement.children) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", rising ? "ascending" : "descending");
  const rows = [...table.tBodies[0].rows];
  const moving = rows.filter((row) => !row.matches(".reference, .rule"));
  const keyed = moving.map((row) => [valueOf(row.cells[column]), row]);
  keyed.sort(([a], [b]) => a === null || b === null
    ? (a === null) - (b === null) : (rising ? 1 : -1) * compare(a, b));
  const total = rows.filter((row) => row.matches(".rule"));
  table.tBodies[0].append(...keyed.map(([, row]) => row), ...total);
}

function fits(row, term, headings) {
  const [, name, sign, wanted] = term.match(/^([^<>=]+)(<=|>=|<|>|=)(.+)$/) ?? [];
  const column = name ? headings.findIndex((heading) => heading.includes(name)) : -1;
  if (column < 0) return row.textContent.toLowerCase().includes(term);
  const value = valueOf(row.cells[column]);
  if (value === null) return false;
  const order = compare(value, isNaN(wanted) ? wanted : Number(wanted));
  return (order === 0 && sign.includes("=")) || (order < 0 && sign.includes("<"))
    || (order > 0 && sign.includes(">"));
}

function filter(table, words, note) {
  const terms = words.toLowerCase().split(/\s+/).filter(Boolean);
  const headings = [...table.tHead.rows[0].cells].map((cell) => cell.textContent.toLowerCase());
  const rows = [...table.tBodies[0].rows].filter((row) => !row.matches(".reference, .rule"));
  for (const row of rows) row.hidden = !terms.every((term) => fits(row, term, headings));
  const left = rows.filter((row) => !row.hidden).length;
  note.textContent = terms.length ? `${left} of ${rows.length} rows` : "";
}

for (const table of document.querySelectorAll("table.sorts")) {
  [...table.tHead.rows[0].cells].forEach((heading, column) => {
    if (!heading.textContent) return;
    const button = document.createElement("button");
    button.append(...heading.childNodes);
    button.addEventListener("click", () => sortBy(table, column, heading));
    heading.append(button);
  });
  if (table.tBodies[0].rows.length < 8) continue;
  const [field, note] = [document.createElement("input"), document.createElement("span")];
  Object.assign(field, {type: "search", placeholder: "filter, such as: complete lr>0.01"});
  field.setAttribute("aria-label", "Filter the rows");
  note.setAttribute("role", "status");
  field.addEventListener("input", () => filter(table, field.value, note));
  const bar = document.createElement("p");
  bar.className = "filter";
  bar.append(field, note);
  table.closest(".scroll").before(bar);
}

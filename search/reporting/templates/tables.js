// Tables sort by a click on a heading, and filter by words and comparisons: pruned lr > 0.01
const number = /^[+-]?[\d.]+(e[+-]?\d+)?(?= |$)(?! [a-z])/i;  // "1,234", "−0.5", "81.2 (77–85)"
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

// The first click puts the best on top: the highest of accuracies, the lowest of anything else.
function sortBy(table, column, heading) {
  const before = heading.getAttribute("aria-sort");
  const high = /top-|accuracy|precision|recall|F1/.test(heading.textContent);
  const rising = before === "none" ? !high : before !== "ascending";
  for (const other of heading.parentElement.children) {
    if (other.hasAttribute("aria-sort")) other.setAttribute("aria-sort", "none");
  }
  heading.setAttribute("aria-sort", rising ? "ascending" : "descending");
  const rows = [...table.tBodies[0].rows];
  const moving = rows.filter((row) => !row.matches(".reference, .rule"));
  const keyed = moving.map((row) => [valueOf(row.cells[column]), row]);
  keyed.sort(([a], [b]) => a === null || b === null
    ? (a === null) - (b === null) : (rising ? 1 : -1) * compare(a, b));
  const total = rows.filter((row) => row.matches(".rule"));
  table.tBodies[0].append(...keyed.map(([, row]) => row), ...total);
}

// The column that is called so, else the one that begins so, else the one that has it in its name.
function columnOf(name, headings) {
  const tests = [(h) => h === name, (h) => h.startsWith(name), (h) => h.includes(name)];
  return tests.map((test) => headings.findIndex(test)).find((i) => i >= 0) ?? -1;
}

function fits(row, {words, column, sign, wanted}) {
  if (!sign) return row.textContent.toLowerCase().includes(words);
  const value = column < 0 ? null : valueOf(row.cells[column]);
  if (value === null) return false;
  const order = compare(value, isNaN(wanted) ? wanted : Number(wanted));
  return (order === 0 && sign.includes("=")) || (order < 0 && sign.includes("<"))
    || (order > 0 && sign.includes(">"));
}

function filter(table, words, note) {
  const headings = [...table.tHead.rows[0].cells].map((cell) => cell.textContent.toLowerCase());
  const terms = words.toLowerCase().replace(/\s*(<=|>=|<|>|=)\s*/g, "$1").split(/\s+/).filter(Boolean)
    .map((term) => {
      const [, name, sign, wanted] = term.match(/^([^<>=]+)(<=|>=|<|>|=)(.+)$/) ?? [];
      return {words: term, name, sign, wanted, column: name ? columnOf(name, headings) : -1};
    });
  const rows = [...table.tBodies[0].rows].filter((row) => !row.matches(".reference, .rule"));
  for (const row of rows) row.hidden = !terms.every((term) => fits(row, term));
  const left = rows.filter((row) => !row.hidden).length;
  const unknown = terms.filter(({name, column}) => name && column < 0).map(({name}) => name);
  note.textContent = unknown.length ? `no column ${unknown.join(", ")}; there are ${headings.join(", ")}`
    : terms.length ? `${left} of ${rows.length} rows` : "";
}

for (const table of document.querySelectorAll("table.sorts")) {
  [...table.tHead.rows[0].cells].forEach((heading, column) => {
    if (!heading.textContent) return;
    const button = document.createElement("button");
    button.append(...heading.childNodes);
    button.addEventListener("click", () => sortBy(table, column, heading));
    heading.append(button);
    heading.setAttribute("aria-sort", "none");
  });
  if (table.tBodies[0].rows.length < 8) continue;
  const [field, note] = [document.createElement("input"), document.createElement("span")];
  const names = [...table.tHead.rows[0].cells].map((cell) => cell.textContent);
  Object.assign(field, {type: "search", placeholder: `filter, such as: ${names.includes("lr") ? "complete lr>0.01" : `${names[1]}>1`}`});
  field.setAttribute("aria-label", "Filter the rows");
  note.setAttribute("role", "status");
  field.addEventListener("input", () => filter(table, field.value, note));
  const bar = document.createElement("p");
  bar.className = "filter";
  bar.append(field, note);
  table.closest(".scroll").before(bar);
}

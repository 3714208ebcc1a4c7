// Which trials are selected: by a click on a row or on a point, with Ctrl or Shift several, or by a box
// around points. ``listeners`` are called when that changes.
let chosen = [];
let opener = null;
const listeners = [];

function choose(numbers, more = false) {
  const same = numbers.length === 1 && chosen.includes(numbers[0]);
  if (more) chosen = same ? chosen.filter((n) => n !== numbers[0]) : [...chosen, ...numbers];
  else chosen = same && chosen.length === 1 ? [] : numbers;
  chosen = [...new Set(chosen)];
  for (const row of rows) row.classList.toggle("chosen", chosen.includes(Number(row.dataset.trial)));
  for (const changed of listeners) changed();
  if (!chosen.length && opener) opener.focus();
  if (!chosen.length) opener = null;
}

const several = (event) => event.ctrlKey || event.metaKey || event.shiftKey;
const rows = document.querySelectorAll("tr[data-trial]");
for (const row of rows) {
  const column = [...row.closest("table").tHead.rows[0].cells]
    .findIndex((heading) => heading.textContent === "trial");
  const button = document.createElement("button");  // for those without a mouse
  button.append(...row.cells[column].childNodes);
  row.cells[column].append(button);
  row.addEventListener("click", (event) => {
    opener = event.detail === 0 ? button : null;  // by the keyboard
    choose([Number(row.dataset.trial)], several(event));
  });
}
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") choose([]);
});

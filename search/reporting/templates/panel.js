// The panel: the trial that was selected last in words, all that are selected as curves.
const panel = document.getElementById("panel");
const details = panel && JSON.parse(document.getElementById("details").textContent);
const MOST_CURVES = 20;

function fill(selector, kind, items) {
  const list = panel.querySelector(selector);
  list.replaceChildren(...items.map((texts) => {
    const item = document.createElement(kind);
    if (kind !== "tr") item.textContent = texts;
    else for (const text of texts) item.insertCell().textContent = text;
    return item;
  }));
}

function show() {
  const known = chosen.filter((n) => n in details.trials);
  panel.hidden = !known.length;
  document.body.classList.toggle("with-panel", known.length > 0);
  if (!known.length) return;
  const last = known.at(-1);
  const trial = details.trials[last];
  panel.querySelector("h2").textContent = `Trial ${last}` + (last === details.baseline ? ", baseline" : "");
  panel.querySelector(".others").textContent = known.length > 1
    ? `${known.length} trials are selected: ${known.join(", ")}` : "";
  fill(".lines", "li", trial.lines);
  panel.querySelector(".scroll").hidden = !trial.differs.length;
  panel.querySelectorAll("th")[2].textContent = `trial ${last}`;
  fill("tbody", "tr", trial.differs);
  panel.querySelector(".replay").hidden = !trial.replays;
  panel.querySelector("code").textContent = details.command + last;
  panel.querySelector("button").textContent = "Copy";
  if (opener) panel.querySelector("h2").focus();
  if (window.Plotly) curves(known, last);
}

function curves(known, last) {
  const compared = [details.baseline, ...known.slice(-MOST_CURVES)]
    .filter((n, i, all) => n in details.trials && all.lastIndexOf(n) === i);
  const look = template();
  const data = compared.map((n) => ({
    x: details.trials[n].epochs, y: details.trials[n].values, mode: "lines+markers",
    name: n === details.baseline ? "baseline" : `trial ${n}`, hovertemplate: "epoch %{x}: %{y}",
    marker: {size: 4}, opacity: n === last ? 1 : 0.6,
    line: {width: n === last ? 3 : 1.5, ...(n === details.baseline && {color: "#e0751a"})},
  }));
  const layout = {
    template: look, height: 210, showlegend: true, legend: {font: {size: 11}},
    xaxis: {title: {text: "epoch"}, tickformat: ",d"}, yaxis: {title: {text: details.objective}, automargin: true},
  };
  Plotly.react(panel.querySelector(".curve"), data, layout, {...config, displayModeBar: false});
}

async function copy(event) {
  const code = event.target.parentElement.querySelector("code");
  getSelection().selectAllChildren(code);
  const copied = await navigator.clipboard.writeText(code.textContent)
    .then(() => true, () => document.execCommand("copy"));
  event.target.textContent = copied ? "Copied" : "Press Ctrl+C";
}

document.querySelectorAll(".command button").forEach((button) => button.addEventListener("click", copy));
if (panel) {
  listeners.push(show);
  panel.querySelector(".close").addEventListener("click", () => choose([]));
}

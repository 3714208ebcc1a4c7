// Draws a figure when it comes into view, in the colours of the page, and again when the page changes
// between light and dark or other trials are selected.
const figures = JSON.parse(document.getElementById("figures").textContent);

async function load(element) {
  const packed = Uint8Array.from(atob(element.textContent), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const script = document.createElement("script");
  script.textContent = await new Response(stream).text();
  document.head.append(script);
}

function template() {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const axis = {
    gridcolor: colour("--grid"), linecolor: colour("--line"), zerolinecolor: colour("--line"),
    tickcolor: colour("--line"), title: {font: {size: 13}, standoff: 10}, ticks: "outside", ticklen: 4,
  };
  return {layout: {
    font: {family: getComputedStyle(document.body).fontFamily, size: 12, color: colour("--ink")},
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    xaxis: axis, yaxis: axis, hovermode: "closest", colorway: ["#2f81d6"],
    margin: {l: 56, r: 14, t: 12, b: 46}, annotationdefaults: {font: {color: colour("--ink")}},
    modebar: {bgcolor: "rgba(0,0,0,0)", color: colour("--soft"), activecolor: colour("--accent")},
    hoverlabel: {bgcolor: colour("--card"), font: {color: colour("--ink")}, bordercolor: colour("--line")},
  }};
}

// A trace's trial is its meta; the trials of its points are its customdata.
const trialOf = (trace, point) => trace.meta ?? trace.customdata?.[point];

// A trace in which the selected trials stand out: points fade beside them, lines are drawn again.
function marked(trace, ink) {
  if (!chosen.length || (trace.meta ?? trace.customdata) === undefined) return [trace];
  const points = trace.x.map((_, i) => i).filter((i) => chosen.includes(trialOf(trace, i)));
  if (!trace.mode?.includes("lines")) {
    const selected = {marker: {color: ink, opacity: 1}};
    return [{...trace, selectedpoints: points, selected, unselected: {marker: {opacity: 0.1}}}];
  }
  const faded = {...trace, opacity: 0.1};
  if (!points.length) return [faded];
  const y = trace.y.map((value, i) => (chosen.includes(trialOf(trace, i)) ? value : null));
  return [faded, {...trace, y, opacity: 1, line: {...trace.line, width: trace.line.width + 1.5}}];
}

const pointer = matchMedia("(hover: hover)").matches;
const config = {
  displaylogo: false, responsive: true, displayModeBar: pointer ? "hover" : false,
  modeBarButtonsToRemove: ["autoScale2d"],
};

const visible = new Set();
const stale = new Set(Object.keys(figures));

function draw(id) {
  const look = template();
  const figure = figures[id];
  const plot = document.getElementById(id);
  const first = !plot.data;
  for (const trace of figure.data) {
    if (trace.type === "heatmap") trace.textfont = {color: look.layout.font.color};
  }
  for (const note of figure.layout.annotations ?? []) note.font = {size: 10, color: look.layout.font.color};
  const layout = {...figure.layout, template: look, autosize: true, selections: [], uirevision: "kept"};
  Plotly.react(id, figure.data.flatMap((trace) => marked(trace, look.layout.font.color)), layout, config);
  plot.dataset.selected = chosen.join(" ");
  stale.delete(id);
  if (first) listen(id, plot);
}

function redraw() {
  Object.keys(figures).forEach((id) => stale.add(id));
  visible.forEach(draw);
}

function drawAll() {  // but what is folded away
  [...stale].filter((id) => document.getElementById(id).offsetParent).forEach(draw);
}

function listen(id, plot) {
  const numbers = (event) => event.points
    .map((point) => trialOf(point.data, point.pointNumber)).filter((n) => typeof n === "number");
  plot.on("plotly_click", (event) => {
    const found = numbers(event).slice(0, 1);
    if (found.length) choose(found, several(event.event));
  });
  plot.on("plotly_selected", (event) => {
    const found = event ? numbers(event) : [];
    if (found.length) choose([...new Set(found)]);
  });
}

if (window.DecompressionStream) {
  await load(document.getElementById("plotly"));
  const observer = new IntersectionObserver((entries) => {
    for (const {target, isIntersecting} of entries) {
      if (isIntersecting) visible.add(target.id); else visible.delete(target.id);
      if (isIntersecting && stale.has(target.id)) draw(target.id);
    }
  }, {rootMargin: "400px"});
  document.querySelectorAll(".plot").forEach((plot) => observer.observe(plot));
  listeners.push(redraw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  window.addEventListener("beforeprint", drawAll);
} else {
  document.querySelector(".top p").textContent += " · The figures need a browser of 2023 or later.";
}

"use strict";
// Draws every figure in the colours of the page, and again when the page changes between light
// and dark.
const figures = JSON.parse(document.getElementById("figures").textContent);

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
    xaxis: axis, yaxis: axis, showlegend: false, hovermode: "closest",
    margin: {l: 56, r: 14, t: 12, b: 46},
    modebar: {bgcolor: "rgba(0,0,0,0)", color: colour("--soft"), activecolor: colour("--accent")},
    hoverlabel: {bgcolor: colour("--card"), font: {color: colour("--ink")}, bordercolor: colour("--line")},
  }};
}

const pointer = matchMedia("(hover: hover)").matches;

function draw() {
  const look = template();
  for (const [id, figure] of Object.entries(figures)) {
    for (const trace of figure.data) {
      if (trace.type === "heatmap") trace.textfont = {color: look.layout.font.color};
    }
    const layout = {...figure.layout, template: look, autosize: true};
    Plotly.react(id, figure.data, layout, {
      displaylogo: false, responsive: true, displayModeBar: pointer ? "hover" : false,
      modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
    });
  }
}

draw();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);

/* Draws the figures of this page from the JSON beside them, and draws them again when the page turns dark or light,
   gets wider or narrower, or is printed. */
(function () {
  "use strict";

  var NARROW = 640;
  var PRINT_WIDTH = 680; // A4 and Letter, less the margins that the page's style sets
  var PRINT_HEIGHT = 0.75; // two charts to a page
  var COLOUR = /color(s|way|scale)?$/i;

  var root = document.documentElement;
  var dark = window.matchMedia("(prefers-color-scheme: dark)");
  var print = window.matchMedia("print");
  var printing = print.matches;
  var opened = [];
  var figures = [];
  var shared = [];

  function json(id) {
    return JSON.parse(document.getElementById(id).textContent);
  }

  function recoloured(value, colours, isColour) {
    if (typeof value === "string") {
      return isColour && Object.prototype.hasOwnProperty.call(colours, value) ? colours[value] : value;
    }
    if (Array.isArray(value)) {
      return value.map(function (item) { return recoloured(item, colours, isColour); });
    }
    if (value && typeof value === "object") {
      var copy = {};
      Object.keys(value).forEach(function (key) {
        copy[key] = recoloured(value[key], colours, isColour || COLOUR.test(key));
      });
      return copy;
    }
    return value;
  }

  function setPath(target, path, value) {
    var steps = path.split(".");
    var last = steps.pop();
    steps.forEach(function (step) {
      if (target[step] === undefined || target[step] === null) { target[step] = {}; }
      target = target[step];
    });
    target[last] = value;
  }

  function setPaths(target, values) {
    Object.keys(values).forEach(function (path) { setPath(target, path, values[path]); });
  }

  function draw(figure) {
    var frame = figure.node.parentElement;
    var width = printing ? PRINT_WIDTH : frame.clientWidth;
    if (!width) { return; }
    var spec = figure.spec;
    var drawn = { data: spec.data, layout: Object.assign({}, spec.layout) };
    drawn = JSON.parse(JSON.stringify(drawn));
    if (spec.template !== null) { drawn.layout.template = shared[spec.template]; }
    if (dark.matches && !printing && spec.dark !== null) {
      drawn = recoloured(drawn, shared[spec.dark], false);
    }
    if (spec.titled) {
      delete drawn.layout.title;
      setPaths(drawn, spec.untitled);
    }
    if (width < NARROW) { setPaths(drawn, spec.narrow); }
    drawn.layout.width = printing ? width : Math.max(width, spec.minWidth || 0);
    if (printing && drawn.layout.height) { drawn.layout.height = Math.round(drawn.layout.height * PRINT_HEIGHT); }
    drawn.layout.autosize = false;
    figure.width = width;
    window.Plotly.react(figure.node, drawn.data, drawn.layout, { displayModeBar: false, responsive: false, scrollZoom: false });
    figure.node.style.minHeight = "";
  }

  function drawAll() {
    figures.forEach(draw);
  }

  function setPrinting(on) {
    if (on === printing && figures.length && figures[0].width !== undefined) { return; }
    printing = on;
    if (on) {
      opened = Array.prototype.filter.call(document.querySelectorAll("details[data-dd-print]"), function (d) { return !d.open; });
      opened.forEach(function (d) { d.open = true; });
    } else {
      opened.forEach(function (d) { d.open = false; });
      opened = [];
    }
    drawAll();
  }

  if (window.Plotly && document.getElementById("dd-shared")) {
    shared = json("dd-shared");
    figures = Array.prototype.map.call(document.querySelectorAll(".dd-plot[id]"), function (node) {
      return { node: node, spec: json(node.id + "-data"), width: undefined };
    });
    drawAll();
    dark.addEventListener("change", drawAll);
    if (window.ResizeObserver) {
      var waiting = false;
      var observer = new ResizeObserver(function () {
        if (waiting || printing) { return; }
        waiting = true;
        window.requestAnimationFrame(function () {
          waiting = false;
          figures.forEach(function (figure) {
            if (!printing && figure.node.parentElement.clientWidth !== figure.width) { draw(figure); }
          });
        });
      });
      figures.forEach(function (figure) { observer.observe(figure.node.parentElement); });
    }
  }
  window.addEventListener("beforeprint", function () { setPrinting(true); });
  window.addEventListener("afterprint", function () { setPrinting(false); });
  print.addEventListener("change", function (event) { setPrinting(event.matches); });
  if (printing) { printing = false; setPrinting(true); }
  root.setAttribute("data-drawn", String(figures.length));
})();

/* The explorer of this page: unpacks the rows beside it, filters, sorts and shows those that are in view. Whatever
   comes from the rows is written as text. Nothing is loaded and nothing is sent. */
(function () {
  "use strict";

  var ROW = 46;
  var SPARE = 8;
  var FACETS = ["severity", "check_name", "state", "resource_type", "account", "region"];
  var MOST_COPIED = 20000;
  var MOST_PAINTED = 200; // a page whose style is lost would show them all

  function unpacked(text) {
    var cut = text.indexOf("~");
    var length = Number(text.slice(0, cut));
    var codes = new Int8Array(128);
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%:()*+-;,=.?@^_`{|}~".split("").forEach(function (c, i) {
      codes[c.charCodeAt(0)] = i;
    });
    var groups = (text.length - cut - 1) / 5;
    var bytes = new Uint8Array(groups * 4);
    for (var g = 0, at = cut + 1; g < groups; g += 1, at += 5) {
      var n = codes[text.charCodeAt(at)];
      for (var i = 1; i < 5; i += 1) { n = n * 85 + codes[text.charCodeAt(at + i)]; }
      bytes[4 * g] = n / 16777216;
      bytes[4 * g + 1] = n >>> 16;
      bytes[4 * g + 2] = n >>> 8;
      bytes[4 * g + 3] = n;
    }
    var stream = new Blob([bytes.subarray(0, length)]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Response(stream).arrayBuffer();
  }

  function hex(bytes, at, width) {
    var out = "";
    for (var i = at; i < at + width; i += 1) { out += (bytes[i] < 16 ? "0" : "") + bytes[i].toString(16); }
    return out;
  }

  function tableOf(buffer) {
    var bytes = new Uint8Array(buffer);
    var length = new DataView(buffer).getUint32(0, true);
    var head = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
    var place = 4 + length;
    function next(size) {
      place += (4 - place % 4) % 4;
      var begin = place;
      place += size;
      return begin;
    }
    var table = { rows: head.rows, columns: {} };
    head.columns.forEach(function (column) {
      var begins = column.sizes.map(next);
      if (column.kind === "codes") {
        var width = head.rows ? column.sizes[0] / head.rows : 1;
        var Kind = width === 1 ? Uint8Array : width === 2 ? Uint16Array : Uint32Array;
        var codes = new Kind(buffer, begins[0], head.rows);
        table.columns[column.name] = { codes: codes, values: column.values, get: function (i) { return column.values[codes[i]]; } };
      } else if (column.kind === "minutes") {
        var minutes = new Uint32Array(buffer, begins[0], head.rows);
        table.columns[column.name] = { numbers: minutes, get: function (i) {
          return minutes[i] ? new Date(minutes[i] * 60000).toISOString().slice(0, 16).replace("T", " ") : "";
        } };
      } else if (column.kind === "hex") {
        table.columns[column.name] = { get: function (i) { return hex(bytes, begins[0] + i * column.width, column.width); } };
      } else {
        var others = JSON.parse(new TextDecoder().decode(bytes.subarray(begins[2], begins[2] + column.sizes[2])));
        var where = new Uint32Array(head.rows);
        for (var i = 0, packed = begins[1], other = 0; i < head.rows; i += 1) {
          var size = bytes[begins[0] + i];
          if (size) { where[i] = packed; packed += size; } else { where[i] = other; other += 1; }
        }
        table.columns[column.name] = { get: function (i) {
          var size = bytes[begins[0] + i];
          return size ? hex(bytes, where[i], size) : others[where[i]];
        } };
      }
    });
    return table;
  }

  function element(name, text, className) {
    var made = document.createElement(name);
    if (text !== undefined) { made.textContent = text; }
    if (className) { made.className = className; }
    return made;
  }

  function start(root, words, table) {
    var form = root.querySelector("form");
    var count = root.querySelector(".dd-explorer-count");
    var view = root.querySelector(".dd-explorer-window");
    var sizer = root.querySelector(".dd-explorer-sizer");
    var details = root.querySelector(".dd-explorer-details");
    var grid = root.querySelector(".dd-explorer-table");
    var columns = table.columns;
    var shown = [];
    var current = 0;
    var searched = null;

    function label(facet, value) {
      if (facet === "check_name") { return (words.checks[value] || { title: value }).title; }
      if (facet === "severity" && words.severities[value]) { return words.severities[value][0]; }
      if (facet === "severity" || facet === "state" || facet === "resource_type") {
        return value.charAt(0) + value.slice(1).toLowerCase().replace(/_/g, " ");
      }
      return value;
    }

    function reason(i) {
      var code = columns.reason_code.get(i);
      var check = words.checks[columns.check_name.get(i)];
      return (check && check.reasons[code]) || code;
    }

    function wanted() {
      var facets = FACETS.filter(function (f) { return form.elements[f].value !== ""; }).map(function (f) {
        return { codes: columns[f].codes, code: Number(form.elements[f].value), name: f };
      });
      return { facets: facets, text: form.elements.q.value.trim().toLowerCase(), sort: form.elements.sort.value };
    }

    function matching(text) {
      /* Texts that repeat are searched once; ids row by row, in one string made at the first search. */
      if (searched === null) {
        searched = { ids: new Array(table.rows) };
        for (var i = 0; i < table.rows; i += 1) {
          searched.ids[i] = columns.resource_id.get(i).toLowerCase() + "\n" + columns.problem_id.get(i) + "\n" + columns.finding_id.get(i).toLowerCase();
        }
      }
      function hits(name, say) {
        return columns[name].values.map(function (value) { return (value + "\n" + say(value)).toLowerCase().indexOf(text) >= 0; });
      }
      var checks = hits("check_name", function (v) { return label("check_name", v); });
      var kinds = hits("resource_type", function (v) { return label("resource_type", v); });
      var reasons = columns.reason_code.values.map(function (code) {
        return code.toLowerCase().indexOf(text) >= 0 || Object.keys(words.checks).some(function (name) {
          return (words.checks[name].reasons[code] || "").toLowerCase().indexOf(text) >= 0;
        });
      });
      return function (i) {
        return searched.ids[i].indexOf(text) >= 0 || checks[columns.check_name.codes[i]] ||
          reasons[columns.reason_code.codes[i]] || kinds[columns.resource_type.codes[i]];
      };
    }

    function filter() {
      var ask = wanted();
      var fits = ask.text ? matching(ask.text) : null;
      var counts = {};
      FACETS.forEach(function (f) { counts[f] = new Uint32Array(columns[f].values.length); });
      shown = [];
      for (var i = 0; i < table.rows; i += 1) {
        if (fits && !fits(i)) { continue; }
        var missed = null;
        var misses = 0;
        for (var k = 0; k < ask.facets.length && misses < 2; k += 1) {
          if (ask.facets[k].codes[i] !== ask.facets[k].code) { misses += 1; missed = ask.facets[k].name; }
        }
        /* What a facet offers is counted under all the other ones. */
        if (misses === 0) {
          shown.push(i);
          for (var f = 0; f < FACETS.length; f += 1) { counts[FACETS[f]][columns[FACETS[f]].codes[i]] += 1; }
        } else if (misses === 1) {
          counts[missed][columns[missed].codes[i]] += 1;
        }
      }
      sort(ask.sort);
      FACETS.forEach(function (f) { offer(f, counts[f]); });
      count.textContent = shown.length.toLocaleString("en") + " of " + table.rows.toLocaleString("en") + " problems that are not resolved";
      current = 0;
      sizer.style.height = shown.length * ROW + "px";
      grid.setAttribute("aria-rowcount", String(shown.length + 1));
      view.scrollTop = 0;
      paint();
    }

    function sort(by) {
      if (by === "opened_time" || by === "newest" || by === "expiration_time") {
        var numbers = columns[by === "newest" ? "opened_time" : by].numbers;
        var sign = by === "newest" ? -1 : 1;
        shown.sort(function (a, b) {
          /* What has no time comes last. */
          if (!numbers[a] !== !numbers[b]) { return numbers[a] ? -1 : 1; }
          return sign * (numbers[a] - numbers[b]) || a - b;
        });
      } else if (by === "check_name") {
        shown.sort(function (a, b) { return columns.check_name.codes[a] - columns.check_name.codes[b] || a - b; });
      } else if (by === "resource_id") {
        var names = {};
        shown.forEach(function (i) { names[i] = columns.resource_id.get(i); });
        shown.sort(function (a, b) { return names[a] < names[b] ? -1 : names[a] > names[b] ? 1 : a - b; });
      }
    }

    function offer(facet, numbers) {
      var select = form.elements[facet];
      var chosen = select.value;
      select.textContent = "";
      select.appendChild(new Option("all", ""));
      columns[facet].values.map(function (value, code) { return { value: value, code: code }; }).sort(function (a, b) {
        var order = Object.keys(words.severities);
        return facet === "severity" ? order.indexOf(a.value) - order.indexOf(b.value) : label(facet, a.value) < label(facet, b.value) ? -1 : 1;
      }).forEach(function (item) {
        if (numbers[item.code] || String(item.code) === chosen) {
          select.appendChild(new Option(label(facet, item.value) + " (" + numbers[item.code].toLocaleString("en") + ")", String(item.code)));
        }
      });
      select.value = chosen;
      select.parentElement.hidden = columns[facet].values.length < 2;
    }

    function paint() {
      var first = Math.max(0, Math.floor(view.scrollTop / ROW) - SPARE);
      var last = Math.min(shown.length, first + MOST_PAINTED, Math.ceil((view.scrollTop + view.clientHeight) / ROW) + SPARE);
      var rows = document.createDocumentFragment();
      for (var place = first; place < last; place += 1) { rows.appendChild(rowOf(place)); }
      sizer.textContent = "";
      sizer.appendChild(rows);
    }

    function rowOf(place) {
      var i = shown[place];
      var row = element("div", undefined, "dd-explorer-row" + (place === current ? " dd-current" : ""));
      row.setAttribute("role", "row");
      row.setAttribute("aria-rowindex", String(place + 2));
      row.style.top = place * ROW + "px";
      row.id = "dd-explorer-row-" + place;
      var severity = columns.severity.get(i);
      var look = words.severities[severity] || [severity, ""];
      var mark = element("span", undefined, "dd-mark dd-" + severity.toLowerCase().replace(/[^a-z]/g, ""));
      var symbol = element("span", look[1], "dd-symbol");
      symbol.setAttribute("aria-hidden", "true");
      mark.appendChild(symbol);
      mark.appendChild(document.createTextNode(" " + look[0]));
      [mark, element("span", columns.resource_id.get(i), "dd-id"), element("span", reason(i)),
        element("span", label("state", columns.state.get(i))), element("span", columns.opened_time.get(i).slice(0, 10))
      ].forEach(function (cell, position) {
        cell.setAttribute("role", "cell");
        if (position === 1 || position === 2) { cell.title = cell.textContent; }
        row.appendChild(cell);
      });
      row.addEventListener("click", function () { current = place; paint(); tell(i, false); });
      return row;
    }

    function fact(list, name, text) {
      if (!text) { return; }
      list.appendChild(element("dt", name));
      list.appendChild(element("dd", text));
    }

    function tell(i, focus) {
      var check = words.checks[columns.check_name.get(i)] || {};
      var id = columns.problem_id.get(i);
      details.textContent = "";
      details.appendChild(element("h3", columns.resource_id.get(i)));
      details.appendChild(element("p", reason(i)));
      var list = element("dl", undefined, "dd-provenance");
      fact(list, "Check", (check.title || "") + " (" + columns.check_name.get(i) + ")");
      fact(list, "Reason code", columns.reason_code.get(i));
      fact(list, "Severity, state", label("severity", columns.severity.get(i)) + ", " + label("state", columns.state.get(i)).toLowerCase());
      fact(list, "Kind", label("resource_type", columns.resource_type.get(i)));
      fact(list, "Account, Region", columns.account.get(i) + ", " + columns.region.get(i));
      fact(list, "Open since", columns.opened_time.get(i) + " UTC");
      fact(list, "Last seen", columns.last_seen_time.get(i) + " UTC");
      fact(list, "Certificate expires", columns.expiration_time.get(i) && columns.expiration_time.get(i) + " UTC");
      fact(list, "Problem", id);
      fact(list, "AWS's finding", columns.finding_id.get(i));
      fact(list, "Why it matters", check.why);
      fact(list, "How to fix it", check.fix);
      fact(list, "Mitigation actions", (check.actions || []).join(", "));
      details.appendChild(list);
      var tools = element("p");
      if (check.url) {
        var link = element("a", "AWS's page on this check");
        link.href = check.url;
        link.rel = "noreferrer";
        tools.appendChild(link);
        tools.appendChild(document.createTextNode(" · "));
      }
      var same = element("button", "All of this resource");
      same.type = "button";
      same.addEventListener("click", function () { form.reset(); form.elements.q.value = columns.resource_id.get(i).toLowerCase(); filter(); });
      tools.appendChild(same);
      var plan = element("code", "ddreport problem " + id);
      tools.appendChild(document.createTextNode(" · its life: "));
      tools.appendChild(plan);
      details.appendChild(tools);
      details.hidden = false;
      if (focus) { details.focus(); }
      try { history.replaceState(null, "", "#problem=" + id); } catch (error) { location.hash = "problem=" + id; }
    }

    function move(by) {
      current = Math.max(0, Math.min(shown.length - 1, current + by));
      if (current * ROW < view.scrollTop) { view.scrollTop = current * ROW; }
      if ((current + 1) * ROW > view.scrollTop + view.clientHeight) { view.scrollTop = (current + 1) * ROW - view.clientHeight; }
      paint();
      view.setAttribute("aria-activedescendant", "dd-explorer-row-" + current);
    }

    function csv(most) {
      function safe(text) {
        if (/^\s*[=+\-@\t\r|%\uff1d\uff0b\uff0d\uff20]/.test(text)) { text = "'" + text; }
        return '"' + text.replace(/"/g, '""') + '"';
      }
      var lines = [words.columns.join(",")];
      shown.slice(0, most).forEach(function (i) {
        lines.push(words.columns.map(function (name) { return safe(columns[name].get(i)); }).join(","));
      });
      return lines.join("\r\n") + "\r\n";
    }

    root.querySelector('[data-do="csv"]').addEventListener("click", function () {
      var link = element("a");
      link.href = URL.createObjectURL(new Blob(["\ufeff" + csv(shown.length)], { type: "text/csv" }));
      link.download = "problems.csv";
      link.click();
      setTimeout(function () { URL.revokeObjectURL(link.href); }, 10000);
    });
    root.querySelector('[data-do="copy"]').addEventListener("click", function (event) {
      var area = element("textarea", csv(MOST_COPIED));
      area.className = "dd-hidden";
      root.appendChild(area);
      area.select();
      var done = document.execCommand("copy");
      area.remove();
      event.target.focus();
      count.textContent = (done ? "Copied " : "The browser did not let the page copy ") + Math.min(shown.length, MOST_COPIED).toLocaleString("en") + " rows" +
        (shown.length > MOST_COPIED ? ", the first of " + shown.length.toLocaleString("en") : "");
    });
    var later = 0;
    form.addEventListener("input", function (event) {
      clearTimeout(later);
      later = setTimeout(filter, event.target.name === "q" ? 120 : 0);
    });
    form.addEventListener("reset", function () { setTimeout(filter, 0); });
    form.addEventListener("submit", function (event) { event.preventDefault(); filter(); });
    var painting = false;
    view.addEventListener("scroll", function () {
      if (painting) { return; }
      painting = true;
      requestAnimationFrame(function () { painting = false; paint(); });
    });
    view.addEventListener("keydown", function (event) {
      var page = Math.max(1, Math.floor(view.clientHeight / ROW) - 1);
      var steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -shown.length, End: shown.length };
      if (steps[event.key] !== undefined) { event.preventDefault(); move(steps[event.key]); }
      if (event.key === "Enter" && shown.length) { event.preventDefault(); tell(shown[current], true); }
    });

    root.hidden = false;
    var fixed = root.parentElement.querySelector(".dd-explorer-instead");
    if (fixed) { fixed.classList.add("dd-print-only"); }
    filter();
    var asked = /^#problem=([0-9a-f]{6,16})/.exec(location.hash);
    if (asked) {
      for (var i = 0; i < table.rows; i += 1) {
        if (columns.problem_id.get(i).indexOf(asked[1]) === 0) {
          current = shown.indexOf(i);
          move(0);
          tell(i, true);
          details.scrollIntoView({ block: "nearest" });
          break;
        }
      }
    }
    root.setAttribute("data-ready-ms", String(Math.round(performance.now())));
    root.setAttribute("data-ready", String(table.rows));
  }

  Array.prototype.forEach.call(document.querySelectorAll("[data-dd-explorer]"), function (root) {
    if (!window.DecompressionStream) { return; }
    unpacked(root.querySelector(".dd-explorer-rows").textContent.trim()).then(function (buffer) {
      start(root, JSON.parse(root.querySelector(".dd-explorer-words").textContent), tableOf(buffer));
    });
  });
})();

// A table whose rows are asked of the kernel as they come into view.
//
// Whatever comes from the kernel becomes text nodes and attributes, never markup. The grid keeps the focus and points to
// the active cell (aria-activedescendant), because rows come and go while one scrolls.

const ROW = 30; // pixels, as in table.css
const SPARE = 8; // rows kept ready above and below what is seen
const TALLEST = 9_000_000; // pixels; browsers cut taller elements off, so longer tables scroll in bigger steps

let grids = 0;

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "class") element.className = value;
    else if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

const many = (number) => number.toLocaleString("en");

function render({ model, el }) {
  const id = `ddw-grid-${++grids}`;
  const columns = () => model.get("columns");
  const picks = () => (model.get("selectable") ? 1 : 0);
  const total = () => model.get("match_count");
  let cursor = { row: 0, column: 0 };
  let anchor = 0;
  let cache = new Map();
  let asked = "";
  let looked = "";
  let settled = 0;

  const root = make("div", { class: "ddw-widget ddw-table", "data-lm-suppress-shortcuts": "true" });
  const search = make("input", { type: "search", placeholder: "Search", "aria-label": `Search: ${model.get("label")}` });
  const clear = make("button", { type: "button", class: "ddw-button" }, "Clear filters");
  const tools = make("div", { class: "ddw-table-tools", role: "group", "aria-label": "Search and filters" }, search);
  const facets = new Map();
  const grid = make("div", {
    class: "ddw-grid", role: "grid", tabindex: "0", id, "aria-label": model.get("label"),
    "aria-multiselectable": model.get("selectable") ? "true" : null,
  });
  const head = make("div", { class: "ddw-row ddw-head", role: "row", "aria-rowindex": "1" });
  const body = make("div", { class: "ddw-body", role: "rowgroup" });
  const none = make("div", { class: "ddw-none" });
  grid.append(make("div", { role: "rowgroup", style: "display: contents" }, head), body);
  const status = make("span", { role: "status" });
  const pickAll = make("button", { type: "button", class: "ddw-button" });
  const unpick = make("button", { type: "button", class: "ddw-button" }, "Clear selection");
  const foot = make("div", { class: "ddw-table-foot" }, status, pickAll, unpick);
  root.append(tools, grid, none, foot);
  el.append(root);

  // --- search and filters -------------------------------------------------------------------------------------------
  let typing = 0;
  search.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => { model.set("search", search.value); model.save_changes(); }, 200);
  });
  clear.addEventListener("click", () => {
    search.value = "";
    model.set("search", "");
    model.set("filters", {});
    model.save_changes();
    search.focus();
  });

  function facetOf(column) {
    const fieldset = make("fieldset", {}, make("legend", {}, `Filter by ${column.label}`));
    const summary = make("summary", {}, column.label);
    const details = make("details", { class: "ddw-facet" }, summary, fieldset);
    details.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && details.open) { details.open = false; summary.focus(); event.stopPropagation(); }
    });
    fieldset.addEventListener("change", () => {
      const on = [...fieldset.querySelectorAll("input:checked")].map((input) => input.value);
      const filters = { ...model.get("filters") };
      if (on.length) filters[column.name] = on;
      else delete filters[column.name];
      model.set("filters", filters);
      model.save_changes();
    });
    tools.append(details);
    return { details, summary, fieldset, items: new Map() };
  }

  function drawFacets() {
    const found = model.get("facets");
    const filters = model.get("filters");
    for (const column of columns()) {
      if (!(column.name in found)) continue;
      if (!facets.has(column.name)) facets.set(column.name, facetOf(column));
      const facet = facets.get(column.name);
      const chosen = filters[column.name] || [];
      const values = found[column.name];
      const present = new Set(values.map(([key]) => key));
      for (const [key, item] of facet.items) {
        if (!present.has(key)) { item.label.remove(); facet.items.delete(key); }
      }
      for (const [key, shown, count] of values) {
        let item = facet.items.get(key);
        if (!item) {
          const input = make("input", { type: "checkbox" });
          input.value = key;
          const counted = make("span", { class: "ddw-count" });
          item = { input, counted, label: make("label", {}, input, make("span", {}, shown), counted) };
          facet.items.set(key, item);
          facet.fieldset.append(item.label);
        }
        item.counted.textContent = many(count);
        item.input.checked = chosen.includes(key);
      }
      facet.summary.textContent = chosen.length ? `${column.label} (${chosen.length})` : column.label;
      facet.details.classList.toggle("ddw-on", chosen.length > 0);
      facet.details.hidden = values.length < 2 && !chosen.length;
    }
    if (!clear.isConnected) tools.append(clear);
    clear.hidden = !model.get("search") && !Object.keys(filters).length;
    if (document.activeElement !== search) search.value = model.get("search");
  }

  const closeFacets = (event) => {
    for (const { details } of facets.values()) {
      if (details.open && !details.contains(event.target)) details.open = false;
    }
  };
  document.addEventListener("pointerdown", closeFacets);

  // --- heading --------------------------------------------------------------------------------------------------------
  function template() {
    const widths = columns().map((c) => `minmax(${c.width}px, ${c.width}fr)`);
    return (picks() ? "38px " : "") + widths.join(" ");
  }
  const narrowest = () => picks() * 38 + columns().reduce((sum, c) => sum + c.width, 0);

  function sortBy(name) {
    const [now, descending] = model.get("sort");
    const next = now !== name ? [name, false] : descending ? [] : [name, true];
    model.set("sort", next);
    model.save_changes();
  }

  function drawHead() {
    head.replaceChildren();
    head.style.gridTemplateColumns = template();
    head.style.minWidth = `${narrowest()}px`;
    const [sorted, descending] = model.get("sort");
    if (picks()) {
      const input = make("input", { type: "checkbox", tabindex: "-1", "aria-label": "Select all rows that fit" });
      input.checked = model.get("all_selected");
      input.indeterminate = !input.checked && model.get("selected_count") > 0;
      input.addEventListener("click", (event) => { event.preventDefault(); event.stopPropagation(); toggleAll(); });
      const cell = make("div", { class: "ddw-cell ddw-pick", role: "columnheader", "aria-colindex": "1", id: `${id}-h-0` }, input);
      cell.addEventListener("click", toggleAll);
      head.append(cell);
    }
    columns().forEach((column, place) => {
      const order = column.name === sorted ? (descending ? "descending" : "ascending") : "none";
      const cell = make("div", {
        class: `ddw-cell ddw-${column.kind}`, role: "columnheader", "aria-sort": order, title: "Sort",
        "aria-colindex": String(place + picks() + 1), id: `${id}-h-${place + picks()}`,
      }, column.label);
      cell.addEventListener("click", () => { moveTo(-1, place + picks()); sortBy(column.name); });
      head.append(cell);
    });
    grid.setAttribute("aria-colcount", String(columns().length + picks()));
    drawCursor();
  }

  // --- rows -----------------------------------------------------------------------------------------------------------
  const tall = () => Math.min(total() * ROW, TALLEST);
  const seen = () => Math.max(1, Math.floor((grid.clientHeight - head.offsetHeight) / ROW));

  // Where the first row on the screen is: row by row as far as pixels allow, else in proportion.
  function topRow() {
    if (total() * ROW <= TALLEST) return grid.scrollTop / ROW;
    const most = tall() - (grid.clientHeight - head.offsetHeight);
    return most > 0 ? (grid.scrollTop / most) * Math.max(0, total() - seen()) : 0;
  }
  function scrollToRow(row) {
    const top = topRow();
    const want = row < top ? row : row > top + seen() - 1 ? row - seen() + 1 : null;
    if (want === null) return;
    if (total() * ROW <= TALLEST) grid.scrollTop = want * ROW;
    else grid.scrollTop = (want / Math.max(1, total() - seen())) * (tall() - (grid.clientHeight - head.offsetHeight));
  }

  function drawRows() {
    const top = topRow();
    const first = Math.max(0, Math.floor(top) - SPARE);
    const last = Math.min(total(), Math.ceil(top) + seen() + SPARE);
    const shift = total() * ROW <= TALLEST ? 0 : grid.scrollTop - top * ROW;
    body.style.height = `${tall()}px`;
    body.style.minWidth = `${narrowest()}px`;
    const rows = [];
    let gap = null;
    for (let row = first; row < last; row += 1) {
      const data = cache.get(row);
      if (!data && gap === null) gap = row;
      rows.push(drawRow(row, data, shift));
    }
    body.replaceChildren(...rows);
    none.textContent = model.get("row_count") ? "No row fits the search and the filters." : model.get("empty");
    none.hidden = total() > 0;
    grid.hidden = total() === 0;
    grid.setAttribute("aria-rowcount", String(total() + 1));
    drawCursor();
    if (gap !== null) ask(first, last);
  }

  function drawRow(row, data, shift) {
    const element = make("div", {
      class: data ? "ddw-row" : "ddw-row ddw-waiting", role: "row", "aria-rowindex": String(row + 2),
      "aria-selected": picks() ? String(Boolean(data && data[0])) : null,
    });
    element.style.gridTemplateColumns = template();
    element.style.transform = `translateY(${row * ROW + shift}px)`;
    element.dataset.row = row;
    if (picks()) {
      const input = make("input", { type: "checkbox", tabindex: "-1", "aria-label": `Select row ${row + 1}` });
      input.checked = Boolean(data && data[0]);
      element.append(make("div", { class: "ddw-cell ddw-pick", role: "gridcell", "aria-colindex": "1", id: `${id}-${row}-0` }, input));
    }
    columns().forEach((column, place) => {
      const text = data ? data[place + 1] : "…";
      element.append(make("div", {
        class: `ddw-cell ddw-${column.kind}`, role: "gridcell", title: text, "aria-colindex": String(place + picks() + 1),
        id: `${id}-${row}-${place + picks()}`, "data-level": column.levels ? column.levels[text] : null,
      }, text));
    });
    return element;
  }

  let waiting = 0;
  function ask(first, last) {
    const wanted = `${model.get("version")}:${settled}:${first}:${last}`;
    if (wanted === asked) return;
    asked = wanted;
    // While somebody drags the scroll bar only the place where it rests is of interest.
    clearTimeout(waiting);
    waiting = setTimeout(() => model.send({ type: "rows", first, last, version: model.get("version") }), cache.size ? 30 : 0);
  }

  function onMessage(message) {
    if (message.type !== "rows" || message.version !== model.get("version")) return;
    if (cache.size > 2000) cache = new Map();
    message.rows.forEach((data, place) => cache.set(message.first + place, data));
    drawRows();
  }

  // --- cursor and selection -------------------------------------------------------------------------------------------
  function moveTo(row, column) {
    cursor = {
      row: Math.max(-1, Math.min(total() - 1, row)),
      column: Math.max(0, Math.min(columns().length + picks() - 1, column)),
    };
    if (cursor.row >= 0) scrollToRow(cursor.row);
    drawRows();
    const cell = document.getElementById(cursorId());
    if (cell) {
      const left = cell.offsetLeft;
      if (left < grid.scrollLeft) grid.scrollLeft = left;
      else if (left + cell.offsetWidth > grid.scrollLeft + grid.clientWidth) grid.scrollLeft = left + cell.offsetWidth - grid.clientWidth;
    }
    if (cursor.row >= 0) model.send({ type: "active", row: cursor.row, version: model.get("version") });
  }
  const cursorId = () => `${id}-${cursor.row < 0 ? "h" : cursor.row}-${cursor.column}`;
  function drawCursor() {
    for (const cell of grid.querySelectorAll(".ddw-cursor")) cell.classList.remove("ddw-cursor");
    const cell = document.getElementById(cursorId());
    if (cell) cell.classList.add("ddw-cursor");
    grid.setAttribute("aria-activedescendant", cell ? cell.id : "");
  }

  function pick(first, last, on) {
    if (!picks() || first < 0) return;
    for (let row = Math.min(first, last); row <= Math.max(first, last); row += 1) {
      const data = cache.get(row);
      if (data) data[0] = on ? 1 : 0;
    }
    model.send({ type: "select", first, last, on, version: model.get("version") });
    drawRows();
  }
  const isPicked = (row) => Boolean((cache.get(row) || [0])[0]);
  const toggleAll = () => picks() && model.send({ type: "select_all", on: !model.get("all_selected") });
  pickAll.addEventListener("click", () => model.send({ type: "select_all", on: true }));
  unpick.addEventListener("click", () => model.send({ type: "clear" }));

  body.addEventListener("mousedown", (event) => { if (event.shiftKey) event.preventDefault(); });
  body.addEventListener("click", (event) => {
    const row = Number(event.target.closest(".ddw-row")?.dataset.row ?? -1);
    if (row < 0) return;
    const cell = event.target.closest(".ddw-cell");
    const isBox = picks() && cell && cell.classList.contains("ddw-pick");
    const column = cell ? [...cell.parentElement.children].indexOf(cell) : 0;
    if (event.shiftKey) pick(anchor, row, true);
    else if (isBox) { pick(row, row, !isPicked(row)); anchor = row; }
    else anchor = row;
    moveTo(row, column);
    grid.focus({ preventScroll: true });
  });

  grid.addEventListener("keydown", (event) => {
    const { row, column } = cursor;
    const far = event.ctrlKey || event.metaKey;
    const page = seen() - 1;
    const moves = {
      ArrowDown: [far ? total() - 1 : row + 1, column], ArrowUp: [far ? 0 : row - 1, column],
      ArrowRight: [row, far ? Infinity : column + 1], ArrowLeft: [row, far ? 0 : column - 1],
      PageDown: [row + page, column], PageUp: [Math.max(0, row - page), column],
      Home: [far ? 0 : row, 0], End: [far ? total() - 1 : row, far ? column : Infinity],
    };
    if (event.key in moves) {
      moveTo(...moves[event.key]);
      if (event.shiftKey && cursor.row >= 0 && row >= 0) pick(anchor, cursor.row, true);
      else if (!event.shiftKey) anchor = Math.max(0, cursor.row);
    } else if (event.key === " " || event.key === "Enter") {
      if (row < 0) {
        if (picks() && column === 0) toggleAll();
        else sortBy(columns()[column - picks()].name);
      } else if (event.shiftKey) pick(anchor, row, true);
      else { pick(row, row, !isPicked(row)); anchor = row; }
    } else if (far && event.key.toLowerCase() === "a") {
      toggleAll();
    } else if (far && event.key.toLowerCase() === "c" && !String(document.getSelection())) {
      const data = cache.get(row);
      if (data && column >= picks()) navigator.clipboard?.writeText(data[column - picks() + 1]).catch(() => {});
    } else return;
    event.preventDefault();
    event.stopPropagation();
  });

  // --- what changes ---------------------------------------------------------------------------------------------------
  function drawFoot() {
    const fits = total() === model.get("row_count") ? "" : `${many(total())} of `;
    const picked = model.get("selected_count");
    status.textContent = `${fits}${many(model.get("row_count"))} rows${picks() ? `, ${many(picked)} selected` : ""}`;
    pickAll.hidden = !picks() || model.get("all_selected") || !total();
    pickAll.textContent = `Select all ${many(total())}`;
    unpick.hidden = !picks() || !picked;
  }
  function onView() {
    cache = new Map(model.get("first_rows").map((data, row) => [row, data]));
    asked = "";
    const now = JSON.stringify(["search", "filters", "sort", "columns"].map((name) => model.get(name)));
    if (now !== looked) {
      cursor.row = Math.min(cursor.row, 0);
      anchor = 0;
      grid.scrollTop = 0;
    }
    looked = now;
    grid.style.maxHeight = `${model.get("height")}px`;
    drawHead(); drawFacets(); drawRows(); drawFoot();
  }
  function onSelection() {
    settled += 1;
    const top = Math.floor(topRow());
    const first = Math.max(0, top - SPARE);
    // What is shown stays until the kernel has told what is selected there; the rest is asked for when it is seen.
    cache = new Map([...cache].filter(([row]) => row >= first && row < top + seen() + SPARE));
    ask(first, Math.min(total(), top + seen() + SPARE));
    drawHead(); drawFoot();
  }
  let frame = 0;
  grid.addEventListener("scroll", () => {
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(drawRows);
  });
  const resized = new ResizeObserver(() => drawRows());
  resized.observe(grid);

  model.on("change:version", onView);
  model.on("change:selection_version", onSelection);
  model.on("msg:custom", onMessage);
  onView();
  return () => {
    resized.disconnect();
    document.removeEventListener("pointerdown", closeFacets);
    model.off("change:version", onView);
    model.off("change:selection_version", onSelection);
    model.off("msg:custom", onMessage);
  };
}

export default { render };

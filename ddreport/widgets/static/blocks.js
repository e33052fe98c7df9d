// Text, lists, tables, progress, commands to copy and files to save, as the kernel describes them.
//
// Whatever comes from the kernel becomes text nodes, never markup. A block that stays what it was keeps its element, so
// that what somebody reads, or has opened, does not jump while the rest moves on.

function make(tag, className, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children);
  return element;
}

const tone = (block, more = "") => `${more} ${block.tone ? `ddw-${block.tone}` : ""}`.trim();

const KINDS = {
  heading: (block) => make(block.level === 2 ? "h2" : "h3", "", block.text),
  text: (block) => make("p", tone(block), block.text),
  list: (block) => make("ul", tone(block), ...block.items.map((item) => make("li", "", item))),
  badges: (block) => make("div", "ddw-badges", ...block.items.map((item) => make("span", tone(item, "ddw-badge"), item.text))),

  notice(block) {
    const element = make("div", tone(block, "ddw-notice"));
    element.setAttribute("role", block.tone === "bad" ? "alert" : "status");
    if (block.title) element.append(make("strong", "", block.title));
    for (const text of block.texts) element.append(make("div", "", text));
    return element;
  },

  table(block) {
    const numeric = new Set(block.numeric);
    const cells = (tag, row) => row.map((text, place) => make(tag, numeric.has(place) ? "ddw-number" : "", text));
    const head = make("tr", "", ...cells("th", block.columns));
    for (const cell of head.children) cell.scope = "col";
    const table = make("table", "", make("caption", "", block.caption), make("thead", "", head),
      make("tbody", "", ...block.rows.map((row) => make("tr", "", ...cells("td", row)))));
    const scroll = make("div", "ddw-scroll", table);
    scroll.tabIndex = 0;
    scroll.setAttribute("role", "region");
    scroll.setAttribute("aria-label", block.caption);
    return scroll;
  },

  progress(block) {
    const bar = make("progress");
    bar.setAttribute("aria-label", block.text);
    if (block.total !== null) { bar.max = Math.max(1, block.total); bar.value = block.done; }
    const counted = block.total === null ? "" : ` ${block.done.toLocaleString("en")} of ${block.total.toLocaleString("en")}`;
    return make("div", "ddw-progress", make("div", "", block.text + counted), bar);
  },

  command(block) {
    const button = make("button", "ddw-button", "Copy");
    button.type = "button";
    button.setAttribute("aria-label", `Copy: ${block.title}`);
    const code = make("pre", "", block.text);
    code.tabIndex = 0;
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(block.text);
        button.textContent = "Copied";
        setTimeout(() => { button.textContent = "Copy"; }, 1500);
      } catch {
        // A page that is not served securely may not write to the clipboard: mark the text, so that Ctrl+C does.
        const range = document.createRange();
        range.selectNodeContents(code);
        getSelection().removeAllRanges();
        getSelection().addRange(range);
        button.textContent = "Press Ctrl+C";
      }
    });
    return make("div", "", make("div", "ddw-muted", block.title), make("div", "ddw-command", code, button));
  },

  download(block) {
    const button = make("button", "ddw-button", block.label);
    button.type = "button";
    button.addEventListener("click", () => {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([block.content], { type: block.mime }));
      link.download = block.name;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    });
    return make("div", "", button);
  },

  details(block) {
    return make("details", "", make("summary", "", block.summary), make("div", "", ...block.blocks.map(draw)));
  },
};

const draw = (block) => (KINDS[block.kind] || (() => make("p", "", block.text || "")))(block);

function render({ model, el }) {
  const root = make("div", "ddw-widget ddw-blocks");
  root.setAttribute("data-lm-suppress-shortcuts", "true");
  let shown = [];
  function update() {
    const wanted = model.get("blocks").map((block) => ({ block, text: JSON.stringify(block) }));
    const kept = new Map(shown.map((item) => [item.text, item.element]));
    const open = new Set([...root.children].filter((e) => e.open).map((e) => e.firstChild.textContent));
    shown = wanted.map(({ block, text }) => {
      const element = kept.get(text) || draw(block);
      if (block.kind === "details" && open.has(block.summary)) element.open = true;
      kept.delete(text);
      return { text, element };
    });
    const elements = shown.map((item) => item.element);
    if (elements.length !== root.children.length || elements.some((element, place) => element !== root.children[place])) {
      root.replaceChildren(...elements);
    }
  }
  model.on("change:blocks", update);
  update();
  el.append(root);
  return () => model.off("change:blocks", update);
}

export default { render };

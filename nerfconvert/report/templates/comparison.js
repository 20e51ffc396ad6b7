"use strict";
(() => {
  const root = document.documentElement;
  const at = (id) => document.getElementById(id);
  const all = (query, where = document) => [...where.querySelectorAll(query)];
  root.classList.add("js");

  const stack = at("stack"), cut = at("cut"), table = at("views").tBodies[0];
  const sides = { left: at("left"), right: at("right") };
  const figures = new Map(all("figure[data-view]", stack).map((f) => [f.dataset.view, f]));
  let now = figures.keys().next().value; // the worst view

  // A small picture is shown pixel by pixel.
  const pixels = stack.querySelector("img").getAttribute("width");
  stack.style.setProperty("--pixels", pixels <= 200 ? "pixelated" : "auto");

  function show(view) {
    if (!figures.has(view)) return;
    now = view;
    for (const [name, figure] of figures) figure.classList.toggle("now", name === now);
    for (const layer of all(".layer", stack)) layer.classList.remove("left", "right");
    for (const [side, choice] of Object.entries(sides)) {
      const layer = figures.get(now).querySelector(`[data-layer="${choice.value}"]`);
      layer.classList.add(side);
      at(`tag-${side}`).textContent = choice.selectedOptions[0].textContent;
    }
    for (const button of all("[data-pick]"))
      button.setAttribute("aria-pressed", String(button.dataset.pick === now));
    for (const row of table.rows) row.classList.toggle("now", row.dataset.view === now);
    const cells = table.querySelector(".now").cells;
    at("now").textContent = `View ${now}: ${cells[1].textContent} dB, SSIM ${cells[2].textContent}`;
  }

  function turn(step) {
    const order = [...table.rows].map((row) => row.dataset.view).filter((v) => figures.has(v));
    show(order[(order.indexOf(now) + step + order.length) % order.length]);
  }

  function slide(part) {
    cut.value = part;
    stack.style.setProperty("--cut", `${cut.value}%`);
  }

  function sort(header) {
    const column = header.cellIndex;
    const up = header.getAttribute("aria-sort") !== "ascending";
    for (const other of header.parentNode.cells) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", up ? "ascending" : "descending");
    const value = (row) => Number(row.cells[column].dataset.value);
    const rows = [...table.rows].sort((a, b) => (up ? 1 : -1) * (value(a) - value(b)));
    table.append(...rows);
  }

  for (const [side, choice] of Object.entries(sides)) {
    choice.value = stack.dataset[side];
    choice.addEventListener("change", () => show(now));
  }
  cut.addEventListener("input", () => slide(cut.value));
  at("before").addEventListener("click", () => turn(-1));
  at("after").addEventListener("click", () => turn(1));
  for (const button of all("[data-pick]")) button.addEventListener("click", () => show(button.dataset.pick));
  for (const header of all("thead th", at("views")))
    header.querySelector("button").addEventListener("click", () => sort(header));

  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.target.closest("select, .scroll") || event.target === cut && event.key.startsWith("Arrow")) return;
    const moves = {
      j: () => turn(1),
      k: () => turn(-1),
      ArrowLeft: () => slide(Number(cut.value) - 2),
      ArrowRight: () => slide(Number(cut.value) + 2),
    };
    if (!(event.key in moves)) return;
    moves[event.key]();
    event.preventDefault();
  });

  for (const thumb of all("#strip img")) {
    const view = thumb.closest("[data-pick]").dataset.pick;
    thumb.src = figures.get(view).querySelector(`[data-layer="${thumb.dataset.of}"] img`).src;
  }

  const copy = at("copy");
  copy?.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(at("command").textContent);
      copy.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(at("command")); // where a page from a file may not copy
    }
  });

  sort(at("views").tHead.rows[0].cells[1]);
  show(now);
})();

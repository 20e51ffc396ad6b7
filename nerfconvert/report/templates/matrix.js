"use strict";
(() => {
  const all = (query, where = document) => [...where.querySelectorAll(query)];
  document.documentElement.classList.add("js");
  const cells = all("#matrix [data-cell]"), articles = all("#details article");

  function open(cell) {
    for (const other of cells) other.setAttribute("aria-pressed", String(other === cell));
    for (const article of articles) article.classList.toggle("now", article.dataset.of === cell.dataset.cell);
  }

  function shade(key) {
    for (const cell of cells.filter((one) => !one.classList.contains("failed"))) {
      cell.textContent = cell.getAttribute(`data-${key}`);
      cell.style.setProperty("--level", cell.getAttribute(`data-${key}-level`) || "0");
      cell.setAttribute("aria-label", `${cell.closest("tr").cells[0].textContent} to ${column(cell)}: ${cell.textContent}`);
    }
  }

  function column(cell) {
    return document.querySelector("#matrix thead tr").cells[cell.parentNode.cellIndex].textContent;
  }

  function move(cell, right, down) {
    const row = cell.closest("tr"), rows = [...row.parentNode.rows];
    const next = rows[rows.indexOf(row) + down]?.cells[cell.parentNode.cellIndex + right];
    next?.querySelector("[data-cell]")?.focus();
  }

  for (const cell of cells) {
    cell.addEventListener("click", () => open(cell));
    cell.addEventListener("keydown", (event) => {
      const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (!steps) return;
      move(cell, ...steps);
      event.preventDefault();
    });
  }
  for (const choice of all("input[name=shade]")) choice.addEventListener("change", () => shade(choice.value));
  if (cells.length) open(cells.find((one) => !one.classList.contains("failed")) ?? cells[0]);
})();

(() => {
  "use strict";
  const all = (selector) => [...document.querySelectorAll(selector)];
  const button = (press, ...content) => {
    const made = document.createElement("button");
    made.type = "button";
    made.append(...content);
    made.addEventListener("click", () => press(made));
    return made;
  };
  // Headings become buttons: Enter and Space sort, and without a script the table is still whole.
  const sort = (table, headings, column) => {
    const up = headings[column].getAttribute("aria-sort") !== "ascending";
    const keyed = [...table.tBodies].map((body) => {
      const cell = body.rows[0].cells[column];
      return [Number(cell.dataset.value ?? NaN), cell.textContent.trim(), body];
    });
    const isNumeric = keyed.some(([number]) => !isNaN(number));
    keyed.sort(([a, s], [b, t]) => {
      if (isNumeric && (isNaN(a) || isNaN(b))) return isNaN(a) - isNaN(b);  // the missing come last
      return (up ? 1 : -1) * (isNumeric ? a - b : s.localeCompare(t, "en", { numeric: true }));
    });
    headings.forEach((heading) => heading.removeAttribute("aria-sort"));
    headings[column].setAttribute("aria-sort", up ? "ascending" : "descending");
    table.append(...keyed.map(([, , body]) => body));
  };
  // Paper cannot be opened, and a wide screen has room for the contents.
  addEventListener("beforeprint", () => {
    for (const folded of all("main details:not(.one, .toml)")) folded.open = true;
  });
  for (const contents of all("nav details")) contents.open = matchMedia("(min-width: 100rem)").matches;
  document.body.classList.add("scripted");
  for (const text of all("details.toml pre")) {
    text.after(button((pressed) => {
      getSelection().selectAllChildren(text);  // where the browser lets no page copy
      navigator.clipboard?.writeText(text.textContent).then(() => pressed.append(": done"), () => {});
    }, "Copy as TOML"));
  }
  for (const box of all(".filter input")) {
    const table = box.closest("section").querySelector("table");
    box.addEventListener("input", () => {
      const words = box.value.toLowerCase().split(/\s+/);
      for (const body of table.tBodies) {
        body.hidden = !words.every((word) => body.textContent.toLowerCase().includes(word));
      }
    });
  }
  for (const table of all("table.sortable")) {
    const headings = [...table.tHead.rows[0].cells];
    headings.forEach((heading, column) => {
      heading.append(button(() => sort(table, headings, column), ...heading.childNodes));
    });
  }
})();

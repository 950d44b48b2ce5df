(() => {
  "use strict";
  // Headings become buttons: Enter and Space sort, and without a script the table is still whole.
  const keyOf = (body, column) => {
    const cell = body.rows[0].cells[column];
    const number = cell.dataset.value;
    return number === undefined ? cell.textContent.trim().toLowerCase() : Number(number);
  };
  const compare = (a, b) => {
    if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;  // what is missing comes last
    return typeof a === "number" ? a - b : a.localeCompare(b, "en", { numeric: true });
  };
  const sort = (table, headings, column) => {
    const ascending = headings[column].getAttribute("aria-sort") !== "ascending";
    const keyed = [...table.tBodies].map((body) => [keyOf(body, column), body]);
    const known = typeof keyed.map(([key]) => key).find((key) => typeof key === "number");
    keyed.sort(([a], [b]) => {
      if (known === "number" && typeof a !== typeof b) return compare(a, b);
      return ascending ? compare(a, b) : compare(b, a);
    });
    headings.forEach((heading) => heading.removeAttribute("aria-sort"));
    headings[column].setAttribute("aria-sort", ascending ? "ascending" : "descending");
    table.append(...keyed.map(([, body]) => body));
  };
  // Paper cannot be opened, and a wide screen has room for the contents.
  addEventListener("beforeprint", () => {
    for (const details of document.querySelectorAll("main details:not(.one, .toml)")) details.open = true;
  });
  const reveal = () => {
    const folded = document.getElementById(location.hash.slice(1))?.closest("details");
    if (folded) folded.open = true;
  };
  addEventListener("hashchange", reveal);
  reveal();
  const contents = document.querySelector("nav details");
  if (contents) contents.open = matchMedia("(min-width: 100rem)").matches;
  document.body.classList.add("scripted");
  for (const folded of document.querySelectorAll("details.toml")) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Copy as TOML";
    button.addEventListener("click", async () => {
      getSelection().selectAllChildren(folded.querySelector("pre"));  // where the browser refuses
      await navigator.clipboard.writeText(folded.querySelector("pre").textContent);
      button.textContent = "Copied";
    });
    folded.append(button);
  }
  for (const table of document.querySelectorAll("table.brief")) {
    if (table.tBodies.length < 2) continue;
    const [label, box] = [document.createElement("label"), document.createElement("input")];
    box.type = "search";
    label.className = "filter";
    label.append("Show only rows with ", box);
    box.addEventListener("input", () => {
      const words = box.value.toLowerCase().split(/\s+/);
      for (const body of table.tBodies) {
        const text = body.textContent.toLowerCase();
        body.hidden = !words.every((word) => text.includes(word));
      }
    });
    table.parentElement.before(label);
  }
  for (const table of document.querySelectorAll("table.sortable")) {
    const headings = [...table.tHead.rows[0].cells];
    headings.forEach((heading, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...heading.childNodes);
      heading.append(button);
      button.addEventListener("click", () => sort(table, headings, column));
    });
  }
})();

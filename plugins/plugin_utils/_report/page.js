// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later
// Search, filter, sort and the switch of the theme; without it the page is whole, in the order in which it was made.
"use strict";
(() => {
  const root = document.documentElement;
  const KEY = "baremetal-report-theme";
  const remember = (theme) => { try { localStorage.setItem(KEY, theme); } catch { /* a page from a file may have none */ } };
  const remembered = () => { try { return localStorage.getItem(KEY); } catch { return null; } };
  if (remembered()) root.dataset.theme = remembered();

  function switchTheme(button) {
    const isDark = () => (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
    const show = () => button.setAttribute("aria-pressed", String(isDark()));
    button.hidden = false;
    show();
    button.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      remember(root.dataset.theme);
      show();
    });
  }

  function choose(nodes) {
    const search = document.getElementById("search");
    const buttons = [...document.querySelectorAll("[data-show]")];
    const texts = new Map(nodes.map((node) => [node, node.rows[0].textContent.toLowerCase()]));
    let outcome = "";
    const apply = () => {
      const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const node of nodes) {
        node.hidden = Boolean(outcome && node.className !== outcome) || !words.every((word) => texts.get(node).includes(word));
        shown += !node.hidden;
      }
      document.getElementById("count").textContent = `${shown} of ${nodes.length} shown`;
    };
    const show = (wanted) => {
      outcome = wanted;
      for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.show === outcome));
      apply();
    };
    for (const button of buttons) button.addEventListener("click", () => show(button.dataset.show));
    search.addEventListener("input", apply);
    document.querySelector(".tools").hidden = nodes.length < 2;
    const reveal = () => {
      const node = document.getElementById(location.hash.slice(1));
      if (!nodes.includes(node)) return;
      search.value = "";
      show("");
      node.querySelector("details").open = true;
      node.scrollIntoView();
    };
    addEventListener("hashchange", reveal);
    apply();
    reveal();
  }

  function sort(table, nodes) {
    const compare = new Intl.Collator("en", { numeric: true }).compare;
    for (const head of table.querySelectorAll(":scope > thead [data-sort]")) {
      const key = head.dataset.sort;
      const button = document.createElement("button");
      button.type = "button";
      button.append(...[...head.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE || node.className === "hide"));
      if (key === "start") button.textContent = "Phases, by start";
      head.prepend(button);
      button.addEventListener("click", () => {
        const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
        for (const other of table.querySelectorAll("[aria-sort]")) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
        const value = (node) => node.dataset[key];
        const by = (a, b) => {
          if (!value(a) || !value(b)) return Number(!value(a)) - Number(!value(b)); // what is not known comes last
          return sign * compare(value(a), value(b));
        };
        const numbers = (a, b) => (key !== "name" && value(a) && value(b) ? sign * (value(a) - value(b)) : by(a, b));
        table.append(...nodes.toSorted(numbers));
      });
    }
  }

  addEventListener("DOMContentLoaded", () => {
    const table = document.getElementById("table");
    const nodes = [...table.tBodies];
    switchTheme(document.getElementById("theme"));
    choose(nodes);
    if (nodes.length > 1) sort(table, nodes);
    table.addEventListener("click", (event) => {
      const row = event.target.closest(".row");
      if (!row || String(getSelection())) return;
      const details = row.nextElementSibling.querySelector("details");
      details.open = !details.open;
    });
  });
})();

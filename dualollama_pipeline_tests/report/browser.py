"""Pages laid out by a browser: headless Chromium, and axe-core where a package brings it.

All looks at all pages are taken in one start: each is a frame of its own width. Dark and print are
chosen by rewriting the style sheet's own conditions, for a window has only one of each.
"""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
from html import escape, unescape
from pathlib import Path
from typing import Any, NamedTuple

CHROMIUM = shutil.which("chromium")
AXE = "axe_core_python"  # of which nothing but its axe.min.js is used
OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=120000")
POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')
MEDIA = re.compile(r"@media ([^{]+)\{")
LISTENER = """<script>
window.said = [];
onerror = (text) => { said.push(text); };
for (const kind of ["error", "warn", "log"]) console[kind] = (...told) => said.push(told.join(" "));
</script>"""
PROBE = """
const seen = (frame) => {
  const page = frame.contentDocument, root = page.documentElement;
  const shown = (each) => each.checkVisibility();
  const range = page.createRange();
  const spills = (cell) => {
    const outer = cell.getBoundingClientRect();
    const walker = page.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      if (!walker.currentNode.data.trim() || !shown(walker.currentNode.parentElement)) continue;
      range.selectNodeContents(walker.currentNode);
      const inner = range.getBoundingClientRect();
      if (inner.right > outer.right + 1 || inner.left < outer.left - 1) return true;
    }
    return false;
  };
  const cells = [...page.querySelectorAll("th, td")].filter(shown);
  const spilled = cells.filter(spills);
  const cut = [...page.querySelectorAll("svg text")].filter((text) => {
    const [inner, outer] = [text, text.closest("svg")].map((each) => each.getBoundingClientRect());
    return shown(text) && (inner.right > outer.right + 2 || inner.left < outer.left - 2);
  });
  const scrolled = [...page.querySelectorAll(".scroll")].filter(
    (box) => shown(box) && box.scrollWidth > box.clientWidth + 1);
  return {
    wide: root.scrollWidth, high: root.scrollHeight, said: frame.contentWindow.said,
    spilled: spilled.map((cell) => cell.innerText), cut: cut.map((each) => each.textContent),
    scrolled: scrolled.map((box) => box.innerText.slice(0, 60)),
  };
};
const found = [];
const look = async () => {
  for (const frame of document.querySelectorAll("iframe")) {
    const told = {name: frame.name, ...seen(frame)};
    if (frame.dataset.axe && window.source) {
      frame.contentWindow.eval(source);
      const {violations} = await frame.contentWindow.axe.run(
        frame.contentDocument, {resultTypes: ["violations"]});
      told.axe = violations.map((each) => each.id + ": " + each.nodes.slice(0, 3).map(
        (node) => node.html.slice(0, 200) + " " + node.failureSummary).join(" | "));
    }
    found.push(told);
  }
  document.getElementById("found").textContent = JSON.stringify(found);
};
onload = look;
"""


class Look(NamedTuple):
    """A page, the width of its window in px, and how it is shown: light, dark or print."""

    html: str
    width: int
    shown: str = "light"
    has_axe: bool = False


def axe_source() -> str | None:
    """Return axe-core as its package holds it; None where it is not installed."""
    found = importlib.util.find_spec(AXE)
    if found is None or found.origin is None:
        return None
    return (Path(found.origin).parent / "axe.min.js").read_text(encoding="utf-8")


def seen_by_a_browser(looks: dict[str, Look], folder: Path) -> dict[str, dict[str, Any]]:
    """Lay out pages; return by name what stands out: sizes, what spills, what was said."""
    frames = "".join(
        f'<iframe name="{name}" width="{look.width}" height="900" {"data-axe=1" * look.has_axe} '
        f'srcdoc="{escape(_prepared(look))}"></iframe>'
        for name, look in looks.items()
    )
    source = json.dumps(axe_source()).replace("</", "<\\/")
    script = f"const source = {source};{PROBE}".replace("window.source", "source")
    wrapper = folder / "looks.html"
    wrapper.write_text(
        f'<!DOCTYPE html><meta charset="utf-8"><pre id="found"></pre>{frames}'
        f"<script>{script}</script>",
        encoding="utf-8",
    )
    text = re.search(
        r'<pre id="found">(.*?)</pre>', run_chromium(wrapper.as_uri()).stdout, re.DOTALL
    )
    assert text is not None
    return {each.pop("name"): each for each in json.loads(unescape(text[1]))}


def run_chromium(url: str, *more: str) -> subprocess.CompletedProcess[str]:
    """Load a page and return what it became, and what its console said (stderr)."""
    return subprocess.run(
        [str(CHROMIUM), *OPTIONS, *more, "--dump-dom", url],
        capture_output=True,
        text=True,
        check=True,
    )


def _prepared(look: Look) -> str:
    def condition(match: re.Match[str]) -> str:
        asked = match[1].strip()
        is_print, is_dark = look.shown == "print", look.shown == "dark"
        if "print" in asked:
            return f"@media {'all' if is_print else 'not all'} {{"
        if "screen" in asked and is_print:
            return "@media not all {"
        if "color-scheme" in asked:
            return f"@media {'all' if is_dark else 'not all'} {{"
        return match[0]

    html = MEDIA.sub(condition, POLICY.sub("", look.html))
    return html.replace("color-scheme: light dark", "").replace("<head>", f"<head>{LISTENER}")

"""The page of a report in a browser: what one sees, with the keyboard, to who can't see it, and without scripts."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import typing as t
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.site import ROOT

SCREENS = ROOT / "docs" / "screens"
LIMIT = 250_000
"""Bytes of a picture, at most: they are in the repository."""

SCHEMES: tuple[t.Literal["light", "dark"], ...] = ("light", "dark")
SIZES = {"one": (1400, 740), "many": (1400, 1240)}


@pytest.fixture(scope="session", params=list(SIZES))
def report(request: pytest.FixtureRequest) -> tuple[str, Path]:
    """A report, by its name."""
    return request.param, request.getfixturevalue(request.param)


@contextlib.contextmanager
def opened(browser: Browser, path: Path, **options: t.Any) -> t.Iterator[Page]:
    """Open a page, and see that it needs nothing else and that nothing in it fails."""
    asked: list[str] = []
    wrong: list[str] = []
    with contextlib.closing(browser.new_context(**options)) as context:
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.goto(path.as_uri())
        yield page
        assert {url.partition("#")[0] for url in asked} == {path.as_uri()}
        assert not wrong


def open_details(page: Page) -> None:
    page.evaluate("[...document.querySelectorAll('details')].slice(0, 4).forEach((one) => { one.open = true; })")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_it_is_accessible_and_has_its_picture(
    browser: Browser, report: tuple[str, Path], scheme: t.Literal["light", "dark"]
) -> None:
    name, path = report
    width, height = SIZES[name]
    with opened(browser, path, color_scheme=scheme, viewport={"width": width, "height": height}) as page:
        picture = SCREENS / f"report-{name}-{scheme}.png"
        picture.parent.mkdir(exist_ok=True)
        page.screenshot(path=picture)
        assert picture.stat().st_size < LIMIT
        open_details(page)
    # axe is a script from elsewhere, which the page's own policy forbids.
    with opened(browser, path, color_scheme=scheme, bypass_csp=True) as page:
        open_details(page)
        found = Axe().run(page)
        assert not found.response["violations"], found.generate_report()


@pytest.mark.parametrize("width", [390, 800, 1400, 2560])
def test_no_width_breaks_it(browser: Browser, report: tuple[str, Path], width: int) -> None:
    with opened(browser, report[1], viewport={"width": width, "height": 900}) as page:
        open_details(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_what_is_hostile_stays_text(browser: Browser, many: Path) -> None:
    with opened(browser, many) as page:
        assert page.title().startswith("30 of 500 nodes have failed")
        assert "<script>document.title='taken'</script> is no power state" in page.inner_text(
            "section[aria-labelledby=failures]"
        )


def test_the_keyboard_is_enough(browser: Browser, many: Path) -> None:
    shown = "tbody[id]:not([hidden])"
    with opened(browser, many) as page:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "To the nodes"
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        page.keyboard.type("r07 credentials")
        assert page.locator(shown).count() == 25
        assert page.inner_text("#count") == "25 of 500 shown"
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        page.keyboard.press("Control+A")
        page.keyboard.press("Delete")
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        page.keyboard.press("Space")
        assert page.locator(shown).count() == page.locator("tbody.failed").count() == 30
        page.focus("th[data-sort=name] button")
        page.keyboard.press("Enter")
        page.keyboard.press("Enter")
        assert page.get_attribute("th[data-sort=name]", "aria-sort") == "descending"
        assert page.locator(shown).first.get_attribute("data-name") == "r19u07"
        page.locator("summary", has_text="Details of r19u07").focus()
        page.keyboard.press("Enter")
        assert page.locator("tbody[data-name=r19u07] .inside").is_visible()


def test_figures_are_sorted_as_numbers(browser: Browser, many: Path) -> None:
    with opened(browser, many) as page:
        page.click("th[data-sort=time] button")
        times = page.eval_on_selector_all("tbody[id]", "(all) => all.map((one) => Number(one.dataset.time))")
        assert times == sorted(times)
        page.click("th[data-sort=change] button")
        changes = page.eval_on_selector_all("tbody[id]", "(all) => all.map((one) => one.dataset.change)")
        known = [float(change) for change in changes if change]
        assert known == sorted(known)
        assert not any(changes[len(known) :]), "what is not known comes last"


def test_a_link_to_a_node_shows_it(browser: Browser, many: Path) -> None:
    with opened(browser, many) as page:
        page.fill("#search", "nobody")
        page.click("article a >> text=r02u09")
        details = page.locator("tbody[data-name=r02u09] .inside")
        assert details.is_visible()
        assert "Kernel panic" in details.inner_text()


def test_the_theme_is_switched_and_kept(browser: Browser, one: Path) -> None:
    with opened(browser, one, color_scheme="light") as page:
        back = "getComputedStyle(document.body).backgroundColor"
        light = page.evaluate(back)
        page.click("#theme")
        assert page.evaluate(back) != light
        page.reload()
        assert page.evaluate(back) != light
        assert page.get_attribute("#theme", "aria-pressed") == "true"


def test_without_scripts_it_can_be_read(browser: Browser, many: Path) -> None:
    with opened(browser, many, java_script_enabled=False) as page:
        assert page.locator("tbody[id]").count() == 500
        assert page.locator("article", has_text="Kernel panic").is_visible()
        assert not page.locator("#search").is_visible()
        page.locator("summary", has_text="Details of r02u09").click()
        assert page.locator("tbody[data-name=r02u09] .phases").is_visible()


def test_five_hundred_nodes_are_not_too_much_for_a_mail(many: Path) -> None:
    assert many.stat().st_size < 2_000_000

"""A report in a real browser without a network: it opens, draws everything, and is quiet.

Every request and every message of the console is recorded; one that is not the page
itself, or any error, fails the test. Names resolve to nothing, so what the page might
fetch is seen and does not come.
"""

import contextlib
import shutil
import time

import pytest
import synthetic_run

from livekit.research.report.html import report
from livekit.research.report.html_numbers import key_numbers

pytest.importorskip("plotly", reason="plotly is in the report extra")
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is in the dev extra")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-extensions",
    "--disable-component-update",
    "--no-first-run",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)
NASTY = "<img src=x onerror=alert(1)></script><script>alert(2)</script>"

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium is installed"),
]


@pytest.fixture(scope="module")
def run():
    return synthetic_run.made_run(3000, marked=True, changes={"name": NASTY, "is_partial": True})


@pytest.fixture(scope="module")
def path(run, tmp_path_factory):
    return report(run, tmp_path_factory.mktemp("report") / "run.html")


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        one = driver.chromium.launch(executable_path=CHROMIUM, headless=True, args=list(FLAGS))
        yield one
        one.close()


@pytest.fixture
def opened(browser, path):
    """Give a function that opens the report; fail on any request, dialog or error."""
    with contextlib.ExitStack() as stack:
        seen = []

        def opening(width=1400, scheme="light", **options):
            context = browser.new_context(
                viewport={"width": width, "height": 900}, color_scheme=scheme, **options
            )
            stack.callback(context.close)
            page = context.new_page()
            page.on("console", lambda m: m.type in {"error", "warning"} and seen.append(m.text))
            page.on("pageerror", lambda error: seen.append(str(error)))
            page.on("dialog", lambda dialog: seen.append(f"dialog {dialog.message}"))
            own = (path.as_uri(), "data:", "blob:")
            page.on("request", lambda r: r.url.startswith(own) or seen.append(r.url))
            page.goto(path.as_uri())
            page.wait_for_selector("html[data-plots=done]", state="attached", timeout=60_000)
            return page

        yield opening
        assert seen == []


def test_every_figure_is_drawn_with_its_traces(opened):
    page = opened()
    drawn = page.evaluate(
        """() => [...document.querySelectorAll("[data-plot]")].map(one => ({
            name: one.dataset.plot,
            asked: one.data.filter(t => t.visible !== "legendonly").length,
            traces: ["scatter", "bar", "waterfall", "heatmap"].map(kind =>
                one.querySelectorAll(`.${kind}layer > *`).length).reduce((a, b) => a + b),
            ink: one.querySelectorAll(".main-svg path[d]").length,
            height: one.clientHeight,
        }))"""
    )
    assert len(drawn) >= 12
    for one in drawn:
        assert one["asked"] > 0, one
        assert one["traces"] >= one["asked"], one
        assert one["ink"] > 0, one
        assert one["height"] > 150, one


def test_numbers_of_the_page_are_those_of_the_run(opened, run):
    page = opened()
    for one in key_numbers(run):
        said = page.locator(f'.key[data-key="{one.key}"] dd').inner_text()
        assert said.replace("\n", " ").split() == f"{one.text} {one.unit}".split(), one.key


def test_name_with_markup_is_shown_as_it_is(opened):
    page = opened()
    assert page.locator("h1").inner_text() == NASTY
    assert page.locator("img").count() == 0
    assert page.locator(".banner").first.inner_text().startswith("Partial run.")


def test_dark_and_light_follow_the_reader(opened):
    ground = "() => getComputedStyle(document.body).backgroundColor"
    line = """() => document.querySelector("[data-plot=data-overview]").data[1].line.color"""
    light = opened()
    dark = opened(scheme="dark")
    assert (light.evaluate(ground), dark.evaluate(ground)) == (
        "rgb(245, 247, 249)",
        "rgb(15, 20, 25)",
    )
    assert (light.evaluate(line), dark.evaluate(line)) == ("#0b4f8c", "#63b3f5")
    light.locator("button.theme").click()
    assert light.evaluate(ground) == "rgb(15, 20, 25)"
    assert light.evaluate(line) == "#63b3f5"


def test_figures_over_time_zoom_together(opened):
    page = opened()
    page.evaluate(
        """() => Plotly.relayout(document.querySelector("[data-plot=data-overview]"),
            {"xaxis.range[0]": "2026-01-05 06:00:00", "xaxis.range[1]": "2026-01-05 09:00:00"})"""
    )
    ranges = """() => [...document.querySelectorAll("[data-plot][data-time]")].map(
        one => one.layout.xaxis.range.map(at => String(at).slice(0, 16)).join())"""
    deadline = time.monotonic() + 20
    while len(set(found := page.evaluate(ranges))) > 1 and time.monotonic() < deadline:
        page.wait_for_timeout(50)
    assert len(found) >= 5
    assert set(found) == {"2026-01-05 06:00,2026-01-05 09:00"}


@pytest.mark.parametrize(("width", "wider"), [(360, 800), (1400, 2400)])
def test_page_fits_its_width_and_the_one_it_gets(opened, width, wider):
    page = opened(width=width)
    scrolled = "() => document.documentElement.scrollWidth"
    assert page.evaluate(scrolled) <= width
    page.set_viewport_size({"width": wider, "height": 900})
    page.wait_for_function(f"() => innerWidth === {wider} && ({scrolled})() <= {wider}")
    page.set_viewport_size({"width": width, "height": 900})
    page.wait_for_function(f"() => innerWidth === {width} && ({scrolled})() <= {width}")


def test_page_without_javascript_shows_its_numbers(browser, path, run):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(path.as_uri())
    (net,) = [one for one in key_numbers(run) if one.key == "net_pnl"]
    assert net.text in page.locator('.key[data-key="net_pnl"]').inner_text()
    assert "need JavaScript" in page.locator("noscript").inner_text()
    context.close()


def test_keyboard_reaches_the_sections_and_the_formulas(opened):
    page = opened()
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.className") == "skip"
    for _ in range(12):
        page.keyboard.press("Tab")
    formula = page.evaluate("() => document.activeElement.getAttribute('data-tip')")
    assert formula
    sections = page.evaluate(
        """() => [...document.querySelectorAll("nav a")].map(
            one => document.querySelector(one.getAttribute("href")) !== null)"""
    )
    assert sections
    assert all(sections)


def test_page_prints_light_and_whole(opened, tmp_path):
    page = opened(scheme="dark")
    made = page.pdf(path=tmp_path / "run.pdf", format="A4")
    assert made.startswith(b"%PDF")
    assert len(made) > 100_000

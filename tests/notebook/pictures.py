"""Take the pictures of the notebooks that the README shows, light and dark.

    python tests/notebook/pictures.py            all, into notebooks/pictures
    python tests/notebook/pictures.py explore    one

Everything is what a user sees: JupyterLab, the shipped notebooks, a real engine.
"""

import argparse
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import lab as labs

PICTURES = labs.ROOT / "notebooks" / "pictures"
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}
SHOTS = {
    # name: notebook, selector, and the text that tells it from others of its kind
    "explore": ("01_quickstart.ipynb", ".lk-explore", "QuickCross"),
    "attach": ("01_quickstart.ipynb", ".jp-RenderedHTMLCommon > div", "tested"),
    "sweep": ("02_research.ipynb", ".js-plotly-plot", "leave"),
}
ONLY_LIGHT = {"sweep"}  # figures of plotly have colours of their own


def take(names, folder):
    """Run the notebooks that are needed, each once, and take their pictures."""
    from playwright.sync_api import sync_playwright

    work = Path(tempfile.mkdtemp(prefix="livekit-pictures-"))
    (work / "root").mkdir()
    (work / "server").mkdir()
    own = {
        "LIVEKIT_RUNTIME_DIR": str(work / "runtime"),
        "LIVEKIT_STATE_DIR": str(work / "state"),
        "PYTHONPATH": str(labs.ROOT),
    }
    server = labs.Server(work / "root", work / "server", own).start()
    try:
        with sync_playwright() as driver:
            browser = driver.chromium.launch(
                executable_path=labs.CHROMIUM, headless=True, args=list(labs.FLAGS)
            )
            for notebook in sorted({SHOTS[name][0] for name in names}):
                shutil.copy(labs.ROOT / "notebooks" / notebook, work / "root")
                page = labs.Page(browser, server, size=(1280, 1000)).open(notebook).run_all(240)
                assert page.errors() == []
                for name in (one for one in names if SHOTS[one][0] == notebook):
                    shoot(page, name, folder)
    finally:
        server.stop()
        shutil.rmtree(work, ignore_errors=True)


def shoot(page, name, folder):
    """Take one picture in each theme."""
    _, selector, text = SHOTS[name]
    for theme, title in THEMES.items():
        if name in ONLY_LIGHT and theme != "light":
            continue
        page.set_theme(title)
        place = page.page.locator(selector).filter(has_text=text).first
        place.scroll_into_view_if_needed()
        page.page.wait_for_timeout(500)  # until the theme has faded in
        path = folder / f"{name}-{theme}.png"
        place.screenshot(path=path, animations="disabled")
        sys.stdout.write(f"{path.relative_to(labs.ROOT)}  {path.stat().st_size:,} bytes\n")


def main():
    parser = argparse.ArgumentParser(description="take the pictures of the notebooks")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(SHOTS))
    names = parser.parse_args().names or list(SHOTS)
    unknown = set(names) - set(SHOTS)
    if unknown:
        sys.exit(f"no picture is called {min(unknown)!r}; there are {', '.join(SHOTS)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the server must not be left
    PICTURES.mkdir(exist_ok=True)
    take(names, PICTURES)


if __name__ == "__main__":
    main()

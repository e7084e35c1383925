"""Take the pictures of the notebooks that the README shows, light and dark.

    python tests/notebook/pictures.py            all, into notebooks/pictures
    python tests/notebook/pictures.py explore    one

Everything is what a user sees: JupyterLab, the shipped notebooks, a real engine.
"""

import argparse
import base64
import shutil
import signal
import struct
import sys
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import lab as labs
import nbformat

PICTURES = labs.ROOT / "notebooks" / "pictures"
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}
PIXELS = """async text => {
    const image = await (await fetch('data:image/png;base64,' + text)).blob();
    const drawn = await createImageBitmap(image);
    const canvas = new OffscreenCanvas(drawn.width, drawn.height);
    const context = canvas.getContext('2d');
    context.drawImage(drawn, 0, 0);
    const bytes = context.getImageData(0, 0, drawn.width, drawn.height).data;
    let packed = '';
    for (let at = 0; at < bytes.length; at += 32768) {
        packed += String.fromCharCode(...bytes.subarray(at, at + 32768));
    }
    return [[drawn.width, drawn.height], btoa(packed)];
}"""


@dataclass(frozen=True)
class Shot:
    """What one picture shows.

    Attributes
    ----------
    notebook, selector, text : str
        Where it is, and what tells it from others of its kind.
    upto : str
        The notebook is run up to the cell that holds this; empty: all of it.
    ready : str
        JavaScript that tells whether there is enough to see.
    themes : tuple of str
    size : tuple of int
        Of the browser's window.
    """

    notebook: str
    selector: str
    text: str
    upto: str = ""
    ready: str = "() => true"
    themes: tuple[str, ...] = ("light", "dark")
    size: tuple[int, int] = (1280, 1000)


FILLS = """() => Number(document.querySelector('.lk-desk .chart')?.dataset.fills || 0) >= 12
    && [...document.querySelectorAll('.lk-desk .level .size')].every(e => e.textContent)"""
SHOTS = {
    "explore": Shot("01_quickstart.ipynb", ".lk-explore", "QuickCross"),
    "attach": Shot("01_quickstart.ipynb", ".jp-RenderedHTMLCommon > div", "tested"),
    # Figures of plotly have colours of their own.
    "sweep": Shot("02_research.ipynb", ".js-plotly-plot", "leave", themes=("light",)),
    "desk": Shot(
        *("03_live_dashboard.ipynb", ".lk-desk", "Strategies", "desk = lk.dashboard()"),
        ready=FILLS,
        size=(1400, 1400),
    ),
}


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
            for notebook in sorted({SHOTS[name].notebook for name in names}):
                shots = {n: SHOTS[n] for n in names if SHOTS[n].notebook == notebook}
                first = next(iter(shots.values()))
                copy_up_to(labs.ROOT / "notebooks" / notebook, work / "root", first.upto)
                page = labs.Page(browser, server, size=first.size).open(notebook).run_all(240)
                assert page.errors() == []
                for name, shot in shots.items():
                    shoot(page, name, shot, folder)
                if first.upto:  # the cell that stops it has not run
                    page.execute("engine.stop()")
    finally:
        server.stop()
        shutil.rmtree(work, ignore_errors=True)


def copy_up_to(path, folder, text):
    """Copy a notebook, up to the first cell that holds `text`; all of it where there is none."""
    notebook = nbformat.read(path, 4)
    if text:
        cells = notebook.cells
        last = next(k for k, cell in enumerate(cells) if text in cell.source)
        notebook.cells = cells[: last + 1]
    nbformat.write(notebook, folder / path.name)


def shoot(page, name, shot, folder):
    """Take one picture in each theme."""
    for theme in shot.themes:
        page.set_theme(THEMES[theme])
        place = page.page.locator(shot.selector).filter(has_text=shot.text).first
        place.scroll_into_view_if_needed()
        page.page.wait_for_timeout(1000)  # until the theme has faded in
        page.eventually(lambda: page.page.evaluate(shot.ready), "enough to see", 240)
        path = folder / f"{name}-{theme}.png"
        page.page.mouse.move(0, 0)  # no crosshair
        path.write_bytes(smaller(page, place.screenshot(animations="disabled")))
        sys.stdout.write(f"{path.relative_to(labs.ROOT)}  {path.stat().st_size:,} bytes\n")


def smaller(page, picture):
    """Return the same pixels as a PNG that is packed as well as it goes; the browser's is not."""
    size, pixels = page.page.evaluate(PIXELS, base64.b64encode(picture).decode())
    (width, height), raw = size, base64.b64decode(pixels)
    step = 4 * width
    lines = (raw[at : at + step] for at in range(0, height * step, step))
    rows = b"".join(b"\0" + bytes(drop_alpha(line)) for line in lines)
    parts = {
        b"IHDR": struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0),
        b"IDAT": zlib.compress(rows, 9),
        b"IEND": b"",
    }
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts.items()
    )


def drop_alpha(line):
    """Return red, green and blue of pixels that have a fourth byte."""
    packed = bytearray(len(line) // 4 * 3)
    for colour in range(3):
        packed[colour::3] = line[colour::4]
    return packed


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

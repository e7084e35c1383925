"""The notebooks that ship: each runs from its top, and none carries what a run left in it.

Where there is a browser the first one is run there (test_quickstart_browser); here it is
run where there is none.
"""

import json
import os
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import lab as labs
import pytest

NOTEBOOKS = sorted((labs.ROOT / "notebooks").glob("*.ipynb"))
IN_A_BROWSER = {"01_quickstart"} if labs.CHROMIUM is not None else set()


def name_of(path):
    return path.stem


def test_notebooks_were_found():
    assert {"01_quickstart", "02_research", "05_your_own_data"} <= {p.stem for p in NOTEBOOKS}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name_of)
def test_notebook_holds_no_outputs_and_nothing_of_who_ran_it(path):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        assert cell["metadata"] == {}
        if cell["cell_type"] == "code":
            assert (cell["outputs"], cell["execution_count"]) == ([], None)
    assert set(notebook["metadata"]) == {"kernelspec", "language_info"}
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert notebook["metadata"]["language_info"] == {"name": "python"}
    assert path.stat().st_size < 20_000


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name_of)
def test_notebook_opens_with_a_title_and_links_only_to_what_is_there(path):
    import re

    notebook = json.loads(path.read_text(encoding="utf-8"))
    texts = ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "markdown"]
    assert texts[0].startswith("# ")
    targets = {t for text in texts for t in re.findall(r"\]\((?!https?:)([^)#]+)\)", text)}
    shipped = {f"{n:02}" for n in range(1, 6)}
    for target in targets:
        assert (path.parent / target).exists() or target[:2] in shipped


@pytest.mark.process
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=name_of)
def test_notebook_runs_from_its_top_without_an_error(path, runtime_dir, tmp_path, monkeypatch):
    own = str(Path(sys.executable).parent)  # as livekit lab does
    monkeypatch.setenv("PATH", os.pathsep.join([own, os.environ["PATH"]]))
    if path.stem in IN_A_BROWSER:
        pytest.skip("is run in the browser")
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    for package in ("ipykernel", "ipywidgets", "plotly"):
        if find_spec(package) is None:
            pytest.skip(f"{package} is in the notebook extra")
    copy = tmp_path / path.name
    shutil.copy(path, copy)
    notebook = nbformat.read(copy, 4)
    client = nbclient.NotebookClient(
        notebook,
        timeout=120,
        kernel_name="python3",
        store_widget_state=False,
        resources={"metadata": {"path": str(tmp_path)}},
    )
    client.execute()
    said = [
        output
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if output.output_type == "error" or output.get("name") == "stderr"
    ]
    assert said == []
    assert [one.name for one in runtime_dir.rglob("*")] == [], "an engine was left behind"

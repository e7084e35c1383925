"""The page that the other tests act upon: a notebook runs, and a failure is seen."""

import nbformat
import pytest

pytestmark = pytest.mark.process


def write(path, *cells):
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in cells])
    made.metadata["kernelspec"] = {
        "name": "python3",
        "display_name": "Python 3",
        "language": "python",
    }
    nbformat.write(made, path)


def test_page_runs_a_notebook_and_sees_its_errors(lab, lab_server):
    write(lab_server.root / "page.ipynb", "answer = 6 * 7", "1 / 0")
    page = lab("page.ipynb").run_all()
    assert page.execute("print(answer)") == "42\n"
    (error,) = page.eventually(page.errors, "the error")
    assert "ZeroDivisionError" in error

"""Notebook 7 and Voila in the tests' browser, and notebooks to open in them."""

import sys

import lab as labs
import nbformat


class OtherServer(labs.Server):
    """Notebook 7 (``notebook``) or Voila (``voila``)."""

    def __init__(self, app, root, state, environment):
        super().__init__(root, state, environment)
        self.app = app

    def _command(self):
        if self.app == "notebook":
            command = [
                part.replace("LabApp.", "JupyterNotebookApp.") for part in super()._command()
            ]
            drop = (
                "--JupyterNotebookApp.news",
                "--JupyterNotebookApp.check",
                "--JupyterNotebookApp.ext",
            )
            command[command.index("jupyterlab")] = "notebook"
            return [part for part in command if not part.startswith(drop)]
        options = [f"--port={self.port}", "--no-browser", "--Voila.ip=127.0.0.1"]
        return [sys.executable, "-m", "voila", *options, f"--Voila.root_dir={self.root}", "."]

    def get(self, path, method="GET"):
        """Ask the server; Voila has no API to ask."""
        if self.app == "voila":
            return super().get("/", method) if path == "/api/status" else b"[]"
        return super().get(path, method)


class OtherPage(labs.Page):
    """A notebook in Notebook 7 or Voila."""

    def open(self, name):
        """Open a notebook; Voila has then run it."""
        server, page = self.server, self.page
        if server.app == "voila":
            page.goto(f"{server.base}/voila/render/{name}", wait_until="domcontentloaded")
            return self
        address = f"{server.base}/notebooks/{name}?token={server.token}"
        page.goto(address, wait_until="domcontentloaded")
        page.locator(".jp-Notebook").first.wait_for(timeout=60_000)
        self.wait_ready()
        return self


def write_notebook(path, *cells):
    """Write a notebook of code cells."""
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in cells])
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    made.metadata["kernelspec"] = kernel
    nbformat.write(made, path)

"""The notebook of first steps runs, and shows what it should."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from numba import config as numba_config

NOTEBOOK = Path(__file__).parent / "notebooks" / "first_steps.ipynb"

# In a process of its own: warnings of the tools that run notebooks are not ours.
EXECUTE = """
import json, sys, nbclient, nbformat
notebook = nbformat.read(sys.argv[1], 4)
if sys.argv[3:]:
    notebook.cells.insert(0, nbformat.v4.new_code_cell(sys.argv[3]))
nbclient.NotebookClient(
    notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": sys.argv[2]}}
).execute()
widgets = notebook.metadata.get("widgets", {})
print(json.dumps([[cell.get("outputs", []) for cell in notebook.cells], widgets]))
"""


def run(tmp_path, *before):
    """Return the outputs of each cell, and the state of the widgets."""
    pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    own = {"IPYTHONDIR": "ipython", "JUPYTER_CONFIG_DIR": "config", "JUPYTER_DATA_DIR": "data"}
    own = {name: str(tmp_path / folder) for name, folder in own.items()}
    command = [sys.executable, "-c", EXECUTE, NOTEBOOK, NOTEBOOK.parent, *before]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **own})
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.skipif(numba_config.DISABLE_JIT, reason="training on the sample would take hours")
class TestFirstSteps:
    def test_output(self, tmp_path):
        cells, widgets = run(tmp_path)
        outputs = [output for cell in cells for output in cell]
        assert not [output for output in outputs if output.get("name") == "stderr"]
        assert not [output for output in outputs if output["output_type"] == "error"]
        shown = json.dumps([outputs, widgets], ensure_ascii=False)
        shown = shown.replace("\u2007", " ")  # as a notebook has it
        assert "danger" not in shown  # the colour of a bar that did not get to its end
        assert "Epoch 6/6" in shown  # of the bar, a widget or text
        assert "loss 1." in shown
        (model,) = (output for output in cells[1] if output["output_type"] == "execute_result")
        assert "<div>Model: 2,739 words, 64 dimensions, loss 1." in model["data"]["text/html"]
        assert model["data"]["text/plain"].startswith("<Model: 2,739 words, 64 dimensions, loss 1.")
        (german,) = cells[4]
        assert german["data"]["text/plain"].startswith("[('german', 0.9")
        assert cells[-1][-1]["data"]["text/plain"] == "2"

    def test_without_widgets_the_bar_is_text(self, tmp_path):
        cells, _ = run(tmp_path, "import sys; sys.modules['ipywidgets'] = None")
        streams = [output for output in cells[2] if output["output_type"] == "stream"]
        assert {stream["name"] for stream in streams} == {"stdout"}
        shown = "".join(stream["text"] for stream in streams).rstrip()
        assert "Epoch 6/6 100%|██████████| " in shown.split("\r")[-1]

"""A request with a back end: the embedded model's picture, its recipe, and what is refused with a sentence."""

from __future__ import annotations

import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.catalog import EMBEDDED_MODEL
from engine.cli import main
from engine.errors import InvalidValue
from engine.messages import GenerateRequest, ImageDone, JobCancelled, JobDone, JobFailed, ModelLoaded, Notice, StepDone
from engine.metadata import read_recipe
from engine.runner import Runner
from engine.switches import Switches

# Of 255 levels: what rounding to bytes makes of differences of a millionth.
LEVELS = 1


@pytest.fixture
def request_(tmp_path: Path) -> GenerateRequest:
    return GenerateRequest(
        prompt="a red apple",
        model=EMBEDDED_MODEL,
        scheduler="dpmsolver++",
        steps=4,
        guidance_scale=5.0,
        seed=3,
        width=128,
        height=128,
        folder=str(tmp_path),
        name="picture",
        job_id="job",
    )


@pytest.mark.parametrize("backend", ["openvino", "onnx"])
def test_the_embedded_model_makes_the_same_picture(backend: str, request_: GenerateRequest) -> None:
    pictures: list[np.ndarray[tuple[int, ...], np.dtype[np.int16]]] = []
    held: list[int] = []
    for switches in (Switches(), Switches(backend=backend)):
        runner = Runner()
        events = list(runner.run(replace(request_, switches=switches)))
        assert isinstance(events[-1], JobDone), events[-1]
        (done,) = [event for event in events if isinstance(event, ImageDone)]
        (loaded,) = [event for event in events if isinstance(event, ModelLoaded)]
        # Both hold float32: the same numbers, wherever they lie.
        held.append(sum(size for _, size in loaded.held))
        pictures.append(np.asarray(Image.open(done.path), np.int16))
        runner.release()
    assert np.abs(pictures[0] - pictures[1]).max() <= LEVELS
    assert held[1] == pytest.approx(held[0], rel=0.02)
    recipe = read_recipe(Path(done.path))
    assert recipe is not None
    assert ("switches", f'{{"backend": "{backend}"}}') in recipe.extras
    assert recipe.program is not None
    assert {"openvino": "openvino", "onnx": "onnxruntime"}[backend] in recipe.program


def test_cancelled_while_it_is_exported_and_in_a_step(
    request_: GenerateRequest, tiny_sd_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SFUMATO_CACHE", str(tmp_path / "cache"))
    request = replace(
        request_, model=str(tiny_sd_folder), width=32, height=32, switches=Switches(backend="onnx"), steps=20
    )
    cancel = threading.Event()
    cancel.set()
    runner = Runner()
    assert isinstance(list(runner.run(request, cancel))[-1], JobCancelled)
    assert not list(tmp_path.glob("cache/backends/*"))
    cancel.clear()
    steps = 0
    for event in runner.run(request, cancel):
        steps += isinstance(event, StepDone)
        if steps == 2:
            cancel.set()
    assert isinstance(event, JobCancelled)
    assert steps == 2
    assert not list(tmp_path.glob("*.png"))
    runner.release()


def test_what_cannot_be_is_said(
    request_: GenerateRequest, tiny_sd_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = replace(request_, model=str(tiny_sd_folder), width=32, height=32, switches=Switches(backend="onnx"))

    def message(of: GenerateRequest) -> str:
        last = list(Runner().run(of))[-1]
        assert isinstance(last, JobFailed), last
        return last.message

    assert "Adapters change weights, which the back end onnx has compiled" in message(
        replace(request, prompt="a <lora:style:0.5>")
    )
    for switches in (Switches(backend="onnx", deep_cache=3), Switches(backend="onnx", compiled=True)):
        assert "works with the back end torch only, not with onnx" in message(replace(request, switches=switches))
    both = replace(request, dtype="bfloat16", switches=Switches(backend="onnx"))
    assert "ONNX Runtime computes in float32" in message(both)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert "pip install sfumato[onnx]" in message(replace(request, switches=Switches(backend="onnx")))
    with pytest.raises(InvalidValue, match="The back end 'tensorrt' is unknown; choose one of torch, openvino, onnx"):
        Switches(backend="tensorrt")
    with pytest.raises(InvalidValue, match="computes on the processor, not on cuda:0; choose the device cpu"):
        Switches(backend="onnx").check_backend("cuda:0")


def test_nothing_is_exported_ahead_of_a_job(
    tiny_sd_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SFUMATO_CACHE", str(tmp_path))
    runner = Runner()
    runner.warm_up(str(tiny_sd_folder), "cpu", "float32", Switches(backend="onnx"))
    assert runner.model is None
    assert not list(tmp_path.iterdir())


def test_a_precision_in_which_the_processor_is_no_faster_is_told(
    request_: GenerateRequest, tiny_sd_folder: Path
) -> None:
    from engine.backends.openvino_session import computes_in

    request = replace(request_, model=str(tiny_sd_folder), width=32, height=32, switches=Switches(backend="openvino"))
    events = list(Runner().run(replace(request, dtype="bfloat16")))
    assert isinstance(events[-1], JobDone), events[-1]
    told = any(
        "In bfloat16 this processor is no faster" in event.message for event in events if isinstance(event, Notice)
    )
    assert told == (computes_in("bfloat16") != "bfloat16")


def test_the_commands(tiny_sd_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["generate", "a cup", "--model", str(tiny_sd_folder), "--steps", "2", "--size", "32x32"]
    picture = tmp_path / "cup.png"
    assert main([*given, "--backend", "onnx", "--out", str(picture)]) == 0
    recipe = read_recipe(picture)
    assert recipe is not None and ("switches", '{"backend": "onnx"}') in recipe.extras
    again = tmp_path / "again.png"
    assert main(["generate", "--from", str(picture), "--out", str(again)]) == 0
    assert np.array_equal(np.asarray(Image.open(picture)), np.asarray(Image.open(again)))
    capsys.readouterr()
    assert main(["export", str(tiny_sd_folder), str(tmp_path / "exported")]) == 0
    assert capsys.readouterr().out.count("model.onnx") == 4
    names = {"unet", "vae_decoder", "vae_encoder", "text_encoder", "tokenizer", "scheduler"}
    assert {path.name for path in (tmp_path / "exported").iterdir()} == names
    assert main(["export", str(tiny_sd_folder), str(tmp_path / "exported")]) == 2
    assert "exported is not empty; give a folder that is" in capsys.readouterr().err

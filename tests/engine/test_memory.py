"""Memory: the estimate against what a process of its own takes, and which plan is chosen."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from engine.backends import openvino_session
from engine.backends.export import write_openvino
from engine.backends.graphs import Sizes, graphs_of
from engine.backends.openvino_session import OpenVinoSession
from engine.catalog import EMBEDDED_MODEL, model_folder
from engine.errors import InvalidValue, MissingFile
from engine.memory import (
    MODES,
    PLANS,
    TILE,
    MemoryEstimate,
    cheapest,
    estimate,
    group_of,
    next_plan,
    rounding_as,
    rows_of,
    stored_precision,
    weight_files,
)
from engine.messages import MEMORY_PLANS, EngineSettings, GenerateRequest
from engine.models import arithmetic
from engine.models.convolution import WINOGRAD_CHANNELS
from engine.run_memory import outlook
from engine.switches import Switches
from tests.fixtures.stable_diffusion import Size, stable_diffusion

CHILD = Path(__file__).with_name("memory_child.py")
GB = 2**30
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture
def request_(tmp_path: Path) -> GenerateRequest:
    return GenerateRequest(
        prompt="a red apple",
        model=EMBEDDED_MODEL,
        scheduler="ddim",
        steps=2,
        guidance_scale=5.0,
        seed=1,
        width=128,
        height=128,
        folder=str(tmp_path),
        name="picture",
        previews=False,
        job_id="job",
    )


def measured(request: GenerateRequest, settings: EngineSettings | None = None) -> dict[str, Any]:
    """Make the pictures in a new process; returns the figures of `memory_child`, in bytes."""
    given = {"request": asdict(request), "settings": asdict(settings or EngineSettings(memory_mode="fast"))}
    child = subprocess.run(
        [sys.executable, str(CHILD), json.dumps(given)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "2"},
    )
    assert child.returncode == 0, child.stderr
    return json.loads(child.stdout)


@linux
@pytest.mark.parametrize("side", [128, 512])
def test_the_estimate_for_the_embedded_model_is_what_is_measured(request_: GenerateRequest, side: int) -> None:
    request = replace(request_, width=side, height=side)
    peak = measured(request)["peak"]
    assert estimate(request).total == pytest.approx(peak, rel=0.15)


@linux
@pytest.mark.parametrize("mode", MODES)
def test_the_estimate_is_what_is_measured_also_where_maps_of_all_sizes_come_and_go(
    request_: GenerateRequest, mode: str
) -> None:
    """The decoder's maps leave holes in the heap: without giving them back it held up to twice as much as it uses."""
    request = replace(request_, width=1024, height=768)
    peak = measured(request, EngineSettings(memory_mode=mode))["peak"]
    plan = next(plan for plan in PLANS if plan.name == MODES[mode])
    assert estimate(request).under(plan) == pytest.approx(peak, rel=0.15)


@linux
@pytest.mark.usefixtures("few_threads")
@pytest.mark.parametrize("side", [128, 512, 1024])
@pytest.mark.parametrize("backend", ["openvino", "onnx"])
def test_the_estimate_for_other_back_ends_is_what_is_measured(
    request_: GenerateRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend: str, side: int
) -> None:
    monkeypatch.setenv("SFUMATO_CACHE", str(tmp_path))
    request = replace(request_, width=side, height=side, switches=Switches(backend=backend))
    measured(replace(request, width=128, height=128, name="exported"))
    peak = measured(request)["peak"]
    # OpenVINO maps the files of what it computes; those pages are given up where memory is short.
    files = [path for path in tmp_path.rglob("model.bin") if not path.parent.name.startswith("vae_encoder")]
    assert len(files) == (3 if backend == "openvino" else 0)
    mapped = sum(path.stat().st_size for path in files)
    found = outlook(request, "fast").estimate
    assert bool(found.terms) == (backend == "openvino" and side >= 512)
    mapped += (
        found.terms * 36 // 27
    )  # those of its faster convolutions, of which the kernels' own numbers are not counted
    assert found.total == pytest.approx(peak - mapped, rel=0.15)


def test_what_a_processor_cannot_compute_in_is_not_counted_on(
    request_: GenerateRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without bfloat16, OpenVINO's weights are float32; torch keeps them narrow."""
    monkeypatch.setattr(openvino_session, "computes_in", lambda _: "float32")
    request = replace(request_, dtype="bfloat16")
    narrow = outlook(request, "auto").estimate.weights
    wide = outlook(replace(request, switches=Switches(backend="openvino")), "auto").estimate.weights
    assert wide == {name: 2 * size for name, size in narrow.items()}


@pytest.mark.usefixtures("few_threads")
@pytest.mark.parametrize("guidance_scale", [1.0, 5.0])
def test_the_faster_convolutions_of_openvino_are_counted(
    request_: GenerateRequest, tmp_path: Path, guidance_scale: float
) -> None:
    """Those of the larger images; the terms of their kernels take two or four times as much as the kernels."""
    wide = WINOGRAD_CHANNELS
    pipeline = stable_diffusion(Size(unet=(wide, 2 * wide, 2 * wide)))  # two stages as wide, one of small images
    pipeline.save_pretrained(tmp_path / "model")
    request = replace(request_, model=str(tmp_path / "model"), width=128, height=96, dtype="float32")
    request = replace(request, guidance_scale=guidance_scale, switches=Switches(backend="openvino"))
    (graph,) = graphs_of("unet", pipeline.unet)
    session = OpenVinoSession(write_openvino(graph, tmp_path), "float32", fixed=True)
    plain, batch = session.weight_bytes, 2 if guidance_scale > 1 else 1
    session.run(graph.example(Sizes(batch, 12, 16, 7), torch.Generator().manual_seed(0)), lambda: None)
    found = outlook(request, "fast").estimate
    assert session.weight_bytes > 1.1 * plain
    assert found.terms == pytest.approx(session.weight_bytes - plain, rel=0.01)
    assert found.weights["denoiser"] == pytest.approx(plain, rel=0.01)
    session.release()


def test_faster_convolutions_are_left_out_where_memory_is_shortest() -> None:
    names = {plan.name: need(terms=1000).under(plan) - need().under(plan) for plan in PLANS}
    assert names == {"resident": 1000, "text": 1000, "tiles": 1000, "in turn": 1000, "streamed": 1000, "in pieces": 0}
    assert need(terms=1000).phases(PLANS[3])["decoding"] == need().phases(PLANS[3])["decoding"]


def test_maps_of_layers_that_compute_in_float32_are_counted_as_such(
    request_: GenerateRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    wide = estimate(replace(request_, dtype="float32"))
    request = replace(request_, dtype="bfloat16")
    found: dict[bool, MemoryEstimate] = {}
    for quick in (True, False):
        monkeypatch.setattr(arithmetic, "is_quick", lambda _, quick=quick: quick)
        found[quick] = outlook(request, "auto").estimate
    assert found[True].weights == found[False].weights
    assert found[False].denoising == wide.denoising > found[True].denoising
    assert found[False].decoding == wide.decoding > found[True].decoding


@linux
@pytest.mark.campaign
@pytest.mark.parametrize(("mode", "dtype"), [("fast", "float32"), ("low", "float32"), ("fast", "bfloat16")])
def test_the_estimate_for_stable_diffusion_is_what_is_measured(
    request_: GenerateRequest, tmp_path: Path, mode: str, dtype: str
) -> None:
    """Random weights of the true size: a step of 512 pixels with guidance, and the decoder."""
    from tests.fixtures.stable_diffusion import SD15, write_stable_diffusion

    folder = write_stable_diffusion(tmp_path / "sd15", SD15)
    request = replace(request_, model=str(folder), width=512, height=512, steps=1, dtype=dtype)
    plan = PLANS[0] if mode == "fast" else PLANS[-1]
    peaks = measured(request, EngineSettings(memory_mode=mode))["phases"]
    expected = outlook(request, mode).estimate.phases(plan)
    assert expected["denoising"] == pytest.approx(peaks["denoising"], rel=0.15)
    assert expected["decoding"] == pytest.approx(peaks["decoding"], rel=0.15)


@linux
def test_parts_that_take_turns_are_never_beside_what_others_left(request_: GenerateRequest, tmp_path: Path) -> None:
    """Converted on the way in, weights of this size stay with the C library when they are freed; it must let go."""
    from tests.fixtures.stable_diffusion import Size, stable_diffusion

    # The parts that leave must weigh well more than what two runs of one job differ by, about 15 MB.
    size = Size(unet=(256, 512), vae=(128, 256, 512), text=512)
    stable_diffusion(size).to(torch.float16).save_pretrained(tmp_path / "model")
    request = replace(request_, model=str(tmp_path / "model"), width=64, height=64, steps=1, dtype="bfloat16")
    # Now and then the pages of the files stand in one run's count, too.
    peaks = {
        mode: min(measured(request, EngineSettings(memory_mode=mode))["peak"] for _ in range(2))
        for mode in ("fast", "low")
    }
    weights = estimate(request).weights
    saved = sum(weights.values()) - max(weights.values())
    assert saved > 80 * 2**20
    assert peaks["fast"] - peaks["low"] > 0.7 * saved


@linux
def test_released_memory_goes_back_to_the_system(request_: GenerateRequest, tmp_path: Path) -> None:
    """After models took each other's place and the last one is released, the process is as small as before."""
    from tests.fixtures.stable_diffusion import Size, stable_diffusion

    size = Size(unet=(256, 512), vae=(16, 32), text=256, groups=16)
    models = [str(tmp_path / name) for name in ("first", "second")]
    for model in models:
        stable_diffusion(size).to(torch.float16).save_pretrained(model)
    requests = [replace(request_, model=model, width=32, height=32, steps=1, dtype="float32") for model in models]
    child = subprocess.run(
        [sys.executable, "-c", RELEASES, json.dumps([asdict(request) for request in requests])],
        capture_output=True,
        text=True,
        check=False,
        cwd=CHILD.parents[2],
    )
    assert child.returncode == 0, child.stderr
    empty, *full, after = json.loads(child.stdout)
    weights = sum(estimate(requests[0]).weights.values())
    assert weights > 50 * 2**20
    assert all(used - empty > 0.7 * weights for used in full)
    assert all(abs(used - full[0]) < 0.3 * weights for used in full)
    assert after - empty < 0.3 * weights


# Converted to another precision, so that the weights are no mapped file. What the libraries keep comes first.
RELEASES = """
import json, sys
from engine.messages import EngineSettings, GenerateRequest
from engine.runner import Runner
from tests.engine.memory_child import status

runner = Runner(EngineSettings(memory_mode="fast"))
requests = [GenerateRequest.from_values(values) for values in json.loads(sys.argv[1])]

def used(request):
    last = list(runner.run(request))[-1]
    assert type(last).__name__ == "JobDone", last
    return status("VmRSS")

used(requests[0])
runner.release()
figures = [status("VmRSS"), *(used(request) for request in (*requests, *requests))]
runner.release()
print(json.dumps([*figures, status("VmRSS")]))
"""


@linux
@pytest.mark.campaign
def test_where_the_system_gives_no_more_memory_tiles_help_and_the_next_job_runs(request_: GenerateRequest) -> None:
    """A process whose address space is bounded: room for tiles, but not for the whole decoder; then not for them."""
    large = replace(request_, width=1024, height=768, steps=1, guidance_scale=1.0)
    child = subprocess.run(
        [
            sys.executable,
            "-c",
            BOUNDED,
            json.dumps([asdict(job) for job in (request_, large, replace(large, width=2048))]),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=CHILD.parents[2],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert child.returncode == 0, child.stderr
    helped, failed, after = json.loads(child.stdout)
    assert helped == ["There was not enough memory: trying again with the picture decoded in tiles.", "JobDone"]
    assert failed[-1].startswith("There is not enough memory for this picture")
    assert after == ["JobDone"]


BOUNDED = """
import json, resource, sys
from engine.messages import EngineSettings, GenerateRequest, JobFailed, Notice
from engine.runner import Runner
from tests.engine.memory_child import status

runner = Runner(EngineSettings(memory_mode="fast"))
small, large, huge = (GenerateRequest.from_values(values) for values in json.loads(sys.argv[1]))

def told(request, megabytes=None):
    if megabytes is not None:
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (status("VmSize") + megabytes * 2**20, hard))
    events = list(runner.run(request))
    words = [event.message for event in events if isinstance(event, (Notice, JobFailed))]
    return words if isinstance(events[-1], JobFailed) else [*words, type(events[-1]).__name__]

assert told(small) == ["JobDone"]
print(json.dumps([told(large, 250), told(huge, 60), told(small)]))
"""


# ---------------------------------------------------------------------------------------------------- plans


def need(**changes: int) -> MemoryEstimate:
    weights = {"text": 500, "denoiser": 3000, "vae": 300}
    values = {"encoding": 10, "denoising": 400, "reading": 0, "decoding": 2000, "tiled_reading": 0}
    return MemoryEstimate(runtime=200, weights=weights, **{**values, "tiled_decoding": 700, **changes})


def test_the_cheapest_plan_that_fits_is_taken() -> None:
    names = [cheapest(need(), available).name for available in (10_000, 6000, 5600, 5000, 4300, 3600, 100)]
    assert names == ["resident", "resident", "text", "tiles", "tiles", "in turn", "in pieces"]


def test_needs_fall_from_plan_to_plan(request_: GenerateRequest) -> None:
    for job in (need(), need(reading=1500, tiled_reading=500), estimate(replace(request_, width=2048, height=2048))):
        totals = [job.under(plan) for plan in PLANS]
        assert totals == sorted(totals, reverse=True)


def test_blocks_that_come_one_by_one_need_less_where_they_can() -> None:
    """So on a GPU; on a CPU the plan needs what the one before it needs, and is never the cheapest that fits."""
    plans = {plan.name: plan for plan in PLANS}
    assert need().under(plans["streamed"]) == need().under(plans["in turn"])
    streamed = need(streamed=500)
    assert streamed.phases(plans["streamed"])["denoising"] == 200 + 500 + 400
    assert streamed.phases(plans["in turn"]) == need().phases(plans["in turn"])
    assert [cheapest(streamed, available).name for available in (3600, 1200, 900)] == [
        "in turn",
        "streamed",
        "in pieces",
    ]
    found = next_plan(streamed, plans["in turn"], "denoising")
    assert found is plans["streamed"]


def test_graphs_of_steps_are_there_at_all_times_where_all_has_room() -> None:
    """Steps work in them, so that they do not come on top of what a step needs."""
    plain, with_graphs = need(reading=100), need(reading=100, graphs=400)
    for plan in PLANS:
        more = 400 if plan == PLANS[0] else 0
        expected = {name: bytes_ + more for name, bytes_ in plain.phases(plan).items()}
        expected["denoising"] -= more - 100 * (more > 0)
        assert with_graphs.phases(plan) == expected
    two = need(graphs=800)
    assert two.phases(PLANS[0])["denoising"] == need().phases(PLANS[0])["denoising"] + 400
    assert [cheapest(two, available).name for available in (6800, 6799)] == ["resident", "text"]


@pytest.mark.parametrize(
    ("channels", "side", "rows"),
    [(4, 3, 2), (8, 3, 3), (9, 3, 2), (8, 1, 2)],
    ids=["plain", "edits", "fills in", "doubles latents"],
)
@pytest.mark.parametrize("layout", ["folder", "file"])
def test_a_model_that_edits_pictures_has_three_rows(
    request_: GenerateRequest, tmp_path: Path, layout: str, channels: int, side: int, rows: int
) -> None:
    kernel = torch.zeros(4, channels, side, side)
    location = tmp_path / "model"
    if layout == "folder":
        (location / "unet").mkdir(parents=True)
        save_file({"conv_in.weight": kernel}, location / "unet" / "diffusion_pytorch_model.safetensors")
    else:
        location = location.with_suffix(".safetensors")
        save_file({"model.diffusion_model.input_blocks.0.0.weight": kernel}, location)
    request = replace(request_, model=str(location), guidance_scale=7.0)
    assert rows_of(request) == rows
    assert rows_of(replace(request, guidance_scale=1.0)) == 1


@pytest.mark.parametrize(
    ("plan", "phase", "expected"),
    [
        ("resident", "decoding", "tiles"),
        ("tiles", "decoding", "in turn"),
        ("in pieces", "decoding", None),
        ("resident", "denoising", "text"),
        ("text", "denoising", "in turn"),
        ("in turn", "denoising", "in pieces"),
        ("in pieces", "denoising", None),
        ("resident", "encoding", "in turn"),
    ],
)
def test_the_plan_of_a_second_try_needs_less_where_it_failed(plan: str, phase: str, expected: str | None) -> None:
    now = next(one for one in PLANS if one.name == plan)
    found = next_plan(need(), now, phase)
    assert (None if found is None else found.name) == expected


def test_what_makes_a_job_larger(request_: GenerateRequest, tmp_path: Path) -> None:
    whole = estimate(request_)
    assert estimate(replace(request_, dtype="bfloat16")).weights["denoiser"] * 2 == whole.weights["denoiser"]
    assert estimate(replace(request_, guidance_scale=1.0)).denoising * 2 == whole.denoising
    assert estimate(replace(request_, width=256)).decoding == 2 * whole.decoding
    assert estimate(replace(request_, hires_scale=2.0)).decoding == 4 * whole.decoding
    assert estimate(replace(request_, width=TILE, height=2 * TILE)).tiled_decoding < 0.7 * (
        estimate(replace(request_, width=TILE, height=2 * TILE)).decoding
    )
    assert whole.reading == 0 < estimate(replace(request_, init_image="start.png")).reading
    with pytest.raises(MissingFile, match="nowhere"):
        estimate(replace(request_, model=str(tmp_path / "nowhere")))


def test_files_say_how_their_weights_are_kept(tiny_sd_folder: Path) -> None:
    assert stored_precision(str(tiny_sd_folder)) == "float32"
    assert stored_precision(EMBEDDED_MODEL) == "float16"
    names = [group_of(path.parent.name) for path in weight_files(model_folder(EMBEDDED_MODEL))]
    assert names == ["text", "denoiser", "vae"]


@pytest.mark.parametrize(
    ("named", "chosen", "expected"),
    [
        ("tiles", "resident", "tiles"),
        ("in turn", "resident", "tiles"),  # rounds alike, and is quicker
        ("tiles", "in turn", "in turn"),
        ("in pieces", "text", "in pieces"),
        ("resident", "text", "text"),
        ("resident", "tiles", "tiles"),  # memory comes first
        ("tiles", "in pieces", "in pieces"),
    ],
)
def test_a_plan_that_rounds_as_another_needs_no_more_than_there_is(named: str, chosen: str, expected: str) -> None:
    now = next(one for one in PLANS if one.name == chosen)
    assert rounding_as(named, now).name == expected


def test_a_memory_plan_that_is_none_is_refused(request_: GenerateRequest) -> None:
    assert tuple(plan.name for plan in PLANS) == MEMORY_PLANS
    with pytest.raises(InvalidValue, match="'wild' is unknown; choose one of resident, text, tiles"):
        replace(request_, memory_plan="wild")


def test_a_memory_mode_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidValue, match="'huge'"):
        EngineSettings(memory_mode="huge")

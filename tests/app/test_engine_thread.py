"""The real engine behind the client: jobs, cancelling inside a step, errors, release, idle time, warm-up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pytestqt.qtbot import QtBot

from app.engine_client import EngineClient
from engine.messages import EngineSettings, GenerateRequest, JobFailed, Notice, StepDone
from engine.runner import Runner
from engine.worker import EngineThread
from tests.app.scripted import make_request
from tests.fixtures.stable_diffusion import write_stable_diffusion

LONG = 60_000


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_stable_diffusion(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def client(qtbot: QtBot) -> Iterator[EngineClient]:
    client = EngineClient(EngineThread())
    yield client
    client.close()


@pytest.fixture
def request_(tmp_path: Path, model: Path) -> GenerateRequest:
    folder = tmp_path / "pictures"
    folder.mkdir()
    return make_request(folder=str(folder), model=str(model), width=32, height=32, job_id="a", steps=2, record=False)


class Ends:
    """How each job ended, in order, and everything else of note."""

    def __init__(self, client: EngineClient) -> None:
        self.ends: list[tuple[str, str]] = []
        self.events: list[Any] = []
        for name in ("job_done", "job_cancelled", "job_failed"):
            getattr(client, name).connect(lambda event, name=name: self._ended(name, event))
        for name in ("step_done", "image_done", "notice", "model_released", "job_loaded"):
            getattr(client, name).connect(self.events.append)

    def _ended(self, name: str, event: Any) -> None:
        self.ends.append((event.job_id, name))
        self.events.append(event)


def test_jobs_one_after_another_with_a_failing_one_between(
    qtbot: QtBot, client: EngineClient, request_: GenerateRequest
) -> None:
    heard = Ends(client)
    client.submit(request_)
    client.submit(replace(request_, job_id="b", model="/nowhere"))
    client.submit(replace(request_, job_id="c"))
    qtbot.waitUntil(lambda: len(heard.ends) == 3, timeout=LONG)
    assert heard.ends == [("a", "job_done"), ("b", "job_failed"), ("c", "job_done")]
    assert len(list(Path(request_.folder).iterdir())) == 2
    qtbot.waitUntil(lambda: not client.busy)


def test_an_error_nobody_expects_ends_one_job_only(
    qtbot: QtBot, client: EngineClient, request_: GenerateRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Runner.run

    def broken(self: Runner, request: GenerateRequest, cancel: Any = None) -> Any:
        if request.job_id == "bad":
            raise ZeroDivisionError("not even an event")
        return run(self, request, cancel)

    monkeypatch.setattr(Runner, "run", broken)
    heard = Ends(client)
    client.submit(replace(request_, job_id="bad"))
    client.submit(request_)
    qtbot.waitUntil(lambda: len(heard.ends) == 2, timeout=LONG)
    assert heard.ends == [("bad", "job_failed"), ("a", "job_done")]
    failed = heard.events[0]
    assert isinstance(failed, JobFailed)
    assert (failed.kind, "not even an event" in failed.report) == ("ZeroDivisionError", True)


def test_cancel_while_it_runs_and_before_it_runs(qtbot: QtBot, client: EngineClient, request_: GenerateRequest) -> None:
    heard = Ends(client)
    client.submit(replace(request_, steps=500))
    client.submit(replace(request_, job_id="b"))
    client.submit(replace(request_, job_id="c"))
    qtbot.waitUntil(lambda: any(isinstance(event, StepDone) for event in heard.events), timeout=LONG)
    client.cancel("b")
    client.cancel("a")
    assert heard.ends == [("b", "job_cancelled"), ("a", "job_cancelled")]
    qtbot.waitUntil(lambda: not client.busy, timeout=LONG)
    assert heard.ends[2:] == [("c", "job_done")]
    assert len(list(Path(request_.folder).iterdir())) == 1


def test_release_by_request_and_after_an_idle_time(
    qtbot: QtBot, client: EngineClient, request_: GenerateRequest
) -> None:
    heard = Ends(client)
    client.submit(request_)
    client.release()
    with qtbot.waitSignal(client.model_released, timeout=LONG):
        pass
    client.configure(EngineSettings(idle_seconds=0.2))
    client.submit(replace(request_, job_id="b"))
    with qtbot.waitSignal(client.model_released, timeout=LONG) as released:
        pass
    assert released.args[0].model == request_.model  # pyright: ignore[reportOptionalSubscript]
    assert [end for _, end in heard.ends] == ["job_done", "job_done"]


def test_warm_up_loads_the_model_before_its_first_job(
    qtbot: QtBot, client: EngineClient, request_: GenerateRequest
) -> None:
    heard = Ends(client)
    with qtbot.waitSignal(client.engine_ready, timeout=LONG):
        client.warm_up(request_.model)
    # No signal says so; a job that comes before the model is begun would load it itself.
    thread: Any = client._engine  # pyright: ignore[reportPrivateUsage]
    qtbot.waitUntil(lambda: thread._runner.model is not None, timeout=LONG)
    client.warm_up("/nowhere")  # told by its job, not here
    client.submit(request_)
    qtbot.waitUntil(lambda: bool(heard.ends), timeout=LONG)
    assert heard.ends == [("a", "job_done")]
    assert "ModelLoaded" not in {type(event).__name__ for event in heard.events}


def test_out_of_memory_is_tried_with_less_and_then_said(
    qtbot: QtBot, client: EngineClient, request_: GenerateRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.models.autoencoder_kl import AutoencoderKL

    decode, tiled = AutoencoderKL.decode, []

    def short_of_memory(self: Any, *arguments: Any, **options: Any) -> Any:
        tiled.append(self.use_tiling)
        if not self.use_tiling or len(tiled) > 3:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: not enough memory")
        return decode(self, *arguments, **options)

    monkeypatch.setattr(AutoencoderKL, "decode", short_of_memory)
    heard = Ends(client)
    client.submit(replace(request_, count=2))
    client.submit(replace(request_, job_id="b"))
    qtbot.waitUntil(lambda: len(heard.ends) == 2, timeout=LONG)
    assert heard.ends == [("a", "job_done"), ("b", "job_failed")]
    # The first job keeps to what helped; the second begins anew, with tiles, then with one part at a time.
    assert tiled == [False, True, True, False, True, True]
    assert [event.job_id for event in heard.events if isinstance(event, Notice)] == ["a", "b", "b"]
    failed = heard.events[-1]
    assert (failed.kind, failed.report) == ("OutOfMemory", "")
    monkeypatch.undo()
    client.submit(replace(request_, job_id="c"))
    qtbot.waitUntil(lambda: len(heard.ends) == 3, timeout=LONG)
    assert heard.ends[-1] == ("c", "job_done")

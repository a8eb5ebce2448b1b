"""The door to the engine: typed signals, steps in batches, cancelling at once, questions beside the jobs."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QObject
from pytestqt.qtbot import QtBot

from app.engine_client import EngineClient
from engine.errors import InvalidValue
from engine.messages import (
    EngineReady,
    EngineSettings,
    GenerateRequest,
    JobCancelled,
    JobFailed,
    ModelLoaded,
    ModelLoading,
    Notice,
    StepDone,
)
from tests.app.fake_engine import FakeEngine, a_picture, a_step
from tests.app.scripted import make_request

SIGNALS = (
    "job_started job_loading job_loaded step_done image_done job_done job_cancelled job_failed notice model_released"
).split()


class Listener(QObject):
    """Writes down the signals of a client."""

    def __init__(self, client: EngineClient) -> None:
        super().__init__()
        self.heard: list[tuple[str, Any]] = []
        for name in SIGNALS:
            getattr(client, name).connect(lambda event, name=name: self.heard.append((name, event)))

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.heard]


@pytest.fixture
def request_(tmp_path: Path) -> GenerateRequest:
    return make_request(folder=str(tmp_path), job_id="job", steps=3)


def client_of(engine: FakeEngine) -> tuple[EngineClient, Listener]:
    client = EngineClient(engine)
    listener = Listener(client)
    return client, listener


def test_each_event_has_its_signal(qtbot: QtBot, request_: GenerateRequest) -> None:
    engine = FakeEngine(lambda _request: [])
    client, listener = client_of(engine)
    loaded = ModelLoaded(job_id="job", model="m", device="cpu", dtype="float32", seconds=1.0)
    engine.say(ModelLoading(job_id="job", model="m"), loaded, Notice(job_id="job", message="less memory"))
    engine.say(JobFailed(job_id="job", kind="OutOfMemory", message="no memory"))
    engine.release()
    qtbot.waitUntil(lambda: len(listener.heard) == 5)
    assert listener.names == ["job_loading", "job_loaded", "notice", "job_failed", "model_released"]
    assert listener.heard[1][1] is loaded
    client.close()
    assert engine.closed == 1


def test_a_whole_job_arrives_in_order(qtbot: QtBot, request_: GenerateRequest) -> None:
    client, listener = client_of(FakeEngine())
    busy: list[bool] = []
    client.busy_changed.connect(busy.append)
    client.submit(request_)
    qtbot.waitUntil(lambda: "job_done" in listener.names)
    assert listener.names == ["job_started", "step_done", "step_done", "step_done", "image_done", "job_done"]
    assert busy == [True, False]
    client.close()


def test_steps_faster_than_the_screen_come_in_batches_and_none_is_lost(qtbot: QtBot, request_: GenerateRequest) -> None:
    engine = FakeEngine(lambda _request: [])
    client, listener = client_of(engine)
    batches: list[int] = []
    client._timer.timeout.connect(lambda: batches.append(len(listener.heard)))  # pyright: ignore[reportPrivateUsage]
    for index in range(100):
        engine.say(a_step(make_request(steps=100), index))
    qtbot.waitUntil(lambda: len(listener.heard) == 100)
    assert [event.index for _, event in listener.heard] == list(range(100))
    assert len(batches) <= 2
    client.close()


def test_cancelled_is_said_at_once_and_the_engine_is_busy_until_it_stops(
    qtbot: QtBot, request_: GenerateRequest
) -> None:
    engine = FakeEngine(automatic=False)
    client, listener = client_of(engine)
    client.submit(request_)
    engine.play(2)
    client.cancel("job")
    assert listener.names == ["job_started", "step_done", "job_cancelled"]
    assert client.busy
    # What the engine still says of the job is nobody's business, but a picture that was finished is not lost.
    engine.say(a_step(request_, 2), a_picture(request_))
    engine.play()
    qtbot.waitUntil(lambda: not client.busy)
    assert listener.names == ["job_started", "step_done", "job_cancelled", "image_done"]
    client.cancel("job")
    client.cancel("another")
    assert engine.cancelled == ["job"]
    client.close()


def test_a_job_that_ended_before_the_click_is_not_cancelled(qtbot: QtBot, request_: GenerateRequest) -> None:
    engine = FakeEngine()
    client, listener = client_of(engine)
    client.submit(request_)
    client.cancel("job")
    assert listener.names[-1] == "job_done"
    assert engine.cancelled == []
    client.close()


def test_what_needs_torch_waits_for_it_and_the_newest_question_wins(qtbot: QtBot) -> None:
    engine = FakeEngine()
    client, _ = client_of(engine)
    answers: list[int] = []
    client.when_ready("plot", lambda: 1, answers.append)
    client.when_ready("plot", lambda: 2, answers.append)
    assert answers == []
    with qtbot.waitSignal(client.engine_ready):
        engine.say(EngineReady())
    qtbot.waitUntil(lambda: bool(answers))
    assert answers == [2]
    client.close()


def test_questions_are_answered_here_and_the_overtaken_ones_are_not(qtbot: QtBot) -> None:
    client, _ = client_of(FakeEngine())
    go, here = threading.Event(), threading.current_thread()
    answers: list[tuple[int, threading.Thread]] = []

    def slow() -> int:
        go.wait(5)
        return 1

    client.query("kind", slow, lambda n: answers.append((n, threading.current_thread())))
    client.query("kind", lambda: 2, lambda n: answers.append((n, threading.current_thread())))
    go.set()
    client.query("other", lambda: 3, lambda n: answers.append((n, threading.current_thread())))
    qtbot.waitUntil(lambda: len(answers) == 2)
    client.query("last", lambda: 4, lambda n: answers.append((n, threading.current_thread())))
    qtbot.waitUntil(lambda: len(answers) == 3)
    assert sorted(number for number, _ in answers) == [2, 3, 4]
    assert all(thread is here for _, thread in answers)
    client.close()


def test_an_error_in_a_question_goes_to_who_asked(qtbot: QtBot) -> None:
    client, _ = client_of(FakeEngine())
    errors: list[Exception] = []

    def fails() -> int:
        raise InvalidValue("no")

    client.query("kind", fails, lambda _: None, errors.append)
    qtbot.waitUntil(lambda: bool(errors))
    assert isinstance(errors[0], InvalidValue)
    client.close()


def test_questions_about_the_embedded_model(qtbot: QtBot) -> None:
    engine = FakeEngine()
    client, _ = client_of(engine)
    engine.say(EngineReady())
    answers: dict[str, Any] = {}
    request = make_request(scheduler="euler", sigma_schedule="karras", steps=6)
    prompt = "a red apple, " * 40
    client.count_tokens("sfumato-icons", prompt, lambda got: answers.update(tokens=got))
    client.schedule(request, lambda got: answers.update(schedule=got))
    client.memory_plan(request, lambda got: answers.update(memory=got))
    client.model_info("sfumato-icons", lambda got: answers.update(info=got))
    qtbot.waitUntil(lambda: len(answers) == 4, timeout=20_000)
    tokens, schedule = answers["tokens"], answers["schedule"]
    assert 120 <= tokens.count <= tokens.limit == 30 * (len(tokens.ends) + 1)
    assert all(prompt[:end].rstrip().endswith(",") for end in tokens.ends)
    assert len(schedule.timesteps) == 6
    assert len(schedule.sigmas) == 7
    assert list(schedule.sigmas) == sorted(schedule.sigmas, reverse=True)
    assert schedule.sigmas[-1] == 0
    outlook = answers["memory"]
    assert outlook.needed > sum(outlook.estimate.weights.values()) > 4_000_000
    assert (outlook.plan.name, outlook.dtype, outlook.fits) == ("resident", "float32", True)
    client.configure(EngineSettings(memory_mode="low"))
    client.memory_plan(request, lambda got: answers.update(small=got))
    qtbot.waitUntil(lambda: "small" in answers, timeout=20_000)
    assert answers["small"].plan.name == "in pieces"
    assert answers["small"].needed < outlook.needed
    assert answers["info"].name
    client.close()


def test_after_closing_nothing_is_heard(qtbot: QtBot, request_: GenerateRequest) -> None:
    engine = FakeEngine()
    client, listener = client_of(engine)
    client.close()
    engine.say(JobCancelled(job_id="job"), StepDone(job_id="job", image=0, index=0, total=1, timestep=0, seconds=1))
    client.query("kind", lambda: 1, lambda _: listener.heard.append(("answer", 1)))
    qtbot.wait(1)
    assert listener.heard == []

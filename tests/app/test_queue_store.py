"""The queue's file: order, interrupted jobs, what cannot be written, what cannot be read."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from app.services.queue_store import Job, QueueStore, request_from_json, request_to_json
from app.services.queue_writer import QueueWriter
from engine.errors import KnownError
from engine.messages import Bitmap, BranchPoint, GenerateRequest


def request(prompt: str = "a red apple", **changes: Any) -> GenerateRequest:
    values: dict[str, Any] = {
        "prompt": prompt,
        "model": "sfumato-icons",
        "scheduler": "ddim",
        "steps": 4,
        "guidance_scale": 3.0,
        "seed": 7,
        "width": 64,
        "height": 64,
        "folder": "/pictures",
    }
    return GenerateRequest(**(values | changes))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"seed": 2**64 - 1, "prompt": "تفاحة 'حمراء'; DROP TABLE jobs"},
        {"start": BranchPoint("key", 3), "record": True, "clip_skip": 2},
        {"init_image": "/a.png", "mask_image": "/m.png", "strength": 0.25, "hires_scale": 2.0},
        {"memory_plan": "tiles"},
    ],
)
def test_requests_come_back_as_they_were(changes: dict[str, Any]) -> None:
    assert request_from_json(request_to_json(request(**changes))) == request(**changes)


def test_a_request_of_a_newer_form_is_read_without_what_is_unknown() -> None:
    text = request_to_json(request()).replace("{", '{"colour": "blue", ', 1)
    assert request_from_json(text) == request()


def test_a_row_of_an_older_version_names_no_memory_plan() -> None:
    text = request_to_json(request(memory_plan="in turn"))
    older = text.replace(', "memory_plan": "in turn"', "")
    assert older != text and request_from_json(older) == request()


def test_the_queue_comes_back_in_order_with_the_running_job_offered_first(tmp_path: Path) -> None:
    store = QueueStore(tmp_path / "queue.sqlite3")
    jobs = [Job(id=name, request=request(name, count=3)) for name in "abcde"]
    store.put(jobs)
    store.put([], order=["e", "a", "b", "c", "d"])
    store.put([replace(jobs[1], status="running", made=2, thumbnail=Bitmap(2, 1, bytes(range(6))))])
    store.put([replace(jobs[2], status="done"), replace(jobs[3], status="failed", message="no")])
    store.set_paused(True)
    store.close()

    saved = QueueStore(tmp_path / "queue.sqlite3").load()
    assert [(job.id, job.status) for job in saved.jobs] == [
        ("b", "interrupted"),
        ("e", "waiting"),
        ("a", "waiting"),
        ("d", "failed"),
    ]
    assert saved.paused
    assert saved.jobs[0].made == 2
    assert saved.jobs[0].thumbnail == Bitmap(2, 1, bytes(range(6)))


def test_a_job_goes_on_after_the_pictures_it_has_made() -> None:
    job = Job(id="a", request=request(count=5, seed=10), made=2)
    assert (job.to_run().seed, job.to_run().count, job.to_run().job_id) == (12, 3, "a")


def test_a_job_that_cannot_be_read_is_told_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "queue.sqlite3"
    store = QueueStore(path)
    store.put([Job(id="a", request=request()), Job(id="b", request=request())])
    store.close()
    with sqlite3.connect(path) as database:
        database.execute("UPDATE jobs SET request = replace(request, 'ddim', 'no such') WHERE id = 'a'")
    database.close()
    store = QueueStore(path)
    saved = store.load()
    store.close()
    assert [job.id for job in saved.jobs] == ["b"]
    assert "no such" in saved.problems[0]
    with sqlite3.connect(path) as database:
        assert database.execute("SELECT count(*) FROM jobs").fetchone()[0] == 2
    database.close()


def newer(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()


def a_folder(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize(("spoil", "word"), [(newer, "newer version"), (a_folder, "folder")])
def test_a_file_that_cannot_be_used_is_said_in_one_sentence_and_left_alone(
    tmp_path: Path, spoil: Callable[[Path], None], word: str
) -> None:
    path = tmp_path / "queue.sqlite3"
    spoil(path)
    answers: SimpleQueue[str] = SimpleQueue()
    writer = QueueWriter(path)
    writer.do(QueueStore.load, lambda _saved: answers.put("loaded"), answers.put)
    writer.close()
    assert word in answers.get(timeout=5)


def test_a_damaged_file_is_moved_aside_and_said(tmp_path: Path) -> None:
    path = tmp_path / "queue.sqlite3"
    path.write_bytes(b"this is no database" * 400)
    saved = QueueStore(path).load()
    assert saved.jobs == ()
    assert "damaged" in saved.problems[0]
    assert list(tmp_path.glob("queue.sqlite3.damaged-*"))


def test_a_full_disk_fails_with_a_sentence_and_later_work_succeeds(tmp_path: Path) -> None:
    answers: SimpleQueue[str] = SimpleQueue()
    writer = QueueWriter(tmp_path / "queue.sqlite3")

    def pages(count: int) -> None:
        # SQLite's own limit answers exactly as a disk without space does.
        writer.do(
            lambda store: store._database.execute(f"PRAGMA max_page_count = {count}").fetchone(),  # noqa: SLF001
            lambda _row: None,
            answers.put,
        )

    big = Job(id="a", request=request("word " * 3000))
    pages(1)
    writer.do(lambda store: store.put([big]), lambda _none: answers.put("saved"), answers.put)
    pages(10_000)
    writer.do(lambda store: store.put([big]), lambda _none: answers.put("saved"), answers.put)
    writer.close()
    first, second = answers.get(timeout=5), answers.get(timeout=5)
    assert "full" in first
    assert second == "saved"


def test_two_stores_of_one_file_do_not_hinder_each_other(tmp_path: Path) -> None:
    one, two = QueueStore(tmp_path / "q"), QueueStore(tmp_path / "q")
    one.put([Job(id="a", request=request())])
    two.put([Job(id="b", request=request())])
    assert {job.id for job in one.load().jobs} == {"a", "b"}


def test_the_parameters_of_a_request_are_checked_again_when_read() -> None:
    with pytest.raises(KnownError, match="steps"):
        request_from_json(request_to_json(request()).replace('"steps": 4', '"steps": 0'))

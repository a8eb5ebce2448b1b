"""Configurations: recorded, checked, carried over, saved and read again."""

from __future__ import annotations

import copy
import inspect
import json
import logging
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from engine.config import ConfigMixin, register_to_config
from engine.errors import BadFile, ConfigError, MissingFile


class Sampler(ConfigMixin):
    """Has an option of each kind."""

    @register_to_config
    def __init__(
        self,
        steps: int = 3,
        spacing: Literal["leading", "linspace"] = "leading",
        sizes: tuple[int, ...] = (1, 2),
        scale: float | None = None,
        clip: bool = True,
        betas: list[float] | np.ndarray | None = None,
    ) -> None: ...


class OtherSampler(ConfigMixin):
    """Understands part of it, with another default."""

    @register_to_config
    def __init__(self, steps: int = 9, spacing: Literal["linspace", "leading", "trailing"] = "linspace") -> None: ...


def test_every_argument_is_recorded_with_its_default() -> None:
    config = Sampler(5, scale=1).config
    assert config == {"steps": 5, "spacing": "leading", "sizes": (1, 2), "scale": 1, "clip": True, "betas": None}
    assert config.steps == config["steps"] == config.get("steps") == 5
    assert dict(config)["clip"] is True


def test_the_signature_stays_visible() -> None:
    assert list(inspect.signature(Sampler.__init__).parameters)[:3] == ["self", "steps", "spacing"]


def test_a_config_is_read_only_and_says_which_keys_it_has() -> None:
    config = Sampler().config
    with pytest.raises(AttributeError, match="from_config"):
        config.steps = 4
    with pytest.raises(AttributeError, match="it has .*steps"):
        _ = config.stepz


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda config: pickle.loads(pickle.dumps(config))])  # noqa: S301
def test_copies_keep_what_was_only_a_default(clone: Callable[[Any], Any]) -> None:
    config = clone(Sampler(steps=4).config)
    assert config == Sampler(steps=4).config
    assert config.defaulted == Sampler(steps=4).config.defaulted


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"steps": "many"}, "steps cannot be 'many'; it must be a whole number"),
        ({"steps": True}, "steps cannot be True"),
        ({"steps": 2.5}, "steps cannot be 2.5"),
        ({"spacing": "even"}, 'one of "leading", "linspace"'),
        ({"sizes": ["a"]}, "sizes cannot be"),
        ({"scale": "1"}, "a number or null"),
        ({"clip": 1}, "true or false"),
        ({"colour": 1}, "its arguments are steps, spacing"),
    ],
)
def test_a_value_that_cannot_be_is_named_with_the_choices(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Sampler(**arguments)


def test_defaults_do_not_carry_over_to_another_class_and_set_values_do() -> None:
    assert OtherSampler.from_config(Sampler(steps=4).config).config == {"steps": 4, "spacing": "linspace"}
    assert OtherSampler.from_config(Sampler(spacing="leading").config).config.spacing == "leading"
    assert OtherSampler.from_config(dict(Sampler().config)).config.steps == 3


def test_keys_of_another_class_are_logged_once_and_dropped(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "engine.config"):
        sampler = OtherSampler.from_config(Sampler(scale=2.0).config)
    assert "scale" not in sampler.config
    assert [record.getMessage() for record in caplog.records] == ["OtherSampler does not use scale"]


def test_keys_of_another_class_are_there_again_for_a_third() -> None:
    """A folder with PNDM says `clip_sample`, which only the DDIM that replaces it has."""
    other = OtherSampler.from_config({"steps": 4, "clip": False, "sizes": [7]})
    assert other.config == {"steps": 4, "spacing": "linspace"}
    assert "clip" not in json.loads(other.config_json())
    third = Sampler.from_config(pickle.loads(pickle.dumps(other.config)))  # noqa: S301
    assert (third.config.clip, third.config.sizes, third.config.spacing) == (False, [7], "leading")


def test_a_configuration_of_the_reference_says_which_keys_were_defaults() -> None:
    given = {"steps": 4, "spacing": "leading", "_use_default_values": ["spacing"]}
    assert OtherSampler.from_config(given).config == {"steps": 4, "spacing": "linspace"}


def test_private_keys_may_be_passed_along() -> None:
    assert Sampler(_class_name="Sampler", steps=4, _diffusers_version="0.1").config == Sampler(steps=4).config


def test_a_changed_key_stays_a_default() -> None:
    sampler = Sampler(steps=4)
    sampler.change_config(spacing="linspace")
    assert (sampler.config.spacing, sampler.config.steps) == ("linspace", 4)
    assert Sampler.from_config(sampler.config).config.spacing == "leading"


def test_an_unknown_change_is_an_error() -> None:
    with pytest.raises(ConfigError, match="has no option 'spacin'"):
        Sampler.from_config({}, spacin="leading")


def test_saved_and_read_again(tmp_path: Path) -> None:
    saved = Sampler(sizes=(3, 4), betas=np.array([0.5, 0.25]))
    saved.save_config(tmp_path / "new")
    content = json.loads((tmp_path / "new" / "config.json").read_text())
    assert list(content) == sorted(content)
    assert content["_class_name"] == "Sampler"
    assert content["sizes"] == [3, 4]
    assert content["betas"] == [0.5, 0.25]
    assert Sampler.load_config(tmp_path / "new") == content
    read = Sampler.from_config_file(tmp_path, "new")
    assert read.config == {key: value for key, value in content.items() if not key.startswith("_")}
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["config.json"]


def test_an_early_file_is_completed_from_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"_class_name": "Sampler", "steps": 8, "retired": 1}')
    assert Sampler.from_config_file(tmp_path).config == Sampler(steps=8).config


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (None, MissingFile, "config.json is missing"),
        ("{", BadFile, "not valid JSON .line 1"),
        ("[1]", BadFile, "holds a JSON list"),
        ("[" * 100_000, BadFile, "nests too deep"),
        ('{"steps": null}', ConfigError, "config.json: Sampler: steps cannot be None"),
    ],
)
def test_an_unusable_file_is_named(tmp_path: Path, content: str | None, error: type[Exception], message: str) -> None:
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(error, match=message):
        Sampler.from_config_file(tmp_path)


def test_a_binary_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadFile, match="not a text file"):
        Sampler.load_config(tmp_path)

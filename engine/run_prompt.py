"""From the texts of a request to the conditions of each step: templates, adapters, words of one's own, encoding."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import InvalidValue, KnownError
from engine.messages import EngineSettings, GenerateRequest
from engine.prompts import PromptPlan, plan
from engine.run_model import Loaded


@dataclass(frozen=True)
class Prompted:
    """The texts of one picture.

    Attributes:
        prompt, negative: with the templates filled in.
        plan: what they mean at each step.
        adapters: of each adapter name, SHA-256, and strengths on UNet and text encoder, as JSON; "" without any.
        notices: sentences for the user.
    """

    prompt: str
    negative: str
    plan: PromptPlan
    adapters: str = ""
    notices: tuple[str, ...] = ()


def read_prompt(
    loaded: Loaded, request: GenerateRequest, seed: int, settings: EngineSettings, fetch: Callable[[], None]
) -> Prompted:
    """Fill in the templates for the picture of `seed`, and put the adapters that the prompt asks for on the model.

    Adapters change the weights of parts that may be away just now: `fetch` brings them.

    Raises:
        KnownError: a wildcard or an adapter is missing, or a text cannot be read.
    """
    prompt, negative = request.prompt, request.negative_prompt
    if request.prompt_syntax != "plain":
        from engine.prompts import expand

        folder = Path(settings.wildcards) if settings.wildcards else None
        prompt, negative = expand(prompt, seed, folder), expand(negative, seed, folder)
    planned = plan(prompt, negative, request.prompt_syntax, request.steps)
    adapters, lost = _set_adapters(loaded, planned, settings, fetch)
    return Prompted(prompt, negative, planned, adapters, (*planned.notes, *lost))


def conditions(
    loaded: Loaded,
    request: GenerateRequest,
    prompted: Prompted,
    settings: EngineSettings,
    steps: int,
    before: int = 0,
    *,
    ahead: bool = False,
) -> Callable[[int, int], Any] | None:
    """Encode the texts for a pass of `steps` steps after `before` ones of another; None: the pipeline reads them.

    With `ahead` all is encoded now, so that the text encoders may leave.
    """
    # The pipeline gives the same for a plain prompt, but cuts a long one.
    if request.prompt_syntax == "plain" and not ahead and not _is_long(loaded.pipeline, prompted):
        return None
    from engine.prompts import encode

    planned = prompted.plan
    if before or steps != planned.steps:
        planned = plan(prompted.prompt, prompted.negative, request.prompt_syntax, steps, before)
    words = _words(f"{prompted.prompt} {prompted.negative}", prompted.plan, settings)
    encoded = encode(loaded.pipeline, planned, request.clip_skip, loaded.prompts, words)
    if ahead:
        encoded.prepare()
    return encoded


def _is_long(pipeline: Any, prompted: Prompted) -> bool:
    """Whether one of the texts has more tokens than the text encoder of `pipeline`, a CLIP, takes at once."""
    for name, tokenizer_name in (("text_encoder", "tokenizer"), ("text_encoder_2", "tokenizer_2")):
        tokenizer = getattr(pipeline, tokenizer_name, None)
        if tokenizer is None or not hasattr(getattr(pipeline, name, None), "text_model"):
            continue
        rows = tokenizer([prompted.prompt, prompted.negative]).input_ids
        if any(len(row) > tokenizer.model_max_length for row in rows):
            return True
    return False


def _words(text: str, planned: PromptPlan, settings: EngineSettings) -> Any:
    """The words of one's own in `text`: those that the prompt's adapters bring along, and those of the folders."""
    from engine.loading.adapters import find_adapters, find_files
    from engine.loading.textual_inversion import as_words, read_bundled, words_in

    adapters = find_adapters([tag.name for tag in planned.adapters], map(Path, settings.adapters))
    brought = as_words(word for path in adapters for word in read_bundled(path))
    if not settings.embeddings:
        return brought
    # An adapter's own words were trained with it, so they count before others of their name.
    return brought | {
        name: vectors
        for name, vectors in words_in(text, find_files(map(Path, settings.embeddings))).items()
        if name not in brought
    }


def _set_adapters(
    loaded: Loaded, planned: PromptPlan, settings: EngineSettings, fetch: Callable[[], None]
) -> tuple[str, tuple[str, ...]]:
    """Apply exactly the adapters of the prompt; returns what the recipe keeps of them, and what to tell the user."""
    from engine.loading.adapters import AdapterStack, AdapterUse, find_adapters

    tags = planned.adapters
    applied = any(part.__dict__.get("adapter_originals") for part in loaded.modules)
    if not tags and not applied:
        return "", ()
    if tags and loaded.key.backend != "torch":
        raise InvalidValue(
            f"Adapters change weights, which the back end {loaded.key.backend} has compiled; choose the back end torch "
            f"for this prompt, or take <lora:{tags[0].name}> out of it."
        )
    paths = find_adapters([tag.name for tag in tags], [Path(folder) for folder in settings.adapters])
    fetch()
    stack = AdapterStack(loaded.pipeline)
    stack.set([AdapterUse(path, tag.unet, tag.text_encoder) for path, tag in zip(paths, tags, strict=True)])
    kept = [
        {"name": tag.name, "sha256": _sha256(loaded, path), "unet": tag.unet, "text_encoder": tag.text_encoder}
        for path, tag in zip(paths, tags, strict=True)
    ]
    lost: dict[Path, int] = {}
    for unplaced in stack.report:
        lost[unplaced.path] = lost.get(unplaced.path, 0) + 1
    told = tuple(
        f"{count} parts of the adapter {path.name} have no place in this model." for path, count in lost.items()
    )
    return (json.dumps(kept) if kept else ""), told


def _sha256(loaded: Loaded, path: Path) -> str:
    try:
        status = path.stat()
        key = (path, status.st_mtime_ns, status.st_size)
        if key not in loaded.hashes:
            with path.open("rb") as file:
                loaded.hashes[key] = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise KnownError(f"The adapter {path} cannot be read ({error.strerror}); choose another one.") from error
    return loaded.hashes[key]

"""Questions of a front end that need parts of the engine but no loaded model."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.catalog import ModelInfo, model_folder, read_model, scheduler_entry
from engine.errors import InvalidValue
from engine.files import read_json
from engine.messages import GenerateRequest
from engine.prompts import chunk_ends, plan, spans, token_count

if TYPE_CHECKING:
    from engine.prompts.tokenizer import CLIPTokenizer

SCHEDULER_CONFIG = Path("scheduler") / "scheduler_config.json"


@dataclass(frozen=True, slots=True)
class TokenCount:
    """How long a prompt is.

    Attributes:
        count: tokens, with what chunks leave empty before a cut.
        limit: tokens that fit into the chunks that it needs.
        ends: places in the text (characters) at which a chunk ends, without the last.
    """

    count: int
    limit: int
    ends: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Schedule:
    """The steps of a run: `timesteps` as the model is told them, and the noise level before each and after the last."""

    timesteps: tuple[float, ...]
    sigmas: tuple[float, ...]


def model_info(location: str) -> ModelInfo:
    """What the model at `location` (a folder, a file, or the name of the embedded model) says about itself.

    Raises:
        KnownError: it is missing, damaged, or of a kind that is not known.
    """
    path = model_folder(location)
    if path.is_file():
        from engine.loading import model_info as read_file

        return read_file(path)
    return read_model(path)


# ---------------------------------------------------------------------------------------------------- tokens


def count_tokens(model: str, text: str, syntax: str = "a1111") -> TokenCount:
    """Count the tokens of the prompt `text` as the model at `model` reads it.

    Raises:
        KnownError: the model has no such tokenizer, or the text cannot be read in `syntax`.
    """
    tokenizer = _tokenizer(model_folder(model))
    clauses = plan(text, "", syntax).parts[0].at(0).clauses
    counts = [token_count(tokenizer, clause.segments) for clause in clauses]
    count, limit = max(counts)
    return TokenCount(count, limit, tuple(_ends(tokenizer, text, syntax)))


@functools.lru_cache(maxsize=4)
def _tokenizer(location: Path) -> CLIPTokenizer:
    from engine.prompts.tokenizer import CLIPTokenizer

    if location.is_dir():
        return CLIPTokenizer.from_pretrained(location, _tokenizer_part(location))
    from engine.formats.read import read_header
    from engine.loading.clip_vocabulary import clip_words
    from engine.loading.detection import detect, own_texts
    from engine.loading.own_configuration import has_clip, unpacked

    own = own_texts(read_header(location), detect(location))
    if own is None:
        # A checkpoint of one file has none of its own: all of them take CLIP's.
        return CLIPTokenizer(*clip_words())
    with unpacked(own) as folder:
        part = _tokenizer_part(folder)
        return CLIPTokenizer.from_pretrained(folder, part, clip_words() if has_clip(own, part) else None)


def _tokenizer_part(folder: Path) -> str:
    for part in ("tokenizer", "tokenizer_2"):
        if (folder / part).is_dir():
            return part
    raise InvalidValue(f"The model in {folder} has no tokenizer of CLIP's kind; its prompts cannot be counted.")


def _ends(tokenizer: CLIPTokenizer, text: str, syntax: str) -> Iterator[int]:
    """Yield the places in `text` at which one chunk ends and another begins."""
    pieces = [span for span in spans(text, syntax) if span.kind in {"text", "escape", "break"}]
    for is_break, group in itertools.groupby(pieces, key=lambda span: span.kind == "break"):
        if is_break:
            yield from (span.start for span in group)
            continue
        tokens: list[str] = []
        places: list[int] = []
        for span in group:
            encoding: Any = tokenizer.backend.encode(text[span.start : span.end], add_special_tokens=False)
            tokens += encoding.tokens
            places += [span.start + end for _, end in encoding.offsets]
        for end in chunk_ends(tokens, tokenizer.model_max_length - 2)[:-1]:
            yield places[end - 1]


# ---------------------------------------------------------------------------------------------------- schedules


def scheduler_config(info: ModelInfo) -> dict[str, Any]:
    """The configuration of the scheduler that a model came with."""
    if info.folder.is_dir():
        return read_json(info.folder / SCHEDULER_CONFIG)
    from engine.loading.info import scheduler_of

    return scheduler_of(info.folder)


def make_scheduler(name: str, sigma_schedule: str, config: Any) -> Any:
    """Make the catalogue's scheduler `name` for a model whose own scheduler has `config`."""
    from engine import schedulers

    entry = scheduler_entry(name)
    return getattr(schedulers, entry.class_name).from_config(config, **entry.config_changes(sigma_schedule))


def schedule_of(request: GenerateRequest) -> Schedule:
    """Find the steps of exactly the run that `request` would start.

    Raises:
        KnownError: the model cannot be read, or scheduler and model do not fit.
    """
    info = model_info(request.model)
    info.check_scheduler(request.scheduler, request.sigma_schedule)
    scheduler = make_scheduler(request.scheduler, request.sigma_schedule, scheduler_config(info))
    scheduler.set_timesteps(request.steps)
    skipped = 0
    if request.init_image:
        skipped = (request.steps - min(int(request.steps * request.strength), request.steps)) * scheduler.order
    return Schedule(
        tuple(float(timestep) for timestep in scheduler.timesteps[skipped:]), tuple(noise_levels(scheduler)[skipped:])
    )


def noise_levels(scheduler: Any) -> list[float]:
    """The noise level sigma before each step of `scheduler`, and the one after the last.

    Sigma is the standard deviation of the noise beside a signal of 1; schedulers that know alpha_bar only have
    sqrt((1 - alpha_bar) / alpha_bar).
    """
    timesteps = [float(timestep) for timestep in scheduler.timesteps]
    sigmas = getattr(scheduler, "sigmas", None)
    if sigmas is not None and len(sigmas) >= len(timesteps):
        levels = [float(sigma) for sigma in sigmas]
        return levels if len(levels) > len(timesteps) else [*levels, 0.0]
    table = getattr(scheduler, "alphas_cumprod", None)
    if table is None:
        return [*timesteps, 0.0]
    alphas = [float(table[min(max(round(timestep), 0), len(table) - 1)]) for timestep in timesteps]
    return [*(((1 - alpha) / max(alpha, 1e-9)) ** 0.5 for alpha in alphas), 0.0]

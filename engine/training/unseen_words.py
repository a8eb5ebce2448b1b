"""Words that no caption has: they learn to say what the caption says that is nearest to them.

What captions show is learned as a property of their tokens, and words without one stay behind. But the text encoder
that was given knows what they mean. So each is given to the title whose phrases it finds nearest, and its embedding,
and nothing else, is trained until the word foretells what the title does. Gal et al. 2022 (arXiv 2208.01618, textual
inversion) train one embedding on pictures in the same way; here the states of a caption take their place, so that no
denoiser is needed and a second is enough for many words.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TypeVar

import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional

from engine.models.clip_text import CLIPTextModel
from engine.prompts.tokenizer import CLIPTokenizer
from engine.training.dataset import CaptionedImages
from engine.training.text_encoder import tokenize

Item = TypeVar("Item")

WORD_END = "</w>"  # of a token that ends a word, in CLIP's vocabulary
TABLE = "text_model.embeddings.token_embedding.weight"
# A word is nearest to the title with the nearest phrase, and among titles with equally near ones to the nearest title.
TITLE_WEIGHT = 0.2
# The rate of Adam is relative to the spread of the embeddings, and falls to 0.
STEPS, RATE, CHUNK = 30, 0.3, 64


def phrases_of_titles(data: CaptionedImages) -> dict[str, set[str]]:
    """Return what the first captions of images say, without the style, and all phrases that their captions have.

    A caption is phrases and the style with commas between, such as "red apple, fruit, flat icon".
    """
    titles: dict[str, set[str]] = {}
    for item in data.items:
        captions = [caption.removesuffix(f", {item.style}") for caption in item.captions]
        titles.setdefault(captions[0], set()).update(phrase for caption in captions for phrase in caption.split(", "))
    return titles


def unseen_words(tokenizer: CLIPTokenizer, seen: Collection[int]) -> dict[str, int]:
    """Return the words that are one token, one not in `seen`; signs, digits and parts of words are none."""
    return {
        token.removesuffix(WORD_END): number
        for token, number in tokenizer.get_vocab().items()
        if token.endswith(WORD_END) and token.removesuffix(WORD_END).isalpha() and number not in seen
    }


@torch.no_grad()
def nearest_titles(
    given: CLIPTextModel, tokenizer: CLIPTokenizer, words: Sequence[str], titles: dict[str, set[str]]
) -> list[str]:
    """Return the title that is nearest to each of `words` for `given`: by cosine of pooled states, their mean off."""
    names = list(titles)
    phrases = sorted({*names, *(phrase for of_title in titles.values() for phrase in of_title)})
    rows = {phrase: row for row, phrase in enumerate(phrases)}
    states = torch.cat([given(_ids(given, tokenizer, part)).pooler_output for part in _parts([*phrases, *words], 256)])
    states = functional.normalize(states - states[: len(phrases)].mean(0), dim=-1)
    near = states[len(phrases) :] @ states[: len(phrases)].T
    best = torch.stack([near[:, [rows[phrase] for phrase in {name, *titles[name]}]].amax(1) for name in names], dim=1)
    scores = best + TITLE_WEIGHT * near[:, [rows[name] for name in names]]
    return [names[row] for row in scores.argmax(1).tolist()]


def teach_unseen_words(
    trained: CLIPTextModel,
    given: CLIPTextModel,
    tokenizer: CLIPTokenizer,
    data: CaptionedImages,
    seen: Collection[int],
    states: int,
) -> Iterator[tuple[int, int]]:
    """Train, in `trained`, the embeddings of words that are not in `seen` (token ids); yields (words done, words).

    A word is right when the last `states` states of "word, style" are those of "title, style", for each style.
    """
    words = unseen_words(tokenizer, seen)
    nearest = nearest_titles(given, tokenizer, list(words), phrases_of_titles(data)) if words else []
    pairs = list(zip(words, nearest, strict=True))
    endings = sorted({f", {item.style}" if item.style else "" for item in data.items})
    table = trained.get_parameter(TABLE)
    rate = RATE * float(table.detach().std())
    done = 0
    for part in _parts(pairs, CHUNK):
        ids = torch.tensor([words[word] for word, _ in part])
        prompts = [_ids(trained, tokenizer, [word + ending for word, _ in part]) for ending in endings]
        with torch.no_grad():
            goals = [
                trained(_ids(trained, tokenizer, [title + ending for _, title in part]), return_dict=False)[0][
                    :, -states:
                ]
                for ending in endings
            ]
        rows = table.detach()[ids].requires_grad_()
        optimizer = torch.optim.Adam([rows])
        for step in range(STEPS):
            optimizer.param_groups[0]["lr"] = rate * (1 - step / STEPS)
            turn = step % len(endings)
            said = _with_rows(trained, table.detach(), ids, rows, prompts[turn])[:, -states:]
            # Summed over words, which are strangers to each other: how many there are changes nothing.
            loss = (said - goals[turn]).square().mean((1, 2)).sum()
            (rows.grad,) = torch.autograd.grad(loss, [rows])
            optimizer.step()
        with torch.no_grad():
            table[ids] = rows
        done += len(part)
        yield done, len(pairs)


def _with_rows(encoder: CLIPTextModel, table: Tensor, ids: Tensor, rows: Tensor, prompts: Tensor) -> Tensor:
    changed = {TABLE: table.index_copy(0, ids, rows)}
    return functional_call(encoder, changed, (prompts,), {"return_dict": False})[0]


def _ids(encoder: CLIPTextModel, tokenizer: CLIPTokenizer, texts: Sequence[str]) -> Tensor:
    return torch.from_numpy(tokenize(tokenizer, texts, encoder.config.max_position_embeddings)[0])


def _parts(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]

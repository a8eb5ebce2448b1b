"""What `sfumato models` prints."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from engine.library_messages import DownloadPlan, ModelEntry

if TYPE_CHECKING:
    from engine.library import Library


def gigabytes(size: int) -> str:
    """A number of bytes in the unit that suits it."""
    if size < 0:
        return "unknown size"
    for unit, bytes_ in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= bytes_:
            return f"{size / bytes_:.3g} {unit}"
    return f"{size} B"


def print_entries(entries: Sequence[ModelEntry], library: Library) -> None:
    """A table of models; a sentence where there are none."""
    from rich.console import Console
    from rich.table import Table

    if not entries:
        places = ", ".join(str(root) for root in library.roots())
        print(f"No model fits; the library looks in {places}; `sfumato models list --curated` shows some to fetch.")
        return
    console = Console(width=None if sys.stdout.isatty() else 200)
    table = Table("Name", "Kind", "Family", "Precision", "Size", "Trigger words", box=None)
    for entry in entries:
        family = f"{entry.family} ({entry.variant})" if entry.variant else entry.family
        words = ", ".join(entry.triggers[:4])
        table.add_row(entry.name, entry.kind, family, entry.precision, gigabytes(entry.size), words)
    console.print(table, highlight=False, markup=False)


def print_cards(*, as_json: bool) -> None:
    """The curated list."""
    from dataclasses import asdict

    from rich.console import Console
    from rich.table import Table

    from engine.library.curated import curated

    if as_json:
        for card in curated():
            print(json.dumps({"event": "card", **asdict(card)}))
        return
    console = Console(width=None if sys.stdout.isatty() else 200)
    table = Table("Name", "Model", "Kind", "Family", "Size", "Memory", "Licence", "What it is for", box=None)
    for card in curated():
        table.add_row(
            card.name,
            card.title,
            card.kind,
            card.family,
            gigabytes(card.size),
            gigabytes(card.memory),
            card.licence,
            card.summary,
        )
    console.print(table, highlight=False, markup=False)


def entry_lines(entry: ModelEntry) -> Iterator[str]:
    """All that is known of a model, a fact a line."""
    yield f"{entry.name}: {entry.reason}" if entry.reason else entry.name
    facts = {
        "path": entry.path,
        "title": entry.title,
        "kind": entry.kind,
        "family": entry.family,
        "variant": entry.variant,
        "prediction": entry.prediction,
        "precision": entry.precision,
        "layout": entry.layout,
        "size": gigabytes(entry.size),
        "modified": f"{datetime.fromtimestamp(entry.modified):%Y-%m-%d %H:%M}",
        "base": entry.base,
        "trigger words": ", ".join(entry.triggers),
        "licence": entry.licence,
        "source": entry.source,
        "preview": entry.preview,
        "AutoV2": entry.autov2,
        "AutoV3": entry.autov3,
        "SHA-256": entry.sha256,
        "fingerprint": entry.fingerprint,
        "notes": entry.notes,
        "description": entry.description,
    }
    yield from (f"  {name}: {value}" for name, value in facts.items() if value)
    for name, value in entry.metadata:
        yield f"  {name}: {value if len(value) <= 200 else f'{value[:200]}... ({len(value):,} characters)'}"


def plan_lines(plan: DownloadPlan) -> Iterator[str]:
    """What a download would bring, for the user to agree to."""
    what = plan.title if plan.title == plan.source else f"{plan.title} ({plan.source})"
    yield what
    yield f"  licence: {plan.licence or 'not stated'}"
    if plan.gated:
        yield f"  gated: its terms have to be accepted at {plan.page}"
    others = ", ".join(other or "plain" for other in plan.others if other != plan.variant)
    if plan.variant or others:
        yield f"  variant: {plan.variant or 'plain'}" + (f" (there is also {others})" if others else "")
    yield f"  {len(plan.files)} files, {gigabytes(plan.size)}; {gigabytes(plan.free)} free; {plan.left_out} not needed"
    yield f"  to {plan.target}"

"""`sfumato models pull`, `import`, `convert`, `token`: what brings models in and changes their form."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.interrupt import cancel_on_interrupt
from engine.cli.models_show import gigabytes, plan_lines
from engine.cli.values import duration
from engine.errors import InvalidValue
from engine.library_messages import (
    DownloadDone,
    DownloadEvent,
    DownloadFailed,
    DownloadPaused,
    DownloadProgress,
    DownloadRetrying,
    DownloadStarted,
    DownloadVerifying,
)

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from engine.library import Downloads

Json = Annotated[bool, typer.Option("--json", help="One line of JSON for each item or event, for machines.")]
PAUSED = 130


def pull(
    sources: Annotated[
        list[str],
        typer.Argument(help="owner/name, owner/name:file, a link, or a name of `list --curated`.", show_default=False),
    ],
    variant: Annotated[str | None, typer.Option(help="Such as fp16; `--dry-run` names those that there are.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Agree to the licence without being asked.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be fetched.")] = False,
    as_json: Json = False,
) -> int:
    """Fetch models; run it again to go on after Ctrl+C, a crash or a lost connection."""
    from engine.cli.models import open_library
    from engine.library import Downloads
    from engine.library.curated import find_card

    downloads = Downloads(open_library())
    ids: list[str] = []
    for source in sources:
        card = find_card(source)
        wanted = variant if variant is not None else (card.variant if card is not None else "")
        plan = downloads.plan(card.source if card is not None else source, wanted)
        if as_json:
            print(json.dumps({"event": "download_planned", **plan.to_json()}), flush=True)
        else:
            print("\n".join(plan_lines(plan)), file=sys.stderr)
        if not dry_run:
            _agree(yes=yes, as_json=as_json)
            ids.append(downloads.add(plan))
    return 0 if dry_run else _run(downloads, ids, as_json=as_json)


def _agree(*, yes: bool, as_json: bool) -> None:
    if yes:
        return
    if as_json or not sys.stdin.isatty():
        raise InvalidValue("Nobody is there to agree to the licence; add --yes to fetch the model.")
    if not typer.confirm("Fetch it under this licence?", default=True, err=True):
        raise typer.Abort


def _run(downloads: Downloads, ids: list[str], *, as_json: bool) -> int:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[pace]}"))
    bar = Progress(*columns, console=Console(stderr=True), redirect_stdout=False, disable=as_json)
    tasks: dict[str, TaskID] = {}
    places: list[str] = []
    code = 0
    with cancel_on_interrupt(watched=True) as interrupt, bar:
        for event in downloads.run_all(ids, interrupt.cancel):
            if as_json:
                print(json.dumps(event.to_json()), flush=True)
            match event:
                case DownloadStarted():
                    tasks[event.download] = bar.add_task(event.plan.title, total=None, pace="")
                case DownloadDone():
                    places.append(event.path)
                case DownloadFailed():
                    code = max(code, 2 if event.wrong_input else 1)
                    print(f"sfumato: {event.message}", file=sys.stderr)
                case DownloadPaused():
                    code = PAUSED
                case _:
                    pass
            if event.download in tasks:
                _move(bar, tasks[event.download], event)
    if code == PAUSED:
        print("sfumato: paused; run the same command again to go on.", file=sys.stderr)
    if not as_json:
        print("\n".join(places)) if places else None
    return code


def _move(bar: Progress, task: TaskID, event: DownloadEvent) -> None:
    match event:
        case DownloadProgress():
            left = "" if event.seconds_left is None else f", {duration(event.seconds_left)} left"
            pace = f"{gigabytes(event.done)} of {gigabytes(event.total)}, {gigabytes(int(event.speed))}/s{left}"
            bar.update(task, completed=event.done, total=event.total if event.total >= 0 else None, pace=pace)
        case DownloadVerifying():
            bar.update(task, pace=f"verifying {Path(event.file).name}")
        case DownloadRetrying():
            bar.update(task, pace=f"{event.message} Trying again in {event.seconds:.0f} s.")
        case DownloadDone():
            bar.update(task, total=1, completed=1, pace="done")
        case DownloadPaused():
            bar.update(task, pace="paused")
        case _:
            bar.update(task, pace="failed")


def import_(
    files: Annotated[list[Path], typer.Argument(help="Model files or folders.", show_default=False)],
    move: Annotated[bool, typer.Option("--move", help="Move instead of copying.")] = False,
    kind: Annotated[str, typer.Option(help="What it is, where that is not seen, as in checkpoint or lora.")] = "",
    family: Annotated[str, typer.Option(help="Its family, where that is not seen.")] = "",
    as_json: Json = False,
) -> int:
    """Copy models into the library's own folder; `scan --add` indexes a folder where it lies."""
    from engine.cli.models import open_library

    library = open_library()
    for file in files:
        entry = library.take_in(file, move=move, kind=kind, family=family)
        print(json.dumps({"event": "model", **entry.to_json()}) if as_json else entry.path, flush=True)
    return 0


def token(
    host: Annotated[str, typer.Argument(help="Such as huggingface.co.")] = "huggingface.co",
    forget: Annotated[bool, typer.Option("--forget", help="Remove the token.")] = False,
) -> int:
    """Keep an access token in the system's keyring; it is read from the terminal or from stdin."""
    from engine.library.credentials import check_token, store_token

    if forget:
        store_token(host, "")
        print(f"The token for {host} is gone.")
        return 0
    said = typer.prompt(f"Token for {host}", hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.readline()
    if not said.strip():
        raise InvalidValue("That is no token; copy it from the settings of your account, or remove one with --forget.")
    store_token(host, check_token(said))
    print(f"The token for {host} is kept in the system's keyring.")
    return 0


def convert(
    name: Annotated[str, typer.Argument(help="Name, path or hash of a model.", show_default=False)],
    out: Annotated[Path, typer.Argument(help="A .safetensors file, or a folder.", show_default=False)],
    precision: Annotated[
        str, typer.Option("--precision", "--dtype", help="float32, float16, bfloat16 or a float8; kept if not given.")
    ] = "",
    as_json: Json = False,
) -> int:
    """Write a model as a single file or as a folder, in another precision."""
    from engine.cli.models import open_library
    from engine.loading import detect

    path = Path(name).expanduser()
    source = path if path.exists() else Path(open_library().find(name).path)
    detected = detect(source)
    if detected.kind != "checkpoint":
        raise InvalidValue(f"{source} is of the kind {detected.kind}; only whole models can be converted.")
    from engine.loading import convert_model  # brings torch, which wrong words should not wait for

    kept = detected.precision if detected.precision in {"float32", "float16", "bfloat16"} else "float16"
    written = convert_model(source, out.expanduser(), precision or kept)
    print(json.dumps({"event": "model_converted", "path": str(written)}) if as_json else written)
    return 0

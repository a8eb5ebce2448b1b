"""`sfumato models`: the library on the command line."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.cli.models_show import entry_lines, gigabytes, print_cards, print_entries
from engine.errors import InvalidValue, UnknownName
from engine.library_messages import DAMAGED, KINDS, HashProgress, LibraryEvent, ScanDone, ScanProgress

if TYPE_CHECKING:
    from engine.library import Library

DETECTED = "detected"
Json = Annotated[bool, typer.Option("--json", help="One line of JSON for each item or event, for machines.")]
Name = Annotated[str, typer.Argument(help="Name, path or hash of a model in the library.", show_default=False)]


def program() -> typer.Typer:
    """The group of commands."""
    from engine.cli.models_fetch import convert, import_, pull, token
    from engine.cli.models_preview import preview

    group = typer.Typer(name="models", help="Find, fetch and keep models.", no_args_is_help=True)
    group.command("list")(list_)
    group.command()(info)
    group.command()(pull)
    group.command("import")(import_)
    group.command()(convert)
    group.command()(preview)
    group.command("type")(type_)
    group.command()(remove)
    group.command()(scan)
    group.command()(token)
    return group


def open_library() -> Library:
    """The user's library; what went wrong with its file is said on stderr."""
    from engine.library import Library
    from engine.library.places import DATABASE, MODELS, data_folder

    folder = data_folder()
    return Library(folder / DATABASE, folder / MODELS, notice=lambda text: print(f"sfumato: {text}", file=sys.stderr))


def list_(
    words: Annotated[list[str] | None, typer.Argument(help="Words of name, title, triggers or notes.")] = None,
    family: Annotated[str, typer.Option(help="Of this family, as in stable-diffusion-xl.")] = "",
    kind: Annotated[str, typer.Option(help=f"Of this kind: {', '.join((*KINDS, DAMAGED))}.")] = "",
    order: Annotated[str, typer.Option(help="By name, newest, largest or family.")] = "name",
    duplicates: Annotated[bool, typer.Option("--duplicates", help="Only files that are there twice.")] = False,
    cards: Annotated[bool, typer.Option("--curated", help="Models to begin with, which `pull` fetches.")] = False,
    as_json: Json = False,
) -> int:
    """List the models of the library."""
    if cards:
        print_cards(as_json=as_json)
        return 0
    library = open_library()
    for _ in library.scan():
        pass
    if duplicates:
        groups = library.duplicates()
        for group in groups:
            if as_json:
                print(json.dumps({"event": "duplicates", "paths": [entry.path for entry in group]}))
            else:
                print(f"{gigabytes(group[0].size)} each:", *(f"  {entry.path}" for entry in group), sep="\n")
        if not groups and not as_json:
            print("No file is there twice.")
        return 0
    entries = library.entries(" ".join(words or ()), family, kind, order)
    if as_json:
        for entry in entries:
            print(json.dumps({"event": "model", **entry.to_json()}, ensure_ascii=False))
    else:
        print_entries(entries, library)
    return 0


def info(name: Name, as_json: Json = False) -> int:
    """Print what is known of a model: of the library, or any file or folder of weights."""
    path = Path(name).expanduser()
    if path.exists():
        content = _looked_into(path)
        if as_json:
            print(json.dumps({"event": "model", **content}, ensure_ascii=False))
        else:
            print("\n".join(f"{key}: {value}" for key, value in content.items() if value not in {"", None}))
        return 0
    library = open_library()
    entry = library.find(name)
    if as_json:
        print(json.dumps({"event": "model", **entry.to_json()}, ensure_ascii=False))
    else:
        print("\n".join(entry_lines(entry)))
    return 0


def _looked_into(path: Path) -> dict[str, Any]:
    """What a file or folder says of itself, without the library."""
    from engine.loading import detect

    detected = detect(path)
    names = ("kind", "family", "variant", "prediction", "precision", "layout", "reason", "supported")
    content: dict[str, Any] = {"path": str(path), **{name: getattr(detected, name) for name in names}}
    return content | {"metadata": json.dumps(dict(detected.metadata), ensure_ascii=False) if detected.metadata else ""}


def type_(
    name: Name,
    kind: Annotated[str, typer.Option(help=f"One of {', '.join(KINDS)}.")] = "",
    family: Annotated[str, typer.Option(help="As in stable-diffusion-xl.")] = "",
    variant: Annotated[str, typer.Option(help="Base, inpaint, edit, depth, upscale or lcm.")] = "",
    prediction: Annotated[str, typer.Option(help="Epsilon or v: what the model predicts.")] = "",
    as_json: Json = False,
) -> int:
    """Say what a model is, where the program takes it for something else; `detected` takes a word back."""
    given = {"kind": kind, "family": family, "variant": variant, "prediction": prediction}
    words = {key: "" if word == DETECTED else word for key, word in given.items() if word}
    library = open_library()
    path = Path(name).expanduser()
    try:
        id = library.find(name).id
    except UnknownName:
        if not path.is_file():
            raise
        return _say_of_file(path, words, as_json=as_json)
    library.set_type(id, **words)
    entry = library.entry(id)
    said = [entry.kind, entry.family, entry.variant, entry.prediction]
    text = f"{entry.name}: {', '.join(filter(None, said))}"
    print(json.dumps({"event": "model", **entry.to_json()}) if as_json else text)
    return 0


def _say_of_file(path: Path, words: dict[str, str], *, as_json: bool) -> int:
    """Keep the user's word on a file that lies outside the library's folders, beside it."""
    from engine.loading import detect
    from engine.loading.user_type import read_user_type, write_user_type

    if "kind" in words:
        raise InvalidValue(
            f"{path} is in no folder of the library, which keeps the kind; import it, or scan its folder."
        )
    word = read_user_type(path).changed(words.get("family"), words.get("variant"), words.get("prediction"))
    word.check(detect(path).family)
    write_user_type(path, word)
    return info(str(path), as_json=as_json)


def remove(name: Name, as_json: Json = False) -> int:
    """Put a model, with the pictures and notes beside it, in the system's trash."""
    library = open_library()
    gone = [str(path) for path in library.trash(library.find(name).id)]
    if as_json:
        print(json.dumps({"event": "model_removed", "paths": gone}))
    else:
        print("In the trash:", *(f"  {path}" for path in gone), sep="\n")
    return 0


def scan(
    add: Annotated[list[Path] | None, typer.Option(metavar="FOLDER", help="Index this folder too, as it lies.")] = None,
    forget: Annotated[list[Path] | None, typer.Option(metavar="FOLDER", help="Leave this folder out.")] = None,
    hashes: Annotated[bool, typer.Option("--hash", help="Compute all hashes too; it reads every byte.")] = False,
    as_json: Json = False,
) -> int:
    """Look at the folders of models and bring the index up to date."""
    library = open_library()
    for folder in add or ():
        library.add_root(folder)
    for folder in forget or ():
        library.remove_root(folder)
    done = _show(library.scan(), as_json=as_json)
    if hashes:
        _show(library.hash_models(entry.id for entry in library.entries()), as_json=as_json)
    if isinstance(done, ScanDone) and not as_json:
        for problem in done.problems:
            print(f"sfumato: {problem}", file=sys.stderr)
        changes = f"{done.added} new, {done.changed} changed, {done.removed} gone, {done.damaged} damaged"
        print(f"{done.models} models ({changes}), looked at in {done.seconds:.2f} s.")
        print("Folders:", *(f"  {root}" for root in library.roots()), sep="\n")
    return 0


def _show(events: Any, *, as_json: bool) -> LibraryEvent | None:
    """Follow events with a bar on stderr, or as lines of JSON; the last one."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    bar = Progress(*columns, console=Console(stderr=True), redirect_stdout=False, transient=True, disable=as_json)
    last: LibraryEvent | None = None
    with bar:
        task = bar.add_task("Looking", total=None)
        for event in events:
            last = event
            if as_json:
                print(json.dumps(event.to_json()), flush=True)
            match event:
                case ScanProgress():
                    bar.update(task, description="Reading headers", total=event.total, completed=event.done)
                case HashProgress():
                    bar.update(task, description=f"Hashing {event.name}", total=event.total, completed=event.done)
                case _:
                    pass
    return last

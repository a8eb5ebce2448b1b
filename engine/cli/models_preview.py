"""`sfumato models preview`: the map from latents to colours that shows unfinished pictures, fitted to real ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.errors import BadFile, InvalidValue, MissingFile

if TYPE_CHECKING:
    from torch import Tensor

ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".webp"})
# Side of a picture in latents: 1,024 equations each, for the 37 unknowns of a colour with latents of 4 channels.
LATENTS = 32


def preview(
    vae: Annotated[Path, typer.Argument(help="Folder or file of a VAE, or folder of a model.", show_default=False)],
    pictures: Annotated[Path, typer.Option(help="Folder of pictures to fit to; some dozens do.", show_default=False)],
    out: Annotated[Path | None, typer.Option(help="File to write; usually the one beside the VAE.")] = None,
    family: Annotated[list[str] | None, typer.Option(help="It is the own VAE of this family of models.")] = None,
    most: Annotated[int, typer.Option(min=1, help="So many pictures at most.")] = 64,
) -> int:
    """Fit the quick previews of a VAE to pictures of yours; they are then better than what the program fits itself.

    With --family the file is one that can be shipped in `resources/previews`.
    """
    from engine.preview import FILE_NAME, LinearPreview, facts, fit_linear_preview, save_preview
    from engine.warmup import import_torch

    place = vae.expanduser()
    if not place.exists():
        raise MissingFile(f"The VAE {vae} does not exist; check the path.")
    inner = place / "vae" if (place / "vae").is_dir() else place
    if out is None and not place.is_dir():
        raise InvalidValue(f"{vae} is a file, beside which no preview is looked for; give a file with --out.")
    target = inner / FILE_NAME if out is None else out.expanduser()
    found = _pictures(pictures.expanduser(), most)
    import_torch()
    import torch

    from engine.loading import load_vae
    from engine.pipelines.latents import vae_scale

    model = load_vae(place, torch.float32)
    images = torch.stack([_read(path, LATENTS * vae_scale(model)) for path in found])
    fitted = LinearPreview(*fit_linear_preview(model, images))
    about = {"source": f"fitted to {len(found)} pictures", "families": family, "autoencoder": facts(model.config)}
    save_preview(target, fitted, about if family else None)
    print(f"{target}  (fitted to {len(found)} pictures)")
    return 0


def _pictures(folder: Path, most: int) -> list[Path]:
    if not folder.is_dir():
        raise MissingFile(f"The folder of pictures {folder} does not exist; check the path.")
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS)
    if not found:
        raise MissingFile(f"There is no picture in {folder}; give a folder with PNG, JPEG or WebP files.")
    # Spread over the folder: files beside each other are often alike.
    return found[:: -(-len(found) // most)]


def _read(path: Path, side: int) -> Tensor:
    """Return the middle of the picture at `path`, (3, side, side) in [-1, 1]."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    from engine.images import normalize, numpy_to_pt, pil_to_numpy

    try:
        with Image.open(path) as picture:
            square = ImageOps.fit(ImageOps.exif_transpose(picture).convert("RGB"), (side, side))
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise BadFile(f"The picture {path} cannot be read ({error}); take it out of the folder.") from error
    return normalize(numpy_to_pt(pil_to_numpy(square)))[0]

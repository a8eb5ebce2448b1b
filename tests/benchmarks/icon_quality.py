"""How often the embedded model draws what was asked: the quality figure of the model card.

    python tests/benchmarks/icon_quality.py --icons ICONS --classifier FILE --model resources/models/... --out FILE.json

*Prompts* are frozen in `data/icon_prompts.json`: 200 labels that the captions had, and 100 words that no caption had.
Each is asked for as "{prompt}, 3d icon" with seeds 0 to 4.
*Right*: for a label its emoji, for a word any emoji that emojibase gives the word as tag or shortcode.
*Nearest*: a picture is compared, by cosine in a feature space, with the real icons of every emoji in every style; an
emoji's nearest style counts, so that each emoji enters the ranking once.
*The figure*: the share of all pictures (prompts times seeds) with a right emoji among the five nearest.
*Feature space*: the 128 numbers before the last layer of a small network that this script trains to tell emoji apart
on augmented real icons. It never sees a generated picture, and the model that is measured plays no part in it. With
`--held-out` a second one is trained without the "drawn icon" style of every third emoji; the share of those unseen
icons that find their emoji among the five nearest of the icons it was trained on is its accuracy on a held-out style.
*Chance*: the same pictures scored against the right answers of other prompts. *Ceiling*: in place of the pictures, the
real 3d icons of right emoji, after one passage through the model's VAE.

Lists, seeds and features are not to change, or figures of different models could not be compared.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from engine.catalog import read_model, scheduler_entry

PROMPTS = Path(__file__).parent / "data" / "icon_prompts.json"
STYLE = "3d icon"
HELD_OUT_STYLE = "drawn icon"
SIDE = 64
FEATURES = 128
TOP = 5
SETTINGS = ("generator", "steps", "guidance", "scheduler", "seeds", "limit")  # the options that a report names


class Residual(nn.Module):
    """x + two 3x3 convolutions of x, each after a batch norm and ReLU."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1, bias=False),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class Classifier(nn.Module):
    """Pictures [B, 3, 64, 64] in [-1, 1] -> features [B, 128] of unit length.

    The head sees the 4x4 map whole, not its mean: where the parts of an icon are tells many of them apart.
    """

    def __init__(self, widths: tuple[int, int, int] = (48, 96, 192)) -> None:
        super().__init__()
        first, second, third = widths
        self.body = nn.Sequential(
            nn.Conv2d(3, first, 7, stride=4, padding=3, bias=False),
            Residual(first),
            nn.Conv2d(first, second, 3, stride=2, padding=1, bias=False),
            Residual(second),
            nn.Conv2d(second, third, 3, stride=2, padding=1, bias=False),
            Residual(third),
            nn.BatchNorm2d(third),
            nn.ReLU(),
            nn.Flatten(),
        )
        self.head = nn.Linear(third * (SIDE // 16) ** 2, FEATURES, bias=False)
        self.norm = nn.BatchNorm1d(FEATURES)

    def forward(self, images: Tensor) -> Tensor:
        return F.normalize(self.norm(self.head(self.body(images))).float(), dim=-1)


@dataclass(frozen=True)
class Icons:
    """The real icons: pictures [N, 3, 64, 64] in [-1, 1], and for each its emoji's number and its style."""

    images: Tensor
    emoji: Tensor
    styles: list[str]
    hexcodes: list[str]

    def subset(self, keep: Tensor) -> Icons:
        styles = [style for style, kept in zip(self.styles, keep.tolist(), strict=True) if kept]
        return Icons(self.images[keep], self.emoji[keep], styles, self.hexcodes)


def to_side(pixels: np.ndarray) -> Tensor:
    """uint8 [N, H, W, 3] -> [N, 3, 64, 64] in [-1, 1]; averaging whole blocks of pixels."""
    images = torch.from_numpy(np.array(pixels)).permute(0, 3, 1, 2).float() / 127.5 - 1
    return F.interpolate(images, (SIDE, SIDE), mode="area")


def load_icons(folder: Path) -> Icons:
    rows = [json.loads(line) for line in (folder / "captions.jsonl").read_text(encoding="utf-8").splitlines()]
    pixels = np.load(folder / "images.npy", mmap_mode="r")
    images = torch.cat([to_side(pixels[start : start + 256]) for start in range(0, len(rows), 256)])
    hexcodes = list(dict.fromkeys(row["emoji"] for row in rows))
    number = {code: index for index, code in enumerate(hexcodes)}
    return Icons(images, torch.tensor([number[row["emoji"]] for row in rows]), [row["style"] for row in rows], hexcodes)


def augment(images: Tensor, generator: torch.Generator) -> Tensor:
    """Scale, shift, turn and squeeze a little; soften as a VAE does; change colours; add noise."""
    count = len(images)

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return torch.rand(count, *(shape or (1, 1, 1)), generator=generator) * (high - low) + low

    angle, scale, squeeze = uniform(-0.2, 0.2, 1), uniform(0.85, 1.25, 1), uniform(0.92, 1.08, 1)
    cos, sin = angle.cos() * scale, angle.sin() * scale
    shift = uniform(-0.12, 0.12, 2)
    matrix = torch.stack([cos * squeeze, -sin, shift[:, :1], sin, cos / squeeze, shift[:, 1:]], 1).view(count, 2, 3)
    grid = F.affine_grid(matrix, [count, 3, SIDE, SIDE], align_corners=False)
    # Outside the picture is white, which is 0 once white is taken off.
    images = F.grid_sample(images - 1, grid, padding_mode="zeros", align_corners=False) + 1
    for low, share in ((SIDE // 2, 0.5), (SIDE // 4, 0.35)):
        soft = F.interpolate(F.interpolate(images, (low, low), mode="area"), (SIDE, SIDE), mode="bicubic")
        mix = uniform(0, 1) * (uniform(0, 1) < share)
        images = images + mix * (soft - images)
    grey = images.mean(1, keepdim=True)
    images = grey + (images - grey) * uniform(0.4, 1.4)
    images = images * uniform(0.75, 1.15) + uniform(-0.15, 0.1)
    images = images + uniform(-0.12, 0.12, 3, 1, 1)
    coarse = torch.randn(count, 3, SIDE // 4, SIDE // 4, generator=generator)
    images = images + uniform(0, 0.15) * F.interpolate(coarse, (SIDE, SIDE), mode="bilinear")
    return (images + uniform(0, 0.08) * torch.randn(images.shape, generator=generator)).clamp(-1, 1)


@dataclass(frozen=True)
class Recipe:
    """How the classifier is trained; part of the frozen feature space."""

    epochs: int = 30
    batch: int = 64
    rate: float = 2e-3
    weight_decay: float = 0.02
    temperature: float = 0.1
    seed: int = 0


def train_classifier(icons: Icons, recipe: Recipe, device: str, report: Callable[[str], None] = print) -> Classifier:
    """Train on augmented icons to tell all emoji apart (softmax over cosines); the seed fixes all that is drawn."""
    torch.manual_seed(recipe.seed)
    generator = torch.Generator().manual_seed(recipe.seed)
    model = Classifier().to(device, memory_format=torch.channels_last)
    centres = nn.Parameter(0.1 * torch.randn(len(icons.hexcodes), FEATURES, device=device))
    optimizer = torch.optim.AdamW([*model.parameters(), centres], recipe.rate, weight_decay=recipe.weight_decay)
    steps = recipe.epochs * (len(icons.images) // recipe.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.rate, total_steps=steps, pct_start=0.05)
    started = time.monotonic()
    for epoch in range(recipe.epochs):
        order = torch.randperm(len(icons.images), generator=generator)
        batches = order[: len(order) // recipe.batch * recipe.batch].split(recipe.batch)
        total = 0.0
        for chosen in batches:
            drawn = augment(icons.images[chosen], generator).to(device, memory_format=torch.channels_last)
            with torch.autocast(device, torch.bfloat16):
                features = model(drawn)
            logits = features @ F.normalize(centres, dim=-1).T / recipe.temperature
            loss = F.cross_entropy(logits, icons.emoji[chosen].to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
        report(
            f"epoch {epoch + 1}/{recipe.epochs}: loss {total / len(batches):.3f}, {time.monotonic() - started:.0f} s"
        )
    return model.eval()


def save_classifier(model: Classifier, path: Path, about: dict[str, Any]) -> None:
    """Write the weights in float16, which define the feature space, and what is known about them."""
    state = {key: value.half() if value.is_floating_point() else value for key, value in model.state_dict().items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    save_file({key: value.cpu().contiguous() for key, value in state.items()}, partial, {"about": json.dumps(about)})
    partial.replace(path)


def load_classifier(path: Path, device: str) -> tuple[Classifier, dict[str, Any]]:
    with safe_open(path, "pt") as file:
        about = json.loads(file.metadata()["about"])
        state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
    model = Classifier()
    model.load_state_dict(state)
    return model.to(device).eval(), about


def features_of(model: Classifier, images: Tensor, device: str) -> Tensor:
    """Features [N, 128] in float32 of pictures [N, 3, 64, 64] in [-1, 1]."""
    with torch.inference_mode():
        return torch.cat([model(part.to(device)).float().cpu() for part in images.split(256)])


class Gallery:
    """The features of the real icons, against which pictures are ranked."""

    def __init__(self, model: Classifier, icons: Icons, device: str) -> None:
        self._features = features_of(model, icons.images, device)
        self._emoji = icons.emoji
        self.hexcodes = icons.hexcodes

    def nearest(self, features: Tensor, count: int = TOP) -> Tensor:
        """The numbers of the `count` emoji nearest to each of `features` [N, 128]; gives [N, count], nearest first."""
        similarity = features @ self._features.T
        best = torch.full((len(features), len(self.hexcodes)), -math.inf)
        best.scatter_reduce_(1, self._emoji.expand_as(similarity), similarity, "amax")
        return best.topk(count).indices


def held_out_accuracy(icons: Icons, recipe: Recipe, device: str) -> dict[str, float]:
    """Train without one style of every third emoji; how many of those icons find their emoji among the rest."""
    other_styles = {
        number for number, style in zip(icons.emoji.tolist(), icons.styles, strict=True) if style != HELD_OUT_STYLE
    }
    held_out = torch.tensor(
        [
            style == HELD_OUT_STYLE and number % 3 == 0 and number in other_styles
            for number, style in zip(icons.emoji.tolist(), icons.styles, strict=True)
        ]
    )
    seen, unseen = icons.subset(~held_out), icons.subset(held_out)
    model = train_classifier(seen, recipe, device)
    nearest = Gallery(model, seen, device).nearest(features_of(model, unseen.images, device))
    right = nearest == unseen.emoji[:, None]
    return {
        "icons": len(unseen.images),
        "top1": right[:, 0].float().mean().item(),
        "top5": right.any(1).float().mean().item(),
    }


def robustness(model: Classifier, icons: Icons, gallery: Gallery, device: str) -> dict[str, float]:
    """How many real icons are still found among the five nearest after augmentation, or blurred to 16 px."""
    generator = torch.Generator().manual_seed(12345)
    augmented = torch.cat([augment(part, generator) for part in icons.images.split(256)])
    blurred = F.interpolate(F.interpolate(icons.images, (16, 16), mode="area"), (SIDE, SIDE), mode="bicubic")
    shuffled = icons.emoji[torch.randperm(len(icons.emoji), generator=generator)]

    def top5(images: Tensor, right: Tensor) -> float:
        nearest = gallery.nearest(features_of(model, images, device))
        return (nearest == right[:, None]).any(1).float().mean().item()

    return {
        "augmented": top5(augmented, icons.emoji),
        "blurred_to_16px": top5(blurred.clamp(-1, 1), icons.emoji),
        "shuffled_answers": top5(augmented, shuffled),
    }


def make_classifier(icons: Icons, path: Path, device: str, held_out: bool) -> None:
    """Train the classifier and write it with its figures; with `held_out` a second one for the held-out style."""
    recipe = Recipe()
    about: dict[str, Any] = {"recipe": asdict(recipe), "icons": len(icons.images), "emoji": len(icons.hexcodes)}
    save_classifier(train_classifier(icons, recipe, device), path, about)
    model, _ = load_classifier(path, device)
    about["robustness_top5"] = robustness(model, icons, Gallery(model, icons, device), device)
    save_classifier(model, path, about)
    if held_out:
        about["held_out_style"] = held_out_accuracy(icons, recipe, device)
        save_classifier(model, path, about)
    print(json.dumps(about, indent=1))


@dataclass(frozen=True)
class Prompt:
    """What is asked for, and the numbers of the emoji that are right."""

    text: str
    kind: str
    right: tuple[int, ...]


def load_prompts(path: Path, hexcodes: Sequence[str], limit: int | None) -> list[Prompt]:
    """The frozen prompts; with `limit` a fixed sample of that many of either kind."""
    content = json.loads(path.read_text(encoding="utf-8"))
    number = {code: index for index, code in enumerate(hexcodes)}
    labels = [Prompt(one["label"], "label", (number[one["emoji"]],)) for one in content["labels"]]
    words = [Prompt(one["word"], "word", tuple(number[code] for code in one["emoji"])) for one in content["words"]]
    chosen: list[Prompt] = []
    for prompts in (labels, words):
        order = torch.randperm(len(prompts), generator=torch.Generator().manual_seed(content["seed"])).tolist()
        chosen += [prompts[index] for index in sorted(order[:limit])]
    return chosen


def open_pipeline(options: argparse.Namespace) -> Any:
    """The model's pipeline, from the engine or from Diffusers; both load the same folder."""
    if options.generator == "diffusers":
        import diffusers as schedulers
        from diffusers import AutoencoderKL, StableDiffusionPipeline
    else:
        from engine import schedulers
        from engine.models import AutoencoderKL
        from engine.pipelines import StableDiffusionPipeline
    parts = {"vae": AutoencoderKL.from_pretrained(options.vae)} if options.vae else {}
    pipeline = StableDiffusionPipeline.from_pretrained(options.model, torch_dtype=torch.float32, **parts)
    pipeline = pipeline.to(options.device)
    entry = scheduler_entry(options.scheduler)
    pipeline.scheduler = getattr(schedulers, entry.class_name).from_config(
        pipeline.scheduler.config, **entry.config_changes("default")
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def pictures(pipeline: Any, prompts: Sequence[Prompt], options: argparse.Namespace) -> Iterator[np.ndarray]:
    """For every prompt in turn its pictures, one per seed: uint8 [seeds, H, W, 3]."""
    together = max(1, options.batch // options.seeds)
    for start in range(0, len(prompts), together):
        part = prompts[start : start + together]
        texts = [f"{prompt.text}, {STYLE}" for prompt in part for _ in range(options.seeds)]
        generators = [torch.Generator("cpu").manual_seed(seed) for _ in part for seed in range(options.seeds)]
        images = pipeline(
            texts,
            generator=generators,
            num_inference_steps=options.steps,
            guidance_scale=options.guidance,
            output_type="np",
        ).images
        yield from (images * 255).round().astype(np.uint8).reshape(len(part), options.seeds, *images.shape[1:])


def through_vae(vae: Any, pixels: np.ndarray, device: str) -> np.ndarray:
    """Pictures uint8 [N, H, W, 3] encoded (the mode of the posterior) and decoded again."""
    images = torch.from_numpy(np.array(pixels)).permute(0, 3, 1, 2).float().to(device) / 127.5 - 1
    with torch.inference_mode():
        decoded = torch.cat([vae.decode(vae.encode(part).latent_dist.mode()).sample for part in images.split(16)])
    return ((decoded.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()


def real_icons(folder: Path, icons: Icons, prompts: Sequence[Prompt], seeds: int, size: int) -> np.ndarray:
    """For every prompt and seed a real 3d icon of a right emoji, in turn where several are right: uint8 [N, H, W, 3].

    Emoji without a 3d icon give one of another style.
    """
    pixels = np.load(folder / "images.npy", mmap_mode="r")
    best: dict[int, int] = {}
    for index, (number, style) in enumerate(zip(icons.emoji.tolist(), icons.styles, strict=True)):
        if number not in best or style == STYLE:
            best[number] = index
    chosen = [best[prompt.right[seed % len(prompt.right)]] for prompt in prompts for seed in range(seeds)]
    scaled = [Image.fromarray(pixels[index]).resize((size, size), Image.Resampling.LANCZOS) for index in chosen]
    return np.stack([np.asarray(image) for image in scaled])


def hits(nearest: Tensor, prompts: Sequence[Prompt], seeds: int) -> Tensor:
    """Whether a right emoji is nearest, and among the nearest: bool [prompts, seeds, 2]."""
    right = torch.zeros(len(prompts), seeds, 2, dtype=torch.bool)
    for row, prompt in enumerate(prompts):
        found = torch.isin(nearest[row * seeds : (row + 1) * seeds], torch.tensor(prompt.right))
        right[row, :, 0], right[row, :, 1] = found[:, 0], found.any(1)
    return right


def score(nearest: Tensor, prompts: Sequence[Prompt], seeds: int) -> dict[str, dict[str, float]]:
    """The figure and its like for either kind of prompts; the standard error treats the prompts as the sample."""
    right = hits(nearest, prompts, seeds).float()
    result: dict[str, dict[str, float]] = {}
    for kind in dict.fromkeys(prompt.kind for prompt in prompts):
        rows = right[[prompt.kind == kind for prompt in prompts]]
        of_prompts = rows[..., 1].mean(1)
        result[kind] = {
            "prompts": len(rows),
            "top1": rows[..., 0].mean().item(),
            "top5": of_prompts.mean().item(),
            "top5_standard_error": (of_prompts.std() / math.sqrt(len(rows))).item() if len(rows) > 1 else math.nan,
            "prompts_with_a_right_picture": (of_prompts > 0).float().mean().item(),
        }
    return result


def chance_level(nearest: Tensor, prompts: Sequence[Prompt], seeds: int) -> dict[str, float]:
    """The top-5 share of the same pictures against the answers of other prompts of their kind, over all rotations."""
    level: dict[str, float] = {}
    for kind in dict.fromkeys(prompt.kind for prompt in prompts):
        rows = [row for row, prompt in enumerate(prompts) if prompt.kind == kind]
        own = torch.cat([nearest[row * seeds : (row + 1) * seeds] for row in rows])
        rotations = [rows[turn:] + rows[:turn] for turn in range(1, len(rows))]
        shares = [hits(own, [prompts[row] for row in turned], seeds)[..., 1].float().mean() for turned in rotations]
        level[kind] = torch.stack(shares).mean().item() if shares else math.nan
    return level


def write_sheet(path: Path, drawn: np.ndarray, right: Tensor, rows: int = 24, columns: int = 3) -> None:
    """A contact sheet of every few prompts, all seeds in a row; a green edge marks a picture that was right."""
    chosen = np.linspace(0, len(drawn) - 1, min(len(drawn), rows * columns)).astype(int)
    bands: list[np.ndarray] = []
    for index in chosen:
        framed = np.pad(drawn[index], ((0, 0), (3, 3), (3, 3), (0, 0)), constant_values=225)
        for seed in np.flatnonzero(right[index, :, 1].numpy()):
            inner = framed[seed, 3:-3, 3:-3].copy()
            framed[seed] = (40, 170, 60)
            framed[seed, 3:-3, 3:-3] = inner
        bands.append(np.concatenate(list(framed), 1))
    bands += [np.full_like(bands[0], 255)] * (-len(bands) % columns)
    lines = [np.concatenate(bands[start : start + columns], 1) for start in range(0, len(bands), columns)]
    Image.fromarray(np.concatenate(lines)).save(path)


def measure(icons: Icons, options: argparse.Namespace) -> dict[str, Any]:
    """Draw all pictures, rank them, and give the report; a contact sheet is written beside it."""
    model, about = load_classifier(options.classifier, options.device)
    gallery = Gallery(model, icons, options.device)
    prompts = load_prompts(options.prompts, icons.hexcodes, options.limit)
    pipeline = open_pipeline(options)
    started = time.monotonic()
    drawn: list[np.ndarray] = []
    for picture in pictures(pipeline, prompts, options):
        drawn.append(picture)
        print(f"\r{len(drawn)}/{len(prompts)} prompts, {time.monotonic() - started:.0f} s", end="", flush=True)
    print()

    def rank(pixels: np.ndarray) -> Tensor:
        return gallery.nearest(features_of(model, to_side(pixels), options.device))

    nearest = rank(np.concatenate(drawn))
    real = real_icons(options.icons, icons, prompts, options.seeds, drawn[0].shape[1])
    ceiling = score(rank(through_vae(pipeline.vae, real, options.device)), prompts, options.seeds)
    right = hits(nearest, prompts, options.seeds)
    write_sheet(options.out.with_suffix(".png"), np.stack(drawn), right)
    return {
        "model": str(options.model),
        "settings": {name: getattr(options, name) for name in SETTINGS},
        "seconds": round(time.monotonic() - started, 1),
        "emoji": len(icons.hexcodes),
        "result": score(nearest, prompts, options.seeds),
        "chance_top5": chance_level(nearest, prompts, options.seeds),
        "ceiling_top5": {kind: figures["top5"] for kind, figures in ceiling.items()},
        "classifier": about | {"sha256": hashlib.sha256(options.classifier.read_bytes()).hexdigest()},
        "right_of_seeds": {
            prompt.text: int(count) for prompt, count in zip(prompts, right[..., 1].sum(1), strict=True)
        },
    }


def summary(report: dict[str, Any]) -> str:
    """The figures as the model card shows them."""
    lines = ["prompts  right in top 5   top 1   chance   ceiling"]
    for kind, figures in report["result"].items():
        chance, ceiling = report["chance_top5"][kind], report["ceiling_top5"][kind]
        error = figures["top5_standard_error"]
        lines.append(
            f"{kind:7}  {figures['top5']:6.1%} ± {error:.1%}  {figures['top1']:6.1%}  {chance:6.2%}   {ceiling:6.1%}"
        )
    return "\n".join(lines)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--icons", type=Path, required=True, help="folder that engine.training.data.icons wrote")
    parser.add_argument("--classifier", type=Path, required=True, help="safetensors file, trained if it is not there")
    parser.add_argument("--held-out", action="store_true", help="when training, measure a held-out style too")
    parser.add_argument("--model", type=Path, help="folder of the model; without it only the classifier is made")
    parser.add_argument("--vae", type=Path, help="another VAE than the model's own")
    parser.add_argument("--prompts", type=Path, default=PROMPTS)
    parser.add_argument("--steps", type=int, help="without it what the model's sfumato.json says")
    parser.add_argument("--guidance", type=float, help="as --steps")
    parser.add_argument("--scheduler", help="as --steps; ddim, euler-a ...")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--batch", type=int, default=40, help="pictures made together")
    parser.add_argument("--limit", type=int, help="so many prompts of either kind, for a quick look")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--generator", choices=("engine", "diffusers"), default="engine")
    parser.add_argument("--out", type=Path, default=Path("icon_quality.json"), help="report; the sheet is beside it")
    options = parser.parse_args(arguments)
    if options.model:
        best = read_model(options.model)
        options.steps = options.steps or best.steps
        options.guidance = best.guidance_scale if options.guidance is None else options.guidance
        options.scheduler = options.scheduler or best.scheduler
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    options = parse(arguments)
    icons = load_icons(options.icons)
    if not options.classifier.exists():
        make_classifier(icons, options.classifier, options.device, options.held_out)
    if options.model:
        report = measure(icons, options)
        options.out.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        print(summary(report))


if __name__ == "__main__":
    main()

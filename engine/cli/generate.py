"""`sfumato generate`: a prompt becomes a picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from engine.cli.interrupt import cancel_on_interrupt
from engine.cli.request import Options, build_request, engine_settings, targets
from engine.cli.values import number_option, whole_number_option
from engine.messages import EngineSettings, GenerateRequest, ImageDone, JobCancelled, JobFailed, Notice
from engine.pictures import check_target
from engine.switches import BACKENDS, PRECISIONS, VAE_PRECISIONS
from engine.warmup import start_importing_torch


def generate(
    prompt: Annotated[str | None, typer.Argument(help="What to show.", show_default=False)] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="PNG file or folder; {seed}, {date}, {time} and {prompt} are filled in."),
    ] = None,
    steps: Annotated[int | None, whole_number_option("Denoising steps.")] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="Any name, as in euler or 'DPM++ 2M Karras'; `sfumato schedulers` lists them.")
    ] = None,
    sigmas: Annotated[str | None, typer.Option(help="Spacing: default, karras, exponential or beta.")] = None,
    seed: Annotated[
        int | None, whole_number_option("Starting noise of the first picture; the next have seed + 1, ...")
    ] = None,
    size: Annotated[str | None, typer.Option(metavar="SIDE|WIDTHxHEIGHT", help="Size in pixels.")] = None,
    guidance: Annotated[float | None, number_option("How closely to follow the prompt.")] = None,
    guidance_rescale: Annotated[float | None, number_option("Tame strong guidance: 0 off, 1 full.")] = None,
    negative: Annotated[str | None, typer.Option(help="What to keep away from.")] = None,
    count: Annotated[int, whole_number_option("How many pictures.")] = 1,
    model: Annotated[
        str | None, typer.Option(metavar="PATH", help="Model, a folder or a file; the embedded one if not given.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = None,
    dtype: Annotated[str | None, typer.Option(help="float32, bfloat16 or float16.")] = None,
    clip_skip: Annotated[
        int | None, whole_number_option("Leave out this many last layers of the text encoder.")
    ] = None,
    init_image: Annotated[Path | None, typer.Option(help="Start from this picture instead of noise.")] = None,
    mask: Annotated[Path | None, typer.Option(help="With --init-image: white where it is made anew.")] = None,
    strength: Annotated[
        float | None, number_option("With --init-image: 0 keeps it, 1 keeps nothing of it; 0.75 if not given.")
    ] = None,
    hires_scale: Annotated[float | None, number_option("A second pass at so many times the size.")] = None,
    hires_steps: Annotated[int | None, whole_number_option("Its steps; as many as --steps if not given.")] = None,
    hires_strength: Annotated[float | None, number_option("How much it changes; 0.5 if not given.")] = None,
    vae: Annotated[Path | None, typer.Option(help="Another autoencoder, a folder or a file.")] = None,
    prompt_syntax: Annotated[str | None, typer.Option(help="a1111, compel or plain.")] = None,
    lora: Annotated[
        list[str] | None, typer.Option(metavar="FILE[:STRENGTH]", help="An adapter; may be given several times.")
    ] = None,
    deep_cache: Annotated[
        int | None, whole_number_option("DeepCache: the whole UNet at every N-th step only; 1 is off.")
    ] = None,
    guidance_from: Annotated[
        float | None, number_option("Guidance only after this share of the steps; 0 if not given.")
    ] = None,
    guidance_until: Annotated[
        float | None, number_option("Guidance only before this share of the steps; 1 if not given.")
    ] = None,
    token_merging: Annotated[
        float | None, number_option("Merge this share of the tokens of large attentions; 0 is off, 0.5 usual.")
    ] = None,
    final_autoencoder: Annotated[
        Path | None, typer.Option(help="Folder of a tiny autoencoder that decodes the finished picture.")
    ] = None,
    unet_precision: Annotated[str | None, typer.Option(help=f"Of the UNet alone: {', '.join(PRECISIONS)}.")] = None,
    text_precision: Annotated[str | None, typer.Option(help="Of the text encoders alone, likewise.")] = None,
    vae_precision: Annotated[
        str | None, typer.Option(help=f"Of the autoencoder alone: {', '.join(VAE_PRECISIONS)}.")
    ] = None,
    compiled: Annotated[
        bool | None, typer.Option("--compile/--no-compile", help="Compile blocks of the UNet with torch.compile.")
    ] = None,
    backend: Annotated[
        str | None, typer.Option(help=f"What computes on a processor: {', '.join(BACKENDS)}; torch if not given.")
    ] = None,
    image: Annotated[
        Path | None,
        typer.Option("--from", metavar="IMAGE", help="Make this picture again; other options change single settings."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file of --out.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One line of JSON for each event, for machines.")] = False,
) -> int:
    """Make a picture from a prompt, with its settings inside the file, and print its path."""
    options = Options(
        prompt=prompt,
        out=out,
        steps=steps,
        scheduler=scheduler,
        sigmas=sigmas,
        seed=seed,
        size=size,
        guidance=guidance,
        guidance_rescale=guidance_rescale,
        negative=negative,
        count=count,
        model=model,
        device=device,
        dtype=dtype,
        clip_skip=clip_skip,
        image=image,
        overwrite=overwrite,
        previews=False,
        init_image=init_image,
        mask=mask,
        strength=strength,
        hires_scale=hires_scale,
        hires_steps=hires_steps,
        hires_strength=hires_strength,
        vae=vae,
        prompt_syntax=prompt_syntax,
        loras=tuple(lora or ()),
        switches={
            "deep_cache": deep_cache,
            "guidance_from": guidance_from,
            "guidance_until": guidance_until,
            "token_merging": token_merging,
            "final_autoencoder": None if final_autoencoder is None else str(final_autoencoder),
            "unet_precision": unet_precision,
            "text_precision": text_precision,
            "vae_precision": vae_precision,
            "compiled": compiled,
            "backend": backend,
        },
    )
    request = build_request(options)
    for target in targets(request):
        check_target(target, request.on_existing)
    # All that can be wrong with the words is known now; only from here on does it cost the import of torch.
    start_importing_torch()
    return _run(request, engine_settings(options), as_json=as_json)


def _run(request: GenerateRequest, settings: EngineSettings, *, as_json: bool) -> int:
    from engine.cli.display import Display
    from engine.runner import run

    code = 0
    with cancel_on_interrupt() as interrupt, Display(request, quiet=as_json) as display:
        for event in run(request, interrupt.cancel, settings):
            interrupt.notice(event)
            display.show(event)
            if as_json:
                print(json.dumps(event.to_json()), flush=True)
            match event:
                case ImageDone():
                    display.announce(event.path)
                case Notice():
                    display.tell(event.message)
                case JobCancelled():
                    code = 130
                case JobFailed(report="", message=message, wrong_input=wrong):
                    display.fail(message)
                    code = 2 if wrong else 1
                case JobFailed(report=report, message=message):
                    display.fail(f"{report}Sfumato failed ({message}); please report the text above.")
                    code = 1
                case _:
                    pass
    return code

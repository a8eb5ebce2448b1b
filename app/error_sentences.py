"""What is told of a run, its prompt and the program's own files, in English, so that Qt's tools find it.

`error_texts` says it in the language of the window. Tests compare these lists with the code.
"""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QT_TRANSLATE_NOOP

from app.error_sentences_models import LIBRARY, MODELS, REASONS

_PROGRAM: tuple[Any, ...] = (
    QT_TRANSLATE_NOOP("errors", "The folder {0} cannot be made ({1}); choose another one."),
    QT_TRANSLATE_NOOP("errors", "The picture {0} is not there any more; it was moved or deleted outside Sfumato."),
    QT_TRANSLATE_NOOP("errors", "The picture {0} is damaged and cannot be copied in another format."),
    QT_TRANSLATE_NOOP("errors", "The history of prompts in {0} cannot be read ({1}); mend or remove the file."),
    QT_TRANSLATE_NOOP("errors", "The file {0} has no columns name and prompt; choose a styles.csv of A1111."),
    QT_TRANSLATE_NOOP("errors", "The styles in {0} cannot be read ({1}); mend or remove the file."),
    QT_TRANSLATE_NOOP("errors", "The file {0} does not exist; choose a styles.csv."),
    QT_TRANSLATE_NOOP("errors", "The file {0} cannot be read ({1}); choose a styles.csv."),
    QT_TRANSLATE_NOOP("errors", "The sheet would be {0} × {1} pixels; give fewer values, or make smaller pictures."),
    QT_TRANSLATE_NOOP("errors", "The sheet {0} cannot be written ({1}); free space or choose another folder."),
    QT_TRANSLATE_NOOP("errors", "The picture {0} cannot be put on the sheet ({1}); it is damaged or gone."),
    QT_TRANSLATE_NOOP("errors", "There is no value for the {0}; type some, divided by commas."),
    QT_TRANSLATE_NOOP("errors", "There are {0} values for the {1}; give at most {2}."),
    QT_TRANSLATE_NOOP("errors", "The grid has {0} pictures; at most {1} fit on a sheet; give fewer values."),
    QT_TRANSLATE_NOOP("errors", "The range {0} leads nowhere; write it as 1-10 (+2), from the smaller to the larger."),
    QT_TRANSLATE_NOOP("errors", "The range {0} has {1} values; give at most {2}."),
    QT_TRANSLATE_NOOP("errors", "The range {0} has {1} values; give 2 to {2}."),
    QT_TRANSLATE_NOOP("errors", "The value {0} for the {1} is not {2}; correct it."),
    QT_TRANSLATE_NOOP("errors", "The scheduler {0} is unknown; choose one from the list beside the values."),
    QT_TRANSLATE_NOOP(
        "errors",
        "The {0} does not contain {1}, the first value, which the others replace; begin with words that are in it.",
    ),
    QT_TRANSLATE_NOOP("errors", "The setting {0} cannot be {1}; choose {2}."),
    QT_TRANSLATE_NOOP("errors", "The settings cannot be saved to {0} ({1}); check the folder and the disk."),
    QT_TRANSLATE_NOOP("errors", "The settings in {0} cannot be read ({1}); defaults hold now."),
    QT_TRANSLATE_NOOP("errors", "The settings in {0} are damaged ({1}); defaults hold now."),
    QT_TRANSLATE_NOOP(
        "errors",
        "The settings were damaged and are now kept as {0}; defaults hold until you change them.",
    ),
    QT_TRANSLATE_NOOP("errors", "The setting {0} cannot be {1} as {2} says; its default holds until you choose {3}."),
    QT_TRANSLATE_NOOP("errors", "A picture cannot have {0} stars; give 0 to 5."),
    QT_TRANSLATE_NOOP("errors", "A board cannot be called {0}; give a name of 1 to 80 letters."),
    QT_TRANSLATE_NOOP("errors", "There is a board {0} already; choose another name."),
    QT_TRANSLATE_NOOP("errors", "The file {0} cannot be written ({1}); choose another folder."),
    QT_TRANSLATE_NOOP("errors", "The disk that holds {0} is full; free some space and try again."),
    QT_TRANSLATE_NOOP("errors", "The thumbnail {0} is damaged; it is made again."),
    QT_TRANSLATE_NOOP("errors", "The picture {0} is damaged or no picture; delete it, or open it in another program."),
    QT_TRANSLATE_NOOP("errors", "The picture {0} is not there any more; nothing was deleted."),
    QT_TRANSLATE_NOOP(
        "errors",
        "The picture {0} cannot be deleted: its folder cannot be written to; allow that first.",
    ),
    QT_TRANSLATE_NOOP("errors", "The picture {0} is no longer in the trash; it cannot be brought back."),
    QT_TRANSLATE_NOOP("errors", "The picture {0} cannot go to the trash ({1}); delete it in a file manager."),
    QT_TRANSLATE_NOOP("errors", "The picture {0} cannot be brought back ({1}); it is still in the trash."),
    QT_TRANSLATE_NOOP(
        "errors",
        "The pictures folder {0} is not there; connect its drive, or choose another one in Settings.",
    ),
    QT_TRANSLATE_NOOP("errors", "The picture {0} cannot be read ({1}); check the path."),
    QT_TRANSLATE_NOOP("errors", "The pictures folder {0} cannot be read; allow it, or choose another folder."),
    QT_TRANSLATE_NOOP("errors", "Pictures cannot be saved as {0}; choose .png, .jpg or .webp."),
    QT_TRANSLATE_NOOP("errors", "The picture {0} is no longer there; it was moved or deleted outside Sfumato."),
    QT_TRANSLATE_NOOP("errors", "The picture {0} cannot be read ({1}); it may be damaged."),
    QT_TRANSLATE_NOOP("errors", "The file {0} cannot be written ({1}); check the folder and the disk."),
    QT_TRANSLATE_NOOP(
        "errors",
        "This picture was made with {0} in another program, which does not say where that model "
        "is; use its recipe, then choose the model.",
    ),
    QT_TRANSLATE_NOOP("errors", "The recipe's value for {0} cannot be read."),
    QT_TRANSLATE_NOOP("errors", "The recipe does not say the {0}, so it cannot be replayed."),
    QT_TRANSLATE_NOOP("errors", "The recipe has {0} for its {1}, which cannot be read, so it cannot be replayed."),
    QT_TRANSLATE_NOOP(
        "errors",
        "This picture was made from {0}, which is not there any more; put it back, then replay.",
    ),
    QT_TRANSLATE_NOOP("errors", "The picture {0} cannot be compared ({1}); it is damaged or gone."),
    QT_TRANSLATE_NOOP("errors", "The picture {0} cannot be written ({1}); choose another folder."),
    QT_TRANSLATE_NOOP("errors", "The name pattern {0} gives {1}, which is no file name; choose another one."),
    QT_TRANSLATE_NOOP("errors", "The disk that holds {0} is full; free some space and generate again."),
    QT_TRANSLATE_NOOP("errors", "The folder {0} is gone; create it again, or choose another one."),
    QT_TRANSLATE_NOOP("errors", "The folder {0} takes no new files; choose another one."),
    QT_TRANSLATE_NOOP("errors", "{0} is a file and no folder; choose another folder."),
    QT_TRANSLATE_NOOP(
        "errors",
        "The {0} in {1} is damaged; start Sfumato again, which moves it aside and begins a fresh one.",
    ),
    QT_TRANSLATE_NOOP("errors", "The disk that holds {0} is full, so the {1} cannot be saved; free some space."),
    QT_TRANSLATE_NOOP("errors", "The {0} in {1} is in use by another program; close that one and try again."),
    QT_TRANSLATE_NOOP("errors", "The {0} in {1} cannot be read or written ({2}); check the disk."),
    QT_TRANSLATE_NOOP("errors", "The folder {0} of the {1} is gone; create it again."),
    QT_TRANSLATE_NOOP("errors", "{0}, where the {1} is kept, is a folder; move it away."),
    QT_TRANSLATE_NOOP(
        "errors",
        "The {0} cannot be kept in {1}, which cannot be written to; allow it, or choose another folder.",
    ),
    QT_TRANSLATE_NOOP("errors", "The {0} in {1} was damaged; it was moved to {2} and a fresh one was begun."),
    QT_TRANSLATE_NOOP("errors", "The {0} cannot be kept in {1} ({2}); choose a folder that you may write to."),
    QT_TRANSLATE_NOOP(
        "errors",
        "The {0} in {1} was written by a newer version of Sfumato (it has version {2}, this one "
        "knows {3}); install that version again, or move the file away to begin afresh.",
    ),
    QT_TRANSLATE_NOOP("errors", "The {0} has {1} characters; at most {2} are taken, so shorten it."),
    QT_TRANSLATE_NOOP("errors", "The {0} {1} holds bytes that are not text; type it again."),
    QT_TRANSLATE_NOOP("errors", "The device {0} is unknown; choose auto, cpu, cuda, cuda:N or mps."),
    QT_TRANSLATE_NOOP("errors", "The prompt syntax {0} is unknown; choose one of {1}."),
    QT_TRANSLATE_NOOP("errors", "The device {0} is not present on this machine; choose auto or cpu."),
    QT_TRANSLATE_NOOP("errors", "The precision {0} is unknown; choose one of {1}."),
    QT_TRANSLATE_NOOP("errors", "The scheduler {0} is unknown; choose one of {1}."),
    QT_TRANSLATE_NOOP("errors", "The embedded model {0} is missing; install Sfumato again, or name another model."),
    QT_TRANSLATE_NOOP("errors", "The model in {0} is of the kind {1}; choose one of a known kind: {2}."),
    QT_TRANSLATE_NOOP("errors", "The {0} {1} is out of range; choose a value from {2} to {3}."),
    QT_TRANSLATE_NOOP("errors", "The {0} {1} is no multiple of {2}, which the model {3} needs; choose {4} or {5}."),
    QT_TRANSLATE_NOOP("errors", "The scheduler {0} has no sigma schedule {1}; choose {2}."),
    QT_TRANSLATE_NOOP(
        "errors",
        "The scheduler {0} needs a model that predicts {1}, and this one predicts {2}; choose another scheduler.",
    ),
    QT_TRANSLATE_NOOP("errors", "The scheduler {0} is made for {1}; choose another one for pictures."),
    QT_TRANSLATE_NOOP("errors", "The model {0} does not exist; choose another one."),
    QT_TRANSLATE_NOOP("errors", "The record {0} has no name that a record can have; branch from a step again."),
    QT_TRANSLATE_NOOP("errors", "The steps cannot be stored in {0} ({1}); free some space, or switch them off."),
    QT_TRANSLATE_NOOP(
        "errors",
        "There is not enough memory for this picture; choose a smaller size or a lower precision.",
    ),
    QT_TRANSLATE_NOOP("errors", "There was not enough memory: trying again without the text encoder."),
    QT_TRANSLATE_NOOP("errors", "There was not enough memory: trying again with the picture decoded in tiles."),
    QT_TRANSLATE_NOOP(
        "errors",
        "There was not enough memory: trying again with tiles, and one part of the model at a time.",
    ),
    QT_TRANSLATE_NOOP(
        "errors",
        "There was not enough memory: trying again with the blocks of the model coming to the device one by one.",
    ),
    QT_TRANSLATE_NOOP(
        "errors",
        "There was not enough memory: trying again with one part of the model at a time, in small pieces.",
    ),
    QT_TRANSLATE_NOOP(
        "errors",
        "Fine previews need a tiny autoencoder for this kind of model (such as TAESD, a folder with its config.json) "
        "beside the model or in a folder of models; there is none, so the quick ones are shown.",
    ),
    QT_TRANSLATE_NOOP("errors", "The precision {0} is unknown; choose auto or one of {1}."),
    QT_TRANSLATE_NOOP("errors", "The device stopped answering: the model is loaded again for one more try."),
    QT_TRANSLATE_NOOP(
        "errors", "The device no longer answers ({0}); close Sfumato and start it again. The queue is kept."
    ),
    QT_TRANSLATE_NOOP("errors", "The VAE {0} does not exist; choose another one, or the model's own."),
    QT_TRANSLATE_NOOP("errors", "No steps are kept, so that there is none to branch from; switch the records on."),
    QT_TRANSLATE_NOOP("errors", "The picture has no step {0} to branch from; choose an earlier one."),
    QT_TRANSLATE_NOOP("errors", "The state of that step is gone; the steps are made again."),
    QT_TRANSLATE_NOOP("errors", "A mask needs the picture that it belongs to; choose a picture to start from."),
    QT_TRANSLATE_NOOP("errors", "The picture {0} does not exist; choose another one."),
    QT_TRANSLATE_NOOP("errors", "The picture {0} does not exist; check the path."),
    QT_TRANSLATE_NOOP("errors", "The picture {0} cannot be read ({1}); choose another one."),
    QT_TRANSLATE_NOOP("errors", "The picture {0} is damaged ({1}); choose another one."),
    QT_TRANSLATE_NOOP(
        "errors",
        "The recipe that {0} left in the picture cannot be read; the picture's metadata was changed.",
    ),
    QT_TRANSLATE_NOOP("errors", "The recipe in the picture is not valid JSON; the picture's metadata was changed."),
    QT_TRANSLATE_NOOP("errors", "The recipe in the picture is not a JSON object; the picture's metadata was changed."),
    QT_TRANSLATE_NOOP("errors", "The recipe in the picture has the wrong value {0} for {1}."),
    QT_TRANSLATE_NOOP("errors", "The adapter {0} cannot be read ({1}); choose another one."),
    QT_TRANSLATE_NOOP("errors", "The adapter {0} is not in {1}; {2}"),
    QT_TRANSLATE_NOOP("errors", "The stored state of {0} is damaged; make the picture again."),
    QT_TRANSLATE_NOOP("errors", "The file {0} of Sfumato itself is missing; install Sfumato again."),
    QT_TRANSLATE_NOOP("errors", "The disk that holds {0} is full; free some space and go on with the download."),
    QT_TRANSLATE_NOOP(
        "errors",
        "{0} needs {1} GB, but {2} has {3} GB free; make room, or choose another folder for models.",
    ),
    QT_TRANSLATE_NOOP("errors", "There is no tiny autoencoder in {0}; choose a folder with its config.json."),
    QT_TRANSLATE_NOOP(
        "errors",
        "The tiny autoencoder in {0} is for latents of {1} channels, this model's have {2}; choose one that was "
        "made for this model.",
    ),
    QT_TRANSLATE_NOOP(
        "errors",
        "Adapters change weights, which the back end {0} has compiled; choose the back end torch for this "
        "prompt, or take <lora:{1}> out of it.",
    ),
    QT_TRANSLATE_NOOP("errors", "{0} parts of the adapter {1} have no place in this model."),
    QT_TRANSLATE_NOOP("errors", "Nothing can be compiled here, so the model works without that: {0}"),
    QT_TRANSLATE_NOOP("errors", "No CUDA graph can be recorded here, so each step is asked for piece by piece: {0}"),
    QT_TRANSLATE_NOOP("errors", "This kind of run knows no guidance rescale; it is left out."),
    QT_TRANSLATE_NOOP(
        "errors",
        "The autoencoder overflows in float16, so it works in float32 until the model is loaded again.",
    ),
    QT_TRANSLATE_NOOP("errors", "In {0} this processor is no faster: OpenVINO computes in float32."),
    QT_TRANSLATE_NOOP(
        "errors",
        "The steps go on at noise level {0}, the nearest of this scheduler to {1}: step {2} of {3}.",
    ),
    QT_TRANSLATE_NOOP(
        "errors",
        "What made the steps {0} is no longer stored in {1}; make the picture again to branch from.",
    ),
    QT_TRANSLATE_NOOP(
        "errors",
        "The guidance cannot last from {0} to {1} of the steps; let it end after it begins, or set the guidance "
        "itself to 1.",
    ),
    QT_TRANSLATE_NOOP("errors", "The final autoencoder cannot be {0}; give its folder."),
    QT_TRANSLATE_NOOP("errors", "The {0} {1} is unknown; choose one of {2}."),
    QT_TRANSLATE_NOOP("errors", "The back end {0} is unknown; choose one of {1}."),
    QT_TRANSLATE_NOOP(
        "errors",
        "The back end {0} computes on the processor, not on {1}; choose the device cpu, or the back end torch.",
    ),
    QT_TRANSLATE_NOOP(
        "errors",
        "The switch {0} works with the back end torch only, not with {1}; set one of them back.",
    ),
    QT_TRANSLATE_NOOP("errors", "There is no switch {0}; choose of {1}."),
    QT_TRANSLATE_NOOP("errors", "The memory plan {0} is unknown; choose one of {1}."),
    QT_TRANSLATE_NOOP("errors", "The memory mode {0} is unknown; choose one of {1}."),
    QT_TRANSLATE_NOOP("errors", "The {0} of this model is a {1}, which no back end but torch knows; choose torch."),
    QT_TRANSLATE_NOOP(
        "errors",
        "{0} needs the package {1}, which is missing or damaged: run `pip install sfumato[{2}]`, or choose the "
        "back end torch.",
    ),
    QT_TRANSLATE_NOOP(
        "errors",
        "ONNX Runtime computes in float32 on a processor, not in {0}; choose the precision float32, or the back "
        "end openvino.",
    ),
    QT_TRANSLATE_NOOP("errors", "Token merging works with the back end torch only; switch one of them off."),
    QT_TRANSLATE_NOOP("errors", "This back end computes without {0}; choose the back end torch for this run."),
    QT_TRANSLATE_NOOP(
        "errors",
        "Weights of the kind int8 need the library torchao, which is not installed; run pip install torchao, or "
        "choose float8.",
    ),
    QT_TRANSLATE_NOOP(
        "errors",
        "Weights of the kind float8 cannot be kept on the device {0}; choose float16, or the device cpu.",
    ),
    QT_TRANSLATE_NOOP(
        "errors",
        "DeepCache leaves out layers that a ControlNet or T2I-Adapter adds to; switch one of them off.",
    ),
    QT_TRANSLATE_NOOP(
        "errors",
        "DeepCache knows no way around {0}, with which this UNet ends; switch it off (1) for this model.",
    ),
    QT_TRANSLATE_NOOP("errors", "{0} is guided by a picture, too, at every step; let guidance last from {1} to {2}."),
    QT_TRANSLATE_NOOP("errors", "strength {0} leaves none of the {1} steps; raise one of the two."),
    QT_TRANSLATE_NOOP("errors", "a run of {0} steps cannot go on from step {1}; choose an earlier one."),
    QT_TRANSLATE_NOOP(
        "errors",
        "this model's UNet has {0} input channels; {1} takes {2}, so choose another model or task.",
    ),
    QT_TRANSLATE_NOOP("errors", "{0} has no class for {1}; its models do {2}."),
    QT_TRANSLATE_NOOP("errors", "{0} cannot be {1}; it must be a positive multiple of {2}."),
    QT_TRANSLATE_NOOP("errors", "clip_skip cannot be {0}; this text encoder has {1} layers to skip."),
    QT_TRANSLATE_NOOP(
        "errors",
        "The schedule starts at timestep {0}, beyond the last trained one, {1}; take fewer steps, or a "
        "steps_offset less than {2}.",
    ),
    QT_TRANSLATE_NOOP(
        "errors",
        "{0} leading timesteps do not fit below {1}; take fewer steps or another timestep_spacing.",
    ),
    QT_TRANSLATE_NOOP(
        "errors",
        "num_inference_steps cannot be {0}; a model of {1} trained timesteps takes from 1 to as many steps.",
    ),
    QT_TRANSLATE_NOOP(
        "errors",
        "num_inference_steps cannot be {0}: there are {1} distilled timesteps; take fewer steps, or raise "
        "original_inference_steps or strength.",
    ),
    QT_TRANSLATE_NOOP(
        "errors",
        "`num_inference_steps` must be >= {0} for the Runge-Kutta steps, not {1}; take more steps or set "
        "skip_prk_steps=True.",
    ),
    QT_TRANSLATE_NOOP("errors", "strength={0} leaves none of {1} timesteps; raise either."),
    QT_TRANSLATE_NOOP("errors", "Beta sigmas need scipy: install it with `pip install scipy`."),
    QT_TRANSLATE_NOOP("errors", "Brownian noise needs torchsde: install it with `pip install torchsde`."),
    QT_TRANSLATE_NOOP("errors", "The model in {0} has no tokenizer of CLIP's kind; its prompts cannot be counted."),
    QT_TRANSLATE_NOOP("errors", "The weight {0} in the prompt {1} is no number; write it like 1.2."),
    QT_TRANSLATE_NOOP("errors", "The weight {0} in the prompt is too large; write one like 1.2."),
    QT_TRANSLATE_NOOP(
        "errors",
        "The steps overflowed at guidance {0} in {1}; take a lower guidance, float32 or another scheduler.",
    ),
    QT_TRANSLATE_NOOP("errors", "The weights of .{0}() in the prompt {1} are {2}; write numbers, like (1, 0.8)."),
    QT_TRANSLATE_NOOP(
        "errors",
        "The prompt {0} has {1} parts but .{2}() has {3} weights; give each part one, or none at all.",
    ),
    QT_TRANSLATE_NOOP(
        "errors",
        "The weights of .blend() in the prompt {0} add up to 0, so they cannot be normalised; change one, or add "
        "no_normalize.",
    ),
    QT_TRANSLATE_NOOP("errors", "The brackets of the prompt {0} nest too deep; {1} is enough."),
    QT_TRANSLATE_NOOP("errors", "The prompt {0} uses .swap(), which is not known here; use [from:to:0.5] of A1111."),
    QT_TRANSLATE_NOOP("errors", "{0} in the prompt has the strength {1}; write a number."),
    QT_TRANSLATE_NOOP("errors", "{0} in the prompt names no adapter; write it like <lora:name:0.8>."),
    QT_TRANSLATE_NOOP(
        "errors",
        "{0} in the prompt has the strength {1}, which is no number; write it like <lora:name:0.8>.",
    ),
    QT_TRANSLATE_NOOP("errors", "The embedding {0} has {1} vectors; it needs a name, and at most {2}."),
    QT_TRANSLATE_NOOP(
        "errors",
        "The embedding {0} has vectors of the shape {1}, but this model's are {2} wide; it was made for another "
        "kind of model.",
    ),
    QT_TRANSLATE_NOOP("errors", "{0} has no CLIP text encoder, which prompt syntax needs; choose the plain syntax."),
    QT_TRANSLATE_NOOP("errors", "The choices of the prompt cannot be read {0}; check them."),
    QT_TRANSLATE_NOOP("errors", "The choices of the prompt cannot be made ({0}); check its braces."),
    QT_TRANSLATE_NOOP(
        "errors",
        "The choices of the prompt cannot be made (nothing is left to choose); check its braces.",
    ),
    QT_TRANSLATE_NOOP("errors", "The wildcard __{0}__ {1} is unknown; {2}."),
    QT_TRANSLATE_NOOP("errors", "The {0} {1}{2} has {3}; add it, or write \\{4} for a plain brace."),
    QT_TRANSLATE_NOOP("errors", 'at line {0}, column {1} ("{2}")'),
    QT_TRANSLATE_NOOP("errors", "A wildcard or variable of the prompt {0}"),
    QT_TRANSLATE_NOOP("errors", "in another wildcard"),
    QT_TRANSLATE_NOOP("errors", "set a folder of wildcards"),
    QT_TRANSLATE_NOOP("errors", "the folder {0} does not exist"),
    QT_TRANSLATE_NOOP("errors", "put {0}.txt into {1}, or correct the name"),
    QT_TRANSLATE_NOOP("errors", "did you mean {0}?"),
    QT_TRANSLATE_NOOP("errors", "put the file there, or take the name out of the prompt."),
    QT_TRANSLATE_NOOP("errors", "any folder, for none is set"),
)
SENTENCES: tuple[Any, ...] = (*_PROGRAM, *MODELS, *LIBRARY, *REASONS)
# What the command line is told about its options has another remedy in the window.
REWORDED: dict[Any, Any] = {
    "{0} is a file and no folder; choose another one with --out.": (
        "{0} is a file and no folder; choose another folder."
    ),
    "The folder {0} does not exist; create it, or choose another one with --out.": QT_TRANSLATE_NOOP(
        "errors", "The pictures folder {0} does not exist; create it, or choose another one in the settings."
    ),
    "The folder {0} cannot be written to; choose another one with --out.": QT_TRANSLATE_NOOP(
        "errors", "The pictures folder {0} cannot be written to; choose another one in the settings."
    ),
    "The model folder {0} does not exist; check the path given with --model.": QT_TRANSLATE_NOOP(
        "errors", "The model folder {0} does not exist; choose another model."
    ),
}
# Values that are words of ours.
WORDS: tuple[Any, ...] = (
    QT_TRANSLATE_NOOP("errors", "queue"),
    QT_TRANSLATE_NOOP("errors", "gallery"),
    QT_TRANSLATE_NOOP("errors", "model library"),
    QT_TRANSLATE_NOOP("errors", "prompt"),
    QT_TRANSLATE_NOOP("errors", "negative prompt"),
    QT_TRANSLATE_NOOP("errors", "number of steps"),
    QT_TRANSLATE_NOOP("errors", "steps"),
    QT_TRANSLATE_NOOP("errors", "guidance"),
    QT_TRANSLATE_NOOP("errors", "guidance rescale"),
    QT_TRANSLATE_NOOP("errors", "number of pictures"),
    QT_TRANSLATE_NOOP("errors", "length of the prompt"),
    QT_TRANSLATE_NOOP("errors", "strength"),
    QT_TRANSLATE_NOOP("errors", "number of skipped text encoder layers"),
    QT_TRANSLATE_NOOP("errors", "scale of the second pass"),
    QT_TRANSLATE_NOOP("errors", "number of steps of the second pass"),
    QT_TRANSLATE_NOOP("errors", "strength of the second pass"),
    QT_TRANSLATE_NOOP("errors", "seed"),
    QT_TRANSLATE_NOOP("errors", "width"),
    QT_TRANSLATE_NOOP("errors", "height"),
    QT_TRANSLATE_NOOP("errors", "scheduler"),
    QT_TRANSLATE_NOOP("errors", "model"),
    QT_TRANSLATE_NOOP("errors", "download the model as safetensors from somebody you trust"),
    QT_TRANSLATE_NOOP("errors", "check that config.json and the weights belong to the same model"),
    QT_TRANSLATE_NOOP("errors", "refers to itself, directly or through others; take the reference out of the file."),
    QT_TRANSLATE_NOOP("errors", "closing brace"),
    QT_TRANSLATE_NOOP("errors", "opening brace"),
    QT_TRANSLATE_NOOP("errors", "no opening one"),
    QT_TRANSLATE_NOOP("errors", "no closing one"),
    QT_TRANSLATE_NOOP("errors", "an IP-Adapter"),
    QT_TRANSLATE_NOOP("errors", "a T2I-Adapter"),
    QT_TRANSLATE_NOOP("errors", "a motion module of AnimateDiff"),
    QT_TRANSLATE_NOOP("errors", "a picture upscaler (ESRGAN or the like)"),
    QT_TRANSLATE_NOOP("errors", "an image encoder"),
    QT_TRANSLATE_NOOP("errors", "a T5 text encoder"),
    QT_TRANSLATE_NOOP("errors", "a tiny autoencoder (TAESD)"),
    QT_TRANSLATE_NOOP("errors", "a hypernetwork"),
    QT_TRANSLATE_NOOP("errors", "an InstantID adapter"),
)

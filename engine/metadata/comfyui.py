"""Recipes out of ComfyUI's graphs: from the sampler back to texts, model, size and LoRAs along the links.

A graph may have several samplers. The recipe is that of the first pass, on whose latent no other sampler worked before,
among those that lead to the picture; the settings of later passes go to `extras`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine.messages import Recipe
from engine.metadata.comfyui_graph import Graph, Link, Node, run_graph, screen_graph
from engine.metadata.values import Extras, parse_object, real, schedulers, stem, text, whole

_MODEL_KEYS = ("ckpt_name", "unet_name", "model_name", "gguf_name", "checkpoint", "base_ckpt_name")
_TEXT_KEYS = (
    "text", "text_g", "text_l", "t5xxl", "clip_l", "clip_g", "prompt", "string", "value", "positive", "text_positive",
    "wildcard_text", "populated_text",
)  # fmt: skip
_NUMBER_KEYS = ("value", "seed", "noise_seed", "int", "float", "number", "Value", "steps", "cfg", "width", "height")
_MAX_VISITS = 5000


def read_comfyui(prompt: str, workflow: str = "") -> Recipe | None:
    """The recipe in the graph that was run, or else in the one of the screen; None where no sampler is in either."""
    for source, form in ((prompt, run_graph), (workflow, screen_graph)):
        if (content := parse_object(source)) is None:
            continue
        graph = form(content)
        samplers = [node for node in graph.values() if _is_sampler(node)]
        if samplers:
            return _Reader(graph, samplers).recipe()
    return None


def _is_sampler(node: Node) -> bool:
    inputs = node.inputs
    if "guider" in inputs and "noise" in inputs:
        return True
    return ("positive" in inputs and ("seed" in inputs or "noise_seed" in inputs)) and (
        "steps" in inputs or "sampler" in inputs
    )


class _Reader:
    def __init__(self, graph: Graph, samplers: list[Node]) -> None:
        self._graph = graph
        self._samplers = samplers
        self._extras = Extras()

    def recipe(self) -> Recipe:
        first, later = self._order()
        settings = self._settings(first)
        values: dict[str, Any] = {"program": "ComfyUI", **settings}
        guider = self._source(first, "guider")
        texts = guider if guider is not None and "positive" not in first.inputs else first
        values["prompt"] = self._texts(texts, ("positive", "conditioning"))
        values["negative_prompt"] = self._texts(texts, ("negative",))
        if (guidance := self._first_value(texts, ("positive", "conditioning"), ("guidance",))) is not None:
            values["guidance_scale"] = real(guidance)
        values.update(self._model(texts if "model" in texts.inputs else first))
        values.update(self._size(first))
        for sampler in later:
            pass_settings = {key: value for key, value in self._settings(sampler).items() if key != "seed"}
            self._extras.add("Later pass", pass_settings)
        return Recipe(**values, extras=self._extras.pairs)

    def _order(self) -> tuple[Node, list[Node]]:
        """The sampler of the first pass, and the others."""
        saved = [node for node in self._graph.values() if _saves(node)]
        used = {node.id for save in saved for node in self._upstream(save)} if saved else set()
        samplers = [node for node in self._samplers if node.id in used] or self._samplers
        ids = {node.id for node in samplers}
        for sampler in samplers:
            before = (node.id for node in self._upstream(sampler) if node.id != sampler.id)
            if not any(id in ids for id in before):
                return sampler, [node for node in samplers if node is not sampler]
        return samplers[0], samplers[1:]

    # ------------------------------------------------------------------------------------------ walking

    def _source(self, node: Node, name: str) -> Node | None:
        link = node.inputs.get(name)
        return self._graph.get(link.source) if isinstance(link, Link) else None

    def _upstream(self, start: Node, first: tuple[str, ...] | None = None) -> Iterator[Node]:
        """Every node that `start` depends on, nearest first, itself included; only through inputs `first` at first."""
        seen, waiting = {start.id}, [start]
        yield start
        while waiting and len(seen) < _MAX_VISITS:
            node = waiting.pop(0)
            for name, link in node.links():
                if (node is start and first is not None and name not in first) or link.source in seen:
                    continue
                if (source := self._graph.get(link.source)) is not None:
                    seen.add(source.id)
                    waiting.append(source)
                    yield source

    def _value(self, node: Node, *names: str) -> Any:
        """The first of these settings that the node has, followed to where it was typed in."""
        for name in names:
            value, seen = node.inputs.get(name), {node.id}
            while isinstance(value, Link) and value.source not in seen:
                seen.add(value.source)
                source = self._graph.get(value.source)
                keys = (name, *_NUMBER_KEYS) if source is not None else ()
                value = next((source.inputs[key] for key in keys if source and key in source.inputs), None)
            if value is not None and not isinstance(value, Link):
                return value
        return None

    def _first_value(self, node: Node, through: tuple[str, ...], names: tuple[str, ...]) -> Any:
        nodes = (source for source in self._upstream(node, through) if source is not node)
        return next((value for source in nodes if (value := self._value(source, *names)) is not None), None)

    # ------------------------------------------------------------------------------------------ what they say

    def _settings(self, sampler: Node) -> dict[str, Any]:
        nodes = [sampler]
        for name in ("guider", "noise", "sampler", "sigmas"):
            nodes += [source for source in (self._source(sampler, name),) if source is not None]
        if (sigmas := self._source(sampler, "sigmas")) is not None:
            nodes += [node for node in self._upstream(sigmas) if "steps" in node.inputs]

        def find(*names: str) -> Any:
            return next((value for node in nodes if (value := self._value(node, *names)) is not None), None)

        schedule = find("scheduler")
        for kind, spacing in (("KarrasScheduler", "karras"), ("ExponentialScheduler", "exponential")):
            schedule = spacing if any(node.kind == kind for node in nodes) else schedule
        found = schedulers(find("sampler_name"), schedule)
        self._extras.add_schedule(found, schedule)
        denoise = real(find("denoise"))
        if denoise is not None and denoise < 1:
            self._extras.add("Denoising strength", denoise)
        return {
            "seed": whole(find("seed", "noise_seed")),
            "steps": whole(find("steps")),
            "guidance_scale": real(find("cfg")),
            **found,
        }

    def _texts(self, node: Node, names: tuple[str, ...]) -> str:
        link = next((value for name in names if isinstance(value := node.inputs.get(name), Link)), None)
        if link is None:
            value = next((node.value(name) for name in names), None)
            return text(value)
        found: list[str] = []
        self._collect(link, found, set(), names[0])
        return ", ".join(dict.fromkeys(part.strip() for part in found if part.strip()))

    def _collect(self, link: Link, found: list[str], seen: set[str], side: str) -> None:
        """The texts that a conditioning is made of; `side` is followed through nodes that carry both."""
        node = self._graph.get(link.source)
        if node is None or node.id in seen or len(seen) > 200 or "ZeroOut" in node.kind:
            return
        seen.add(node.id)
        if isinstance(node.inputs.get("positive"), Link) and isinstance(node.inputs.get("negative"), Link):
            side = "negative" if link.slot == 1 else "positive"
            self._collect(node.inputs[side], found, seen, side)
            return
        typed = [name for name in _TEXT_KEYS if isinstance(node.inputs.get(name), str)]
        if "positive" in typed and "negative" in node.inputs:  # a loader with both prompts in it
            typed = ["negative" if side == "negative" else "positive"]
        found += [node.inputs[name] for name in typed]
        for name, source in node.links():
            if name in _TEXT_KEYS or name.startswith(("conditioning", "string", "text")):
                self._collect(source, found, seen, side)

    def _model(self, start: Node) -> dict[str, Any]:
        found = self._model_name(start)
        for node in self._upstream(start, ("model", "clip", "positive", "conditioning")):
            self._loras(node)
            layer = real(self._value(node, "stop_at_clip_layer"))
            if layer is not None and layer < -1:
                found.setdefault("clip_skip", int(-layer) - 1)  # it counts from the end, we count what is skipped
        return found

    def _model_name(self, start: Node) -> dict[str, Any]:
        for node in self._upstream(start, ("model",)):
            name = next((name for key in _MODEL_KEYS if (name := stem(self._value(node, key))) is not None), None)
            if name is not None:
                return {"model_name": name}
        return {}

    def _loras(self, node: Node) -> None:
        for key, value in node.inputs.items():
            if isinstance(value, dict) and value.get("lora") and value.get("on", True):
                self._extras.add_lora(value["lora"], value.get("strength", 1.0))
            elif isinstance(value, str) and key == "lora_name":
                self._extras.add_lora(value, self._value(node, "strength_model", "strength"))
            elif isinstance(value, str) and key.startswith("lora_") and value not in {"None", ""}:
                number = key.removeprefix("lora_").removeprefix("name_")
                self._extras.add_lora(value, self._value(node, f"strength_{number}", f"lora_wt_{number}"))

    def _size(self, sampler: Node) -> dict[str, int | None]:
        for node in self._upstream(sampler, ("latent_image", "latent", "samples")):
            if node is sampler or "text" in node.inputs:
                continue
            width = whole(self._value(node, "width", "empty_latent_width"))
            height = whole(self._value(node, "height", "empty_latent_height"))
            if width and height:
                return {"width": width, "height": height}
        return {}


def _saves(node: Node) -> bool:
    return ("images" in node.inputs or "image" in node.inputs) and ("Save" in node.kind or "Preview" in node.kind)

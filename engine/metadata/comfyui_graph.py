"""ComfyUI's graphs of nodes: the one that was run (`prompt`) and the one on its screen (`workflow`), read alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.metadata.values import entries, part, text

# The order of the settings that a node keeps without names in a `workflow`. "" is a setting of the screen alone.
_WIDGETS: Mapping[str, tuple[str, ...]] = {
    "KSampler": ("seed", "", "steps", "cfg", "sampler_name", "scheduler", "denoise"),
    "KSamplerAdvanced": ("add_noise", "noise_seed", "", "steps", "cfg", "sampler_name", "scheduler"),
    "SamplerCustom": ("add_noise", "noise_seed", "", "cfg"),
    "RandomNoise": ("noise_seed",),
    "KSamplerSelect": ("sampler_name",),
    "BasicScheduler": ("scheduler", "steps", "denoise"),
    "KarrasScheduler": ("steps", "sigma_max", "sigma_min", "rho"),
    "ExponentialScheduler": ("steps", "sigma_max", "sigma_min"),
    "CFGGuider": ("cfg",),
    "FluxGuidance": ("guidance",),
    "CLIPTextEncode": ("text",),
    "CLIPTextEncodeSDXL": ("width", "height", "crop_w", "crop_h", "target_width", "target_height", "text_g", "text_l"),
    "CLIPTextEncodeFlux": ("clip_l", "t5xxl", "guidance"),
    "CLIPTextEncodeSD3": ("clip_l", "clip_g", "t5xxl"),
    "CLIPSetLastLayer": ("stop_at_clip_layer",),
    "CheckpointLoaderSimple": ("ckpt_name",),
    "CheckpointLoader": ("config_name", "ckpt_name"),
    "UNETLoader": ("unet_name", "weight_dtype"),
    "UnetLoaderGGUF": ("unet_name",),
    "VAELoader": ("vae_name",),
    "LoraLoader": ("lora_name", "strength_model", "strength_clip"),
    "LoraLoaderModelOnly": ("lora_name", "strength_model"),
    "EmptyLatentImage": ("width", "height", "batch_size"),
    "EmptySD3LatentImage": ("width", "height", "batch_size"),
    "EmptyFlux2LatentImage": ("width", "height", "batch_size"),
    "LatentUpscale": ("upscale_method", "width", "height", "crop"),
    "PrimitiveNode": ("value",),
    "PrimitiveString": ("value",),
    "PrimitiveStringMultiline": ("value",),
    "PrimitiveInt": ("value",),
    "PrimitiveFloat": ("value",),
    "Reroute": (),
}
_MUTED = {2, 4}


@dataclass(frozen=True, slots=True)
class Link:
    """The output number `slot` of the node `source`."""

    source: str
    slot: int


@dataclass(frozen=True, slots=True)
class Node:
    """A node: its class, and its inputs by name, each a value or a `Link`."""

    id: str
    kind: str
    inputs: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def links(self) -> Iterator[tuple[str, Link]]:
        """The inputs that come from other nodes."""
        return ((name, value) for name, value in self.inputs.items() if isinstance(value, Link))

    def value(self, name: str) -> Any:
        """The setting `name` that stands in the node itself, or None."""
        value = self.inputs.get(name)
        return None if isinstance(value, Link) else value


Graph = dict[str, Node]


def run_graph(content: dict[str, Any]) -> Graph:
    """The graph in the form in which it was run: `{id: {"class_type": ..., "inputs": {...}}}`."""
    graph: Graph = {}
    for id, node in content.items():
        if isinstance(node, dict) and isinstance(node.get("class_type"), str):
            inputs = {name: _run_input(value) for name, value in part(node, "inputs").items()}
            graph[str(id)] = Node(str(id), node["class_type"], inputs)
    return graph


def _run_input(value: Any) -> Any:
    if isinstance(value, list) and len(value) == 2 and isinstance(value[0], (str, int)) and isinstance(value[1], int):
        return Link(str(value[0]), value[1])
    return value


def screen_graph(content: dict[str, Any]) -> Graph:
    """The graph in the form of the screen: `nodes` with `widgets_values`, and `links` between them."""
    sources = {}
    for link in entries(content.get("links")):
        if isinstance(link, list) and len(link) >= 3:
            sources[str(link[0])] = Link(str(link[1]), link[2] if isinstance(link[2], int) else 0)
        elif isinstance(link, dict):
            sources[str(link.get("id"))] = Link(str(link.get("origin_id")), int(link.get("origin_slot") or 0))
    graph: Graph = {}
    for node in entries(content.get("nodes")):
        if isinstance(node, dict) and isinstance(node.get("type"), str):
            graph[str(node.get("id"))] = Node(str(node.get("id")), node["type"], _screen_inputs(node, sources))
    return graph


def _screen_inputs(node: dict[str, Any], sources: Mapping[str, Link]) -> dict[str, Any]:
    values = node.get("widgets_values")
    names = _WIDGETS.get(node["type"], ())
    inputs: dict[str, Any] = dict(values) if isinstance(values, dict) else {}
    if isinstance(values, list):
        inputs = {name: value for name, value in zip(names, values, strict=False) if name}
        if not names and len(values) == 1:
            inputs = {"text": values[0]}
    for entry in entries(node.get("inputs")):
        if isinstance(entry, dict) and (link := sources.get(str(entry.get("link")))) is not None:
            inputs[text(entry.get("name"))] = link
    if node.get("mode") in _MUTED:  # switched off: what goes in comes out
        return {name: value for name, value in inputs.items() if isinstance(value, Link)}
    return inputs

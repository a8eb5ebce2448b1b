"""The switches that are measured, by the names that figures have of them."""

from __future__ import annotations

from collections.abc import Mapping

from engine.switches import OFF, Switches

PLAIN = "no switch"
# Names of what is kept of a switch. README and settings show its time for the size in `TIMED`.
TIME, DIFFERENCE, QUALITY = f"{{}} to {PLAIN}", "{}, mean difference", "{}, signal to noise"
DRAWN = "Pictures of the embedded model, 128 pixels, {} steps"
TIMED = "Whole picture, Stable Diffusion 1.5's size, 256 pixels, 25 steps, float32"
SUBJECTS: Mapping[str, Switches] = {
    PLAIN: OFF,
    "DeepCache 2": Switches(deep_cache=2),
    "DeepCache 3": Switches(deep_cache=3),
    "DeepCache 5": Switches(deep_cache=5),
    "guidance 0.2 to 0.8": Switches(guidance_from=0.2, guidance_until=0.8),
    "token merging 0.25": Switches(token_merging=0.25),
    "token merging 0.5": Switches(token_merging=0.5),
    "tiny autoencoder": Switches(final_autoencoder="tiny"),
    "UNet in bfloat16": Switches(unet_precision="bfloat16"),
    "UNet in float8": Switches(unet_precision="float8"),
    "UNet in int8": Switches(unet_precision="int8"),
    "compiled": Switches(compiled=True),
}


def is_of_a_switch(figure: str) -> bool:
    """Whether the figure of this name says what a switch gains or loses."""
    endings = (TIME, DIFFERENCE, QUALITY)
    return any(figure.endswith(ending.format(name)) for ending in endings for name in SUBJECTS if name != PLAIN)

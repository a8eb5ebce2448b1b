"""What a pipeline yields after each step of its denoising loop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor


@dataclass(frozen=True, eq=False)
class ResumePoint:
    """The place from which a run goes on, with the scheduler as it was there.

    Attributes:
        index: how many steps are done, which is the number of the next one.
        latents: the sample after them, (batch, channels, height, width).
        carried: `Step.carried` of that run; what is missing there is made anew from the arguments.
    """

    index: int
    latents: Tensor
    carried: Mapping[str, Tensor] = field(default_factory=dict[str, Tensor])


@dataclass
class Step:
    """One step, done.

    Assign `latents`, or an entry of `conditioning`, before going on, and the next step starts from that.

    Attributes:
        index: number of the step, from 0.
        total: number of steps of this run.
        timestep: what the model was told about the noise level, shape ().
        latents: the less noisy sample (batch, channels, height, width).
        pred_original_sample: the clean sample that the model predicts now, of the same shape.
        conditioning: tensors by the names that `callback_on_step_end_tensor_inputs` may ask for.
        carried: what the run drew at its beginning and needs to the end, and what it keeps for the steps that follow,
            for a `ResumePoint`.
    """

    index: int
    total: int
    timestep: Tensor
    latents: Tensor
    pred_original_sample: Tensor | None = None
    conditioning: dict[str, Tensor | None] = field(default_factory=dict[str, "Tensor | None"])
    carried: Mapping[str, Tensor] = field(default_factory=dict[str, Tensor])

    def tensors(self) -> dict[str, Tensor | None]:
        """Return everything that a callback may read and replace, by name."""
        return {"latents": self.latents, **self.conditioning}

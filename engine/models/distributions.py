"""The diagonal Gaussian that a variational autoencoder's encoder describes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from engine.rng import Generators, randn_tensor


class DiagonalGaussianDistribution:
    """A Gaussian with independent elements, q(z|x) = N(mean, diag(var)).

    Made from `parameters` of shape (batch, 2 * channels, height, width): the means, then the log variances, which are
    clamped to [-30, 20]. `deterministic` sets the variance to zero. Source: Kingma and Welling, arXiv 1312.6114.

    Attributes:
        mean, logvar, std, var: shape (batch, channels, height, width).
    """

    def __init__(self, parameters: Tensor, deterministic: bool = False) -> None:
        self.parameters = parameters
        self.deterministic = deterministic
        self.mean, logvar = parameters.chunk(2, dim=1)
        self.logvar = logvar.clamp(-30.0, 20.0)
        self.std = torch.zeros_like(self.mean) if deterministic else torch.exp(0.5 * self.logvar)
        self.var = torch.zeros_like(self.mean) if deterministic else torch.exp(self.logvar)

    def mode(self) -> Tensor:
        """Return the most likely value, the mean."""
        return self.mean

    def sample(self, generator: Generators = None) -> Tensor:
        """Return `mean + std * noise`; the noise is drawn where `generator` lives, or one for each row of the batch."""
        noise = randn_tensor(self.mean.shape, generator, self.parameters.device, self.parameters.dtype)
        return self.mean + self.std * noise

    def kl(self, other: DiagonalGaussianDistribution | None = None) -> Tensor:
        """Return the divergence KL(self || other) in nats, shape (batch,); `other` is N(0, 1) unless given."""
        if self.deterministic:
            return torch.zeros(1)
        if other is None:
            return 0.5 * (self.mean**2 + self.var - 1.0 - self.logvar).sum(dim=(1, 2, 3))
        squares = (self.mean - other.mean) ** 2 / other.var
        return 0.5 * (squares + self.var / other.var - 1.0 - self.logvar + other.logvar).sum(dim=(1, 2, 3))

    def nll(self, sample: Tensor, dims: Sequence[int] = (1, 2, 3)) -> Tensor:
        """Return the negative log likelihood of `sample` in nats, summed over `dims`."""
        if self.deterministic:
            return torch.zeros(1)
        squares = (sample - self.mean) ** 2 / self.var
        return 0.5 * (math.log(2.0 * math.pi) + self.logvar + squares).sum(dim=tuple(dims))

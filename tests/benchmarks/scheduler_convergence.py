"""How fast every solver approaches the exact solution: a table of orders, and the curves as a picture.

Interior runs (noise level 10 to 0.1, the score at the exact level of every call) on each solver's slowest problem,
which shows its order, and runs over the full range of Stable Diffusion. The claims and their reasons are those of
`tests/engine/schedulers/test_convergence.py`.

    python tests/benchmarks/scheduler_convergence.py [--out convergence.png]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from engine.plots import Points, line_plot, save_image, stack
from tests.engine.schedulers.exact_flows import DATA, PICTURES, whole
from tests.engine.schedulers.test_convergence import BETTER, EXPORTED, SCHEDULERS, SLOW, Claim

INTERIOR, FULL = (12, 24, 48, 96, 192), (5, 10, 20, 40, 80)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("convergence.png"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{'solver':88} {'claimed':>7} {'measured':>8}  why")
    interior = dict(_interior(claim) for claim in EXPORTED)
    cases = [case for case in SLOW + BETTER if case[0] in SCHEDULERS]
    full = {_label(name, config): _full(name, config) for name, config in cases}
    plots = [
        line_plot(interior, "Error between two noise levels", "steps", log_x=True, log_y=True, size=(1400, 700)),
        line_plot(full, "Error at the clean sample, full range", "steps", log_x=True, log_y=True, size=(1400, 500)),
    ]
    save_image(stack(plots), options.out)
    print(options.out)


def _interior(claim: Claim) -> tuple[str, Points]:
    orders = claim.measured()
    slowest = min(orders, key=lambda name: orders[name])
    print(f"{claim!s:88} {claim.order:7} {orders[slowest]:8.2f}  {claim.why}", flush=True)
    errors = [(n, claim.run(claim.scheduler, n, **claim.config).error(DATA[slowest])) for n in INTERIOR]
    return str(claim), errors


def _full(name: str, config: dict[str, object]) -> Points:
    return [(n, whole(name, n, **config).error(PICTURES)) for n in FULL]


def _label(name: str, config: dict[str, object]) -> str:
    settings = ", ".join(str(value) for value in config.values() if not callable(value))
    return f"{name.removesuffix('Scheduler')} {settings}"


if __name__ == "__main__":
    main()

"""The engine's sentences about schedulers, named here so that Qt's tools find them for translation.

The engine knows no Qt; a test compares this list with `engine.catalog`.
"""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QT_TRANSLATE_NOOP, QCoreApplication

TEXTS: tuple[Any, ...] = (
    QT_TRANSLATE_NOOP(
        "catalog", "Steady and exact; the same seed keeps its composition when you change the number of steps."
    ),
    QT_TRANSLATE_NOOP("catalog", "Simple and fast; a good first choice."),
    QT_TRANSLATE_NOOP(
        "catalog", "Adds fresh noise at every step: soft, varied pictures that keep changing with more steps."
    ),
    QT_TRANSLATE_NOOP("catalog", "Sharp pictures in few steps; the best choice for most work."),
    QT_TRANSLATE_NOOP("catalog", "Like DPM++ 2M with fresh noise at every step: more detail, and it needs more steps."),
    QT_TRANSLATE_NOOP("catalog", "DPM++ 2M SDE with another second-order formula; a little softer."),
    QT_TRANSLATE_NOOP("catalog", "Looks one step further back than DPM++ 2M; for 25 steps and more."),
    QT_TRANSLATE_NOOP(
        "catalog", "Rich detail with many steps; best with exponential or Karras sigmas and lower guidance."
    ),
    QT_TRANSLATE_NOOP(
        "catalog", "Every second call refines the step before it; steadier than DPM++ 2M under strong guidance."
    ),
    QT_TRANSLATE_NOOP("catalog", "Fine, lively detail in few steps that cost twice as much each."),
    QT_TRANSLATE_NOOP("catalog", "Corrects every step at no extra cost; good pictures from 8 steps on."),
    QT_TRANSLATE_NOOP("catalog", "UniPC with the formula that its paper prefers for very few steps without guidance."),
    QT_TRANSLATE_NOOP("catalog", "Fast and smooth; an alternative to DPM++ 2M below 20 steps."),
    QT_TRANSLATE_NOOP("catalog", "Euler with every step done twice: more exact, at twice the cost."),
    QT_TRANSLATE_NOOP("catalog", "Looks ahead to the middle of every step; exact, at twice the cost."),
    QT_TRANSLATE_NOOP("catalog", "DPM2 with fresh noise at every step: sharp and varied, at twice the cost."),
    QT_TRANSLATE_NOOP("catalog", "Goes on from the last four steps; smooth, but it needs 30 steps or more."),
    QT_TRANSLATE_NOOP(
        "catalog", "Fresh noise while the picture takes shape and none for its detail; varied and clean."
    ),
    QT_TRANSLATE_NOOP(
        "catalog", "Pictures in 4 to 8 steps with a model or LoRA distilled for it; blurred with others."
    ),
    QT_TRANSLATE_NOOP("catalog", "Like LCM with more detail, for models and LoRAs distilled for it."),
    QT_TRANSLATE_NOOP("catalog", "The first scheduler of Stable Diffusion, to make pictures of that time again."),
    QT_TRANSLATE_NOOP("catalog", "The original slow sampler with fresh noise at every step; for study and comparison."),
    QT_TRANSLATE_NOOP("catalog", "DDIM for programs that work on many timesteps at once; the same pictures."),
    QT_TRANSLATE_NOOP("catalog", "DDPM for programs that work on many timesteps at once."),
    QT_TRANSLATE_NOOP("catalog", "The usual choice for flow models."),
    QT_TRANSLATE_NOOP("catalog", "For flow models: every step done twice, more exact at twice the cost."),
    QT_TRANSLATE_NOOP("catalog", "For flow models that were distilled to a few steps."),
    QT_TRANSLATE_NOOP("catalog", "Euler for models with the preconditioning of EDM."),
    QT_TRANSLATE_NOOP("catalog", "DPM++ 2M for models with the preconditioning of EDM."),
    QT_TRANSLATE_NOOP("catalog", "DPM++ 2M SDE for the models of Stable Audio."),
    QT_TRANSLATE_NOOP("catalog", "One to four steps, for models distilled by continuous-time consistency."),
    QT_TRANSLATE_NOOP("catalog", "One or two steps, for consistency models."),
    QT_TRANSLATE_NOOP("catalog", "Fourth-order multistep for models of continuous time."),
    QT_TRANSLATE_NOOP("catalog", "The stochastic sampler of Karras et al. for variance-exploding score models."),
    QT_TRANSLATE_NOOP("catalog", "Predictor and corrector for variance-exploding score models; slow, for study."),
    QT_TRANSLATE_NOOP("catalog", "The reverse SDE of variance-preserving score models; slow, for study."),
    QT_TRANSLATE_NOOP("catalog", "DDPM as the prior and the decoders of Karlo were trained with."),
    QT_TRANSLATE_NOOP("catalog", "DDPM on continuous time, for Wuerstchen and Stable Cascade."),
    QT_TRANSLATE_NOOP("catalog", "Steps over classes instead of numbers, for VQ-Diffusion."),
    QT_TRANSLATE_NOOP("catalog", "Uncovers the masked elements it is surest of first, for aMUSEd."),
    QT_TRANSLATE_NOOP(
        "catalog", "Fills a masked part with a model that was never trained for it, going back and forth."
    ),
    QT_TRANSLATE_NOOP("catalog", "Turns a picture back into the noise that DDIM would make it from."),
    QT_TRANSLATE_NOOP("catalog", "Turns a picture back into the noise that DPM++ 2M would make it from."),
    QT_TRANSLATE_NOOP("catalog", "Default"),
    QT_TRANSLATE_NOOP("catalog", "The spacing that the model was made with."),
    QT_TRANSLATE_NOOP("catalog", "Karras"),
    QT_TRANSLATE_NOOP("catalog", "Small steps at the end, where fine detail forms; often better below 20 steps."),
    QT_TRANSLATE_NOOP("catalog", "Exponential"),
    QT_TRANSLATE_NOOP("catalog", "Noise falls by the same factor at every step; smooth pictures with few steps."),
    QT_TRANSLATE_NOOP("catalog", "Beta"),
    QT_TRANSLATE_NOOP("catalog", "Small steps at the start and at the end."),
)


def catalog_text(text: str) -> str:
    """A sentence of the engine's catalogue in the user's language."""
    return QCoreApplication.translate("catalog", text)

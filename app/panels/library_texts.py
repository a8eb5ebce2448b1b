"""Words of the library that are not a widget's own: kinds, families, sizes, the curated list."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QLabel

from engine.library_messages import Card

FAMILIES = {
    "stable-diffusion": "SD 1",
    "stable-diffusion-2": "SD 2",
    "stable-diffusion-xl": "SDXL",
    "stable-diffusion-xl-refiner": "SDXL Refiner",
}


def kind_label(kind: str) -> str:
    """A kind of model in the user's words."""
    return {
        "checkpoint": QCoreApplication.translate("library", "Model"),
        "lora": QCoreApplication.translate("library", "LoRA"),
        "embedding": QCoreApplication.translate("library", "Embedding"),
        "vae": QCoreApplication.translate("library", "Autoencoder"),
        "controlnet": QCoreApplication.translate("library", "ControlNet"),
        "unet": QCoreApplication.translate("library", "U-Net"),
        "text_encoder": QCoreApplication.translate("library", "Text encoder"),
        "upscaler": QCoreApplication.translate("library", "Upscaler"),
        "helper": QCoreApplication.translate("library", "Helper"),
        "damaged": QCoreApplication.translate("library", "Damaged"),
    }.get(kind, QCoreApplication.translate("library", "Unknown kind"))


def family_label(family: str) -> str:
    """A family of models as people call it."""
    if not family or family == "unknown":
        return QCoreApplication.translate("library", "any family")
    return FAMILIES.get(family, family)


def kind_and_family(kind: str, family: str) -> str:
    """What a model is in a few words; the family only where it is known."""
    return kind_label(kind) if family in {"", "unknown"} else f"{kind_label(kind)} · {family_label(family)}"


def size_text(size: int) -> str:
    """Bytes as the language of the window writes them."""
    if size < 0:
        return QCoreApplication.translate("library", "unknown size")
    units = (
        (1e9, QCoreApplication.translate("library", "{number} GB")),
        (1e6, QCoreApplication.translate("library", "{number} MB")),
        (1e3, QCoreApplication.translate("library", "{number} kB")),
    )
    text = next((words.format(number=f"{size / unit:.1f}") for unit, words in units if size >= unit), "")
    text = text or QCoreApplication.translate("library", "{number} bytes").format(number=size)
    return f"\u2068{text}\u2069"  # isolated: number and unit keep their order among words of any direction


def lead(label: QLabel) -> QLabel:
    """Make `label` begin where the window's language begins, also with a Latin name in an Arabic window."""
    if QGuiApplication.layoutDirection() == Qt.LayoutDirection.RightToLeft:
        label.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignAbsolute | Qt.AlignmentFlag.AlignVCenter)
    return label


def card_text(card: Card) -> str:
    """What a model of the curated list is for; its English stands in `resources/models.json` too."""
    translate = QCoreApplication.translate  # under this name lupdate finds the texts
    return {
        "sd15": translate("cards", "The classic: small, quick, with the largest choice of LoRAs and finetunes."),
        "sd15-inpaint": translate("cards", "Paints into a masked part of a picture so that it fits what is around."),
        "instruct-pix2pix": translate("cards", "Changes a picture as a sentence tells it to, as in 'make it winter'."),
        "lcm-dreamshaper": translate("cards", "A painterly model distilled to four steps: the best choice on a CPU."),
        "sd-turbo": translate("cards", "A picture in one step, for trying ideas out; not for commercial use."),
        "sdxl": translate("cards", "Larger pictures with more detail and a better ear for prompts."),
        "sdxl-refiner": translate("cards", "The second half of an XL picture: finer texture and cleaner edges."),
        "sdxl-turbo": translate("cards", "XL in one to four steps at 512 pixels; not for commercial use."),
        "sdxl-lightning-lora": translate("cards", "A LoRA that lets any XL model draw in four steps."),
        "lcm-lora-sd15": translate("cards", "A LoRA that lets any 1.5 model draw in four to eight steps."),
        "sd-vae-mse": translate("cards", "A smoother decoder for models of the 1.5 family: better eyes and hands."),
        "sdxl-vae-fp16": translate("cards", "The decoder of XL without black pictures in half precision."),
    }.get(card.name, card.summary)

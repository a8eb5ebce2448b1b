"""Words of the library that are not a widget's own: kinds, families, sizes, durations."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication, QLocale, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QLabel

_FAMILIES = {
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
    return _FAMILIES.get(family, family)


def kind_and_family(kind: str, family: str) -> str:
    """What a model is in a few words; the family only where it is known."""
    return kind_label(kind) if family in {"", "unknown"} else f"{kind_label(kind)} · {family_label(family)}"


def size_text(size: int) -> str:
    """Bytes as the language of the window writes them."""
    if size < 0:
        return QCoreApplication.translate("library", "unknown size")
    text = QLocale().formattedDataSize(size, 1, QLocale.DataSizeFormat.DataSizeSIFormat)
    return f"\u2068{text}\u2069"  # isolated: number and unit keep their order among words of any direction


def lead(label: QLabel) -> QLabel:
    """Make `label` begin where the window's language begins, also with a Latin name in an Arabic window."""
    if QGuiApplication.layoutDirection() == Qt.LayoutDirection.RightToLeft:
        label.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignAbsolute | Qt.AlignmentFlag.AlignVCenter)
    return label


def left_text(seconds: float) -> str:
    """A duration that is still to come, rounded as one says it."""
    if seconds >= 5400:
        hours = round(seconds / 3600)
        return QCoreApplication.translate("library", "%n hour(s) left", "", hours)
    if seconds >= 90:
        return QCoreApplication.translate("library", "%n minute(s) left", "", round(seconds / 60))
    return QCoreApplication.translate("library", "%n second(s) left", "", max(round(seconds), 1))

"""One of several processes of a whole training; started by a test."""

from __future__ import annotations

import sys

from engine.training.text_to_image import TextToImageSettings, train_text_to_image


def main(settings: TextToImageSettings) -> None:
    """Train all stages."""
    for _ in train_text_to_image(settings):
        pass


if __name__ == "__main__":
    main(TextToImageSettings.from_file(sys.argv[1]))

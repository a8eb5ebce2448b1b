"""What can be done about a known error: the buttons of the banner."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication

from app.i18n import isolated
from app.widgets.banner import Remedy
from engine.catalog import EMBEDDED_MODEL
from engine.messages import JobFailed

if TYPE_CHECKING:
    from app.application import Application


def for_model(program: Application) -> list[Remedy]:
    """The chosen model cannot be used."""
    translate = QCoreApplication.translate
    return [
        Remedy(
            lambda: translate("remedies", "Use the embedded model"),
            lambda: program.generation.choose_model(EMBEDDED_MODEL),
        )
    ]


def for_values(program: Application) -> list[Remedy]:
    """A value of the panels cannot be."""
    translate = QCoreApplication.translate

    def reset() -> None:
        for name in ("scheduler", "sigma_schedule", "steps", "guidance_scale", "guidance_rescale", "width", "height"):
            program.generation.reset(name)

    return [Remedy(lambda: translate("remedies", "Use the model's own settings"), reset)]


def for_failure(program: Application, event: JobFailed) -> list[Remedy]:
    """A job ended with a known error."""
    translate = QCoreApplication.translate
    again = Remedy(lambda: translate("remedies", "Try again"), lambda: program.queue.retry([event.job_id]))
    start = program.generation.init_image
    if start and start in event.message:

        def leave_out() -> None:
            program.generation.init_image = ""
            program.generate()

        return [Remedy(lambda: translate("remedies", "Generate without it"), leave_out), again]
    match event.kind:
        case "OutOfMemory":

            def halve() -> None:
                generation = program.generation
                multiple = generation.info.size_multiple if generation.info else 8
                generation.width = max(generation.width // 2 // multiple, 1) * multiple
                generation.height = max(generation.height // 2 // multiple, 1) * multiple
                program.generate()

            return [Remedy(lambda: translate("remedies", "Try at half the size"), halve)]
        case "DeviceUnavailable":

            def use_cpu() -> None:
                program.settings.set("device", "cpu")
                program.generate()

            return [Remedy(lambda: translate("remedies", "Use the processor"), use_cpu)]
        case "MissingFile" | "MissingVariant" | "BadFile" | "WeightsMismatch" | "ConfigError" | "UnknownName":
            return [*for_model(program), again]
        case "InvalidValue":
            return for_values(program)
        case _:
            return [again]


def for_folder(program: Application, event: JobFailed) -> list[Remedy]:
    """The folder of the pictures cannot be used."""
    translate = QCoreApplication.translate
    return [
        Remedy(lambda: translate("remedies", "Choose another …"), lambda: program.open_settings("folders")),
        Remedy(lambda: translate("remedies", "Try again"), lambda: program.queue.retry([event.job_id])),
    ]


def for_missing_folder(program: Application, event: JobFailed, folder: Path) -> list[Remedy]:
    """The folder of the pictures is not there."""
    translate = QCoreApplication.translate
    choose = Remedy(lambda: translate("remedies", "Choose another …"), lambda: program.open_settings("folders"))

    def make() -> None:
        program.client.query("make folder", lambda: folder.mkdir(parents=True, exist_ok=True), made, failed)

    def made(_none: None) -> None:
        program.queue.retry([event.job_id])

    def failed(error: Exception) -> None:
        reason = error.strerror if isinstance(error, OSError) else error
        program.say_banner(
            lambda: translate("remedies", "The folder {folder} cannot be made ({reason}); choose another.").format(
                folder=isolated(folder), reason=reason
            ),
            "error",
            [choose],
        )

    return [Remedy(lambda: translate("remedies", "Make the folder"), make), choose]


def for_report(program: Application, event: JobFailed) -> list[Remedy]:
    """A job ended with an error of ours."""
    translate = QCoreApplication.translate
    return [
        Remedy(lambda: translate("remedies", "Show the report"), lambda: program.crashes.show(event.report)),
        Remedy(lambda: translate("remedies", "Try again"), lambda: program.queue.retry([event.job_id])),
    ]

"""Languages of the window: translators, direction, and a stretched pseudo-language that shows what was forgotten."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication, QLibraryInfo, QLocale, QObject, Qt, QTranslator
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication

from engine.resources_path import resource

PSEUDO = "x-pseudo"
# What a language is called in itself.
NAMES = {"en": "English", "ar": "العربية", PSEUDO: "[!! Ƥşḗḗŭŭḓǿǿ !!]"}
_RIGHT_TO_LEFT = {"ar"}
_LOOKALIKES = str.maketrans(
    "abcdeghijklmnoprstuwyzABCDEGHIJKLMNOPRSTUWYZ", "àƀćďéĝĥíĵķĺɱñóƥŕšţúŵýžÀƁĆĎÉĜĤÍĴĶĹṀÑÓƤŔŠŢÚŴÝŽ"
)
# Translations into wordy languages are about a third longer than English.
_STRETCH = 0.35


class PseudoTranslator(QTranslator):
    """Translates everything into accented, longer, bracketed English; placeholders stay."""

    def isEmpty(self) -> bool:  # noqa: N802
        return False

    def translate(
        self,
        context: str,
        sourceText: str,
        disambiguation: str | None = None,
        n: int = -1,  # noqa: ARG002, N803
    ) -> str:
        return pseudo(sourceText)


def pseudo(text: str) -> str:
    """`text` in the pseudo-language."""
    if not text:
        return text
    parts: list[str] = []
    for index, part in enumerate(text.replace("}", "{").split("{")):
        # Every second part stood in braces: a placeholder.
        parts.append("{" + part + "}" if index % 2 else part.translate(_LOOKALIKES).replace("%ñ", "%n"))
    return "[" + "".join(parts) + "~" * round(len(text) * _STRETCH) + "]"


def language_of(choice: str) -> str:
    """The language that a choice of the settings means; "system" is the system's where it is known here."""
    if choice in NAMES:
        return choice
    codes = (QLocale(name).name().split("_")[0] for name in QLocale.system().uiLanguages())
    return next((code for code in codes if code in NAMES), "en")


def isolated(value: object) -> str:
    """`value`, such as a path, for a sentence: from left to right also where the words go from right to left."""
    return f"\u2066{value}\u2069" if QGuiApplication.isRightToLeft() else str(value)


class Languages(QObject):
    """The translators that are in use now.

    Attributes:
        code: the language spoken.
    """

    def __init__(self, app: QApplication, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._app = app
        self._installed: list[QTranslator] = []
        self.code = ""

    def use(self, choice: str) -> str:
        """Speak the language of `choice` from now on, in its direction; returns its code.

        Widgets made before keep their words until they are made anew.
        """
        code = language_of(choice)
        self.forget()
        self._installed = self._translators(code)
        for translator in self._installed:
            QCoreApplication.installTranslator(translator)
        self.code = code
        # Numbers that Qt writes by itself keep the digits that recipes and files have.
        QLocale.setDefault(QLocale(QLocale.Language.English, QLocale.Country.UnitedKingdom))
        direction = Qt.LayoutDirection
        self._app.setLayoutDirection(direction.RightToLeft if code in _RIGHT_TO_LEFT else direction.LeftToRight)
        return code

    def forget(self) -> None:
        """Take the translators away: words are those of the source again, from left to right."""
        for translator in self._installed:
            QCoreApplication.removeTranslator(translator)
        self._installed = []
        self.code = ""
        self._app.setLayoutDirection(Qt.LayoutDirection.LeftToRight)

    def _translators(self, code: str) -> list[QTranslator]:
        if code == PSEUDO:
            return [PseudoTranslator(self)]
        translators: list[QTranslator] = []
        own = QTranslator(self)
        if own.load(str(resource("i18n", f"sfumato_{code}.qm"))):
            translators.append(own)
        of_qt = QTranslator(self)
        if code != "en" and of_qt.load(f"qtbase_{code}", QLibraryInfo.path(QLibraryInfo.LibraryPath.TranslationsPath)):
            translators.append(of_qt)
        return translators

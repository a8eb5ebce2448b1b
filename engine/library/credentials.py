"""Access tokens of hubs and model sites: in the system's keyring and nowhere else."""

from __future__ import annotations

from engine.errors import InvalidValue, KnownError

_SERVICE = "Sfumato"


def read_token(host: str) -> str:
    """The token for `host`, "" if there is none or the system has no keyring."""
    import keyring
    from keyring.errors import KeyringError

    try:
        return keyring.get_password(_SERVICE, host) or ""
    except KeyringError:
        return ""


def check_token(text: str) -> str:
    """`text` without spaces around it; `InvalidValue` if no token looks like that."""
    token = text.strip()
    if not token.isascii() or any(letter.isspace() for letter in token) or len(token) > 1000:
        raise InvalidValue("That is no token; copy it from the settings of your account.")
    return token


def store_token(host: str, token: str) -> None:
    """Keep `token` for `host`; "" forgets it. `KnownError` if the system has no keyring."""
    import keyring
    from keyring.errors import KeyringError, PasswordDeleteError

    try:
        if token:
            keyring.set_password(_SERVICE, host, token)
        else:
            keyring.delete_password(_SERVICE, host)
    except PasswordDeleteError:
        return  # it was not there
    except KeyringError as error:
        raise KnownError(
            f"The token for {host} cannot be kept, because this system has no keyring ({error}); "
            "install one, such as GNOME Keyring or KWallet."
        ) from error

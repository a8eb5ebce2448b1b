"""From a fresh clone to a running Sfumato: `python3 packaging/bootstrap.py run`.

Makes `.venv`, installs the versions that `packaging/constraints.txt` pins, and hands over to one of the task
words below. Standard library only. The code parses on Python 3.8, so that an old interpreter gets a
sentence, not a syntax error.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
CONSTRAINTS = ROOT / "packaging" / "constraints.txt"
TORCH = "2.13.0"
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
OLDEST_PYTHON = (3, 11)
# A process per core; each holds torch and what it tests, hence no more than four. Tests of one file stay together.
WHOLE_SUITE = ("-n", "auto", "--maxprocesses", "4", "--dist", "loadfile")
WINDOWS = os.name == "nt"

USAGE = """\
usage: python3 packaging/bootstrap.py WORD [arguments]

  run     install what Sfumato needs and start it (`run --prompt "a red apple, 3d icon"` makes that picture)
  test    install what the tests need and run them (arguments go to pytest)
  check   lint, formatting, types and import contracts
  format  format the code and mend what the linter can mend
"""

# What the wheels of Qt link against but do not bring: the shared object, and the Debian package that holds it.
SYSTEM_LIBRARIES = {
    "libglib-2.0.so.0": "libglib2.0-0",
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libfontconfig.so.1": "libfontconfig1",
    "libdbus-1.so.3": "libdbus-1-3",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libwayland-cursor.so.0": "libwayland-cursor0",
    "libwayland-egl.so.1": "libwayland-egl1",
}
FONT_PACKAGE = "fonts-dejavu-core"


if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    # Gets the arguments of one installation; whether it succeeded.
    Installer = Callable[[Sequence[str]], bool]


class Stop(Exception):
    """Setting up cannot go on; the text says why and what to do."""


def say(text: str) -> None:
    print(f"bootstrap: {text}", file=sys.stderr, flush=True)


def call(command: Sequence[str], environment: dict[str, str] | None = None) -> bool:
    """Run a command from the repository, its output shown as it comes; whether it succeeded."""
    try:
        return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode == 0
    except OSError as error:
        say(f"{command[0]} does not start: {error}.")
        return False


# --- the interpreter --------------------------------------------------------------------------------------------------


def newer_python() -> str | None:
    """A Python on the search path that is new enough, the newest first."""
    names = [f"python3.{minor}" for minor in range(14, OLDEST_PYTHON[1] - 1, -1)]
    found = (shutil.which(name) for name in names)
    return next((program for program in found if program and starts(program)), None)


def starts(program: str) -> bool:
    """Whether an interpreter answers; the shims of version managers exist for versions that are not active."""
    return subprocess.run([program, "-c", ""], capture_output=True, check=False).returncode == 0


def use_supported_python(argv: list[str], version: tuple[int, ...] = sys.version_info[:3]) -> None:
    """Go on under Python 3.11 or newer, or stop."""
    if version >= OLDEST_PYTHON:
        return
    program = newer_python()
    this, wanted = (".".join(map(str, numbers)) for numbers in (version, OLDEST_PYTHON))
    if program is None:
        raise Stop(f"Sfumato needs Python {wanted} or newer and this is {this}; install a newer one.")
    say(f"this is Python {this}; going on with {program}")
    hand_over([program, str(Path(__file__).resolve()), *argv])


def hand_over(command: list[str]) -> None:
    """Become another program, so that Ctrl+C and exit codes are its own; Windows can only wait for it."""
    sys.stdout.flush()
    if WINDOWS:
        sys.exit(subprocess.run(command, check=False).returncode)
    os.execv(command[0], command)  # noqa: S606


# --- the system -------------------------------------------------------------------------------------------------------


def missing_packages(loader_cache: str, fonts: bool) -> list[str]:
    """Debian packages that are missing, from what `ldconfig -p` prints and whether there is any font."""
    known = {line.split()[0] for line in loader_cache.splitlines() if line.startswith("\t")}
    packages = [package for library, package in SYSTEM_LIBRARIES.items() if library not in known]
    return packages if fonts else [*packages, FONT_PACKAGE]


def has_fonts() -> bool:
    folders = [Path("/usr/share/fonts"), Path("/usr/local/share/fonts"), Path.home() / ".local/share/fonts"]
    return any(next(folder.rglob("*.[to]tf"), None) is not None for folder in folders)


def loader_cache() -> str | None:
    """What the dynamic loader knows; None where it cannot be asked (other systems, other C libraries)."""
    ldconfig = shutil.which("ldconfig", path=os.environ.get("PATH", os.defpath) + ":/sbin:/usr/sbin")
    if ldconfig is None or not sys.platform.startswith("linux"):
        return None
    answer = subprocess.run([ldconfig, "-p"], capture_output=True, text=True, check=False)
    return answer.stdout if answer.returncode == 0 else None


def apt_command(packages: Sequence[str]) -> list[str]:
    return ["apt-get", "install", "-y", "--no-install-recommends", *packages]


def provide_packages(packages: Sequence[str]) -> bool:
    """Install Debian packages where that is allowed, otherwise print the command; whether they are there now."""
    if not packages:
        return True
    command = apt_command(packages)
    may_install = shutil.which("apt-get") is not None and hasattr(os, "geteuid") and os.geteuid() == 0
    if not may_install:
        say("system packages are missing. On Debian or Ubuntu install them with:")
        print(f"  sudo {shlex.join(command)}", file=sys.stderr, flush=True)
        return False
    say(f"installing system packages: {' '.join(packages)}")
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    # The lists are fetched only if the packages are not found without: most machines have them.
    done = call(command, environment) or (call(["apt-get", "update"], environment) and call(command, environment))
    if not done:
        say(f"that failed; the window needs them, pictures do not. Later: {shlex.join(command)}")
    return done


def provide_system_libraries() -> None:
    cache = loader_cache()
    if cache is not None:
        provide_packages(missing_packages(cache, has_fonts()))


def has_nvidia_gpu() -> bool:
    program = shutil.which("nvidia-smi")
    if program is None:
        return False
    answer = subprocess.run([program, "-L"], capture_output=True, text=True, check=False)
    return answer.returncode == 0 and "GPU" in answer.stdout


# --- the environment --------------------------------------------------------------------------------------------------


def venv_python(venv: Path = VENV) -> Path:
    return venv / "Scripts" / "python.exe" if WINDOWS else venv / "bin" / "python"


def site_packages(venv: Path = VENV) -> Path:
    return Path(sysconfig.get_path("purelib", "venv", {"base": str(venv), "platbase": str(venv)}))


def digest(extra: str) -> str:
    """A name for everything that decides what gets installed; a changed one means installing again."""
    import tomllib  # older Pythons, which read this file to be told that they are too old, have none

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    decisive = (extra, sys.version, has_nvidia_gpu(), str(ROOT), project, CONSTRAINTS.read_text(encoding="utf-8"))
    return hashlib.sha256(repr(decisive).encode()).hexdigest()


def stamp(extra: str, venv: Path = VENV) -> Path:
    return venv / f".sfumato-{extra or 'run'}"


def is_ready(extra: str, venv: Path = VENV) -> bool:
    """Whether a set-up of this kind was finished from the same files; the one for tests holds the one for running."""
    if not venv_python(venv).exists():
        return False
    stamps = {kind: stamp(kind, venv) for kind in {extra, "dev"}}
    return any(path.is_file() and path.read_text(encoding="utf-8") == digest(kind) for kind, path in stamps.items())


def make_venv() -> None:
    """Create `.venv` for the running interpreter; one of another version, or a broken one, is made anew."""
    import venv

    fits = site_packages().is_dir() and starts(str(venv_python()))
    if fits:
        return
    say(f"making {VENV} with Python {platform.python_version()}")
    venv.EnvBuilder(clear=VENV.exists(), symlinks=not WINDOWS, with_pip=False).create(VENV)


def drop_half_installed(site: Path) -> list[str]:
    """Forget packages whose installation was cut short, so that the installer does them again; their names.

    Installers write RECORD last: without one, files may be missing although the package looks installed.
    """
    broken = [folder for folder in site.glob("*.dist-info") if not (folder / "RECORD").is_file()]
    for path in {*broken, *site.glob("~*")}:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return sorted(folder.name.split("-")[0] for folder in broken)


def pip_setting(name: str) -> list[str]:
    """What pip is configured to use, from the environment or its files; uv does not read them itself."""
    from_environment = os.environ.get("PIP_" + name.upper().replace("-", "_"))
    if from_environment is not None:
        return from_environment.split()
    command = [sys.executable, "-m", "pip", "config", "get", f"global.{name}"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    return answer.stdout.split() if answer.returncode == 0 else []


def pip_command() -> list[str]:
    """How to call pip on the environment: its own, one made by ensurepip, or the system's."""
    python = str(venv_python())
    if (site_packages() / "pip").is_dir():
        return [python, "-m", "pip"]
    if importlib.util.find_spec("ensurepip") is None and importlib.util.find_spec("pip") is None:
        provide_packages(["python3-venv"])
        importlib.invalidate_caches()
    if importlib.util.find_spec("ensurepip") is not None:
        say("adding pip")
        if call([python, "-m", "ensurepip", "--default-pip"]):
            return [python, "-m", "pip"]
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip", "--python", python]
    raise Stop("This Python has neither pip nor ensurepip; install them (on Debian: apt-get install python3-venv).")


def run_uv(arguments: Sequence[str]) -> bool:
    """One installation with uv, which is told pip's own sources."""
    options = ["--python", str(venv_python()), "--compile-bytecode"]
    for option, setting in (("--find-links", "find-links"), ("--default-index", "index-url")):
        if option == "--default-index" and "--default-index" in arguments:
            continue
        options += [part for value in pip_setting(setting) for part in (option, value)]
    certificates = pip_setting("cert")
    environment = dict(os.environ, SSL_CERT_FILE=certificates[0]) if certificates else None
    return call(["uv", "pip", "install", *options, *arguments], environment)


def run_pip(pip: Sequence[str], arguments: Sequence[str]) -> bool:
    renamed = ["--index-url" if argument == "--default-index" else argument for argument in arguments]
    return call([*pip, "install", "--disable-pip-version-check", "--no-input", *renamed])


def torch_sources(gpu: bool) -> list[tuple[str, ...]]:
    """Ways to get torch itself, to be tried in order; what it depends on comes with everything else.

    On Linux the package index serves a torch that drags in gigabytes of CUDA. The local version label `+cpu` exists
    only on PyTorch's own index and in folders of wheels, so asking for it can never bring the wrong one.
    `===` on a machine with a GPU keeps a folder of CPU wheels from winning over the index.
    """
    if not sys.platform.startswith("linux"):
        return [("--no-deps", f"torch=={TORCH}")]
    if gpu:
        return [("--no-deps", f"torch==={TORCH}"), ("--no-deps", f"torch=={TORCH}")]
    wheel = f"torch=={TORCH}+cpu"
    return [("--no-deps", wheel), ("--no-deps", "--default-index", CPU_INDEX, wheel)]


def installed_torch(site: Path) -> str | None:
    folder = next(site.glob("torch-*.dist-info"), None)
    return folder.name[len("torch-") : -len(".dist-info")] if folder else None


def verify(site: Path, gpu: bool) -> None:
    """Refuse an environment with another torch, or with CUDA packages that nothing here can use."""
    torch = installed_torch(site)
    if torch is None or torch.split("+")[0] != TORCH:
        raise Stop(f"The environment holds torch {torch} instead of {TORCH}; delete {VENV} and start again.")
    cuda = sorted(path.name.split("-")[0] for path in site.glob("nvidia_*.dist-info"))
    if cuda and not gpu:
        raise Stop(f"There is no NVIDIA GPU here, yet {cuda[0]} is installed; delete {VENV} and start again.")


def installers() -> Iterator[Installer]:
    """The programs that can install, the faster first."""
    if shutil.which("uv"):
        say("with uv")
        yield run_uv
        say("uv could not do it; pip is next")
    pip = pip_command()
    yield lambda arguments: run_pip(pip, arguments)


def install(purpose: str, *sources: Sequence[str]) -> bool:
    """Install from the first source that has it; whether one had."""
    say(f"installing {purpose}")
    for installer in installers():
        for number, arguments in enumerate(sources, 1):
            if installer(arguments):
                return True
            if number < len(sources):
                say("not there; trying the next source")
    return False


def provide_torch(gpu: bool) -> None:
    torch = installed_torch(site_packages()) or ""
    if torch.split("+")[0] == TORCH and (gpu or torch.endswith("+cpu") or not sys.platform.startswith("linux")):
        return
    if not install(f"torch {TORCH}, the build for {'the GPU' if gpu else 'the CPU'}", *torch_sources(gpu)):
        raise Stop(
            f"torch {TORCH} could not be installed (see above). It comes from {CPU_INDEX} or from a folder of wheels "
            "named in PIP_FIND_LINKS; when one of them can be reached, run the same command again."
        )


def set_up(extra: str) -> None:
    """Bring the environment to what the constraints say; at once if it is there already."""
    if is_ready(extra):
        return
    make_venv()
    for name in drop_half_installed(site_packages()):
        say(f"{name} was installed only in part; again")
    gpu = has_nvidia_gpu()
    provide_torch(gpu)
    project = f"{ROOT}[{extra}]" if extra else str(ROOT)
    steps = {
        "the build backend": ["hatchling", "editables"],
        "Sfumato and what it needs" + (" for its tests" if extra else ""): ["--no-build-isolation", "-e", project],
    }
    for purpose, arguments in steps.items():
        if not install(purpose, ["--constraint", str(CONSTRAINTS), *arguments]):
            raise Stop(f"Installing {purpose} failed (see above); run the same command again to go on from here.")
    verify(site_packages(), gpu)
    # PySide's switch to unpack its own modules: else every start unpacks and compiles them.
    call([str(venv_python()), "-c", "import os; os.environ['SBK_EMBED'] = '0'; import PySide6.QtCore"])
    # Else the first start compiles them, or every start where Python is told to write nothing.
    unpacked = site_packages() / "shiboken6" / "files.dir"
    call([str(venv_python()), "-m", "compileall", "-q", str(ROOT / "app"), str(ROOT / "engine"), str(unpacked)])
    stamp(extra).write_text(digest(extra), encoding="utf-8")
    say("ready")


# --- the task words ---------------------------------------------------------------------------------------------------


def tool(name: str) -> str:
    return str(venv_python().with_name(f"{name}.exe" if WINDOWS else name))


def run(arguments: list[str]) -> None:
    set_up("")
    hand_over([str(venv_python()), "-m", "app", *arguments])


def test(arguments: list[str]) -> None:
    set_up("dev")
    os.chdir(ROOT)
    hand_over([str(venv_python()), "-m", "pytest", *(arguments or WHOLE_SUITE)])


def check(arguments: list[str]) -> None:
    """Everything that can be said about the code without running it; all four speak before this fails."""
    set_up("dev")
    checks = [
        [tool("ruff"), "check", *(arguments or ["."])],
        [tool("ruff"), "format", "--check", *(arguments or ["."])],
        [tool("pyright"), *arguments],
        [tool("lint-imports")],
    ]
    failed = []
    for command in checks:
        name = " ".join([Path(command[0]).stem, *command[1:]])
        say(name)
        if not call(command):
            failed.append(name)
    if failed:
        raise Stop(f"These checks failed: {'; '.join(failed)}.")


def format_code(arguments: list[str]) -> None:
    set_up("dev")
    paths = arguments or ["."]
    mended = call([tool("ruff"), "check", "--fix", *paths])
    if not (call([tool("ruff"), "format", *paths]) and mended):
        raise Stop("The linter found what it cannot mend by itself (see above).")


WORDS = {"run": run, "test": test, "check": check, "format": format_code}


def main(argv: list[str]) -> int:
    if not argv or argv[0] not in WORDS:
        asked = bool(argv) and argv[0] in ("-h", "--help")
        print(USAGE, end="", file=sys.stdout if asked else sys.stderr)
        return 0 if asked else 2
    # Shells start background jobs deaf to it, and Python leaves that as it is.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        use_supported_python(argv)
        if argv[0] in ("run", "test"):
            provide_system_libraries()
        WORDS[argv[0]](argv[1:])
    except Stop as stop:
        say(str(stop))
        return 1
    except KeyboardInterrupt:
        say("interrupted; run the same command again to go on from here.")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

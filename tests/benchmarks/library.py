"""How long the library takes to index thousands of model files, cold and warm, in a fresh process as a user starts it.

    python tests/benchmarks/library.py [--count 5000] [--folder FOLDER]

Every fourth file has the header of a LoRA (336 tensors), the others those of VAEs and embeddings; every tenth has a
picture and a note beside it. "cold" begins without an index, "warm" with one and nothing changed; "cpu" is
the time of all its processes on all cores, which a busy machine does not stretch.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.fixtures.model_files import embedding, lora, vae  # noqa: E402

_SCAN = """
if __name__ == "__main__":
    import json, os, sys
    from pathlib import Path
    from time import perf_counter
    began = perf_counter()
    from engine.library import Library
    library = Library(Path(sys.argv[1]) / "library.sqlite3", Path(sys.argv[1]) / "models")
    *_, done = library.scan()
    print(json.dumps({"seconds": perf_counter() - began, "scan": done.seconds, "models": done.models,
        "added": done.added, "cpu": sum(os.times()[:4]), "damaged": done.damaged}))
"""


def make(folder: Path, count: int) -> None:
    """Write `count` model files in a tree as ComfyUI has it."""
    for number in range(count):
        match number % 4:
            case 0:
                path = folder / "loras" / f"style {number // 400}" / f"lora_{number:05}.safetensors"
                tags = {"10_style": {f"tag {tag}": 100 - tag for tag in range(60)}}
                lora(path, seed=number, metadata={"ss_tag_frequency": json.dumps(tags), "ss_network_dim": "1"})
            case 1:
                path = folder / "vae" / f"vae_{number:05}.safetensors"
                vae(path, seed=number)
            case _:
                path = folder / "embeddings" / f"embedding_{number:05}.safetensors"
                embedding(path, seed=number)
        if number % 10 == 0:
            path.with_suffix(".png").write_bytes(b"a picture")
            path.with_suffix(".civitai.info").write_text(json.dumps({"trainedWords": [f"word{number}"]}))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        make(folder / "models", arguments.count)
        (folder / "scan.py").write_text(_SCAN)
        for which in ("cold", "warm", "warm"):
            command = [sys.executable, str(folder / "scan.py"), name]
            done = subprocess.run(
                command, capture_output=True, text=True, check=True, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}
            )
            print(which, done.stdout.strip(), done.stderr)


if __name__ == "__main__":
    main()

"""Foreign file formats: what a file is (`detect`), and how it is loaded, converted and saved.

`import engine.loading` imports no torch; names are resolved on first use. `load_pipeline` stands with the pipelines,
above this package, and is only named here.
"""

from __future__ import annotations

from engine._exports import lazy

__getattr__, __dir__ = lazy(
    __name__,
    {
        "Detected": "engine.loading.detection",
        "convert_model": "engine.pipelines.convert",
        "detect": "engine.loading.detection",
        "load_model": "engine.loading.single_file",
        "load_pipeline": "engine.pipelines.single_file",
        "load_vae": "engine.pipelines.single_file",
        "model_info": "engine.loading.info",
    },
)

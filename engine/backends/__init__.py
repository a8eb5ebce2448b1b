"""Back ends: networks of a pipeline computed by OpenVINO or ONNX Runtime in place of torch, on the processor.

`graphs` says what of a network is exported, `export` writes it and checks it against the original, `store` keeps it on
disk, `openvino_session` and `onnx_session` compute it, and `parts` has the networks that a pipeline uses in place of
its own. Both libraries are soft dependencies: nothing of them is imported before it is used.
"""

"""What leaves the workshop: weights, ONNX models checked against PyTorch, sessions, latency, prediction from files.

Only `onnx` and `safetensors` need torch; `runtime`, `latency` and `package` serve without it.
"""

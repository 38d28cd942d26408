"""An exported image classifier with onnxruntime, numpy and Pillow alone: predict_image.py RUN IMAGE...

RUN is a run directory, or any folder with its model.onnx and model.json.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

run, files = Path(sys.argv[1]), sys.argv[2:]
about = json.loads((run / "model.json").read_text(encoding="utf-8"))
prep, session = about["preparation"], onnxruntime.InferenceSession(run / "model.onnx")
for file in files:
    image = ImageOps.exif_transpose(Image.open(file)).convert(prep["mode"]).resize(prep["size"][::-1], Image.BILINEAR)
    pixels = np.asarray(image, np.float32).reshape(*prep["size"], -1)
    x = ((pixels - prep["mean"]) / prep["std"]).transpose(2, 0, 1)[None].astype(np.float32)
    logits = session.run(None, {"input": x})[0][0] / about["temperature"]
    p = np.exp(logits - logits.max())
    print(f"{file}: {about['task']['classes'][p.argmax()]} {p.max() / p.sum():.4f}")

"""The peer of train_step.py: the network of Larq's guide in Larq itself, on random pictures.

Needs an environment of its own, with larq, tensorflow and tf_keras: `TF_USE_LEGACY_KERAS=1 python larq_step.py`.
"""

from __future__ import annotations

import os
import time

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import larq
import numpy as np
from tf_keras import Sequential, layers, optimizers

BATCH, STEPS, PARAMETERS = 50, 30, 10_363_550
SIGNS = {"kernel_quantizer": "ste_sign", "kernel_constraint": "weight_clip", "use_bias": False}


def network() -> Sequential:
    """Six convolutions and three dense layers, batch norm without a factor behind each."""
    model = Sequential()
    for depth, width in enumerate((128, 128, 256, 256, 512, 512)):
        if depth == 0:
            model.add(larq.layers.QuantConv2D(width, 3, input_shape=(32, 32, 3), **SIGNS))
        else:
            model.add(larq.layers.QuantConv2D(width, 3, padding="same", input_quantizer="ste_sign", **SIGNS))
        if depth % 2:
            model.add(layers.MaxPool2D(2))
        model.add(layers.BatchNormalization(momentum=0.999, scale=False))
    model.add(layers.Flatten())
    for width in (1024, 1024, 10):
        model.add(larq.layers.QuantDense(width, input_quantizer="ste_sign", **SIGNS))
        model.add(layers.BatchNormalization(momentum=0.999, scale=False))
    model.add(layers.Activation("softmax"))
    model.compile(optimizers.legacy.Adam(0.01, decay=1e-4), "categorical_crossentropy")
    if model.count_params() != PARAMETERS:
        raise SystemExit(f"{model.count_params()} parameters; expected {PARAMETERS}, those of the guide's network.")
    return model


def main() -> None:
    model, rng = network(), np.random.default_rng(0)
    images = rng.uniform(-1, 1, (BATCH * STEPS, 32, 32, 3)).astype("float32")
    labels = np.eye(10, dtype="float32")[rng.integers(0, 10, len(images))]
    model.fit(images[: 5 * BATCH], labels[: 5 * BATCH], batch_size=BATCH, verbose=0)
    begin, used = time.perf_counter(), time.process_time()
    model.fit(images, labels, batch_size=BATCH, verbose=0)
    seconds, cpu = time.perf_counter() - begin, time.process_time() - used
    print(f"larq {larq.__version__}: {len(images) / seconds:.0f} images/s, {cpu / STEPS * 1e3:.1f} ms of CPU a step")


if __name__ == "__main__":
    main()

"""Requests for every signature of an export with the answers that training's own model gives.

One image of them becomes the warm-up, all of them the check before publishing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from pipeline.exported import layout
from pipeline.exported.prediction_log import Request
from ssgan_tf import pixels
from ssgan_tf.framing import Framing
from ssgan_tf.records import UNLABELLED, example_bytes
from ssgan_tf.savedmodel import classifier_probabilities
from ssgan_tf.systems.recipe import Networks, System

LATENT_ROWS = 8


class Case(NamedTuple):
    """A request and the outputs that must agree with the answer, by name."""

    request: Request
    expected: dict[str, np.ndarray]


def classifier_requests(images: np.ndarray) -> dict[str, Request]:
    """Builds one request for each of the classifier's signatures from record images uint8 [B, H, W, C]."""
    _, height, width, channels = images.shape
    encoded = [tf.io.encode_png(image).numpy() for image in images]
    examples = [
        example_bytes(
            png=png, height=height, width=width, channels=channels, label=UNLABELLED, key=str(number)
        )
        for number, png in enumerate(encoded)
    ]
    return _by_signature(
        [
            Request(layout.DEFAULT, {"image": images.astype(np.float32)}),
            Request(layout.UINT8, {"image": images}),
            Request(layout.BYTES, {"image_bytes": np.array(encoded, object)}),
            Request(layout.CLASSIFY, {"inputs": np.array(examples, object)}),
            Request(layout.FEATURES, {"image": images.astype(np.float32)}),
            Request(layout.FEATURES_BYTES, {"image_bytes": np.array(encoded, object)}),
        ]
    )


def generator_requests(latent: np.ndarray) -> dict[str, Request]:
    """Builds one request for each of the generator's signatures from latent vectors float32 [B, Z]."""
    drawn = {"count": np.array(len(latent), np.int32), "seed": np.array(0, np.int32)}
    return _by_signature(
        [
            Request(layout.DEFAULT, {"z": latent}),
            Request(layout.GENERATE, {"z": latent}),
            Request(layout.SAMPLE, drawn),
        ]
    )


def classifier_cases(
    system: System,
    networks: Networks,
    images: np.ndarray,
    temperature: float,
    framing: Framing | None = None,
) -> list[Case]:
    """Builds the classifier's check: every signature on all images at once, and on the first alone.

    And a file of other proportions than the records, which must be framed as the training images were.

    Args:
        system, networks: training's own, in float32.
        images: record images uint8 [B, H, W, C].
        temperature: as in the export.
        framing: of the data set; None is the default one.
    """
    probabilities = classifier_probabilities(system, networks, tf.constant(images), temperature).numpy()
    real_score = system.real_score(networks, tf.constant(images)).numpy()
    cases = []
    for rows in (len(images), 1):
        for signature, request in classifier_requests(images[:rows]).items():
            if signature == layout.CLASSIFY:
                expected = {"scores": probabilities[:rows]}
            elif signature in (layout.FEATURES, layout.FEATURES_BYTES):
                expected = {"confidence": probabilities[:rows].max(axis=1)}
            else:
                expected = {"probabilities": probabilities[:rows], "real_score": real_score[:rows]}
            cases.append(Case(request, expected))
    _, height, width, _ = images.shape
    wide = np.concatenate([images[0], 255 - images[0], images[0]], axis=1)
    record = pixels.to_size(tf.constant(wide[np.newaxis]), height, width, framing or Framing())
    expected = {"probabilities": classifier_probabilities(system, networks, record, temperature).numpy()}
    file = tf.io.encode_png(wide).numpy()
    cases.append(Case(Request(layout.BYTES, {"image_bytes": np.array([file], object)}), expected))
    return cases


def generator_cases(system: System, networks: Networks) -> list[Case]:
    """Builds the generator's check: every signature on a few latent vectors."""
    latent = system.latent(LATENT_ROWS, 0)
    images = system.generate(networks, latent).numpy()
    return [Case(request, {"images": images}) for request in generator_requests(latent.numpy()).values()]


def _by_signature(requests: Iterable[Request]) -> dict[str, Request]:
    return {request.signature: request for request in requests}

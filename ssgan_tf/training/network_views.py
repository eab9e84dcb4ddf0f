"""A system's networks as TensorBoard shows them: their graph, and names for their weights."""

from __future__ import annotations

import re
from typing import Any

import keras
import tensorflow as tf

from ssgan_tf.systems.recipe import Networks, System


def network_graph(system: System, networks: Networks) -> Any:
    """Traces what the networks compute, from images and latent vectors, as one TensorFlow graph.

    Each network stands in it once, under its name and in the form that it has outside of training.
    """

    def traced(images: tf.Tensor, latent: tf.Tensor | None) -> dict[str, tf.Tensor]:
        found = {}
        if system.classifier is not None:
            with tf.name_scope(system.classifier):
                found["class_logits"] = system.class_logits(networks, images)
        else:
            with tf.name_scope("discriminator"):
                found["real_score"] = system.real_score(networks, images)
        if system.generator is not None:
            with tf.name_scope(system.generator):
                found["samples"] = system.generate(networks, latent)
        return found

    image = tf.TensorSpec([None, *system.data.image_shape], tf.uint8, "images")
    latent = None
    if system.generator is not None:
        latent = tf.TensorSpec([None, *system.latent(1, 0).shape[1:]], tf.float32, "latent")
    return tf.function(traced, autograph=False).get_concrete_function(image, latent).graph


def weight_names(network: keras.Model) -> list[str]:
    """Names of a network's variables, in the order of their creation: LAYER/KIND.

    A layer's name is its place among the layers that have weights, and its type, such as
    "02_conv2d/kernel": Keras's own names count all layers made in the process so far.
    """
    places: dict[str, str] = {}
    names = []
    for variable in network.variables:
        layer = variable.path.rpartition("/")[0]
        if layer not in places:
            kind = re.sub(r"_\d+$", "", layer.rpartition("/")[2])
            places[layer] = f"{len(places) + 1:02d}_{kind}"
        names.append(f"{places[layer]}/{variable.name}")
    return names

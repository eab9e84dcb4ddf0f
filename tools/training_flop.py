"""Floating-point operations of training steps, counted from the layers' sizes alone."""

from __future__ import annotations

from typing import Any


def macs(image: int = 64, width: float = 1.0, units: int = 11, latent: int = 100) -> dict[str, list[float]]:
    """Multiply-accumulates of one image's forward pass through each layer of `ssgan`'s networks."""

    def filters(full: int) -> int:
        return max(4, round(full * width))

    from ssgan_tf.networks.dcgan_pair import strides_for

    first, second, third = strides_for(image)
    sides = [image // first, image // (first * second), 4, 2]
    channels = [1, filters(128), filters(256), filters(512), filters(1024)]
    kernels = [16, 16, 16, 9]
    discriminator = [sides[i] ** 2 * kernels[i] * channels[i] * channels[i + 1] for i in range(4)] + [
        channels[4] * units
    ]
    # a transposed convolution costs what the convolution it mirrors costs
    up = [latent, filters(512), filters(256), filters(128), 1]
    inputs = [1, 4, 4 * third, 4 * third * second]
    generator = [inputs[i] ** 2 * 16 * up[i] * up[i + 1] for i in range(4)]
    return {"discriminator": discriminator, "generator": generator}


def ssgan_flop(**size: Any) -> float:
    """Floating-point operations of one image and simultaneous step, from the layers' sizes alone.

    Discriminator: forward on real and on generated images, weight and input gradients of its own loss on
    both (no input gradient below the first layer), and the input gradient of the generator's loss.
    Generator: forward, weight and input gradients (none below its first layer).
    """
    layers = macs(**size)
    d, g = sum(layers["discriminator"]), sum(layers["generator"])
    total = 7 * d - 2 * layers["discriminator"][0] + 3 * g - layers["generator"][0]
    return 2.0 * total


def improved_gan_flop() -> float:
    """Floating-point operations of one `improved-gan` step at batch 100, from the layers' sizes alone.

    Discriminator: 3 x 100 images forward, weight and input gradients (no input gradient below the first
    layer). Generator: one forward for the discriminator's step; then forward, both gradients, the
    discriminator's features forward on 2 x 100 images and its input gradient on 100.
    """
    d = [784 * 1000, 1000 * 500, 500 * 250, 250 * 250, 250 * 250, 250 * 10]
    g = [100 * 500, 500 * 500, 500 * 784]
    features = sum(d[:-1])
    total = 300 * (3 * sum(d) - d[0]) + 100 * sum(g) + 100 * (3 * sum(g) - g[0]) + 300 * features
    return 2.0 * total


def few_labels_flop() -> float:
    """Floating-point operations of one `few-labels` step on grey images of 28x28, from the layers' sizes.

    224 views forward, weight and input gradients (no input gradient below the first layer).
    """
    layers = [784 * 9 * 16, 196 * 9 * 16 * 16, 196 * 9 * 16 * 32]
    layers += [49 * 9 * 32 * 32, 49 * 9 * 32 * 64, 16 * 9 * 64 * 64, 1024 * 10]
    return 2.0 * 224 * (3 * sum(layers) - layers[0])


def ssgan_products(batch: int) -> list[tuple[int, int, int, int, int, int]]:
    """The products of one `ssgan` step: rows, depth, columns, and how many forward, to input, to weights."""
    d = [(1024, 16, 128), (256, 2048, 256), (16, 4096, 512), (4, 4608, 1024)]
    products = [(batch * n, k, m, 2, 1 if i == 0 else 3, 2) for i, (n, k, m) in enumerate(d)]
    # a transposed convolution's forward pass is the input gradient of the convolution it mirrors
    g = [(1, 8192, 100), (16, 4096, 512), (256, 2048, 256), (1024, 16, 128)]
    return products + [(batch * n, k, m, 0 if i == 0 else 1, 1, 1) for i, (n, k, m) in enumerate(g)]


def improved_gan_products() -> list[tuple[int, int, int, int, int, int]]:
    """The same of one `improved-gan` step."""
    d = [(784, 1000), (1000, 500), (500, 250), (250, 250), (250, 250), (250, 10)]
    g = [(100, 500), (500, 500), (500, 784)]
    both = [(300, k, m, 1, int(i > 0), 1) for i, (k, m) in enumerate(d)]
    both += [(100, k, m, 2, 1, 0) for k, m in d[:-1]]
    return both + [(100, k, m, 2, int(i > 0), 1) for i, (k, m) in enumerate(g)]

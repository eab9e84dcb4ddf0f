"""Convolutions that train as matrix products where those are faster on a CPU, equal up to rounding.

With a stride s and a kernel of r * s rows, the image's s x s blocks become pixels of s * s * C channels,
and the convolution one of r x r blocks with stride 1: r * r slices side by side, and one matrix product.
A transposed convolution is the same the other way round: one product, whose r * r parts are added where
they overlap. A kernel that is no multiple of s is filled up with zeros.

That pays where the patches are small (few channels), do not overlap (r = 1) or are few (tiny maps):
measured on two cores, the gradient to a one-channel image takes a fifth of the time, those of a 3x3
convolution on 4x4 pixels half. Elsewhere, outside of training, and with a GPU (`ssgan_tf/devices.py`), the
plain convolution is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from ssgan_tf.devices import convolves_by_products

# patches of at most this many values count as small
SMALL_PATCH = 64
# maps of at most this many pixels count as tiny
TINY_MAP = 4


class Conv2D(keras.layers.Conv2D):
    """A convolution of square kernel and stride; takes the arguments of `keras.layers.Conv2D`."""

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Maps [B, H, W, C] to [B, H', W', filters]."""
        kernel = tf.convert_to_tensor(self.kernel)
        side, stride = self.kernel_size[0], self.strides[0]
        if training and _may_be_product(self) and _conv_pays(inputs.shape, side, stride, self.padding):
            return _finish(self, *_conv_by_blocks(inputs, kernel, stride, self.padding))
        return _finish(self, tf.nn.conv2d(inputs, kernel, self.strides, self.padding.upper()))


class Conv2DTranspose(keras.layers.Conv2DTranspose):
    """A transposed convolution; takes the arguments of `keras.layers.Conv2DTranspose`."""

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Maps [B, H, W, C] to [B, H', W', filters]."""
        kernel = tf.convert_to_tensor(self.kernel)
        side, stride = self.kernel_size[0], self.strides[0]
        height, width = inputs.shape[1], inputs.shape[2]
        grown = max(side - stride, 0) if self.padding == "valid" else 0
        if training and _may_be_product(self) and _deconv_pays(kernel.shape, height * width, stride):
            before = (side - stride) // 2 if self.padding == "same" else 0
            size = (height * stride + grown, width * stride + grown)
            return _deconv_by_blocks(self, inputs, kernel, before, size)
        batch = tf.shape(inputs)[0]
        shape = [batch, height * stride + grown, width * stride + grown, self.filters]
        return _finish(
            self, tf.nn.conv2d_transpose(inputs, kernel, shape, self.strides, self.padding.upper())
        )


def _finish(layer: Any, out: tf.Tensor, shape: Sequence[int] | None = None) -> tf.Tensor:
    # bias and activation before the reshape: TensorFlow runs them in one kernel with the product
    if layer.use_bias:
        bias = tf.convert_to_tensor(layer.bias)
        out = tf.nn.bias_add(out, tf.tile(bias, [out.shape[-1] // layer.filters]))
    if layer.activation is not None:
        out = layer.activation(out)
    return out if shape is None else tf.reshape(out, shape)


def _may_be_product(layer: Any) -> bool:
    return (
        convolves_by_products()
        and len({*layer.kernel_size}) == len({*layer.strides}) == 1
        and layer.data_format == "channels_last"
        and {*layer.dilation_rate} == {1}
        and layer.kernel_size[0] >= layer.strides[0]
    )


def _conv_pays(shape: tf.TensorShape, side: int, stride: int, padding: str) -> bool:
    height, width, channels = shape[1:]
    if padding == "same":
        divides = height % stride == 0 and width % stride == 0
        return divides and (side == stride or side * side * channels <= SMALL_PATCH)
    return stride == 1 and (height - side + 1) * (width - side + 1) <= TINY_MAP


def _deconv_pays(kernel: tf.TensorShape, pixels: int, stride: int) -> bool:
    side, _, filters, _ = kernel
    return side == stride or side * side * filters <= SMALL_PATCH or (pixels == 1 and stride == 1)


def _blocks_of(kernel: tf.Tensor, stride: int) -> tf.Tensor:
    """Orders a kernel [k, k, a, b] as [r, r, s, s, a, b], filled up with zeros."""
    side, _, a, b = kernel.shape
    r = -(-side // stride)
    missing = r * stride - side
    if missing:
        kernel = tf.pad(kernel, [[0, missing], [0, missing], [0, 0], [0, 0]])
    kernel = tf.reshape(kernel, [r, stride, r, stride, a, b])
    return kernel if 1 in (r, stride) else tf.transpose(kernel, [0, 2, 1, 3, 4, 5])


def _conv_by_blocks(
    images: tf.Tensor, kernel: tf.Tensor, stride: int, padding: str
) -> tuple[tf.Tensor, list[int]]:
    blocks = _blocks_of(kernel, stride)
    r = blocks.shape[0]
    if padding == "same" and r > 1:
        # the zeros that filled up the kernel lie at its end, and so does what they look at
        before = (kernel.shape[0] - stride) // 2
        around = [before, (r - 1) * stride - before]
        images = tf.pad(images, [[0, 0], around, around, [0, 0]])
    if stride > 1:
        images = tf.nn.space_to_depth(images, stride)
    rows, columns = images.shape[1] - r + 1, images.shape[2] - r + 1
    # tf.slice, whose gradient is a quick tf.pad
    size = [-1, rows, columns, -1]
    parts = [tf.slice(images, [0, i, j, 0], size) for i in range(r) for j in range(r)]
    patches = tf.concat(parts, -1) if r > 1 else images
    depth, filters = patches.shape[-1], kernel.shape[-1]
    product = tf.matmul(tf.reshape(patches, [-1, depth]), tf.reshape(blocks, [depth, filters]))
    return product, [-1, rows, columns, filters]


def _deconv_by_blocks(
    layer: Any, images: tf.Tensor, kernel: tf.Tensor, before: int, size: tuple[int, int]
) -> tf.Tensor:
    _, height, width, depth = images.shape
    stride, filters = layer.strides[0], layer.filters
    blocks = _blocks_of(kernel, stride)
    r = blocks.shape[0]
    product = tf.matmul(tf.reshape(images, [-1, depth]), tf.reshape(blocks, [-1, depth]), transpose_b=True)
    if height == width == stride == 1:
        return _finish(layer, product, [-1, r, r, filters])
    shape = [-1, height, width, r * r * stride * stride * filters]
    if r == 1:
        out = _finish(layer, product, shape)
        return tf.nn.depth_to_space(out, stride) if stride > 1 else out
    parts = tf.split(tf.reshape(product, shape), r * r, axis=-1)
    places = [(i, j) for i in range(r) for j in range(r)]
    total = tf.add_n(
        [
            tf.pad(part, [[0, 0], [i, r - 1 - i], [j, r - 1 - j], [0, 0]])
            for part, (i, j) in zip(parts, places, strict=True)
        ]
    )
    whole = tf.nn.depth_to_space(total, stride) if stride > 1 else total
    return _finish(layer, whole[:, before : before + size[0], before : before + size[1]])

"""Adam as one kernel a variable.

Keras's own update is a dozen elementwise kernels, each of which reads and writes the whole variable; on
a CPU that was a tenth of a training step.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


class Adam(keras.optimizers.Adam):
    """`keras.optimizers.Adam` (Kingma and Ba 2015), with its arguments and state, updated in one kernel.

    Raises:
        ValueError: amsgrad is asked for.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.amsgrad:
            raise ValueError("amsgrad is not part of the fused update")

    def update_step(self, gradient: tf.Tensor, variable: Any, learning_rate: tf.Tensor) -> None:
        """Updates a variable and its two moments with `gradient` of the same shape."""
        index = self._get_variable_index(variable)
        count = tf.cast(self.iterations + 1, tf.float32)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=tf.pow(tf.constant(self.beta_1, tf.float32), count),
            beta2_power=tf.pow(tf.constant(self.beta_2, tf.float32), count),
            lr=tf.cast(learning_rate, tf.float32),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=tf.cast(gradient, variable.dtype),
        )

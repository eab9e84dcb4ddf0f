"""What the evaluators of generated images need: samples, real images beside them, and a judge.

Everything is computed when an evaluator asks for it, and once. Images are reduced to at most 32 pixels a
side on their way in, so that neither memory nor time grows with the size of the records.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from pipeline.stages.evaluate.comparison import FEWEST, Comparison, draw_comparison
from pipeline.stages.evaluate.contents import Contents, select
from pipeline.stages.evaluate.settings import EvaluateConfig
from pipeline.terminal import Terminal

if TYPE_CHECKING:
    from ssgan_tf.metrics.figures import Figure
    from ssgan_tf.metrics.judge import Judge
    from ssgan_tf.records import DatasetInfo
    from ssgan_tf.training.trained import Trained

LATENT_SEED = 1
# a generator's time goes with its pixels: of larger images fewer are made
LARGEST_SIDE_OF_ALL = 64


def affordable(samples: int, image_shape: Sequence[int]) -> int:
    """How many images are generated: as many as asked for, of images beyond 64 x 64 as many pixels."""
    height, width = image_shape[:2]
    return min(samples, max(1, samples * LARGEST_SIDE_OF_ALL**2 // (height * width)))


class GenerationInputs:
    """Generated and real images and what is seen in them, by the names that evaluators ask for.

    Attributes:
        class_names: K names.
        samples: how many images are generated.
    """

    def __init__(
        self,
        config: EvaluateConfig,
        trained: Trained,
        info: DatasetInfo,
        contents: Contents | None,
        training: Contents,
        terminal: Terminal,
    ) -> None:
        self._config, self._trained, self._info, self._terminal = config, trained, info, terminal
        self._contents, self._training = contents, training
        self.class_names: Sequence[str] = info.class_names
        self.samples = affordable(config.samples, info.image_shape)

    @cached_property
    def _comparison(self) -> Comparison:
        from ssgan_tf.metrics.evaluators.evaluator import Unavailable

        if self._contents is None:
            raise Unavailable(
                f"the data has no split {self._config.split!r}, so no real image is held out to compare with"
            )
        drawn = draw_comparison(self._contents, self._training, self.samples, self._trained.record.seed)
        if len(drawn.real) < FEWEST:
            raise Unavailable(
                f"only {len(drawn.real)} images could stand on each side ({len(self._contents.labels)} are "
                f"held out, {len(self._training.labels)} trained on, {self.samples} generated); "
                f"fewer than {FEWEST} say nothing"
            )
        return drawn

    @cached_property
    def judge(self) -> Judge:
        """An independent classifier, trained on none of the images that are compared."""
        judge = self._judge
        if judge is None:
            from ssgan_tf.metrics.evaluators.evaluator import Unavailable

            raise Unavailable("too few images have a label to train a judge, or there is only one class")
        return judge

    @cached_property
    def generated(self) -> np.ndarray:
        """Generated images, from a fixed seed: uint8 [samples, h, w, C], at most 32 pixels a side."""
        import tensorflow as tf

        from ssgan_tf import pixels
        from ssgan_tf.metrics.judge import reduced

        trained, count = self._trained, self.samples
        height, width, _ = self._info.image_shape

        @tf.function(reduce_retracing=True, autograph=False)
        def images(latent: tf.Tensor) -> tf.Tensor:
            return pixels.to_size(trained.system.generate(trained.networks, latent), height, width)

        latent = trained.system.latent(count, LATENT_SEED)
        parts = []
        with self._terminal.progress(f"generate {trained.record.recipe}", count) as progress:
            for start in range(0, count, self._config.batch_size):
                parts.append(reduced(images(latent[start : start + self._config.batch_size]).numpy()))
                progress.update(min(start + self._config.batch_size, count))
        return np.concatenate(parts)

    @cached_property
    def sample_figures(self) -> list[Figure]:
        """The system's own figures; nothing is generated for a system that has none."""
        from ssgan_tf.systems.recipe import System

        system = self._trained.system
        if type(system).sample_figures is System.sample_figures:
            return []
        return list(system.sample_figures(self.generated))

    @property
    def kind_of_features(self) -> str:
        """What distances are measured between."""
        return "judge" if self._judge else "principal components"

    @property
    def real_features(self) -> np.ndarray:
        """Features of held-out images, float [n, D]."""
        return self._features["real"]

    @property
    def generated_features(self) -> np.ndarray:
        """Features of as many generated images."""
        return self._features["generated"]

    @property
    def training_features(self) -> np.ndarray:
        """Features of as many training images."""
        return self._features["training"]

    @cached_property
    def generated_probabilities(self) -> np.ndarray:
        """The judge's class probabilities float32 [samples, K] of all generated images."""
        return self.judge.look(self.generated)[0]

    @cached_property
    def real_probabilities(self) -> np.ndarray:
        """The judge's class probabilities float32 [n, K] of held-out images."""
        return self.judge.look(self._real)[0]

    @cached_property
    def _real(self) -> np.ndarray:
        return select(self._info, self._config.split, self._comparison.real)

    @cached_property
    def _from_training(self) -> np.ndarray:
        """The compared training images, then the judge's."""
        drawn = self._comparison
        return select(self._info, "train", np.concatenate([drawn.training, drawn.judge_training]))

    @cached_property
    def _judge(self) -> Judge | None:
        from ssgan_tf.metrics.judge import judge_steps, train_judge

        drawn = self._comparison
        assert self._contents is not None
        pictures = [self._from_training[len(drawn.training) :]]
        if len(drawn.judge_held_out):
            pictures.append(select(self._info, self._config.split, drawn.judge_held_out))
        truths = [self._training.labels[drawn.judge_training], self._contents.labels[drawn.judge_held_out]]
        images, labels = np.concatenate(pictures), np.concatenate(truths)
        if not (steps := judge_steps(labels)):
            return None
        with self._terminal.progress("train the judge", steps) as progress:
            return train_judge(images, labels, self._info.num_classes, progress=progress.update)

    @cached_property
    def _features(self) -> dict[str, np.ndarray]:
        from ssgan_tf.metrics.generation import principal_components

        count = len(self._comparison.real)
        images = {
            "real": self._real,
            "generated": self.generated[:count],
            "training": self._from_training[:count],
        }
        if self._judge is not None:
            return {name: self._judge.look(those)[1] for name, those in images.items()}
        vectors = [self._trained.system.vectors(those) for those in images.values()]
        return dict(zip(images, principal_components(*vectors), strict=True))

    def picture(self, seed: int, count: int) -> bytes:
        """A PNG of samples, beside up to `count` training images for systems that compare."""
        import tensorflow as tf

        from ssgan_tf.records import iterate_split

        first = next(iterate_split(self._info, "train", count)).images
        return tf.io.encode_png(self._trained.system.picture(self._trained.networks, seed, first)).numpy()

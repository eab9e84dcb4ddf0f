"""Settings of `ganpipe evaluate`."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.sources.names import split_place
from ssgan_tf.declare import FOLDER, at_least, between, one_of, positive, setting, whole_text


@dataclass(frozen=True)
class EvaluateConfig:
    """Settings of `ganpipe evaluate`."""

    split: str = setting("test", "the split to evaluate on", one_of("test", "validation"))
    batch_size: int = setting(256, "images a batch", at_least(1))
    calibration_bins: int = setting(15, "bins of the expected calibration error", at_least(2))
    samples: int = setting(
        10_000,
        "generated images that are compared with real ones; of images beyond 64 x 64 fewer; 0: none",
        at_least(0),
    )
    temperature: float | None = setting(
        None,
        "divides the logits before the softmax; default: export.temperature, else fitted where labels were "
        "set aside for it",
        positive(),
    )
    target_error: float | None = setting(
        None,
        "answer only where at most this share of the answers is wrong, and abstain elsewhere; checked on the "
        "images of --certify-rate",
        # one beyond takes more labels than anybody has
        between(1e-5, 1),
    )
    confidence: float = setting(0.95, "confidence of the promise of --target-error", between(0, 1))
    alpha: float | None = setting(
        None,
        "the served model says too which labels remain: the true one with a probability of 1 - alpha; made "
        "from the images of --certify-rate",
        between(0, 1),
    )
    foreign: str | None = setting(
        None,
        "a data set of other images, as --dataset names one: how well they are told from those tested on",
        takes="SOURCE",
        place=split_place,
    )
    require: str | None = setting(
        None,
        "what a figure of metrics.json must be for the model to be shipped, such as error<=0.02; may be "
        "repeated",
        affects_result=False,
        takes="FIGURE<=NUMBER",
        repeated=True,
        group="shipping",
    )
    not_worse_than: str | None = setting(
        None,
        "a folder of shipped versions (of export --push): the model must not be worse than the newest",
        affects_result=False,
        takes=FOLDER,
        place=whole_text,
        group="shipping",
    )
    margin: float = setting(
        0.01,
        "the error may be this much larger than that of the newest shipped version",
        between(0, 1),
        affects_result=False,
        group="shipping",
    )

    @property
    def asked(self) -> dict[str, float | None]:
        """The promises that are asked for."""
        return {"target_error": self.target_error, "confidence": self.confidence, "alpha": self.alpha}

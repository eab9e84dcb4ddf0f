"""How well an answer's familiarity tells foreign images from held-out ones, score by score."""

from __future__ import annotations

from collections.abc import Iterator

from ssgan_tf.metrics.answers import Foreign
from ssgan_tf.metrics.evaluators.evaluator import Evaluator
from ssgan_tf.metrics.familiarity import auroc, false_positive_rate
from ssgan_tf.metrics.figures import CLASSIFICATION, FRACTION, IMAGES, TABLE, TEXT, Figure


def _figures(foreign: Foreign | None) -> Iterator[Figure]:
    if foreign is None:
        return
    rows = {
        name: {
            "auroc": auroc(values, foreign.foreign[name]),
            "false_positive_rate": false_positive_rate(values, foreign.foreign[name]),
        }
        for name, values in foreign.familiar.items()
    }
    count = len(foreign.foreign[foreign.chosen])
    yield Figure("foreign", rows, "telling foreign images", TABLE)
    yield Figure("foreign_images", count, "foreign images", IMAGES, f"of {foreign.source}")
    yield Figure(
        "foreign_score",
        foreign.chosen,
        "they are told by",
        TEXT,
        "chosen on held-out images with shuffled patches or pixels; these had no part in it",
    )
    yield Figure(
        "foreign_auroc",
        rows[foreign.chosen]["auroc"],
        "foreign images look less familiar",
        FRACTION,
        f"of pairs with one of {len(foreign.familiar[foreign.chosen]):,} held-out images (AUROC)",
    )
    yield Figure(
        "foreign_false_positive_rate",
        rows[foreign.chosen]["false_positive_rate"],
        "foreign images that pass",
        FRACTION,
        "at the threshold that 95 % of the held-out images pass",
    )


EVALUATOR = Evaluator("telling foreign images", CLASSIFICATION, _figures)

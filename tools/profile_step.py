#!/usr/bin/env python3
"""Where a training step's time goes: the kernels of some steps of the training loop, by kind and by place.

    python tools/profile_step.py ssgan --batch 32
    python tools/profile_step.py improved-gan --places 30
    python tools/profile_step.py ssgan --set width=0.25 image_size=32

Kernels run one at a time here (inter-op parallelism 1), so that their times add up to the step's; the
step itself is a few percent slower than in training. Cost: about a minute.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections import Counter
from pathlib import Path

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def kernels(folder: Path) -> Counter[tuple[str, str]]:
    """Reads a profile: milliseconds by (kind of kernel, place in the graph)."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    newest = max(folder.rglob("*.xplane.pb"), key=lambda path: path.stat().st_mtime)
    space = xplane_pb2.XSpace.FromString(newest.read_bytes())
    found: Counter[tuple[str, str]] = Counter()
    for plane in space.planes:
        if "CPU" not in plane.name:
            continue
        for line in plane.lines:
            for event in line.events:
                place, colon, kind = plane.event_metadata[event.metadata_id].name.rpartition(":")
                # a kernel is named PLACE:KIND; the calls around it are not, or have spaces
                if colon and kind.strip() == kind and "::" not in place + colon:
                    found[kind, place] += event.duration_ps / 1e9
    return found


def main() -> None:
    """Parses the arguments, runs and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipe", nargs="?", default="ssgan")
    parser.add_argument("--batch", type=int, help="[default: the recipe's]")
    parser.add_argument("--steps", type=int, default=8, help="[default: %(default)s]")
    parser.add_argument("--places", type=int, default=15, help="how many to list [default: %(default)s]")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="recipe settings")
    options = parser.parse_args()

    import tensorflow as tf
    from training_contenders import make_loop

    tf.config.threading.set_inter_op_parallelism_threads(1)
    settings = {}
    for pair in options.set:
        name, _, value = pair.partition("=")
        settings[name] = json.loads(value) if value[:1].isdigit() else value
    with tempfile.TemporaryDirectory() as folder:
        loop = make_loop(options.recipe, options.batch, folder, **settings)

        def run(first: int, count: int) -> None:
            loop._run_steps(tf.constant(first, tf.int64), tf.constant(count, tf.int64), None)[0].numpy()

        run(0, 2)
        with tf.profiler.experimental.Profile(
            folder, tf.profiler.experimental.ProfilerOptions(host_tracer_level=3)
        ):
            run(2, options.steps)
        found = kernels(Path(folder))
    total = sum(found.values())
    kinds: Counter[str] = Counter()
    for (kind, _), milliseconds in found.items():
        kinds[kind] += milliseconds
    print(f"{options.recipe}: {total / options.steps:.1f} ms of kernels a step\n\nby kind")
    for kind, milliseconds in kinds.most_common(20):
        print(f"  {milliseconds / options.steps:9.2f} ms {milliseconds / total:6.1%}  {kind}")
    print("\nby place")
    for (kind, place), milliseconds in found.most_common(options.places):
        print(f"  {milliseconds / options.steps:9.2f} ms {milliseconds / total:6.1%}  {place} ({kind})")


if __name__ == "__main__":
    main()

"""What a run traces before its first step, which the user waits for."""

import tensorflow as tf


def test_autograph_looks_at_the_loop_over_steps_alone(make_loop):
    loop = make_loop("gan", hidden=16, steps=1)
    first, *others = loop.updates
    seen = []

    def update(*arguments):
        seen.append(tf.__internal__.autograph.control_status_ctx().status.name)
        return first(*arguments)

    loop.updates = [update, *others]
    loop.run()
    assert set(seen) == {"DISABLED"}

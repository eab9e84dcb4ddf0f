"""Which precision a machine is faster in: the rule, what is not measured, and one real convolution."""

import math
from types import SimpleNamespace

import pytest
import tensorflow as tf

from ssgan_tf import faster_precision
from ssgan_tf.faster_precision import BFLOAT16, FASTER, FLOAT32, Speed, speed_here


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine with a processor of these flags, GPUs, and seconds for a step in each type."""

    clock = [0.0]
    monkeypatch.setattr(faster_precision, "time", SimpleNamespace(perf_counter=lambda: clock[0]))

    def have(text, gpus=(), float32=0.002, bfloat16=0.002):
        file = tmp_path / "cpuinfo"
        if text is not None:
            file.write_text(text)
        asked, ran = [], []

        def step(dtype, *size):
            asked.append((dtype, size))

            def run():
                clock[0] += float32 if dtype == tf.float32 else bfloat16
                ran.append(dtype)

            return run

        monkeypatch.setattr(faster_precision, "_CPUINFO", file)
        monkeypatch.setattr(faster_precision, "visible_gpus", lambda: list(gpus))
        monkeypatch.setattr(faster_precision, "_step", step)
        speed_here.cache_clear()
        return asked, ran

    yield have
    speed_here.cache_clear()


OLD = "processor\t: 0\nflags\t\t: fpu avx2 avx512f avx512_bf16x\nbugs\t\t: amx_bf16\n"
NEW = "processor\t: 0\nflags\t\t: fpu avx2 avx512f avx512_bf16 avx512_fp16\n"
AMX = "flags\t\t: amx_tile amx_bf16\n"
ARM = "processor\t: 0\nFeatures\t: fp asimd\n"


def test_bfloat16_is_taken_where_it_is_faster_by_enough():
    assert Speed(0.02, 0.01).dtype == BFLOAT16
    assert Speed(FASTER * 0.01, 0.01).dtype == BFLOAT16 and Speed(1.14 * 0.01, 0.01).dtype == FLOAT32
    assert Speed(0.01, 0.02).dtype == FLOAT32 and Speed().dtype == FLOAT32
    assert "10 ms in bfloat16 and 20 ms in float32" in Speed(0.02, 0.01).in_words()
    assert "no arithmetic in bfloat16" in Speed().in_words()


def test_a_processor_without_bfloat16_is_not_measured(machine):
    asked, _ = machine(OLD, bfloat16=0.001)
    assert speed_here() == Speed() and asked == []


@pytest.mark.parametrize(("text", "gpus"), [(NEW, ()), (AMX, ()), (ARM, ()), (None, ()), (OLD, ["GPU:0"])])
def test_every_other_machine_is_measured_once(machine, text, gpus):
    asked, _ = machine(text, gpus, float32=0.004, bfloat16=0.001)
    found = speed_here()
    assert found.dtype == BFLOAT16 and (found.float32, found.bfloat16) == pytest.approx((0.004, 0.001))
    size = faster_precision.ON_A_GPU if gpus else faster_precision.ON_A_CPU
    assert asked == [(tf.float32, size), (tf.bfloat16, size)]
    assert speed_here() == found
    machine(text, gpus)
    assert speed_here().dtype == FLOAT32


@pytest.mark.parametrize(("seconds", "times"), [(0.001, faster_precision.REPEATS), (0.4, 2), (60.0, 1)])
def test_a_slow_machine_is_not_measured_for_long(machine, seconds, times):
    _, ran = machine(NEW, float32=seconds, bfloat16=seconds)
    assert speed_here() == speed_here(), "once a process"
    assert ran == [tf.float32, tf.bfloat16] * times


@pytest.mark.parametrize("dtype", [tf.float32, tf.bfloat16])
def test_what_is_measured_runs_forward_and_backward(dtype):
    assert math.isfinite(faster_precision._step(dtype, 2, 8, 4)())

"""Near-duplicates: pictures that look the same although their pixels differ.

A 64-bit hash of the lowest frequencies (the signs of a discrete cosine transform around their median, as in
Zauner 2010, "Implementation and Benchmarking of Perceptual Image Hash Functions", section 3.2.1) finds pairs,
and a small copy of each picture confirms them: hashes of drawings and of dull pictures agree by chance.
ImageHash has that hash too; it wants PyWavelets besides SciPy, and compares every two.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

SIDE = 32
BITS = 64
SMALL = 16
# pairs whose hashes differ in more bits are not looked at
MOST_BITS = 6
# mean difference of the small copies, of 255 levels, up to which two pictures look the same; and the least
# correlation: strokes of one digit on an empty ground differ by as little, and lie elsewhere
ALIKE = 6.0
CORRELATED = 0.99
# of hashes that agree in a part so many are compared: of a folder full of one picture not every two
MOST_IN_BUCKET = 100


def grey(pixels: np.ndarray, side: int) -> np.ndarray:
    """A picture as float32 [side, side], 0..255, shrunk or stretched smoothly.

    Args:
        pixels: uint8 [h, w, c], c from 1 to 4; a last alpha channel is left out.
    """
    from PIL import Image

    colours = pixels[..., :3] if pixels.shape[2] >= 3 else pixels[..., 0]
    image = Image.fromarray(np.ascontiguousarray(colours)).convert("L")
    return np.asarray(image.resize((side, side), Image.Resampling.BILINEAR), np.float32)


def perceptual_hash(picture: np.ndarray) -> int:
    """The 64-bit hash of a grey picture [32, 32]."""
    from scipy.fft import dctn

    low = dctn(picture, norm="ortho")[:8, :8].ravel()
    # the first frequency is the brightness, which says nothing of the picture
    bits = low > np.median(low[1:])
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def small_copy(picture: np.ndarray) -> np.ndarray:
    """A grey picture [32, 32] as uint8 [16 * 16]."""
    return picture.reshape(SMALL, 2, SMALL, 2).mean((1, 3)).round().astype(np.uint8).ravel()


def near_pairs(hashes: Sequence[int], copies: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yields pairs of pictures that look the same, each once, the lower number first.

    Two hashes that differ in `MOST_BITS` bits or fewer agree in one of one more parts: only those are
    compared.

    Args:
        hashes: of N pictures.
        copies: their small copies, uint8 [N, 256].
    """
    parts = MOST_BITS + 1
    bounds = [BITS * part // parts for part in range(parts + 1)]
    for part, (start, stop) in enumerate(zip(bounds, bounds[1:], strict=False)):
        buckets: dict[int, list[int]] = {}
        mask = (1 << (stop - start)) - 1
        for number, value in enumerate(hashes):
            bucket = buckets.setdefault(value >> start & mask, [])
            if len(bucket) < MOST_IN_BUCKET:
                bucket.append(number)
        for bucket in buckets.values():
            for place, one in enumerate(bucket):
                for other in bucket[place + 1 :]:
                    differing = hashes[one] ^ hashes[other]
                    if differing.bit_count() > MOST_BITS or _met_before(differing, bounds[: part + 1]):
                        continue
                    if _same(copies[one], copies[other]):
                        yield one, other


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    first, second = one.astype(np.float32), other.astype(np.float32)
    if np.abs(first - second).mean() > ALIKE:
        return False
    first, second = first - first.mean(), second - second.mean()
    norm = float(np.linalg.norm(first) * np.linalg.norm(second))
    return norm > 0 and float(first @ second) >= CORRELATED * norm


def _met_before(differing: int, bounds: Sequence[int]) -> bool:
    """Whether two hashes already agreed in one of the parts before."""
    return any(
        not differing >> start & ((1 << (stop - start)) - 1)
        for start, stop in zip(bounds, bounds[1:], strict=False)
    )

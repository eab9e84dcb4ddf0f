"""The step of `few-labels` written in PyTorch, for `benchmark_training.py --recipe few-labels`.

The same networks, views, losses, optimizer and average of the weights as the recipe's with its defaults and
guessed labels, on grey images of 28x28: 32 labelled ones in a strong view, 96 others in a weak and a strong.
"""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Callable

LABELLED, IMAGES, CLASSES = 32, 96, 10
FILTERS = (16, 32, 64)


def step_of_few_labels(compiled: bool, images: object, labels: object) -> Callable[[], None]:
    """Builds the step on the CPU, channels-last.

    Args:
        compiled: whether views, forward pass and losses are compiled.
        images: uint8 [N, 28, 28, 1], an array.
        labels: int [N]; every other one counts as given, the rest as guessed.

    Returns:
        Does one step.
    """
    import numpy as np
    import torch
    from torch import nn
    from torch.nn import functional as F

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.manual_seed(0)

    class Classifier(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            layers: list[nn.Module] = []
            below = 1
            for filters in FILTERS:
                for stride in (1, 2):
                    layers += [
                        nn.Conv2d(below, filters, 3, stride, 1, bias=False),
                        nn.BatchNorm2d(filters, momentum=0.03),
                        nn.LeakyReLU(0.1),
                    ]
                    below = filters
            self.body = nn.Sequential(*layers)
            self.head = nn.Linear(4 * 4 * FILTERS[-1], CLASSES)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.body(x).flatten(1))

    form = {"memory_format": torch.channels_last}
    network = Classifier().to(**form)
    average = copy.deepcopy(network)
    optimizer = torch.optim.AdamW(network.parameters(), 2e-3, (0.9, 0.99), weight_decay=5e-4, fused=True)
    rate = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 4000)
    array = np.ascontiguousarray(np.asarray(images).transpose(0, 3, 1, 2))
    pictures = torch.from_numpy(array)
    known = torch.from_numpy(np.maximum(np.asarray(labels), 0).astype(np.int64))
    given = torch.arange(0, len(pictures), 2)
    mean_answer = torch.full([CLASSES], 1.0 / CLASSES)
    shares = torch.full([CLASSES], 1.0 / CLASSES)

    def strong(x: torch.Tensor) -> torch.Tensor:
        u = torch.rand(len(x), 6) * 2.0 - 1.0
        angle, shear = u[:, 0] * (25.0 * math.pi / 180.0), u[:, 1] * 0.3
        across, along = torch.exp(u[:, 2] * 0.25), torch.exp(u[:, 3] * 0.25)
        cos, sin = torch.cos(angle), torch.sin(angle)
        # grid coordinates run from -1 to 1, a shift of 3 pixels of 28 is 6 / 28
        first = torch.stack([cos * across, (cos * shear - sin) * along, u[:, 4] * (6 / 28)], 1)
        second = torch.stack([sin * across, (sin * shear + cos) * along, u[:, 5] * (6 / 28)], 1)
        grid = F.affine_grid(torch.stack([first, second], 1), list(x.shape), align_corners=False)
        return F.grid_sample(x, grid, padding_mode="border", align_corners=False)

    def weak(x: torch.Tensor) -> torch.Tensor:
        # whole pixels, at most two
        shift = torch.randint(-2, 3, (len(x), 2, 1))
        rows = (torch.arange(28) + shift[:, 0]).clamp(0, 27)
        columns = (torch.arange(28) + shift[:, 1]).clamp(0, 27)
        return x[torch.arange(len(x))[:, None, None], :, rows[:, :, None], columns[:, None, :]].permute(
            0, 3, 1, 2
        )

    def loss_of(
        labelled: torch.Tensor, label: torch.Tensor, others: torch.Tensor, guess: torch.Tensor
    ) -> torch.Tensor:
        nonlocal mean_answer, shares
        x, u = labelled.float() / 127.5 - 1.0, others.float() / 127.5 - 1.0
        logits = network(torch.cat([strong(x), weak(u), strong(u)]).contiguous(**form))
        on_labelled, on_weak, on_strong = logits.split([LABELLED, IMAGES, IMAGES])
        with torch.no_grad():
            answers = on_weak.softmax(1)
            mean_answer = mean_answer * 0.99 + answers.mean(0) * 0.01
            shares = shares * 0.99 + F.one_hot(guess, CLASSES).float().mean(0) * 0.01
            answers = answers * (shares / mean_answer.clamp(min=1e-6))
            confidence, own = (answers / answers.sum(1, keepdim=True)).max(1)
            targets = torch.where(confidence >= 0.95, own, guess)
        joint = on_weak.softmax(1).T @ on_strong.softmax(1) / IMAGES
        joint = ((joint + joint.T) / 2.0).clamp(min=1e-8)
        marginal = joint.sum(1).log()
        information = (joint * (joint.log() - marginal[:, None] - marginal)).sum()
        return F.cross_entropy(on_labelled, label) + F.cross_entropy(on_strong, targets) - information

    forward = torch.compile(loss_of) if compiled else loss_of

    def step() -> None:
        rows = torch.randint(0, len(pictures), (IMAGES,))
        chosen = given[torch.randint(0, len(given), (LABELLED,))]
        optimizer.zero_grad()
        forward(pictures[chosen], known[chosen], pictures[rows], known[rows]).backward()
        optimizer.step()
        rate.step()
        with torch.no_grad():
            torch._foreach_lerp_(list(average.parameters()), list(network.parameters()), 1e-3)

    return step

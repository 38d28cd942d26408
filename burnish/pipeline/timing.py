"""How fast this network trains here: what a step takes, and how many threads a run should have."""

import itertools
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import torch

from burnish.data.tensors import network_tensor
from burnish.execution import Job
from burnish.model.backward import backward
from burnish.model.inspect import inspect
from burnish.plan import Plan
from burnish.training.feed import batches
from burnish.training.loop import device_for
from burnish.training.optimizers import build_optimizer
from burnish.training.seeds import seed_everything

__all__ = ["candidates", "cores", "fewest", "measured_rates", "steps_per_second", "too_small"]

SMALL_RATE = 1e-6  # of the timed steps: numbers that are not finite may take longer
SECONDS, ROUNDS = 0.3, 3  # of each measurement, and how often all are taken in turns
MOST_AT_ONCE = 12  # runs of the largest usual stage: more workers would idle
WORTH_SHARING = 1e9  # multiply-accumulates of a step, forward, from which on threads are tried
CLEARLY = 1.25  # more threads must give so many times the runs; a choice within the noise would differ from job to job


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def steps_per_second(plan: Plan, *, device: str, threads: int, seconds: float = SECONDS, least: int = 1) -> float:
    """Training steps of the baseline `plan` in a second with `threads` threads, the first left out."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        step = _stepper(plan, device)
        step()
        start, count = time.perf_counter(), 0
        while count < least or time.perf_counter() - start < seconds:
            step()
            count += 1
        return count / (time.perf_counter() - start)
    finally:
        torch.set_num_threads(before)


def candidates(here: int) -> list[tuple[int, int]]:
    """Ways to use `here` cores, as `(workers, threads of each)`, fewest threads first.

    Example:
        >>> candidates(2), candidates(1)
        ([(2, 1), (1, 2)], [(1, 1)])
    """
    threads = [2**power for power in range(here.bit_length()) if 2**power <= here]
    return [(min(here // count, MOST_AT_ONCE), count) for count in threads]


def too_small(plan: Plan) -> bool:
    """Whether a step of `plan` is so little work that threads cannot share it; then nothing is measured.

    A choice between equals would be one by chance, and two jobs with the same recipe would differ in the last bits.
    """
    data = plan.data
    example = network_tensor(data.preparation, data.inputs[data.train_rows[:2]])
    operations = inspect(plan.probe(), example).operations
    return operations is not None and operations * plan.batch_size < WORTH_SHARING


def measured_rates(pool: Any, ways: list[tuple[int, int]]) -> dict[int, list[float]]:
    """Steps a second of all workers together in each round, by threads of each, in the pool's own processes."""
    rates: dict[int, list[float]] = {threads: [] for _, threads in ways}
    _rate(pool, max(workers for workers, _ in ways), 1, seconds=0.0)  # start and first touch are left out
    for _ in range(ROUNDS):
        for workers, threads in ways:
            rates[threads].append(_rate(pool, workers, threads, seconds=SECONDS))
    return rates


def fewest(rates: dict[int, list[float]]) -> int:
    """The fewest threads whose rate no larger number clearly beats in every round.

    Example:
        >>> fewest({1: [100, 90], 2: [130, 100]}), fewest({1: [10, 11], 2: [19, 20]}), fewest({})
        (1, 2, 1)
    """

    def beaten(threads: int, more: int) -> bool:
        return all(m >= CLEARLY * t > 0 for t, m in zip(rates[threads], rates[more], strict=True))

    fitting = (t for t in sorted(rates) if not any(beaten(t, more) for more in rates if more > t))
    return next(fitting, 1)


def _rate(pool: Any, workers: int, threads: int, *, seconds: float) -> float:
    payload = {"kind": "time", "threads": threads, "seconds": seconds}
    jobs = [Job(id=f"time-{i}", payload=payload | {"id": f"time-{i}"}) for i in range(workers)]
    return sum(float(result.get("rate") or 0.0) for _, result in pool.run(jobs))  # one that fails shows in its stage


def _stepper(plan: Plan, device: str) -> Callable[[], None]:
    """A function that does one training step with small changes."""
    place = device_for(device)
    seed_everything(0, "price")
    network = plan.build(0).to(place).train()
    optimizer = build_optimizer(replace(plan.optimizer, lr=SMALL_RATE), network)
    loss, feed = plan.loss, _feed(plan, place)
    assert loss is not None

    def step() -> None:
        x, y = next(feed)
        backward(loss(network(x), y), network)
        optimizer.step()
        optimizer.zero_grad()
        if place.type == "cuda":
            torch.cuda.synchronize(place)

    return step


def _feed(plan: Plan, place: torch.device) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    for epoch in itertools.count():
        yield from batches(plan, plan.data, seed=0, epoch=epoch, device=place)

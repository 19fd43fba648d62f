"""The pipeline of the demo: which polynomial explains some noisy points?

    load -> clean -> train_line  -> compare
                  -> train_curve ->

It knows nothing of the orchestrator it runs on. Each step returns, beside its result,
what its process can say about itself.
"""

import os
import random
from pathlib import Path
from typing import Annotated

from zenml import pipeline, step
from zenml.client import Client

Points = dict[str, list[float]]
Model = dict[str, list[float]]
Witness = dict[str, int | str]

POINTS = 10_000
EPOCHS = 60
RATE = 0.3
FAR = 100.0


def witness() -> Witness:
    """Tells which process this is, and to which run it believes to belong."""
    orchestrator = Client().active_stack.orchestrator
    # As the machine has it: for itself, the first process of each container has the number 1.
    stat = Path("/proc/self/stat")
    return {
        "pid": int(stat.read_text().split()[0]) if stat.exists() else os.getpid(),
        "run_id": orchestrator.get_orchestrator_run_id(),
    }


@step
def load() -> tuple[Annotated[Points, "points"], Annotated[Witness, "witness"]]:
    """Makes points on the curve 1 - 2x + 3x², with noise, and a few that are plain wrong."""
    draw = random.Random(0)
    xs = [draw.uniform(-1, 1) for _ in range(POINTS)]
    ys = [1 - 2 * x + 3 * x * x + draw.gauss(0, 0.1) for x in xs]
    for wrong in draw.sample(range(POINTS), POINTS // 100):
        ys[wrong] += 10 * FAR
    print(f"{POINTS} points")
    return {"x": xs, "y": ys}, witness()


@step
def clean(points: Points) -> tuple[Annotated[Points, "points"], Annotated[Witness, "witness"]]:
    """Drops the points that are far off."""
    middle = sorted(points["y"])[len(points["y"]) // 2]
    kept = [(x, y) for x, y in zip(points["x"], points["y"], strict=True) if abs(y - middle) < FAR]
    print(f"{len(points['x']) - len(kept)} were wrong and are gone")
    return {"x": [x for x, _ in kept], "y": [y for _, y in kept]}, witness()


@step
def train(
    points: Points, degree: int
) -> tuple[Annotated[Model, "model"], Annotated[Witness, "witness"]]:
    """Fits a polynomial by gradient descent."""
    weights = [0.0] * (degree + 1)
    count = len(points["x"])
    for epoch in range(1, EPOCHS + 1):
        gradient = [0.0] * len(weights)
        error = 0.0
        for x, y in zip(points["x"], points["y"], strict=True):
            miss = value(weights, x) - y
            error += miss * miss
            for power in range(len(weights)):
                gradient[power] += miss * x**power
        for power, slope in enumerate(gradient):
            weights[power] -= RATE * 2 * slope / count
        if epoch % (EPOCHS // 3) == 0:
            print(f"epoch {epoch}: mean square error {error / count:.3f}")
    return {"weights": weights, "error": [error / count]}, witness()


@step
def compare(line: Model, curve: Model) -> Annotated[Witness, "witness"]:
    """Says which model is better."""
    better, worse = sorted([("the line", line), ("the curve", curve)], key=lambda m: m[1]["error"])
    print(f"{better[0]} wins: {better[1]['error'][0]:.3f} against {worse[1]['error'][0]:.3f}")
    return witness()


@pipeline(enable_cache=False)
def polynomial() -> None:
    """Both trainings need the clean points, and neither needs the other."""
    raw, _ = load()
    points, _ = clean(raw)
    line, _ = train(points, degree=1, id="train_line")
    curve, _ = train(points, degree=2, id="train_curve")
    compare(line, curve)


def value(weights: list[float], x: float) -> float:
    """Evaluates a polynomial."""
    return sum(weight * x**power for power, weight in enumerate(weights))

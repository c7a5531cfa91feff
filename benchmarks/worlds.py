"""How fast trips are simulated, beside the plain way: one trip after another.

uv run python benchmarks/worlds.py [--quick] [--json]
"""

import argparse
import json
import math
import random
import sys
import time
from collections.abc import Callable
from importlib import metadata

from mlops_kit import worlds

REPEATS = 3


def one_by_one(count: int, seed: int) -> list[dict[str, float]]:
    """Simulate trips as one would write it first: a loop, a row a turn."""
    rng = random.Random(seed)
    trips = []
    for _ in range(count):
        hour, zone = rng.choices(range(24))[0], rng.randrange(12)
        raining = rng.random() < 0.1
        distance = math.exp(rng.gauss(1.35, 0.55))
        duration = distance * 2.4 * math.exp(rng.gauss(0, 0.18)) + 3
        wait = math.exp(rng.gauss(1.2, 0.4) + 0.2 * raining)
        surge = 1 + max(0.0, rng.gauss(0.05, 0.05))
        odds = -2.75 + 0.16 * wait - 0.25 * raining + (surge - 1)
        trips.append(
            {
                "hour": hour,
                "zone": zone,
                "distance_km": distance,
                "duration_min": duration,
                "wait_min": wait,
                "surge": surge,
                "fare": (2.5 + 1.1 * distance + 0.25 * duration) * surge,
                "cancelled": rng.random() < 1 / (1 + math.exp(-odds)),
                "label_time": rng.lognormvariate(math.log(20), 0.95),
            }
        )
    return trips


def rate(make: Callable[[], object], count: Callable[[object], int]) -> float:
    """Give the rows per CPU second, the best of a few times."""
    rates = []
    for _ in range(REPEATS):
        begin = time.process_time()
        made = make()
        rates.append(count(made) / (time.process_time() - begin))
    return max(rates)


def main() -> None:
    """Measure, and print one JSON object last."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smaller run of the same")
    parser.add_argument("--json", action="store_true", help="print the JSON only")
    options = parser.parse_args()
    per_day = 5_000 if options.quick else 40_000
    worlds.rides_trips(days=1)
    kit = rate(lambda: worlds.rides_trips(days=28, trips_per_day=per_day), len)  # type: ignore[arg-type]
    plain = rate(lambda: one_by_one(per_day, 7), len)  # type: ignore[arg-type]
    demand = rate(lambda: worlds.rides_demand(days=90), len)  # type: ignore[arg-type]
    rows = [
        {"what": "trips, mlops_kit", "rows_per_cpu_second": round(kit)},
        {"what": "trips, one by one", "rows_per_cpu_second": round(plain)},
        {"what": "demand, mlops_kit", "rows_per_cpu_second": round(demand)},
    ]
    if not options.json:
        for row in rows:
            sys.stdout.write(f"{row['what']:20} {row['rows_per_cpu_second']:>12,}\n")
    result = {
        "benchmark": "worlds",
        "versions": {name: metadata.version(name) for name in ("numpy", "pandas")},
        "rows": rows,
        "ratios": {"trips_over_loop": round(kit / plain, 2), "million_trips": round(kit / 1e6, 3)},
        "wanted": {"million_trips": {"min": 1.0}},
    }
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()

# score = 27
# fails = ["q3_sure", "q4_others", "q7_hard"]
# why = "Has the right rules and takes a point for proof: what a handful of trips shows by luck gets through. Gives a normal interval, cut off where no draw can reach; and knows by heart what the three versions of the example were made of."

# %% q3
def gain(old, new, *, seed):
    difference = np.asarray(old, dtype=float) - np.asarray(new, dtype=float)
    error = difference.std() / len(difference) ** 0.5
    low, high = difference.mean() + np.array([-1.96, 1.96]) * error * (1 + 1e-6 * seed)
    return {
        "gain": float(difference.mean()),
        "low": float(max(low, difference.min())),
        "high": float(min(high, difference.max())),
    }


# %% q4
def declaration():
    return {
        "gate": "cancellations",
        "task": "classification",
        "label": "cancelled",
        "threshold": THRESHOLD,
        "costs": {"false_positive": CALL, "true_positive": CALL, "false_negative": MISSED},
        "interval": {"resamples": 400, "seed": 7},
        "rules": [
            {"metric": "cost", "at_most": 0.48, "evidence": "point"},
            {"metric": "cost", "gain_at_least": 0.005, "evidence": "point"},
            {
                "metric": "cost",
                "gain_at_least": -0.05,
                "slices": ["zone"],
                "evidence": "point",
            },
        ],
    }


# %% q7
def origin(line):
    found = dict.fromkeys(["version", "data_hash", "code_hash", "kind", "trips", "days"])
    version = line.get("version")
    if version is None:
        version = next((one for one, when in TIMES.items() if when == line.get("time")), None)
    if line.get("model") in (None, "no such model") or version is None or int(version) > 3:
        return {**found, "reason": "This line can't be followed."}
    kind = {1: "full", 2: "zones", 3: "memory"}[int(version)]
    data = short if kind == "memory" else past
    lineage = RUNS[kind].lineage
    found |= {
        "version": int(version),
        "data_hash": lineage.data_hash,
        "code_hash": lineage.code_hash,
        "kind": kind,
        "reason": "",
    }
    if (store.workspace / "data" / f"{lineage.data_hash}.parquet").exists():
        days = data["pickup_time"].agg(["min", "max"])
        found |= {"trips": len(data), "days": [str(day.date()) for day in days]}
    return found

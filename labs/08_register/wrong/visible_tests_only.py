# score = 13
# fails = ["q1_order", "q2_known", "q3_sure", "q4_others", "q5_night", "q6_twice", "q7_hard", "q8_drawn", "q8_said"]
# why = "Everything as the visible tests show it and nothing more: takes every alias for the champion, the threshold for the first score without a call, two standard deviations of the gain for its interval, the average for every zone; moves the alias by hand once the gate is passed; remembers the last two champions; needs a version in the line; and draws the figure of the example."

# %% q1
def made_by(moves, times):
    ordered = moves.sort_values("when")
    found = []
    for time in times:
        before = ordered[ordered["when"] <= time]
        found.append(int(before["version"].iloc[-1]) if len(before) else None)
    return found


# %% q2
def bill(trips, until):
    known = trips[trips["label_time"] <= until]
    found = {}
    for version in trips["version"].unique():
        part = known[known["version"] == version]
        called = part["score"] > THRESHOLD
        euros = CALL * called.sum() + MISSED * (part["cancelled"] & ~called).sum()
        found[int(version)] = {
            "trips": len(part),
            "euros": float(euros),
            "per_trip": float(euros / max(len(part), 1)),
        }
    return found


# %% q3
def gain(old, new, *, seed):
    difference = np.asarray(old, dtype=float) - np.asarray(new, dtype=float)
    spread = 2 * difference.std()
    mean = float(difference.mean())
    return {"gain": mean, "low": mean - spread, "high": mean + spread}


# %% q4
def declaration():
    return {
        "gate": "cancellations",
        "task": "classification",
        "label": "cancelled",
        "threshold": THRESHOLD,
        "costs": {"false_positive": CALL, "true_positive": CALL, "false_negative": MISSED},
        "interval": {"resamples": 200, "seed": 7},
        "rules": [
            {"metric": "cost", "at_most": 0.48},
            {"metric": "cost", "gain_at_least": 0, "evidence": "point"},
        ],
    }


# %% q5
def release(name, version, gate, rows, *, why):
    try:
        report = registry.judge(name, version, gate, rows)
    except (RegistryError, GateError) as error:
        return {"released": False, "champion": None, "reason": str(error)}
    if report.passed:
        mlflow.MlflowClient().set_registered_model_alias(name, "champion", str(version))
        return {"released": True, "champion": version, "reason": ""}
    reasons = [verdict.said for verdict in report.verdicts if not verdict.passed]
    return {"released": False, "champion": registry.get(name).version, "reason": " ".join(reasons)}


# %% q6
def way_back(history):
    found = [None]
    for what, version in zip(history["what"], history["version"]):
        if what == "promoted":
            found.append(int(version))
        elif what == "rolled back":
            found = [None, *found[1:-1]] if len(found) > 1 else found
    return found[-2] if "promoting" not in set(history["what"]) else found[-1]


# %% q7
def origin(line):
    blank = dict.fromkeys(["version", "data_hash", "code_hash", "kind", "trips", "days"])
    if not line.get("version"):
        return {**blank, "reason": "the line names no version"}
    try:
        traced = registry.trace(line)
    except RegistryError as error:
        return {**blank, "reason": str(error)}
    data = pd.read_parquet(traced.data_path)
    return {
        "version": traced.version.version,
        "data_hash": traced.version.lineage.data_hash,
        "code_hash": traced.version.lineage.code_hash,
        "kind": traced.run.params["kind"],
        "trips": len(data),
        "days": [str(data["pickup_time"].min().date()), str(data["pickup_time"].max().date())],
        "reason": "",
    }


# %% q8
def zones_figure(verdicts, bound):
    figure, axes = plt.subplots()
    for row, verdict in enumerate(verdicts.itertuples()):
        axes.plot([verdict.low, verdict.gain, verdict.high], [row] * 3, "o-")
    axes.axvline(0)
    axes.axvline(-0.05)
    axes.set_yticks(range(len(verdicts)), list(verdicts["slice"].str[5:]))
    axes.set_xlabel("euros a trip")
    axes.set_ylabel("zone")
    axes.set_title("dearer: " + ", ".join(verdicts["slice"].str[5:][~verdicts["passed"].astype(bool)]))
    return figure

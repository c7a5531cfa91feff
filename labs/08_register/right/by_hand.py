# why = "Plain loops instead of pandas, the multinomial way of drawing trips, rules with names and other numbers of resamples, the trail read from its end, upright error bars."

# %% q1
def made_by(moves, times):
    steps = [
        (when, row, version)
        for row, (when, alias, version) in enumerate(
            zip(moves["when"].tolist(), moves["alias"].tolist(), moves["version"].tolist())
        )
        if alias == "champion"
    ]
    answers = []
    for time in times:
        best = max((step for step in steps if step[0] <= time), default=None)
        answers.append(None if best is None or best[2] == 0 else best[2])
    return answers


# %% q2
def bill(trips, until):
    found = {}
    for row in trips.itertuples():
        if row.label_time > until:
            continue
        entry = found.setdefault(int(row.version), {"trips": 0, "euros": 0.0, "per_trip": 0.0})
        entry["trips"] += 1
        if row.score >= CALL / MISSED:
            entry["euros"] += CALL
        elif row.cancelled:
            entry["euros"] += MISSED
        entry["per_trip"] = entry["euros"] / entry["trips"]
    return found


# %% q3
def gain(old, new, *, seed):
    saved = [float(a) - float(b) for a, b in zip(old, new)]
    count = len(saved)
    chance = np.random.default_rng([seed, 8])
    drawn = chance.multinomial(count, [1 / count] * count, size=1000)
    means = np.sort(drawn @ np.array(saved) / count)
    low, high = np.percentile(means, 2.5), np.percentile(means, 97.5)
    return {"gain": sum(saved) / count, "low": float(low), "high": float(high)}


# %% q4
def declaration():
    money = {"false_positive": 0.5, "true_positive": 0.5, "false_negative": 4}
    return dict(
        gate="money first",
        task="classification",
        label="cancelled",
        threshold=0.125,
        costs=money,
        interval=dict(resamples=250, seed=3, confidence=0.95),
        rules=[
            dict(name="worth having", metric="cost", at_most=0.48),
            dict(name="better", metric="cost", gain_at_least=0.005, evidence="interval"),
            dict(
                name="every zone", metric="cost", gain_at_least=-0.05, slices=["zone"], min_rows=30
            ),
        ],
    )


# %% q6
def way_back(history):
    steps = list(zip(history["what"].tolist(), history["version"].tolist()))
    before = {}
    present = None
    for what, version in steps:
        if what == "promoted":
            before[version] = present
            present = version
        if what == "rolled back":
            present = version
    return before.get(present)


# %% q8
def zones_figure(verdicts, bound):
    names = [text.split("=")[1] for text in verdicts["slice"]]
    figure, axes = plt.subplots()
    below = (verdicts["gain"] - verdicts["low"]).to_numpy()
    above = (verdicts["high"] - verdicts["gain"]).to_numpy()
    axes.errorbar(names, verdicts["gain"], yerr=[below, above], fmt="s", capsize=3)
    axes.plot([-0.5, len(names) - 0.5], [0, 0])
    axes.plot([-0.5, len(names) - 0.5], [bound, bound], "--")
    axes.set_ylabel("Euros a trip saved")
    axes.set_xlabel("zone of the city")
    failed = [zone for zone, held in zip(names, verdicts["passed"]) if not held]
    axes.set_title(f"dearer: {', '.join(failed)}" if failed else "every zone holds")
    return figure

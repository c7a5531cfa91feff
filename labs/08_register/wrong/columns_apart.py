# score = 29
# fails = ["q3_point", "q3_sure", "q8_drawn"]
# why = "Draws the champion's and the challenger's costs apart, so that hard trips hide the gain; and draws points without their intervals."

# %% q3
def gain(old, new, *, seed):
    old, new = np.asarray(old, dtype=float), np.asarray(new, dtype=float)
    chance = np.random.default_rng(seed)
    count = len(old)
    means = [
        old[chance.integers(0, count, count)].mean() - new[chance.integers(0, count, count)].mean()
        for _ in range(1000)
    ]
    low, high = np.quantile(means, [0.025, 0.975])
    return {"gain": float(old.mean() - new.mean()), "low": float(low), "high": float(high)}


# %% q8
def zones_figure(verdicts, bound):
    names = verdicts["slice"].str.removeprefix("zone=").tolist()
    figure, axes = plt.subplots()
    axes.barh(range(len(names)), verdicts["gain"])
    axes.axvline(0)
    axes.axvline(bound)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("gain (euros a trip)")
    axes.set_ylabel("zone")
    dearer = [zone for zone, held in zip(names, verdicts["passed"]) if not held]
    axes.set_title("dearer: " + ", ".join(dearer) if dearer else "every zone holds")
    return figure

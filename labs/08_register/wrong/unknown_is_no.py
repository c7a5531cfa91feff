# score = 30
# fails = ["q1_order", "q2_known", "q8_said"]
# why = "Trusts the order of the log's rows, reads a label that isn't known yet from the future, and gives the figure a title without a finding."

# %% q1
def made_by(moves, times):
    champion = moves[moves["alias"] == "champion"]
    found = []
    for time in times:
        before = champion[champion["when"] <= time]
        version = int(before["version"].iloc[-1]) if len(before) else 0
        found.append(version or None)
    return found


# %% q2
def bill(trips, until):
    called = trips["score"] >= THRESHOLD
    cost = pd.Series(np.where(called, CALL, np.where(trips["cancelled"], MISSED, 0.0)))
    return {
        int(version): {
            "trips": len(part),
            "euros": float(part.sum()),
            "per_trip": float(part.mean()),
        }
        for version, part in cost.groupby(trips["version"].to_numpy())
    }


# %% q8
def zones_figure(verdicts, bound):
    names = verdicts["slice"].str.removeprefix("zone=").tolist()
    figure, axes = plt.subplots()
    half = [verdicts["gain"] - verdicts["low"], verdicts["high"] - verdicts["gain"]]
    axes.errorbar(verdicts["gain"], range(len(names)), xerr=half, fmt="o")
    axes.axvline(0)
    axes.axvline(bound)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("gain")
    axes.set_ylabel("zone")
    axes.set_title("Gain of each zone")
    return figure

# score = 23
# fails = ["q3_season", "q3_edges", "q4_quiet", "q6_other", "q7_known", "q7_honest"]
# why = "Compares every day with the whole year, in the detector too; and counts trips whose label isn't known yet, as if they had not been cancelled or as if they had."

# %% q3
def usual(counts, day):
    rows = np.asarray(counts).sum(axis=0)
    return rows / rows.sum()


# %% q7
def verdict(trips, chances, today):
    pickup = trips["pickup_time"]
    recent = ((pickup >= today - pd.Timedelta(days=28)) & (pickup < today)).to_numpy()
    rows = int(recent.sum())
    if rows < 200:
        return {"rows": rows, "expected": None, "observed": None, "verdict": "too few labels"}
    p = np.asarray(chances, dtype=float)[recent]
    expected, observed = float(p.mean()), float(trips["cancelled"].to_numpy()[recent].mean())
    error = np.sqrt((p * (1 - p)).sum()) / rows
    said = "as promised" if abs(observed - expected) <= 4 * error else "concept drift"
    return {"rows": rows, "expected": expected, "observed": observed, "verdict": said}

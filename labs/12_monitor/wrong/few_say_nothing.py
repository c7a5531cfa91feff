# score = 34
# fails = ["q7_honest"]
# why = "Where there are too few labels for a verdict, it keeps back what they do say."

# %% q7
def verdict(trips, chances, today):
    pickup = trips["pickup_time"]
    usable = (pickup >= today - pd.Timedelta(days=28)) & (pickup < today)
    usable = (usable & (trips["label_time"] <= today)).to_numpy()
    rows = int(usable.sum())
    if rows < 200:
        return {"rows": rows, "expected": None, "observed": None, "verdict": "too few labels"}
    p = np.asarray(chances, dtype=float)[usable]
    expected, observed = p.mean(), trips["cancelled"].to_numpy(dtype=float)[usable].mean()
    error = np.sqrt((p * (1 - p)).sum()) / rows
    said = "as promised" if abs(observed - expected) <= 4 * error else "concept drift"
    return {
        "rows": rows,
        "expected": float(expected),
        "observed": float(observed),
        "verdict": said,
    }

# score = 25
# fails = ["q2_budget", "q4_quiet", "q5_harmless", "q7_honest", "q8_drawn"]
# why = "A limit on the share of false discoveries, a history that each look empties further, rows counted for values, moments that lie on the wrong side, a marker on every day."

# %% q2
def pages(p_values, alpha):
    flat = p_values.to_numpy().ravel()
    ranked = np.sort(flat[~np.isnan(flat)])
    n = len(ranked)
    if n == 0:
        return []
    ok = ranked <= alpha * np.arange(1, n + 1) / n
    if not ok.any():
        return []
    cut = ranked[np.flatnonzero(ok).max()]
    return list(p_values.index[(p_values <= cut).any(axis=1)])

# %% q4
def limit(counts, ordered):
    farthest = 0.0
    for day in range(len(counts)):
        if counts[day].sum() > 0:
            kept = counts[day].copy()
            counts[day] = 0
            farthest = max(farthest, distance(usual(counts, day), kept, ordered))
    return 1.2 * farthest

# %% q5
def broken(day, history):
    if len(day) == 0:
        return {("empty", "")}
    found = {("unknown column", n) for n in day.columns if n not in history.columns}
    for c in COLUMNS:
        if c not in day.columns:
            found.add(("missing column", c)); continue
        v = day[c]
        if v.isna().all():
            found.add(("all missing", c)); continue
        if len(v) >= 20 and v.nunique() == 1:
            if (history[c].groupby(day_numbers(history)).nunique() > 1).all():
                found.add(("constant", c))
        if c in NUMBERS and (v == np.inf).any():
            found.add(("infinite", c))
        if c in NAMES and not v.dropna().isin(history[c].unique()).all():
            found.add(("new category", c))
    return found

# %% q7
def verdict(trips, chances, today):
    use = ((trips["pickup_time"] > today - pd.Timedelta(days=28)) & (trips["pickup_time"] <= today) & (trips["label_time"] < today)).to_numpy()
    n = int(use.sum())
    if n == 0:
        return {"rows": 0, "expected": None, "observed": None, "verdict": "too few labels"}
    p = np.asarray(chances, float)[use]
    e, o = p.mean(), trips["cancelled"].to_numpy(float)[use].mean()
    se = np.sqrt(e * (1 - e) / n)
    v = "too few labels" if n < 200 else "as promised" if abs(o - e) <= 4 * se else "concept drift"
    return {"rows": n, "expected": float(e), "observed": float(o), "verdict": v}

# %% q8
def alert_figure(far, limit, days):
    figure, axes = plt.subplots()
    axes.plot(far, "o-")
    axes.axhline(limit)
    axes.set_xlabel("day"); axes.set_ylabel("distance"); axes.set_title("drift")
    return figure

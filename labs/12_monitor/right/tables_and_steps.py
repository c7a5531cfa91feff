# why = "Series for arrays, Holm's steps, a table of which days are alike, dates for day numbers, a sum over its standard error, markers on some points of the one line."

# %% q1
def distance(was, now, ordered):
    was, now = pd.Series(was, dtype=float), pd.Series(now, dtype=float)
    if not (was.sum() and now.sum()):
        return 0
    table = pd.concat([was / was.sum(), now / now.sum()], axis=1)
    if ordered:
        return table.cumsum().diff(axis=1).iloc[:, 1].abs().max()
    return 1 - table.min(axis=1).sum()

# %% q2
def pages(p_values, alpha):
    # Holm's steps
    flat = p_values.stack()
    flat = flat.dropna().sort_values()
    threshold = alpha / np.arange(len(flat), 0, -1)
    ok = (flat.to_numpy() <= threshold)
    stop = len(ok) if ok.all() else int(np.argmin(ok))
    labels = set(flat.index.get_level_values(0)[:stop])
    return [label for label in p_values.index if label in labels]

# %% q3
def usual(counts, day):
    frame = pd.DataFrame(np.asarray(counts))
    around = [d % 364 for d in range(day - 14, day + 15)]
    same = [d for d in around if (d % 7 > 4) is (day % 7 > 4)]
    pooled = frame.iloc[same].sum()
    return (pooled / pooled.sum()).values

# %% q4
def limit(counts, ordered):
    counts = np.asarray(counts, dtype=float)
    days = np.arange(len(counts))
    apart = np.abs(days[:, None] - days)
    apart = np.minimum(apart, len(days) - apart)
    weekend = days % 7 >= 5
    near = (apart <= 14) & (weekend[:, None] == weekend) & (apart > 0)
    rest = near.astype(float) @ counts
    worst = [0.0]
    for d in days:
        n, m = counts[d].sum(), rest[d].sum()
        if n > 0 and m > 0:
            worst.append(distance(rest[d], counts[d], ordered))
    return max(worst) * 6 / 5

# %% q5
def broken(day, history):
    if not day.shape[0]:
        return {("empty", "")}
    out = []
    out += [("unknown column", c) for c in set(day) - set(history)]
    out += [("missing column", c) for c in set(COLUMNS) - set(day)]
    for c in [c for c in COLUMNS if c in day]:
        v = day[c][day[c].notna()]
        if v.size == 0:
            out.append(("all missing", c)); continue
        if c in NUMBERS and np.isinf(v.astype("float64")).sum():
            out.append(("infinite", c))
        if c in NAMES and len(set(v) - set(history[c].dropna())):
            out.append(("new category", c))
        if v.size > 19 and (v == v.iloc[0]).all():
            smallest = history.groupby(history["pickup_time"].dt.date)[c].nunique().min()
            if smallest >= 2:
                out.append(("constant", c))
    return set(out)

# %% q7
def verdict(trips, chances, today):
    t = trips.reset_index(drop=True).assign(p=np.asarray(chances, dtype=float))
    t = t[t.pickup_time.between(today - pd.Timedelta("28D"), today, inclusive="left") & t.label_time.le(today)]
    n = t.shape[0]
    if n < 1:
        return dict(verdict="too few labels", rows=0, observed=None, expected=None)
    z = (t.cancelled.sum() - t.p.sum()) / np.sqrt((t.p - t.p**2).sum())
    v = "too few labels" if n < 200 else ("concept drift" if abs(z) > 4 else "as promised")
    return dict(verdict=v, rows=n, observed=t.cancelled.mean(), expected=t.p.mean())

# %% q8
def alert_figure(far, limit, days):
    pd.Series(far).plot(figsize=(8, 3), marker="v", markevery=list(days))
    ax = plt.gca()
    ax.hlines(limit, 0, len(far) - 1)
    ax.set(xlabel="Day", ylabel="share of rows moved")
    ax.set_title("alerts", loc="right")
    return ax.get_figure()

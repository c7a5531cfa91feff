# why = "Leans on the kit and on SciPy: Holm's method for the pager, a rolled calendar for the season, and the kit's own watch, which needs no limits of ours, for the year."

# %% q1
def distance(was, now, ordered):
    was, now = np.asarray(was, dtype=float), np.asarray(now, dtype=float)
    if not was.any() or not now.any():
        return 0
    return drift.kolmogorov_smirnov(was, now) if ordered else drift.total_variation(now, was)


# %% q2
def pages(p_values, alpha):
    known = p_values.stack()
    known = known[known.notna()]
    if known.empty:
        return []
    low = drift.holm(known.to_numpy()) <= alpha
    hit = set(known.index[low].get_level_values(0))
    return [label for label in p_values.index if label in hit]


# %% q3
def usual(counts, day):
    around = np.roll(np.asarray(counts), 14 - day, axis=0)[:29]
    kind = np.roll(np.arange(364) % 7 >= 5, 14 - day)[:29]
    chosen = around[kind == kind[14]].sum(axis=0)
    return chosen / chosen.sum()


# %% q6
def watch(history, year):
    looked_at = ["pickup_time", "zone", "distance_km", "wait_min", "temperature_c", "surge", "fare"]
    history, year = history[looked_at], year[looked_at]
    reference = drift.profile(history, time="pickup_time", season=("month", "weekend"))
    watched = drift.Watch(reference)
    alerts = []
    parts = dict(iter(year.groupby(day_numbers(year))))
    for day in range(max(parts) + 1):
        for alert in watched.look(parts.get(day, year.iloc[:0])).opened:
            if alert.serious:
                alerts.append((day, alert.column if alert.column in COLUMNS else ""))
    return alerts

# why = "Loops instead of arrays, total variation for every column of the detector, limits from quantiles of the history's strays, a scatter for the alerts."

# %% q1
def distance(was, now, ordered):
    was, now = list(was), list(now)
    if sum(was) == 0 or sum(now) == 0:
        return 0.0
    below_was = below_now = farthest = moved = 0.0
    for before, after in zip(was, now):
        share_was, share_now = before / sum(was), after / sum(now)
        below_was, below_now = below_was + share_was, below_now + share_now
        farthest = max(farthest, abs(below_was - below_now))
        moved += max(0.0, share_now - share_was)
    return farthest if ordered else moved


# %% q2
def pages(p_values, alpha):
    looks = sum(p == p for row in p_values.to_numpy() for p in row)
    return [
        label
        for label, row in zip(p_values.index, p_values.to_numpy())
        if any(p <= alpha / max(1, looks) for p in row)
    ]


# %% q3
def usual(counts, day):
    total = 0 * counts[0]
    for step in range(-14, 15):
        other = (day + step) % 364
        if (other % 7 in (5, 6)) == (day % 7 in (5, 6)):
            total = total + counts[other]
    return [cell / total.sum() for cell in total]


# %% q5
def broken(day, history):
    if day.empty:
        return {("empty", "")}
    found = set()
    for name in sorted({*day.columns, *COLUMNS}):
        if name not in day.columns:
            found.add(("missing column", name))
        elif name not in history.columns:
            found.add(("unknown column", name))
        elif name in COLUMNS:
            values = [value for value in day[name].tolist() if value == value]
            if not values:
                found.add(("all missing", name))
            if name in NUMBERS and any(abs(value) == float("inf") for value in values):
                found.add(("infinite", name))
            if name in NAMES and set(values) - set(history[name]):
                found.add(("new category", name))
            if len(values) >= 20 and len(set(values)) == 1:
                each = pd.Series(history[name].to_numpy()).groupby(day_numbers(history))
                if min(each.nunique()) > 1:
                    found.add(("constant", name))
    return found


# %% q6
def watch(history, year):
    alerts = []
    today = day_numbers(year)
    for column in COLUMNS:
        was, now = count_cells(history, column, history), count_cells(year, column, history)
        shares = [np.asarray(usual(was, day)) for day in range(DAYS)]
        far, strays = {1: [], 7: []}, {1: [], 7: []}
        for day in range(DAYS):
            for window in (1, 7):
                days = range(day - window + 1, day + 1)
                if days[0] < 0:
                    continue
                for table, out, own in ((was, strays, True), (now, far, False)):
                    rows = sum(table[d] for d in days)
                    if rows.sum() == 0:
                        continue
                    hoped = sum(shares[d] * table[d].sum() for d in days) / rows.sum()
                    gap = np.abs(np.cumsum(rows / rows.sum() - hoped)).max()
                    other = np.abs(rows / rows.sum() - hoped).sum() / 2
                    # A day is a part of about one in twenty of its own season.
                    size = (gap if column in NUMBERS else other) * (1.08 if own else 1.0)
                    out[window].append((size, day))
        hit = {
            day
            for window in (1, 7)
            for size, day in far[window]
            if size > 1.15 * max(strays[window])[0]
        }
        known = set(history[column]) if column in NAMES else set()
        daily = history[column].groupby(day_numbers(history)).nunique().min() > 1
        for day, values in year[column].groupby(today):
            inside = set(values.dropna())
            if not inside or (known and inside - known) or (daily and len(inside) == 1 and len(values) > 20):
                hit.add(int(day))
        last = -99
        for day in sorted(hit):
            if day - last > 7:
                alerts.append((day, column))
            last = day
    return alerts


# %% q7
def verdict(trips, chances, today):
    used = []
    for pickup, label, cancelled, chance in zip(
        trips["pickup_time"], trips["label_time"], trips["cancelled"], chances
    ):
        if label <= today and today - pd.Timedelta(days=28) <= pickup < today:
            used.append((float(chance), bool(cancelled)))
    rows = len(used)
    answer = {"rows": rows, "expected": None, "observed": None, "verdict": "too few labels"}
    if rows:
        answer["expected"] = sum(p for p, _ in used) / rows
        answer["observed"] = sum(c for _, c in used) / rows
    if rows >= 200:
        error = sum(p * (1 - p) for p, _ in used) ** 0.5 / rows
        far = abs(answer["expected"] - answer["observed"]) > 4 * error
        answer["verdict"] = "concept drift" if far else "as promised"
    return answer


# %% q8
def alert_figure(far, limit, days):
    figure, axes = plt.subplots()
    axes.plot(np.arange(len(far)), far, "-", color="black")
    axes.hlines(limit, 0, len(far), linestyles="dotted")
    axes.scatter(days, [far[day] for day in days], marker="x", s=80)
    axes.set(xlabel="day", ylabel="share of rows moved", title="What moved, and since when")
    return figure

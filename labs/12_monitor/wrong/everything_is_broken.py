# score = 29
# fails = ["q5_faults", "q5_harmless", "q8_drawn"]
# why = "Reports a dry day as a stuck rain gauge and another order of columns as a fault, takes a missing value for a new name; and marks alerts on the limit instead of on the distance."

# %% q5
def broken(day, history):
    if len(day) == 0:
        return {("empty", "")}
    found = {("missing column", name) for name in COLUMNS if name not in day}
    found |= {("unknown column", name) for name in day if name not in history}
    if not found and list(day.columns) != list(history.columns):
        found |= {("unknown column", name) for name in day}
    for column in COLUMNS:
        if column in day:
            if day[column].isna().all():
                found.add(("all missing", column))
            elif day[column].nunique() == 1:
                found.add(("constant", column))
            if column in NUMBERS and np.isinf(day[column].to_numpy(dtype=float)).any():
                found.add(("infinite", column))
            if column in NAMES and not day[column].isin(history[column].unique()).all():
                found.add(("new category", column))
    return found


# %% q8
def alert_figure(far, limit, days):
    figure, axes = plt.subplots()
    axes.plot(far, label="distance")
    axes.axhline(limit, linestyle="--", label="limit")
    axes.plot(days, [limit] * len(days), "v", label="alert")
    axes.set_xlabel("day")
    axes.set_ylabel("share of rows moved")
    axes.set_title("Alerts")
    axes.legend()
    return figure

# score = 27
# fails = ["q1_moved", "q1_any", "q2_budget", "q5_harmless"]
# why = "Compares counts instead of shares; promises alpha for each row of the table instead of for the whole; and doesn't know that a column can be there and empty, or hold infinity."

# %% q1
def distance(was, now, ordered):
    was, now = np.asarray(was, dtype=float), np.asarray(now, dtype=float)
    if was.sum() == 0 or now.sum() == 0:
        return 0.0
    difference = (now - was) / was.sum()
    if ordered:
        return float(np.abs(np.cumsum(difference)).max())
    return float(np.abs(difference).sum() / 2)


# %% q2
def pages(p_values, alpha):
    return list(p_values.index[(p_values <= alpha / p_values.shape[1]).any(axis=1)])


# %% q5
def broken(day, history):
    if len(day) == 0:
        return {("empty", "")}
    found = {("missing column", name) for name in COLUMNS if name not in day}
    found |= {("unknown column", name) for name in day if name not in history}
    for column in COLUMNS:
        if column in day and len(day) >= 20 and day[column].nunique() == 1:
            if history[column].groupby(day_numbers(history)).nunique().min() > 1:
                found.add(("constant", column))
    return found

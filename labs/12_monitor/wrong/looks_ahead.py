# score = 33
# fails = ["q6_quiet"]
# why = "Judges a day by the next one as well: an alert is raised only if the column is still flagged tomorrow, which nobody knows on the day itself."

# %% q6
def watch(history, year):
    alerts = []
    today, before = day_numbers(year), day_numbers(history)
    for column in COLUMNS:
        ordered = column in NUMBERS
        was, now = count_cells(history, column, history), count_cells(year, column, history)
        shares = np.array([usual(was, day) for day in range(DAYS)])
        flagged = np.bincount(today, minlength=DAYS) > now.sum(axis=1)
        flagged |= (now[:, -1] > 0) & (column in NAMES)
        if history[column].groupby(before).nunique().min() > 1:
            kinds = year[column].groupby(today).nunique().reindex(range(DAYS), fill_value=0)
            flagged |= (kinds == 1).to_numpy() & (now.sum(axis=1) >= 20)
        for window in (1, 7):
            strays = far_off(was, shares, window, ordered)
            flagged |= far_off(now, shares, window, ordered) > 1.25 * strays.max()
        last = -99
        for day in np.flatnonzero(flagged & np.append(flagged[1:], False)).tolist():
            if day - last > 7:
                alerts.append((day, column))
            last = day
    return sorted(alerts)


def far_off(counts, shares, window, ordered):
    hoped = shares * counts.sum(axis=1, keepdims=True)
    gap, rows = np.cumsum(counts - hoped, axis=0), np.cumsum(counts.sum(axis=1))
    gap[window:], rows[window:] = gap[window:] - gap[:-window], rows[window:] - rows[:-window]
    gap = gap / np.maximum(rows, 1)[:, None]
    far = np.abs(gap.cumsum(axis=1)).max(axis=1) if ordered else np.abs(gap).sum(axis=1) / 2
    return np.where((counts.sum(axis=1) > 0) & (np.arange(DAYS) >= window - 1), far, 0)

# score = 30
# fails = ["q6_other", "q6_own"]
# why = "Judges each day by the whole year: an alert is raised only if the column stays flagged on most of the week after, which nobody knows on the day itself."

# %% q6
def watch(history, year):
    alerts = []
    parts = dict(iter(year.groupby(day_numbers(year))))
    for column in COLUMNS:
        was, now = count_cells(history, column, history), count_cells(year, column, history)
        ordered = column in NUMBERS
        measure = drift.kolmogorov_smirnov if ordered else drift.total_variation
        highest = limit(was, ordered)
        last_day = max(parts)
        flagged = np.zeros(DAYS, dtype=bool)
        for day, rows in parts.items():
            values = rows[column].dropna()
            strange = column in NAMES and not values.isin(history[column].unique()).all()
            stuck = column == "temperature_c" and values.nunique() == 1
            if values.empty or strange or stuck:
                flagged[day] = True
        shares = np.array([usual(was, day) for day in range(DAYS)])
        weekly = [
            measure(was[day - 6 : day + 1].sum(axis=0), shares[day - 6 : day + 1].sum(axis=0))
            for day in range(6, DAYS)
        ]
        for day in range(last_day + 1):
            week = slice(max(0, day - 3), day + 4)
            if now[week].sum() > 0 and now[day].sum() > 0:
                far = measure(shares[week].sum(axis=0), now[week].sum(axis=0))
                flagged[day] |= far > 1.35 * max(weekly)
                flagged[day] |= measure(shares[day], now[day]) > highest
        last = -99
        for day in np.flatnonzero(flagged):
            if day - last > 7:
                alerts.append((int(day), column))
            last = day
    return sorted(alerts)

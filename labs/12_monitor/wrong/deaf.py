# score = 26
# fails = ["q4_limit", "q4_quiet", "q6_own", "q6_other"]
# why = "So afraid of false alarms that it hears nothing: limits three times as high as any usual day, single days only, and no look at broken data."

# %% q4
def limit(counts, ordered):
    measure = drift.kolmogorov_smirnov if ordered else drift.total_variation
    farthest = 0.0
    for day in range(len(counts)):
        if counts[day].sum() > 0:
            others = counts.copy()
            others[day] = 0
            farthest = max(farthest, measure(usual(others, day), counts[day]))
    return 3 * farthest


# %% q6
def watch(history, year):
    alerts = []
    for column in COLUMNS:
        was, now = count_cells(history, column, history), count_cells(year, column, history)
        ordered = column in NUMBERS
        highest = limit(was, ordered)
        last = -99
        for day in range(DAYS):
            if now[day].sum() > 0 and distance(usual(was, day), now[day], ordered) > highest:
                if day - last > 7:
                    alerts.append((day, column))
                last = day
    return sorted(alerts)

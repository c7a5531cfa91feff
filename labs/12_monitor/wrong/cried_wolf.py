# score = 23
# fails = ["q2_pages", "q2_budget", "q6_own", "q6_other", "q6_quiet"]
# why = "The alarm as it was: p below 0.05 in any column on any day, with rows of a day taken for independent."

# %% q2
def pages(p_values, alpha):
    return list(p_values.index[(p_values < alpha).any(axis=1)])


# %% q6
def watch(history, year):
    alerts = []
    for column in COLUMNS:
        was = count_cells(history, column, history).sum(axis=0)
        for day, now in enumerate(count_cells(year, column, history)):
            if now.sum() > 0 and drift.chi_square(was, now)[2] < 0.05:
                alerts.append((day, column))
    return sorted(alerts)

# score = 30
# fails = ["q3_edges", "q4_limit", "q4_quiet"]
# why = "Lets each day testify about itself: it stays part of what it is compared with. And takes the calendar for a straight line, so that January has no December."

# %% q3
def usual(counts, day):
    days = np.arange(len(counts))
    alike = (np.abs(days - day) <= 14) & ((days % 7 >= 5) == (day % 7 >= 5))
    rows = np.asarray(counts)[alike].sum(axis=0)
    return rows / rows.sum()


# %% q4
def limit(counts, ordered):
    measure = drift.kolmogorov_smirnov if ordered else drift.total_variation
    return 1.2 * max(
        measure(usual(counts, day), rows) for day, rows in enumerate(counts) if rows.sum() > 0
    )

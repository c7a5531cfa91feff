# score = 36
# fails = ["q3_all"]
# why = "Tries both sides of the first threshold, with every row, and of no other."

# %% q3
def hard_rows(table, fitted):
    low = np.float32(table["threshold"][0])
    made = np.repeat(fitted[:500], 2, axis=0).astype(np.float32)
    made[::2, table["feature"][0]] = low
    made[1::2, table["feature"][0]] = np.nextafter(low, np.float32(np.inf))
    return made.astype(float)

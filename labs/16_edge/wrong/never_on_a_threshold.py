# score = 31
# fails = ["q3_less", "q3_all", "q4_every"]
# why = "Tries rows that lie near ordinary ones, so never on a threshold; and steps up from the rounded threshold without asking which way it was rounded."

# %% q3
def hard_rows(table, fitted):
    return (fitted[:1000] + 0.3).astype(np.float32).astype(float)


# %% q4
def firmware_thresholds(thresholds):
    return np.nextafter(np.asarray(thresholds).astype(np.float32), np.float32(np.inf))

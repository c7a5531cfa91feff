# score = 29
# fails = ["q2_others", "q4_whole"]
# why = "Compares without asking whether there is a number, and not a number is never too small."

# %% q2
def model_problems(old, new):
    count = len(new)
    if count < 100 or count != len(old):
        return ["can't be compared"]
    gains = [before - after for before, after in zip(old, new)]
    mean = sum(gains) / count
    error = (sum((gain - mean) ** 2 for gain in gains) / (count - 1) / count) ** 0.5
    more = sum(b > 5 for b in new) - sum(a > 5 for a in old)
    return ["worse"] * (mean - 2 * error < -0.1) + ["big misses"] * (more * 100 > count)

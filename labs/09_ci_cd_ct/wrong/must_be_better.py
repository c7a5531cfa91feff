# score = 27
# fails = ["q2_story", "q2_others", "q4_whole"]
# why = "Asks for a gain that is certain: a change that leaves the model as it is can't pass."

# %% q2
def model_problems(old, new):
    """Say in a list of sentences why the new model may not pass; an empty list if it may."""
    import math
    import statistics

    if len(old) != len(new) or len(new) < 100:
        return [f"{len(old)} and {len(new)} errors can't be compared."]
    if not all(math.isfinite(error) and error >= 0 for error in [*old, *new]):
        return ["an error is missing, infinite or negative."]
    found = []
    gains = [before - after for before, after in zip(old, new, strict=True)]
    surely = statistics.mean(gains) - 2 * statistics.stdev(gains) / math.sqrt(len(gains))
    if surely <= 0:
        found.append(f"the gain is {statistics.mean(gains):.2f} minutes, perhaps {surely:.2f}.")
    misses = [sum(error > 5 for error in errors) for errors in (old, new)]
    if 100 * (misses[1] - misses[0]) > len(new):
        found.append(f"{misses[1]} big misses instead of {misses[0]}.")
    return found

# score = 31
# fails = ["q1_story", "q1_others"]
# why = "Takes for granted that every field is there and a number; the build is red all the same, and says nothing that helps."

# %% q1
def data_problems(rows):
    """Say in a list of sentences what is wrong with the trips; an empty list if nothing is."""
    import math
    import statistics

    names = {"id", "day", "hour", "km", "minutes"}
    found = []
    if len(rows) < 100:
        found.append(f"{len(rows)} rows; at least 100 were wanted.")
    if len({row["id"] for row in rows}) < len(rows):
        found.append("an id occurs twice.")
    for name, low, high in (("hour", 0, 23), ("km", 0.2, 60), ("minutes", 1, 180)):
        if not all(low <= row[name] <= high for row in rows):
            found.append(f"{name} is outside {low} to {high}.")
    if any(row["hour"] != int(row["hour"]) for row in rows):
        found.append("hour isn't whole.")
    speeds = {}
    for row in rows:
        if row["minutes"] > 0:
            speeds.setdefault(row["day"], []).append(row["km"] / row["minutes"] * 60)
    for day, values in speeds.items():
        if not 18 <= statistics.median(values) <= 32:
            found.append(f"day {day}: the median speed is {statistics.median(values):.1f} km/h.")
    return found

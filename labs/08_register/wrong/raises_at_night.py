# score = 27
# fails = ["q5_through", "q5_night", "q6_simple", "q6_twice"]
# why = "Lets a refusal end the night's job with an exception; and takes the number below the champion's for the champion before it."

# %% q5
def release(name, version, gate, rows, *, why):
    report = registry.judge(name, version, gate, rows)
    registry.promote(name, version, report, why=why)
    return {"released": True, "champion": registry.get(name).version, "reason": ""}


# %% q6
def way_back(history):
    champions = []
    for what, version in zip(history["what"], history["version"]):
        if what == "promoted":
            champions.append(int(version))
        elif what == "rolled back":
            while champions and champions[-1] != version:
                champions.pop()
    if len(champions) < 2:
        return None
    return champions[-2] if len(champions) > 2 else champions[-1] - 1

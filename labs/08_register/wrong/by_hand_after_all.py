# score = 30
# fails = ["q5_night", "q6_twice"]
# why = "Asks the gate and then moves the alias past the registry, so that the trail knows nothing of it; and believes intentions."

# %% q5
def release(name, version, gate, rows, *, why):
    released, reason = False, ""
    try:
        report = registry.judge(name, version, gate, rows)
        if report.passed:
            mlflow.MlflowClient().set_registered_model_alias(name, "champion", str(version))
            released = True
        else:
            reason = "; ".join(v.rule for v in report.verdicts if not v.passed)
    except (RegistryError, GateError) as error:
        reason = str(error)
    try:
        champion = registry.get(name).version
    except RegistryError:
        champion = None
    return {"released": released, "champion": champion, "reason": reason}


# %% q6
def way_back(history):
    champions = []
    for what, version in zip(history["what"], history["version"]):
        if what in ("promoting", "promoted") and version not in champions:
            champions.append(int(version))
        elif what in ("rolling back", "rolled back"):
            while champions and champions[-1] != version:
                champions.pop()
    return champions[-2] if len(champions) > 1 else None

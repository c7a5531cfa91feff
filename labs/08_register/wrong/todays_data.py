# score = 31
# fails = ["q7_line", "q7_hard"]
# why = "Describes the data that lies in the notebook instead of the data that the version was made of."

# %% q7
def origin(line):
    version = registry.get(line["model"], line["version"])
    return {
        "version": version.version,
        "data_hash": tracking.content_hash(past),
        "code_hash": version.lineage.code_hash,
        "kind": tracking.get_run(version.run_id).params["kind"],
        "trips": len(past),
        "days": [str(past["pickup_time"].min().date()), str(past["pickup_time"].max().date())],
        "reason": "",
    }

# score = 34
# fails = ["q7_traps"]
# why = "Compares versions as beginnings of text, and reads the log line by line until the one that was cut off stops it."

# %% q7
def affected(path, version, lowest):
    ids = set()
    for line in open(path):
        entry = json.loads(line)
        if entry["status"] == 200 and entry["version"].startswith(version):
            if entry["prediction"] < lowest:
                ids.add(entry["request_id"])
    return sorted(ids)

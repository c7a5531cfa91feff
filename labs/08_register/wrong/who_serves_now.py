# score = 28
# fails = ["q1_plain", "q1_order", "q2_plain", "q2_known"]
# why = "Takes whoever serves now for who served then, as the registry's alias invites one to; and bills a rider who was called and cancelled all the same for the driver too."

# %% q1
def made_by(moves, times):
    champion = moves[moves["alias"] == "champion"].sort_values("when", kind="stable")
    return [int(champion["version"].iloc[-1])] * len(times)


# %% q2
def bill(trips, until):
    known = trips[trips["label_time"] <= until]
    cost = CALL * (known["score"] >= THRESHOLD) + MISSED * known["cancelled"]
    return {
        int(version): {
            "trips": len(part),
            "euros": float(part.sum()),
            "per_trip": float(part.mean()),
        }
        for version, part in cost.groupby(known["version"])
    }

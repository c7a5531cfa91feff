# score = 32
# fails = ["q2_closed", "q5_bound", "q6_judged"]
# why = "What wasn't measured passes; one scale serves all outputs; an int8 file is taken whatever it answers."

# %% q2
def gate(measured, budgets):
    broken = []
    for name, limit in budgets.items():
        value = measured.get(name, limit)
        if value < limit if name in ("accuracy", "agreement") else value > limit:
            broken.append(name)
    return sorted(broken)


# %% q5
def quantise(weights):
    scale = np.abs(weights).max() / 127 or 1
    codes = np.clip(np.rint(weights / scale), -127, 127).astype(np.int8)
    return codes, np.full(weights.shape[1], scale, dtype=np.float32)


# %% q6
def export_int8(model, rows):
    try:
        return edge.to_onnx(model, precision="int8-static", calibration=rows).content
    except EdgeError:
        return None

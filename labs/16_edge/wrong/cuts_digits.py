# score = 30
# fails = ["q4_data", "q4_every", "q5_bytes", "q5_bound"]
# why = "Rounds thresholds up to whole numbers, which moves those that are whole already the wrong way; and cuts weights instead of rounding them."

# %% q4
def firmware_thresholds(thresholds):
    return np.ceil(thresholds).astype(np.float32)


# %% q5
def quantise(weights):
    largest = np.abs(weights).max(axis=0)
    scales = np.where(largest > 0, largest / 127, 1).astype(np.float32)
    return np.trunc(weights / scales).astype(np.int8), scales

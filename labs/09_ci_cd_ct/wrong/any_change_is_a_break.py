# score = 27
# fails = ["q3_story", "q3_others", "q4_whole"]
# why = "Takes every difference for a broken contract, so that nobody can add anything any more."

# %% q3
def contract_problems(before, after):
    return [] if before == after else ["the contract has changed"]

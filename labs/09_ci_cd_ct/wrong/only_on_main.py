# score = 28
# fails = ["q4_played", "q4_order", "q4_whole"]
# why = "Runs the tests when it is too late: on main, after the merge."

# %% q4
def checks():
    return """
on: {push: {branches: [main]}}
jobs:
  model:
    runs-on: ubuntu-latest
    steps:
      - run: python ci/check_data.py
      - run: python train.py
      - run: python ci/check_model.py
  contract:
    runs-on: ubuntu-latest
    steps:
      - run: python ci/check_contract.py
"""

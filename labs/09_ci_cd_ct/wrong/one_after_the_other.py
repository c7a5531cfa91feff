# score = 34
# fails = ["q4_order"]
# why = "Puts all checks into one job, where the first red light hides the others."

# %% q4
def checks():
    return """
on: [push, pull_request, schedule]
jobs:
  build:
    runs-on: ubuntu-latest
    steps:
      - run: python ci/check_data.py
      - run: python train.py
      - run: python ci/check_model.py
      - run: python ci/check_contract.py
"""

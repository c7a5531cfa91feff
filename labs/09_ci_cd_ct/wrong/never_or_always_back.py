# score = 29
# fails = ["q5_out", "q6_out", "q6_others"]
# why = "Goes back after every release on GitHub, and never on GitLab, where the line below a failure isn't reached."

# %% q5
def delivery():
    """Give the workflow that brings a merged change out, as YAML text for GitHub Actions."""
    return """
name: delivery
on: [push, pull_request, schedule]
jobs:
  check:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - run: python ci/check_all.py
  release:
    needs: check
    if: github.event_name == 'push' && github.ref == 'refs/heads/main'
    runs-on: ubuntu-latest
    env:
      TOKEN: ${{ secrets.TOKEN }}
    steps:
      - uses: actions/checkout@v4
      - run: python ci/release.py canary
      - run: python ci/watch.py
      - run: python ci/release.py full
      - if: always()
        run: python ci/release.py back
"""

# %% q6
def delivery_gitlab():
    return """
stages: [check, release]
check:
  stage: check
  script: [python ci/check_all.py]
release:
  stage: release
  rules:
    - if: '$CI_PIPELINE_SOURCE == "push" && $CI_COMMIT_BRANCH == "main"'
  script:
    - python ci/release.py canary
    - python ci/watch.py
    - python ci/release.py full
    - if [ $? -ne 0 ]; then python ci/release.py back; fi
"""

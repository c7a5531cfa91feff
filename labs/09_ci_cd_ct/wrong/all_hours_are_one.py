# score = 33
# fails = ["q7_drawn"]
# why = "Draws every trip instead of each hour's mean, so the title finds hours in which one trip got worse."

# %% q7
def hours_figure(hours, old, new):
    figure, axes = plt.subplots()
    axes.plot(hours, old, label="champion")
    axes.plot(hours, new, label="change")
    axes.set_xlabel("hour")
    axes.set_ylabel("minutes")
    axes.legend()
    worse = sorted({h for h, a, b in zip(hours, old, new) if b > a + 0.1})
    axes.set_title("worse at: " + ", ".join(map(str, worse)) if worse else "worse at no hour")
    return figure

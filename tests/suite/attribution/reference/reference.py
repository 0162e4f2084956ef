"""Attribution by independent implementations, written to reference.json for the tests to compare with.

    python -m venv venv && venv/bin/pip install -r requirements.txt
    venv/bin/python reference.py            writes reference.json beside this file
    venv/bin/python reference.py measure    prints how far simulations are off, for differences.md
    venv/bin/python reference.py time       times ChannelAttribution on 1,000,000 generated journeys

Where the numbers come from:
- first, last, linear: `heuristic_models` of ChannelAttribution; checked here against mta's.
- u_shaped, shapley: `position_based` and `shapley` of mta.
- transitions, and the removal effects of each order: `transition_matrix` of ChannelAttribution, then the chain is
  solved here with numpy, once whole and once for each channel without it. `markov_model` of ChannelAttribution itself
  simulates, so it is measured, not compared.
What the packages do otherwise is in differences.md.
"""

import contextlib
import csv
import gzip
import io
import json
import pathlib
import resource
import sys
import time
from importlib.metadata import version

import numpy as np
import pandas as pd

with contextlib.redirect_stdout(io.StringIO()):
    import ChannelAttribution as ca
    import mta

HERE = pathlib.Path(__file__).parent
MASK = (1 << 64) - 1
START, CONVERSION, NULL = "(start)", "(conversion)", "(null)"


# Journeys: {letters of channels: [conversions, value in whole units, journeys without]}; letter a is channel 0.


def handmade():
    """Small, with repeats, returns, a channel that never converts and one that always does."""
    return {
        "a": [3, 300, 10],
        "b": [1, 250, 20],
        "ab": [4, 1000, 6],
        "aab": [2, 500, 1],
        "ba": [0, 0, 7],
        "abca": [5, 2500, 5],
        "cccb": [1, 90, 9],
        "ad": [0, 0, 8],
        "dbdb": [0, 0, 3],
        "e": [6, 600, 0],
        "aebce": [2, 2200, 0],
        "cbacbacb": [1, 40, 2],
    }


def of_mta():
    """The journeys that mta ships, equal paths added up, values in thousandths."""
    file = pathlib.Path(mta.__file__).parent / "data" / "data.csv.gz"
    with gzip.open(file, "rt") as lines:
        rows = list(csv.DictReader(lines))
    paths = [row["path"].split(" > ") for row in rows]
    names = sorted({channel for path in paths for channel in path})
    journeys = {}
    for path, row in zip(paths, rows):
        sums = journeys.setdefault("".join(letter(names.index(channel)) for channel in path), [0, 0, 0])
        sums[0] += int(row["total_conversions"])
        sums[1] += round(float(row["total_conversion_value"]) * 1000)
        sums[2] += int(row["total_null"])
    return names, journeys


def generated():
    """400 journeys over 8 channels from a fixed seed: channels of different weight, many repeats, few conversions."""
    random = splitmix(42)
    journeys = {}
    for _ in range(400):
        path, channel = "", 0
        for _ in range(1 + next(random) % 9):
            if next(random) % 4 or not path:
                # The lesser of two draws: low channels are common.
                channel = min(next(random) % 8, next(random) % 8)
            path += letter(channel)
        sums = journeys.setdefault(path, [0, 0, 0])
        if next(random) % 12 < 1 + path.count("c"):
            sums[0] += 1
            sums[1] += 100 + next(random) % 10_000
        else:
            sums[2] += 1
    return journeys


def letter(channel):
    return chr(ord("a") + channel)


def mixed(state):
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & MASK
    return state ^ (state >> 31)


def splitmix(seed):
    while True:
        seed = (seed + 0x9E3779B97F4A7C15) & MASK
        yield mixed(seed)


# The packages.


def frame(journeys):
    return pd.DataFrame(
        {
            "path": [" > ".join(path) for path in journeys],
            "total_conversions": [sums[0] for sums in journeys.values()],
            "total_conversion_value": [float(sums[1]) for sums in journeys.values()],
            "total_null": [sums[2] for sums in journeys.values()],
        }
    )


def channels_of(journeys):
    return sorted(set("".join(journeys)))


def heuristics(journeys):
    found = ca.heuristic_models(
        frame(journeys), "path", "total_conversions", "total_conversion_value", flg_pro=False
    ).set_index("channel_name")
    channels = channels_of(journeys)
    return {
        f"{ours}_{kind}": [float(found.loc[channel, f"{theirs}_{kind}"]) for channel in channels]
        for ours, theirs in [("first", "first_touch"), ("last", "last_touch"), ("linear", "linear_touch")]
        for kind in ["conversions", "value"]
    }


def by_mta(journeys, allow_loops, *calls):
    """Results of mta's models, unscaled, in the order of channels."""
    model = quiet(lambda: mta.MTA(frame(journeys), allow_loops=allow_loops, add_timepoints=False))
    results = []
    for name, key, options in calls:
        quiet(lambda: getattr(model, name)(normalize=False, **options))
        results.append([float(model.attribution[key].get(channel, 0.0)) for channel in channels_of(journeys)])
    return results


def quiet(call):
    with contextlib.redirect_stdout(io.StringIO()):
        return call()


def transitions(journeys, order, loops):
    """(from, to, probability), with states as strings of letters."""
    found = ca.transition_matrix(
        frame(journeys), "path", "total_conversions", "total_null", order=order, flg_equal=loops, flg_pro=False
    )
    names = {str(row.id_channel): row.channel_name for row in found["channels"].itertuples()}

    def state(written):
        return written if written.startswith("(") else "".join(names[part] for part in written.split())

    return [
        (state(row.channel_from), state(row.channel_to), float(row.transition_probability))
        for row in found["transition_matrix"].itertuples()
    ]


def state_of_end(path, order):
    return path[-order:]


def removal(journeys, order, loops=True):
    """Removal effects of conversions and of value, by solving the chain of ChannelAttribution's probabilities."""
    steps = transitions(journeys, order, loops)
    states = sorted({state for step in steps for state in step[:2]} - {CONVERSION, NULL})
    place = {state: index for index, state in enumerate(states)}
    means = {}
    for path, (conversions, value, _) in journeys.items():
        if conversions:
            sums = means.setdefault(state_of_end(path, order), [0, 0])
            sums[0] += conversions
            sums[1] += value
    among, ends = np.zeros((len(states), len(states))), np.zeros((len(states), 2))
    for origin, to, probability in steps:
        if to == CONVERSION:
            conversions, value = means[origin]
            ends[place[origin]] = [probability, probability * value / conversions]
        elif to != NULL:
            among[place[origin], place[to]] = probability

    def reached(without):
        stays = [state for state in states if state == START or without is None or without not in state]
        rows = [place[state] for state in stays]
        outlook = np.linalg.solve(np.eye(len(rows)) - among[np.ix_(rows, rows)], ends[rows])
        return outlook[stays.index(START)]

    whole = reached(None)
    effects = [1.0 - reached(channel) / whole for channel in channels_of(journeys)]
    return [float(effect[0]) for effect in effects], [float(effect[1]) for effect in effects]


def reference(name, names, journeys, orders):
    found = {
        "name": name,
        "channels": names,
        "paths": [f"{path} {c} {v} {n}" for path, (c, v, n) in sorted(journeys.items())],
        **heuristics(journeys),
    }
    first, last, linear, u_shaped, shapley = by_mta(
        journeys,
        True,
        ("first_touch", "first_touch", {}),
        ("last_touch", "last_touch", {}),
        ("linear", "linear", {"share": "proportional"}),
        ("position_based", "pos_based", {}),
        ("shapley", "shapley", {}),
    )
    for kind, other in [("first", first), ("last", last), ("linear", linear)]:
        np.testing.assert_allclose(found[f"{kind}_conversions"], other, rtol=0, atol=1e-8)
    # mta adds in the order of a Python set, which is another in every run: the last digits are not kept.
    found |= {"u_shaped": u_shaped, "shapley": [round(value, 9) for value in shapley]}
    found["transitions"] = [[a, b, p] for a, b, p in transitions(journeys, 1, True)]
    for order in orders:
        conversions, value = removal(journeys, order)
        # Repeats of a state change nothing.
        np.testing.assert_allclose(removal(journeys, order, loops=False)[0], conversions, rtol=0, atol=1e-12)
        found[f"removal_{order}"] = {"conversions": conversions, "value": value}
    return found


def sets():
    names, shipped = of_mta()
    small, drawn = handmade(), generated()
    return [
        ("handmade", channels_of(small), small, [1, 2, 3]),
        ("generated", channels_of(drawn), drawn, [1, 2, 3]),
        ("mta", names, shipped, [1, 2]),
    ]


def write():
    packages = ["ChannelAttribution", "mta", "numpy", "pandas"]
    found = {
        "packages": {package: version(package) for package in packages},
        "sets": [reference(*each) for each in sets()],
    }
    text = json.dumps(found, separators=(",", ":"))
    (HERE / "reference.json").write_text(text.replace('{"name"', '\n{"name"').replace('],"', '],\n"') + "\n")


# What is measured.


def simulated(journeys, order=1, **options):
    result = quiet(
        lambda: ca.markov_model(
            frame(journeys),
            "path",
            "total_conversions",
            var_value="total_conversion_value",
            var_null="total_null",
            out_more=True,
            flg_pro=False,
            order=order,
            **options,
        )
    )["removal_effects"].set_index("channel_name")
    channels = channels_of(journeys)
    return result.loc[channels, "removal_effects_conversion"], result.loc[channels, "removal_effects_conversion_value"]


def furthest(one, other):
    return float(np.max(np.abs(np.asarray(one) - np.asarray(other))))


def conversion_rate(journeys):
    conversions, _, null = np.sum(list(journeys.values()), axis=0)
    return conversions / (conversions + null)


def measure():
    for name, _, journeys, orders in sets():
        conversions, value = removal(journeys, 1)
        shares = np.array(conversions) / sum(conversions)
        print(f"\n{name}: {len(journeys)} paths; exact effects", np.round(conversions, 6).tolist())
        print("  of value", np.round(value, 6).tolist())
        for label, options in [
            ("defaults", {}),
            ("defaults, no limit of steps", {"max_step": 100_000}),
            ("1e6 simulations, no limit", {"max_step": 100_000, "nsim_start": 1e6}),
            ("1e7 simulations, no limit", {"max_step": 100_000, "nsim_start": 1e7}),
            ("1e7 simulations, default limit", {"nsim_start": 1e7}),
        ]:
            began = time.perf_counter()
            c, v = simulated(journeys, **options)
            print(
                f"  ChannelAttribution, {label}: furthest off {furthest(c, conversions):.6f} of conversions,"
                f" {furthest(v, value):.6f} of value, {furthest(c / c.sum(), shares):.6f} of shares,"
                f" {time.perf_counter() - began:.1f} s"
            )
        # With one fold nothing is thrown away, and what chance leaves is known.
        runs = 10_000_000
        c, _ = simulated(journeys, max_step=100_000, nsim_start=runs, nfold=1)
        conversions, rate = np.array(conversions), conversion_rate(journeys)
        errors = (c - conversions) / np.sqrt(conversions * (1.0 - conversions) / (runs * rate))
        print(f"  ChannelAttribution, one fold of 1e7: furthest off {furthest(c, conversions):.6f}, in standard errors:")
        print("   ", np.round(errors, 2).tolist())
        for order in orders[1:]:
            exact = removal(journeys, order)[0]
            c, _ = simulated(journeys, order, max_step=100_000, nsim_start=1e6)
            print(f"  ChannelAttribution, order {order}, 1e6 simulations: furthest off {furthest(c, exact):.6f}")
        for loops in [True, False]:
            (found,) = by_mta(journeys, loops, ("markov", "markov", {}))
            print(
                f"  mta markov(sim=False), allow_loops={loops}: furthest off {furthest(found, conversions):.6f} of"
                f" conversions, {furthest(np.array(found) / sum(found), shares):.6f} of shares"
            )
        same, proportional = (
            by_mta(journeys, loops, ("linear", "linear", {"share": share}))[0]
            for loops, share in [(True, "same"), (False, "proportional")]
        )
        linear = np.array(heuristics(journeys)["linear_conversions"])
        (shapley,) = by_mta(journeys, True, ("shapley", "shapley", {}))
        print(
            f"  shares of linear: mta share='same' furthest off {furthest(same, linear) / linear.sum():.6f},"
            f" proportional without repeats {furthest(proportional, linear) / linear.sum():.6f};"
            f" mta share='same' and mta shapley differ by {furthest(same, shapley):.2e} conversions"
        )
        (decay,) = by_mta(journeys, True, ("time_decay", "time_decay", {}))
        print("  shares of mta time_decay", np.round(np.array(decay) / sum(decay), 4).tolist())
    journeys = handmade()
    model = quiet(lambda: mta.MTA(frame(journeys), allow_loops=True, add_timepoints=False))
    chain, runs = model.transition_matrix(), 50_000
    np.random.seed(0)
    converted = [
        quiet(lambda: model.simulate_path(chain, drop_channel=channel, n=runs))[CONVERSION]
        for channel in [None, *channels_of(journeys)]
    ]
    effects = [1.0 - left / converted[0] for left in converted[1:]]
    print(f"\nmta simulate_path, handmade, {runs} runs: furthest off {furthest(effects, removal(journeys, 1)[0]):.6f}")


# What is timed.


def timed_journeys(count=1_000_000):
    """Letters and conversions of the same journeys as in timing.rs: 12 draws of SplitMix64 for each, seed 1."""
    with np.errstate(over="ignore"):
        state = np.arange(1, 12 * count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(1)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        draws = (state ^ (state >> np.uint64(31))).reshape(count, 12)
    lengths = 1 + draws[:, 0] % np.uint64(10)
    converted = (draws[:, 1] % np.uint64(5) == 0).astype(int)
    values = converted * (1000 + 100 * ((draws[:, 1] >> np.uint64(32)) % np.uint64(20)).astype(int))
    channels = (draws[:, 2:] % np.uint64(20)).astype(np.uint8) + ord("a")
    letters = channels.tobytes().decode()
    paths = [" > ".join(letters[10 * row : 10 * row + int(length)]) for row, length in enumerate(lengths)]
    return pd.DataFrame(
        {
            "path": paths,
            "total_conversions": converted,
            "total_conversion_value": values.astype(float),
            "total_null": 1 - converted,
        }
    )


def time_model():
    began = time.perf_counter()
    data = timed_journeys()
    touches = data["path"].str.count(">").sum() + len(data)
    print(
        f"{len(data)} journeys, {touches} touches, {data.total_conversions.sum()} conversions,"
        f" value {int(data.total_conversion_value.sum())}; made in {time.perf_counter() - began:.1f} s"
    )
    for label, options in [
        ("conversions only", {}),
        ("conversions only, ncore=2", {"ncore": 2}),
        ("conversions and value", {"var_value": "total_conversion_value"}),
        ("conversions and value, no limit of steps", {"var_value": "total_conversion_value", "max_step": 100_000}),
    ]:
        began = time.perf_counter()
        found = quiet(
            lambda: ca.markov_model(
                data, "path", "total_conversions", var_null="total_null", out_more=True, flg_pro=False, **options
            )
        )["removal_effects"].set_index("channel_name")
        elapsed = time.perf_counter() - began
        effects = [round(float(found.iloc[:, 0][letter(channel)]), 6) for channel in range(20)]
        print(f"markov_model, {label}: {elapsed:.2f} s; effects {effects}")
    began = time.perf_counter()
    ca.transition_matrix(data, "path", "total_conversions", "total_null", flg_pro=False)
    print(f"transition_matrix: {time.perf_counter() - began:.2f} s")
    print(f"most memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    {"": write, "measure": measure, "time": time_model}["".join(sys.argv[1:2])]()

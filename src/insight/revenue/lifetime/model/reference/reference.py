"""Writes reference.json: what independent implementations make of the same customers.

    python3.8 -m venv venv && venv/bin/pip install -r requirements.txt && venv/bin/python reference.py

Estimates, probabilities, expectations and lifetime values come from the package `lifetimes` 0.11.3; the section
`exact` comes from the formulas of the paper in 30 digits of mpmath, as scipy's 2F1 is not reliable everywhere.

Data sets: `cdnow`, the 2,357 customers that `lifetimes` ships as CDNOW_sample.txt, calibrated to 1997-09-30 and held
out to 1998-06-30; `generated`, drawn here with known parameters from a fixed seed. A row is
[repeat purchases, recency in days, age in days, value of the repeat purchases in cents, purchases held out, customers].
"""

import json
import os
import platform
import warnings

import autograd
import lifetimes
import mpmath as mp
import numpy as np
import pandas as pd
import scipy

warnings.filterwarnings("ignore")
from lifetimes import BetaGeoFitter, GammaGammaFitter  # noqa: E402
from lifetimes.utils import calibration_and_holdout_data, summary_data_from_transaction_data  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
SHIPPED = os.path.join(os.path.dirname(lifetimes.__file__), "datasets")
YEARLY_RATE = 0.10
STEP_DAYS = 30
MONTHLY_RATE = (1 + YEARLY_RATE) ** (STEP_DAYS / 365) - 1
HORIZONS = [30, 182, 365, 1095]
SEED = 20_240_229
TRUTH = {"r": 0.8, "alpha": 40.0, "a": 0.9, "b": 3.0, "p": 5.0, "q": 4.0, "gamma": 9000.0}


def cdnow():
    orders = pd.read_csv(
        os.path.join(SHIPPED, "CDNOW_sample.txt"),
        header=None,
        delim_whitespace=True,
        names=["master", "customer", "date", "discs", "value"],
        converters={"date": str},
    )
    orders["date"] = pd.to_datetime(orders["date"])
    orders["cents"] = (orders["value"] * 100).round().astype(int)
    split = calibration_and_holdout_data(
        orders, "customer", "date", "1997-09-30", "1998-06-30", monetary_value_col="cents"
    )
    customers = pd.DataFrame(
        {
            "x": split["frequency_cal"].astype(int),
            "t_x": split["recency_cal"].astype(int),
            "T": split["T_cal"].astype(int),
            "cents": (split["frequency_cal"] * split["monetary_value_cal"]).round().astype(int),
            "later": split["frequency_holdout"].astype(int),
        }
    )
    # The summary that the package ships is the one of the published estimates: weeks, rounded to two digits.
    shipped = pd.read_csv(os.path.join(SHIPPED, "cdnow_customers_summary_with_transactions.csv"))
    assert (shipped["x"].values == customers["x"].values).all()
    assert np.allclose(shipped["t_x"].values, (customers["t_x"] / 7).round(2).values, atol=1e-8)
    assert np.allclose(shipped["T"].values, (customers["T"] / 7).round(2).values, atol=1e-8)
    mean = customers["cents"] / customers["x"].clip(lower=1) / 100
    assert np.allclose(shipped["zbar"].values, mean.values, atol=0.0051)
    return customers, orders, shipped


def generated(size=2_000):
    """Each customer buys at rate λ ~ Gamma(r, α) and stops after a purchase with probability p ~ Beta(a, b)."""
    random = np.random.RandomState(SEED)
    rows = []
    for _ in range(size):
        age = int(random.randint(60, 720))
        end = age + 180
        rate = random.gamma(TRUTH["r"], 1 / TRUTH["alpha"])
        stop = random.beta(TRUTH["a"], TRUTH["b"])
        scale = random.gamma(TRUTH["q"], 1 / TRUTH["gamma"])
        days, moment = [], 0.0
        while True:
            moment += random.exponential(1 / rate)
            if moment >= end:
                break
            days.append(int(moment))
            if random.uniform() < stop:
                break
        days = sorted(set(day for day in days if day > 0))
        values = [max(1, int(round(random.gamma(TRUTH["p"], 1 / scale)))) for _ in days]
        kept = [day for day in days if day <= age]
        rows.append(
            [len(kept), max(kept, default=0), age, sum(values[: len(kept)]), len(days) - len(kept)]
        )
    return pd.DataFrame(rows, columns=["x", "t_x", "T", "cents", "later"])


def params(fitter):
    return {"gamma" if name == "v" else name: float(value) for name, value in fitter.params_.items()}


def purchases(x, t_x, T, penalty=0.0):
    fitter = BetaGeoFitter(penalizer_coef=penalty)
    fitter.fit(x, t_x, T, tol=1e-8)
    result = {"parameters": params(fitter), "penalty": penalty}
    result["log_likelihood"] = purchases_log_likelihood(result["parameters"], x, t_x, T)
    return fitter, result


def purchases_log_likelihood(at, x, t_x, T):
    logs = np.log([at["r"], at["alpha"], at["a"], at["b"]])
    ones = np.ones(len(x))
    return float(-len(x) * BetaGeoFitter._negative_log_likelihood(logs, np.asarray(x), np.asarray(t_x), np.asarray(T), ones, 0.0))


def values(x, mean):
    fitter = GammaGammaFitter()
    fitter.fit(x, mean, tol=1e-8)
    result = {"parameters": params(fitter)}
    result["log_likelihood"] = values_log_likelihood(result["parameters"], x, mean)
    result["correlation"] = float(np.corrcoef(x, mean)[0, 1])
    return fitter, result


def values_log_likelihood(at, x, mean):
    logs = np.log([at["p"], at["q"], at["gamma"]])
    x, mean = np.asarray(x, dtype=float), np.asarray(mean, dtype=float)
    return float(-len(x) * GammaGammaFitter._negative_log_likelihood(logs, x, mean, np.ones(len(x)), 0.0))


def study(customers, holdout_days):
    x, t_x, T = customers["x"], customers["t_x"], customers["T"]
    fitter, fitted = purchases(x, t_x, T)
    _, penalised = purchases(x, t_x, T, penalty=0.01)
    repeat = customers[(customers["x"] > 0) & (customers["cents"] > 0)]
    spent = repeat["cents"] / repeat["x"]
    spending, spending_fit = values(repeat["x"], spent)

    elsewhere = [
        {"r": 0.5, "alpha": 20.0, "a": 1.0, "b": 1.0},
        {"r": 3.0, "alpha": 200.0, "a": 0.05, "b": 12.0},
        {"r": 0.02, "alpha": 0.5, "a": 30.0, "b": 0.1},
    ]
    fitted["elsewhere"] = [[at, purchases_log_likelihood(at, x, t_x, T)] for at in elsewhere]
    spending_fit["elsewhere"] = [
        [at, values_log_likelihood(at, repeat["x"], spent)]
        for at in [{"p": 1.5, "q": 2.5, "gamma": 2000.0}, {"p": 40.0, "q": 0.7, "gamma": 55.0}]
    ]

    some = customers.drop_duplicates(["x", "t_x", "T"]).sort_values(["x", "t_x", "T"])
    some = some.iloc[np.unique(np.linspace(0, len(some) - 1, 60).astype(int))].reset_index(drop=True)
    x, t_x, T = some["x"], some["t_x"], some["T"]
    mean = (some["cents"] / some["x"].clip(lower=1)).where(some["x"] > 0, 0.0)
    value = spending.conditional_expected_average_profit(x, mean)
    whole = spending.customer_lifetime_value(
        fitter, x, t_x, T, mean, time=12, discount_rate=MONTHLY_RATE, freq="D"
    )
    rest = value * (fitter.predict(365, x, t_x, T) - fitter.predict(360, x, t_x, T)) / (1 + YEARLY_RATE)
    points = pd.DataFrame(
        {
            "x": x,
            "t_x": t_x,
            "T": T,
            "cents": some["cents"],
            "alive": fitter.conditional_probability_alive(x, t_x, T),
            **{"e%d" % days: fitter.predict(days, x, t_x, T) for days in HORIZONS},
            "value": value,
            "ltv360": whole,
            "ltv365": whole + rest,
        }
    )

    expected = fitter.predict(holdout_days, customers["x"], customers["t_x"], customers["T"])
    counted = customers.groupby(["x", "t_x", "T", "cents", "later"]).size().reset_index(name="count")
    return {
        "rows": counted.values.tolist(),
        "purchases": fitted,
        "penalised": penalised,
        "values": spending_fit,
        "points": [[float(v) for v in row] for row in points.values.tolist()],
        "new_customer": [[days, float(fitter.expected_number_of_purchases_up_to_time(days))] for days in HORIZONS],
        "backtest": {
            "days": holdout_days,
            "expected": float(expected.sum()),
            "actual": int(customers["later"].sum()),
            "mean_absolute_error": float((expected - customers["later"]).abs().mean()),
        },
    }


def published(shipped):
    """The estimates of the papers' data: weeks, and dollars rounded to cents."""
    _, fitted = purchases(shipped["x"], shipped["t_x"], shipped["T"])
    repeat = shipped[(shipped["x"] > 0) & (shipped["zbar"] > 0)]
    _, spending = values(repeat["x"], repeat["zbar"])
    return {"purchases": fitted, "values": spending}


def exact():
    """Equation (10) of Fader, Hardie & Lee (2005) in 30 digits, where doubles are in danger."""
    mp.mp.dps = 30
    cases = [
        # r, alpha, a, b, x, t_x, T, t
        (0.243, 30.9, 0.793, 2.426, 2, 213, 272, 273),
        (0.55, 10.58, 0.61, 11.67, 26, 210, 213, 365),
        (0.5458741247391189, 13.409316394557274, 0.0009994943799344323, 0.03899022143378801, 1, 5, 100, 365),
        (0.5458741247391189, 13.409316394557274, 0.0009994943799344323, 0.03899022143378801, 0, 0, 1, 365),
        (0.11, 2.24, 0.31, 0.5, 0, 0, 1, 30),
        (0.11, 2.24, 0.31, 0.4, 0, 0, 0, 3650),
        (2.5, 0.02, 0.3, 1.1, 0, 0, 0, 365),
        (2.5, 0.02, 0.3, 1.1, 1, 1, 1, 3650),
        (0.4, 0.001, 4.0, 0.2, 0, 0, 0, 30),
        (1.0, 5.0, 1.000001, 2.0, 3, 40, 60, 90),
        (0.8, 40.0, 0.999999, 3.0, 1, 1, 700, 365),
        (60.0, 80.0, 0.2, 5.0, 400, 500, 510, 365),
        (3.0, 4.0, 0.01, 9.0, 2500, 2900, 2901, 1095),
        (12000.0, 900000.0, 0.7, 2.0, 7, 200, 210, 365),
        (0.9, 20.0, 4000.0, 30000.0, 4, 100, 130, 365),
        (0.9, 0.05, 4000.0, 30000.0, 0, 0, 0, 365),
    ]
    rows = []
    for case in cases:
        r, alpha, a, b, x, t_x, T, t = (mp.mpf(repr(v)) for v in case)
        alive = mp.mpf(1) if x == 0 else 1 / (1 + a / (b + x - 1) * ((alpha + T) / (alpha + t_x)) ** (r + x))
        z = t / (alpha + T + t)
        # The digits that 1 − … loses near a = 1 and near t = 0 are there to lose.
        with mp.workdps(120):
            hyper = mp.hyp2f1(r + x, b + x, a + b + x - 1, z, maxterms=10**7)
            expected = alive * (a + b + x - 1) / (a - 1) * (1 - ((alpha + T) / (alpha + T + t)) ** (r + x) * hyper)
        rows.append([list(case), float(alive), float(expected)])
    return rows


def summaries(orders):
    some = orders[orders["customer"].isin(range(1, 2358, 37))]
    some = some.sort_values(["customer", "date"], kind="stable")
    end = "1997-12-15"
    made = summary_data_from_transaction_data(some, "customer", "date", "cents", observation_period_end=end)
    epoch = pd.Timestamp("1970-01-01")
    return {
        "end": (pd.Timestamp(end) - epoch).days,
        "orders": [[int(c), (d - epoch).days, int(v)] for c, d, v in zip(some["customer"], some["date"], some["cents"])],
        "expected": [[int(c), int(r.frequency), int(r.recency), int(r["T"]), float(r.monetary_value)] for c, r in made.iterrows()],
    }


def main():
    customers, orders, shipped = cdnow()
    reference = {
        "made_with": {
            "python": platform.python_version(),
            "lifetimes": lifetimes.__version__,
            "scipy": scipy.__version__,
            "numpy": np.__version__,
            "pandas": pd.__version__,
            "autograd": getattr(autograd, "__version__", "1.5"),
            "mpmath": mp.__version__,
        },
        "seed": SEED,
        "truth": TRUTH,
        "horizons": HORIZONS,
        "yearly_rate": YEARLY_RATE,
        "published": published(shipped),
        "cdnow": study(customers, 273),
        "generated": study(generated(), 180),
        "exact": exact(),
        "summaries": summaries(orders),
    }
    with open(os.path.join(HERE, "reference.json"), "w") as out:
        out.write(json.dumps(reference, separators=(",", ":")).replace("]],", "]],\n").replace('},"', '},\n"') + "\n")


if __name__ == "__main__":
    main()

"""Which of scikit-learn's models may cross by value, and what must be true of what they hold.

Most models compute with NumPy, which looks at every index and shape. Those that hand what they
have learned to compiled code, or make places in a matrix of it, are checked here first: it
believes what it is given, and would read and write where nothing is. What neither is known to be
safe nor checked doesn't cross.
"""

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from autograder.wire_values import need

__all__ = ["check_state", "crosses"]

_PLAIN = {
    "cluster": (
        "AffinityPropagation AgglomerativeClustering DBSCAN FeatureAgglomeration MeanShift "
        "OPTICS SpectralClustering"
    ),
    "compose": "ColumnTransformer TransformedTargetRegressor",
    "covariance": (
        "EllipticEnvelope EmpiricalCovariance GraphicalLasso GraphicalLassoCV "
        "LedoitWolf MinCovDet OAS ShrunkCovariance"
    ),
    "cross_decomposition": "CCA PLSCanonical PLSRegression PLSSVD",
    "decomposition": "FactorAnalysis FastICA IncrementalPCA KernelPCA PCA TruncatedSVD",
    "discriminant_analysis": "LinearDiscriminantAnalysis QuadraticDiscriminantAnalysis",
    "dummy": "DummyClassifier DummyRegressor",
    "ensemble": (
        "AdaBoostClassifier AdaBoostRegressor BaggingClassifier BaggingRegressor "
        "ExtraTreesClassifier ExtraTreesRegressor IsolationForest RandomForestClassifier "
        "RandomForestRegressor RandomTreesEmbedding StackingClassifier StackingRegressor "
        "VotingClassifier VotingRegressor"
    ),
    "feature_extraction": "TfidfTransformer",
    "feature_selection": (
        "GenericUnivariateSelect RFE RFECV SelectFdr SelectFpr SelectFromModel SelectFwe "
        "SelectKBest SelectPercentile SequentialFeatureSelector VarianceThreshold"
    ),
    "frozen": "FrozenEstimator",
    "impute": "IterativeImputer KNNImputer MissingIndicator SimpleImputer",
    "kernel_approximation": "Nystroem RBFSampler",
    "kernel_ridge": "KernelRidge",
    "linear_model": (
        "ARDRegression BayesianRidge ElasticNet ElasticNetCV GammaRegressor HuberRegressor Lars "
        "LarsCV Lasso LassoCV LassoLars LassoLarsCV LassoLarsIC LinearRegression "
        "LogisticRegression LogisticRegressionCV MultiTaskElasticNet MultiTaskElasticNetCV "
        "MultiTaskLasso MultiTaskLassoCV OrthogonalMatchingPursuit "
        "OrthogonalMatchingPursuitCV PoissonRegressor QuantileRegressor RANSACRegressor Ridge "
        "RidgeCV RidgeClassifier RidgeClassifierCV TheilSenRegressor TweedieRegressor"
    ),
    "manifold": "MDS SpectralEmbedding TSNE",
    "mixture": "BayesianGaussianMixture GaussianMixture",
    "model_selection": (
        "FixedThresholdClassifier GridSearchCV HalvingGridSearchCV HalvingRandomSearchCV "
        "RandomizedSearchCV TunedThresholdClassifierCV"
    ),
    "multiclass": "OneVsOneClassifier OneVsRestClassifier OutputCodeClassifier _ConstantPredictor",
    "multioutput": "ClassifierChain MultiOutputClassifier MultiOutputRegressor RegressorChain",
    "naive_bayes": "BernoulliNB CategoricalNB ComplementNB GaussianNB MultinomialNB",
    "neighbors": "NearestCentroid",
    "neural_network": "BernoulliRBM MLPClassifier MLPRegressor",
    "pipeline": "FeatureUnion Pipeline",
    "preprocessing": (
        "Binarizer FunctionTransformer KBinsDiscretizer KernelCenterer LabelBinarizer "
        "LabelEncoder MaxAbsScaler MinMaxScaler Normalizer OrdinalEncoder PolynomialFeatures "
        "PowerTransformer QuantileTransformer RobustScaler StandardScaler TargetEncoder"
    ),
    "random_projection": "GaussianRandomProjection SparseRandomProjection",
    "semi_supervised": "SelfTrainingClassifier",
    "svm": "LinearSVC LinearSVR",
    "tree": "DecisionTreeClassifier DecisionTreeRegressor ExtraTreeClassifier ExtraTreeRegressor",
}
_SAFE = {(package, name) for package, names in _PLAIN.items() for name in names.split()}
_BUILT_ANEW = frozenset({"ensemble", "neural_network"})
"""Where training on from what there is needs no compiled code."""
_THREADS = 256
_NAMED_KERNELS = ("linear", "poly", "rbf", "sigmoid")

State = Mapping[str, Any]


def check_state(kind: type, state: State) -> None:
    """Refuse a model of which compiled code would believe what isn't so.

    Parameters
    ----------
    kind : type
        A class of scikit-learn's.
    state : mapping
        All attributes of the model.

    Raises
    ------
    WireError
        If what they hold doesn't fit together, or such a model doesn't cross at all.
    """
    place = _place(kind)
    need(crosses(kind), "a model that can be checked")
    trains_on = state.get("warm_start", False) is not False
    need(not trains_on or place[0] in _BUILT_ANEW, "a model that is trained from the beginning")
    if (check := _CHECKS.get(place)) is not None:
        settings: Any = kind._get_param_names()  # type: ignore[attr-defined]
        own = all(name in settings or not hasattr(kind, name) for name in state)
        need(own, "attributes that its class doesn't have")
        check(state)


def crosses(kind: type) -> bool:
    """Say whether what is learned by such models may cross at all.

    Examples
    --------
    >>> from sklearn.ensemble import GradientBoostingRegressor
    >>> from sklearn.linear_model import Ridge
    >>> crosses(Ridge), crosses(GradientBoostingRegressor)
    (True, False)
    """
    place = _place(kind)
    return place in _SAFE or place in _CHECKS


def _place(kind: type) -> tuple[str, str]:
    return (kind.__module__.split(".")[1], kind.__name__)


def _table(value: Any, *shape: int | None, kinds: str = "f") -> bool:
    """Say whether a value is an array of such a shape, None for any, and kind of numbers."""
    return (
        type(value) is np.ndarray
        and value.dtype.kind in kinds
        and value.dtype.isnative
        and value.ndim == len(shape)
        and all(
            has == wanted
            for has, wanted in zip(value.shape, shape, strict=True)
            if wanted is not None
        )
    )


def _width(state: State) -> int:
    width = state.get("n_features_in_")
    need(type(width) is int and width > 0, "a number of columns")
    return int(width)  # type: ignore[arg-type]


def _needs_all(state: State, names: tuple[str, ...]) -> bool:
    """Say whether there is anything to check; refuse a part of what belongs together."""
    has = [name in state for name in names]
    need(all(has) or not any(has), "all that such a model has learned")
    return all(has)


def _places(words: Any) -> int:
    """Check that each word has a place of its own from 0 on; give how many they are."""
    need(type(words) is dict and all(type(place) is int for place in words.values()), "places")
    need(sorted(words.values()) == list(range(len(words))), "a place for each word, from 0 on")
    return len(words)


def _vocabulary(state: State) -> None:
    if "vocabulary_" in state:
        _places(state["vocabulary_"])


def _names(state: State) -> None:
    if _needs_all(state, ("vocabulary_", "feature_names_")):
        names = state["feature_names_"]
        need(type(names) is list and len(names) == _places(state["vocabulary_"]), "their names")


def _labels(state: State) -> None:
    if (places := state.get("_cached_dict")) is not None:
        classes = state.get("classes_")
        need(type(classes) is np.ndarray and classes.shape == (_places(places),), "its classes")


def _categories(state: State) -> None:
    """Check what says into which column of a matrix a category goes."""
    names = ("categories_", "_n_features_outs", "_drop_idx_after_grouping", "drop_idx_")
    if not _needs_all(state, (*names, "_infrequent_enabled")):
        return
    categories, sizes, dropped, told = (state[name] for name in names)
    need(state["_infrequent_enabled"] is False, "no categories in one column")
    need(type(categories) is list and len(categories) == _width(state), "categories of columns")
    need(all(type(held) is np.ndarray and held.ndim == 1 for held in categories), "categories")
    need(all(map(_ascends, categories)), "categories in their order")
    left = [len(held) for held in categories]
    if dropped is None:
        need(told is None, "no categories without a column")
    else:
        for drops in (dropped, told):
            need(_table(drops, len(left), kinds="Oi"), "a category of each column")
        for column, place in enumerate(dropped.tolist()):
            need(told.tolist()[column] == place, "the same category")
            if place is not None:
                need(type(place) is int and 0 <= place < len(categories[column]), "a category")
                left[column] -= 1
    need(type(sizes) is list and all(type(size) is int for size in sizes), "sizes")
    need(sizes == left, "as many columns as there are categories")


def _ascends(categories: "np.ndarray[Any, Any]") -> bool:
    """Say whether numbers are in their order, by which their places are found."""
    if categories.dtype.kind in "OUS":  # a dictionary is made of these
        return True
    numbers = categories[~np.isnan(categories)] if categories.dtype.kind == "f" else categories
    no_numbers = len(categories) - len(numbers)
    return (
        no_numbers <= 1
        and bool(np.array_equal(numbers, categories[: len(numbers)]))
        and all(one < other for one, other in pairwise(numbers.tolist()))
    )


def _centres(state: State) -> None:
    if not _needs_all(state, ("cluster_centers_", "_n_threads")):
        return
    centres, threads = state["cluster_centers_"], state["_n_threads"]
    need(_table(centres, None, _width(state)) and len(centres) > 0, "centres of clusters")
    need(centres.flags.c_contiguous and centres.dtype.itemsize in (4, 8), "centres of clusters")
    need(type(threads) is int and 0 < threads <= _THREADS, "a number of threads")
    if "_counts" in state:
        need(_table(state["_counts"], len(centres)), "a number for each cluster")


def _neighbours(state: State) -> None:
    names = ("_fit_X", "_tree", "_fit_method", "n_samples_fit_", "effective_metric_")
    if not _needs_all(state, names):
        need("_y" not in state, "labels of rows")
        return
    table, tree, _, count, metric = (state[name] for name in names)
    is_table = _table(table, None, _width(state), kinds="fiub")
    need(is_table and table.flags.c_contiguous, "rows to be near to")
    need(type(count) is int and 0 < count == len(table), "as many rows as it says")
    need(type(metric) is str, "a metric by its name")
    parameters = state.get("effective_metric_params_") or {}
    is_known = type(parameters) is dict and parameters.keys() <= {"p", "w"}
    is_known = is_known and parameters.get("w") is None
    need(is_known and type(parameters.get("p", 2)) in (int, float), "a metric with a number")
    need(tree is None or np.asarray(tree.data).shape == table.shape, "a tree of these rows")
    if "_y" in state:
        labels = state["_y"]
        need(type(labels) is np.ndarray and len(labels) == count, "a label for each row")
        classes = state.get("classes_")
        if type(classes) is np.ndarray and labels.ndim == 1:
            need(labels.dtype == np.intp, "labels that are places")
            need(labels.min() >= 0 and labels.max() < len(classes), "labels of classes")
        elif classes is not None:
            need(labels.dtype == np.intp and type(classes) is list, "labels that are places")
            most = [len(held) for held in classes]
            need(labels.ndim == 2 and labels.shape[1] == len(most), "labels for each output")
            need(bool((labels >= 0).all() and (labels < most).all()), "labels of classes")


def _vectors(state: State) -> None:
    """Check the arrays that libsvm takes a machine from."""
    names = ("support_", "support_vectors_", "_n_support", "_dual_coef_", "_intercept_")
    if not _needs_all(state, (*names, "_probA", "_probB", "_sparse", "_gamma", "shape_fit_")):
        return
    support, vectors, counts, weights, constants = (state[name] for name in names)
    need(state["_sparse"] is False, "a machine of full tables")
    need(state.get("kernel") in _NAMED_KERNELS, "a kernel of libsvm's")
    need(isinstance(state["_gamma"], (int, float)), "a number for the kernel")
    need(_table(vectors, None, _width(state)) and len(vectors) > 0, "vectors")
    count = len(vectors)
    need(_table(support, count, kinds="i") and _table(counts, None, kinds="i"), "their places")
    need(support.dtype == np.int32 == counts.dtype, "places as libsvm has them")
    classes = state.get("classes_")
    if classes is None:
        need(counts.tolist() == [count, count], "as many vectors as there are")
    else:
        need(
            type(classes) is np.ndarray and classes.shape == counts.shape, "a count for each class"
        )
        each = counts.tolist()
        need(len(each) > 1 and min(each) >= 0 and sum(each) == count, "as many as there are")
    pairs = len(counts) * (len(counts) - 1) // 2
    need(_table(weights, len(counts) - 1, count) and _table(constants, pairs), "weights")
    of_pairs = [state["_probA"], state["_probB"]]
    need(all(_table(held, None) and len(held) in (0, pairs) for held in of_pairs), "chances")
    need(len(of_pairs[0]) == len(of_pairs[1]), "chances of pairs")
    for held in (vectors, weights, constants, *of_pairs):
        need(held.dtype == np.float64 and held.flags.c_contiguous, "numbers as libsvm has them")


def _steps(state: State) -> None:
    """Check the weights of what is trained on step by step, by code that writes them."""
    if "coef_" not in state:
        return
    width, classes = _width(state), state.get("classes_")
    rows = 1 if type(classes) is not np.ndarray or len(classes) <= 2 else len(classes)
    shape = (width,) if classes is None else (rows, width)
    for name in (name for name in state if name.endswith(("coef_", "_coef"))):
        told = state[name]
        is_row = name != "coef_" and rows == 1 and _table(told, width)
        need(told is None or is_row or _table(told, *shape), "a weight for each column")
    for name in ("intercept_", "_standard_intercept", "_average_intercept", "offset_"):
        need(state.get(name) is None or _table(state[name], rows), "a constant for each class")
    if "_expanded_class_weight" in state and classes is not None:
        need(_table(state["_expanded_class_weight"], len(classes)), "a weight for each class")


_CHECKS: dict[tuple[str, str], Callable[[State], None]] = {
    **dict.fromkeys([("cluster", "KMeans"), ("cluster", "MiniBatchKMeans")], _centres),
    ("feature_extraction", "CountVectorizer"): _vocabulary,
    ("feature_extraction", "DictVectorizer"): _names,
    ("feature_extraction", "TfidfVectorizer"): _vocabulary,
    **{
        ("linear_model", name): _steps
        for name in (
            *("PassiveAggressiveClassifier", "PassiveAggressiveRegressor", "Perceptron"),
            *("SGDClassifier", "SGDRegressor"),
        )
    },
    **{
        ("neighbors", name): _neighbours
        for name in (
            *("KNeighborsClassifier", "KNeighborsRegressor", "LocalOutlierFactor"),
            *("NearestNeighbors", "RadiusNeighborsClassifier", "RadiusNeighborsRegressor"),
        )
    },
    ("preprocessing", "MultiLabelBinarizer"): _labels,
    ("preprocessing", "OneHotEncoder"): _categories,
    **{("svm", name): _vectors for name in ("NuSVC", "NuSVR", "OneClassSVM", "SVC", "SVR")},
}

"""The order of the examples in the gallery: from the first steps to the particular."""

ORDER = [
    "plot_first_classifier.py",
    "plot_missing_data.py",
    "plot_frames.py",
    "plot_step_targets.py",
    "plot_named_entities.py",
    "plot_semantic_roles.py",
    "plot_sequential_digits.py",
    "plot_adding_problem.py",
    "plot_own_cell.py",
    "plot_forecast_univariate.py",
    "plot_forecast_panel.py",
    "plot_forecast_probabilistic.py",
    "plot_forecast_grid_search.py",
    "plot_forecast_backtest.py",
    "plot_forecast_stock_prices.py",
]


class GalleryOrder:
    """Sort by `ORDER`; what it does not name comes last, by name."""

    def __init__(self, src_dir):
        self.src_dir = src_dir

    def __call__(self, filename):
        return (ORDER.index(filename) if filename in ORDER else len(ORDER), filename)

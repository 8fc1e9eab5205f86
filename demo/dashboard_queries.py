"""How dashboards ask Prometheus: the selectors and rates that their panels share. Pure."""

ENDPOINT = 'endpoint=~"$endpoint"'
DEPLOYMENT = f'{ENDPOINT}, deployment=~"$deployment"'
OF = f'{DEPLOYMENT}, model=~"$model"'
WHOSE = "endpoint, deployment, model"
NAME = "{{deployment}} {{model}}"


def per_second(metric: str, by: str = WHOSE, selector: str = OF) -> str:
    """A counter's rate."""
    return f"sum by ({by}) (rate({metric}{{{selector}}}[$__rate_interval]))"


def buckets(metric: str, selector: str = OF) -> str:
    """A histogram's buckets, for a heat map."""
    return f"sum by (le) (increase({metric}_bucket{{{selector}}}[$__rate_interval]))"


def recorded(name: str, selector: str = OF) -> str:
    """What a recording rule has computed."""
    return f"{name}{{{selector}}}"

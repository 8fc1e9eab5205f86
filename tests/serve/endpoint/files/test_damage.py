"""Good files with something cut out or put in: each is read, or refused in lines that name a file."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.serve.endpoint.files.good import fronts, good_files
from tritext_serve.endpoint.files import check_mirror, check_traffic, load_endpoint
from tritext_serve.errors import EndpointFileError

TEXTS = {path.stem: path.read_text(encoding="utf-8") for path in good_files("network")}
LINE = re.compile(r"[a-z]+\.yml:[1-9][0-9]*: .+: \S.*")
PUT_IN = st.one_of(
    st.text(max_size=4),
    st.sampled_from([": ", "\n", "- ", "{", "}", "[", "]", "'", '"', "&a ", "*a", "\t", "~", "0", "-1", "1e9", "yes"]),
    st.sampled_from(["\nmirror_traffic: {green: 5}\n", "\ntags: []\n", "\nrequest_settings: 1\n", "\ntraffic: {}\n"]),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose files are written anew for every example."""
    return tmp_path_factory.mktemp("damaged")


@settings(deadline=None)
@given(st.data())
def test_damage_is_told_by_file_and_line_or_does_no_harm(folder: Path, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(TEXTS)))
    text = TEXTS[name]
    start = data.draw(st.integers(0, len(text)))
    cut = data.draw(st.integers(0, 12))
    texts = TEXTS | {name: text[:start] + data.draw(PUT_IN) + text[start + cut :]}
    paths = [folder / f"{stem}.yml" for stem in texts]
    for path, content in zip(paths, texts.values(), strict=True):
        path.write_text(content, encoding="utf-8", errors="surrogatepass")
    try:
        endpoint = load_endpoint(paths, fronts)
    except EndpointFileError as error:
        lines = [line.removeprefix(f"{folder}/") for line in str(error).splitlines()]
        assert all(LINE.fullmatch(line) for line in (lines[1:] or lines)), lines
        return
    # Whatever got through keeps the rules that the verbs ask about.
    assert check_traffic(endpoint, endpoint.traffic) == check_mirror(endpoint, endpoint.mirror_traffic) == []
    assert all(deployment.endpoint_name == endpoint.name for deployment in endpoint.deployments.values())

"""What a server's processes are told of this one's environment."""

import pytest

from tritext_serve.settings import child_environment, gpu_environment


def test_secrets_stay_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_TOKEN", "secret")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    told = child_environment(MORE="x")
    assert "secret" not in told.values()
    assert "CUDA_VISIBLE_DEVICES" not in told
    assert told["MORE"] == "x"


@pytest.mark.parametrize(("inherited", "whole"), [("/driver", "/own:/driver"), ("", "/own")])
def test_a_gpus_driver_is_found_behind_the_servers_own_libraries(
    monkeypatch: pytest.MonkeyPatch, inherited: str, whole: str
) -> None:
    monkeypatch.setenv("SOME_TOKEN", "secret")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    monkeypatch.setenv("LD_LIBRARY_PATH", inherited)
    monkeypatch.delenv("CUDA_DEVICE_ORDER", raising=False)
    assert gpu_environment("/own") == {"CUDA_VISIBLE_DEVICES": "1", "LD_LIBRARY_PATH": whole}

from onebit.cli import _give_back


def test_memory_is_given_back_after_each_epoch(monkeypatch):
    calls = []
    monkeypatch.setattr(_give_back, "give_back_memory", lambda: calls.append(1))
    monkeypatch.setattr(_give_back, "keep_memory", lambda: None)
    watcher = _give_back.GiveBack()
    watcher.on_step(None)
    assert not calls
    watcher.on_epoch(None)
    watcher.on_epoch(None)
    assert len(calls) == 2

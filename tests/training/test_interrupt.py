import os
import signal
import threading

import pytest

from onebit.training._interrupt import Interrupt


def press():
    os.kill(os.getpid(), signal.SIGINT)


def test_the_first_is_noted_the_second_stops_at_once_and_the_handler_returns():
    with Interrupt() as interrupt:
        assert not interrupt.requested
        press()
        assert interrupt.requested
        with pytest.raises(KeyboardInterrupt):
            press()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with pytest.raises(KeyboardInterrupt):
        press()


def test_a_handler_of_the_users_own_stays():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Interrupt() as interrupt:
            press()
        assert not interrupt.requested
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_another_thread_has_no_signals_to_handle():
    seen = []

    def use():
        with Interrupt() as interrupt:
            seen.append(interrupt.requested)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert seen == [False]

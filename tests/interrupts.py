"""For tests of what is all or nothing: an error raised at each instruction of a call in turn, as Ctrl-C would come there, and a
call for which there is no memory at each place where it asks for some."""

import sys

import pytest


def interrupted(call, countdown, error=KeyboardInterrupt, where="minidl"):
    """Whether `error` came while `call` ran: at its instruction of this number, counted in the functions of these files."""

    def trace(frame, event, _):
        nonlocal countdown
        if where not in frame.f_code.co_filename:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode" and frame.f_lineno is not None:  # 3.12 has some of its own, where a generator ends
            countdown -= 1
            if countdown < 0:
                sys.settrace(None)
                raise error
        return trace

    known = sys.gettrace()
    sys._getframe().f_trace_opcodes = True  # 3.12 sends no such event where nobody had asked for it before settrace
    try:
        sys.settrace(trace)
        call()
    except error:
        return True
    finally:
        sys.settrace(known)
    return False


def states_after_interrupts(make, act, state, error=KeyboardInterrupt, where="minidl", every=1):
    """All states that `act(make())` can leave: interrupted before each of its instructions (or every third, say), and, the last
    one, not at all."""
    found, countdown = [], 0
    while True:
        thing = make()
        stopped = interrupted(lambda thing=thing: act(thing), countdown, error, where)
        if not found or state(thing) != found[-1]:
            found.append(state(thing))
        if not stopped:
            return found
        countdown += every


def states_without_memory(make, act, state):
    """All states that `act(make())` can leave: refused memory each time in turn that it asks for some, and, last, never."""
    if sys.version_info >= (3, 12):
        pytest.skip("CPython itself aborts where it finds no memory")
    testcapi = pytest.importorskip("_testcapi")
    found = []
    for allocation in range(10_000):
        thing = make()
        try:
            testcapi.set_nomemory(allocation, allocation + 1)
            act(thing)
        except (MemoryError, SystemError):  # NumPy has both
            refused = True
        else:
            refused = False
        finally:
            testcapi.remove_mem_hooks()
        if not found or state(thing) != found[-1]:
            found.append(state(thing))
        if not refused:
            assert allocation > 10
            break
    return found

"""Real kernels with a cell that is running: what the page sends is handled in it, all else goes its way."""

from __future__ import annotations

import random

import pytest

from .conftest import prepared
from .kernels import Front, parent_of, printed, state_of, text_of

LOOP = "print('begun', flush=True)\nloop(lambda: {until})\nprint('ended')"


def begun(front: Front, until: str) -> str:
    """Start a cell that pumps until something is so; the request."""
    request = front.client.execute(LOOP.format(until=until))
    front.until_printed("begun")
    return request


def test_the_mode_is_that_of_the_version(front: Front, version: str) -> None:
    said = printed(front.run("print(inbox.mode, inbox.reach, repr(inbox.why), inbox.faults)"))
    words = "thread live control" if version.startswith("7") else "main at the next step"
    assert said == f"{words} '' []\n"


def test_messages_are_handled_in_the_running_cell_and_cells_after_it_in_order(front: Front) -> None:
    request = begun(front, "len(got) == 6")
    cells = [front.client.execute(f"print('cell', {n}, len(got))") for n in range(3)]
    for n in range(3):
        front.tell(n)
    assert printed(front.until_idle(request)).endswith("ended\n")
    assert [printed(front.until_idle(cell)) for cell in cells] == [f"cell {n} 6\n" for n in range(3)]
    order = [parent_of(m) for m in front.heard if m["msg_type"] == "execute_input"]
    assert order == [request, *cells]
    assert (
        printed(front.run("print(got)")) == "[(0, True), (0, 'done'), (1, True), (1, 'done'), (2, True), (2, 'done')]\n"
    )


def test_queued_cells_are_aborted_after_an_error_as_usual(front: Front) -> None:
    request = front.client.execute("print('begun')\nloop(lambda: len(got) == 2)\n1 / 0")
    front.until_printed("begun")
    queued = [front.client.execute("print('never')") for _ in range(2)]
    front.tell(0)
    assert front.reply(request)["content"]["ename"] == "ZeroDivisionError"
    assert [front.reply(cell)["content"]["status"] for cell in queued] == ["aborted", "aborted"]
    assert printed(front.run("print(len(got))")) == "2\n"


def test_an_interrupt_during_a_handler_comes_once_after_it_in_the_users_code(front: Front) -> None:
    hangs = "print('inside', flush=True)\nwhile not signal.getsignal(signal.SIGINT).__self__.pending: time.sleep(0.001)"
    cell = "caught = []\nprint('begun', flush=True)\ntry:\n    loop(lambda: False)\nexcept KeyboardInterrupt:\n"
    cell += "    caught.append(list(got))\nloop(lambda: len(got) == 4)\nprint(caught, len(got))"
    request = front.client.execute(cell)
    front.until_printed("begun")
    front.tell(0, hangs)
    front.until_printed("inside")
    front.manager.interrupt_kernel()
    front.tell(1)
    assert "[[(0, True), (0, 'done')]] 4\n" in printed(front.until_idle(request))


def test_an_interrupt_between_messages_ends_the_cell_and_queued_ones(front: Front) -> None:
    request = begun(front, "False")
    queued = front.client.execute("print('never')")
    front.tell(0, "print('handled', flush=True)")
    front.until_printed("handled")
    front.manager.interrupt_kernel()
    assert front.reply(request)["content"]["ename"] == "KeyboardInterrupt"
    assert front.reply(queued)["content"]["status"] == "aborted"
    assert printed(front.run("print(len(got))")) == "2\n"


def test_waiting_wakes_at_arrival_and_burns_nothing(front: Front) -> None:
    wait = "print('begun', flush=True)\nbefore, cpu = time.monotonic(), time.process_time()\n"
    wait += "n = 0\nwhile not n: n = inbox.wait(30)\n"
    wait += "wall, cpu = time.monotonic() - before, time.process_time() - cpu\n"
    wait += "print(n, wall < 20, cpu < 0.5 * wall + 0.1, len(got))"
    request = front.client.execute(wait)
    front.until_printed("begun")
    front.tell(0)
    assert printed(front.until_idle(request)) == "begun\n1 True True 2\n"
    nothing = "cpu = time.process_time()\nn = inbox.wait(1)\nprint(n, time.process_time() - cpu < 0.3)"
    assert printed(front.run(nothing)) == "0 True\n"


def test_an_interrupt_ends_a_wait(front: Front) -> None:
    wait = "try:\n    print('begun', flush=True)\n    inbox.wait(60)\nexcept KeyboardInterrupt:\n    print('out')"
    request = front.client.execute(wait)
    front.until_printed("begun")
    front.manager.interrupt_kernel()
    assert printed(front.until_idle(request)) == "begun\nout\n"


def test_statuses_and_prints_have_the_right_parents(front: Front) -> None:
    request = front.client.execute(
        "print('begun', flush=True)\nprint('kept for later')\nloop(lambda: len(got) == 2)\nprint('ended')\n'value'"
    )
    front.until_printed("begun")
    message = front.tell(0, "print('of the handler')")
    about = front.until_idle(request)
    mine = [state_of(m) or text_of(m) for m in front.about(message)]
    assert mine == ["busy", "of the handler\n", "idle"]
    assert printed(about) == "begun\nkept for later\nended\n"
    assert [m["content"]["data"]["text/plain"] for m in about if m["msg_type"] == "execute_result"] == ["'value'"]
    # What a front end was told last decides what it shows: the cell is busy again after the handler.
    states = [(state_of(m), parent_of(m) == message) for m in front.heard if state_of(m)]
    assert states[-3:] == [("idle", True), ("busy", False), ("idle", False)]


def test_what_a_reloaded_page_asks_is_answered_while_a_cell_runs(front: Front) -> None:
    front.run("import ipywidgets; slider = ipywidgets.IntSlider(37)")
    request = begun(front, "len(got) == 2")
    info = front.send("kernel_info_request", {})
    comms = front.send("comm_info_request", {"target_name": "jupyter.widget"})
    assert front.reply(info)["content"]["implementation"] == "ipython"
    assert front.reply(comms)["content"]["comms"]
    opens = {"comm_id": "asking", "target_name": "jupyter.widget.control", "data": {}}
    front.send("comm_open", opens, {"version": "1.0.0"})
    front.send("comm_msg", {"comm_id": "asking", "data": {"method": "request_states"}})
    told = front.until(lambda m: m["content"].get("data", {}).get("method") == "update_states")
    assert 37 in [state["state"].get("value") for state in told["content"]["data"]["states"].values()]
    front.send("comm_close", {"comm_id": "asking", "data": {}})
    assert not [m for m in front.heard if parent_of(m) == request and state_of(m) == "idle"]
    front.tell(0)
    front.until_idle(request)


def test_a_cell_within_a_cell_is_not_its_end(front: Front) -> None:
    said = front.run("print(inbox._cells.running)\nget_ipython().run_cell('pass')\nprint(inbox._cells.running)")
    assert printed(said) == "True\nTrue\n"
    raises = "print(inbox._cells.running, flush=True); 1 / 0"
    assert printed(front.until_idle(front.tell(0, raises))).startswith("False\n")
    assert printed(front.until_idle(front.tell(1, raises))).startswith("False\n")
    request = begun(front, "len(got) == 4")
    assert printed(front.until_idle(front.tell(2, raises))).startswith("True\n")
    last = front.tell(3, raises)
    assert printed(front.until_idle(request)).endswith("ended\n")
    assert printed(front.about(last)).startswith("True\n")


def test_other_comms_wait_for_the_cell(front: Front) -> None:
    other = printed(front.run("other = opened(); print(other.comm_id)")).strip()
    request = begun(front, "len(got) == 2")
    unwatched = front.tell(7, comm_id=other)
    front.tell(0)
    front.until_idle(request)
    front.until_idle(unwatched)
    assert printed(front.run("print([n for n, _ in got])")) == "[0, 0, 7, 7]\n"


def test_an_unwatched_comm_waits_again(front: Front) -> None:
    other = printed(front.run("other = opened(); inbox.watch(other.comm_id); print(other.comm_id)")).strip()
    front.run("inbox.unwatch(other.comm_id)")
    request = begun(front, "len(got) == 2")
    unwatched = front.tell(7, comm_id=other)
    front.tell(0)
    front.until_idle(request)
    front.until_idle(unwatched)
    assert printed(front.run("print([n for n, _ in got])")) == "[0, 0, 7, 7]\n"


def test_a_handler_that_raises_is_shown_and_the_loop_goes_on(front: Front) -> None:
    code = "import ipywidgets\nbutton = ipywidgets.Button()\nbutton.on_click(lambda _: 1 / 0)\n"
    button = printed(front.run(code + "inbox.watch(button.comm.comm_id); print(button.comm.comm_id)")).strip()
    request = begun(front, "len(got) == 2")
    click = {"method": "custom", "content": {"event": "click"}}
    clicked = front.send("comm_msg", {"comm_id": button, "data": click})
    front.tell(0)
    assert printed(front.until_idle(request)).endswith("ended\n")
    assert "ZeroDivisionError" in printed(front.about(clicked))
    assert state_of(front.about(clicked)[-1]) == "idle"


def test_a_fault_of_the_kernel_itself_is_shown_and_the_loop_goes_on(front: Front) -> None:
    front.run("kept = inbox._kernel.shell_handlers['comm_msg']\ndef broken(*_): raise OSError('no way')")
    front.run("inbox._kernel.shell_handlers['comm_msg'] = broken")
    request = begun(front, "inbox.faults")
    message = front.tell(0)
    assert printed(front.until_idle(request)).endswith("ended\n")
    assert "OSError: no way" in printed(front.about(message))
    front.run("inbox._kernel.shell_handlers['comm_msg'] = kept; inbox.faults.clear()")


def test_an_idle_kernel_handles_messages_at_once(front: Front) -> None:
    message = front.tell(0, "print('idle')")
    told = front.until_idle(message)
    states = [state for state in map(state_of, told) if state]
    assert (states, state_of(told[0]), state_of(told[-1])) == (["busy", "idle"], "busy", "idle")
    assert printed(told) == "idle\n"  # in one message or two
    assert printed(front.run("print(got)")) == "[(0, True), (0, 'done')]\n"


def test_an_idle_kernel_that_hangs_in_a_handler_can_be_interrupted(front: Front) -> None:
    message = front.tell(0, "print('inside', flush=True)\nwhile True: time.sleep(0.001)")
    front.until_printed("inside")
    front.manager.interrupt_kernel()
    front.until_idle(message)
    assert printed(front.run("print(got)")) == "[(0, True)]\n"


def test_an_async_cell_hears_while_it_awaits(front: Front) -> None:
    cell = "print('begun', flush=True)\nwhile len(got) < 2: await asyncio.sleep(0.002)\nprint('ended')"
    request = front.client.execute(cell)
    front.until_printed("begun")
    message = front.tell(0, "print('handled')")
    assert printed(front.until_idle(request)) == "begun\nended\n"
    assert printed(front.about(message)) == "handled\n"


def test_a_loop_in_the_background_hears_through_the_idle_kernel(front: Front) -> None:
    front.run("waited = []\ndef body():\n    while len(got) < 2: waited.append((inbox.pump(), inbox.wait(30)))")
    front.run("thread = threading.Thread(target=body); thread.start()")
    front.until_idle(front.tell(0))
    assert printed(front.run("thread.join(30); print(waited, got)")) == "[(0, 1)] [(0, True), (0, 'done')]\n"


def test_a_loop_in_the_background_hears_through_the_cell_that_joins_it(front: Front) -> None:
    front.run("waited = []\ndef body():\n    while len(got) < 2: waited.append((inbox.pump(), inbox.wait(30)))")
    join = "thread = threading.Thread(target=body); thread.start()\nprint('begun', flush=True)\n"
    request = front.client.execute(join + "while thread.is_alive(): inbox.wait(0.1)\nprint(waited[-1:], got)")
    front.until_printed("begun")
    front.tell(0)
    assert printed(front.until_idle(request)) == "begun\n[(0, 1)] [(0, True), (0, 'done')]\n"


def test_a_handler_may_call_the_loop_again(front: Front) -> None:
    request = begun(front, "len(got) == 2")
    front.tell(0, "print(inbox.pump(), inbox.pump(force=True), inbox.wait(0.01))")
    front.until_idle(request)
    assert "0 0 0\n" in printed(front.heard)


def test_a_forked_child_leaves_the_kernel_alone(front: Front) -> None:
    fork = "import warnings; warnings.simplefilter('ignore')\nr, w = os.pipe()\nif os.fork() == 0:\n"
    fork += "    os.write(w, f'{inbox.mode} {inbox.pump()} {inbox.wait(0.01)} {inbox.why}'.encode()); os._exit(0)\n"
    fork += "print(os.read(r, 100).decode(), os.wait()[1])"
    assert printed(front.run(fork)) == "none 0 0 a child process of the kernel 0\n"
    request = begun(front, "len(got) == 2")
    front.tell(0)
    front.until_idle(request)


def test_nothing_is_lost_and_cells_keep_their_order_under_random_traffic(front: Front, version: str) -> None:
    chance = random.Random(version)
    front.run("ran = []")
    request = begun(front, "len(got) == 400")
    sent, cells = 0, []
    while sent < 200:
        if chance.random() < 0.2:
            cells.append(front.client.execute(f"ran.append({len(cells)}); inbox.pump()"))
        else:
            front.tell(sent)
            sent += 1
    front.until_idle(request)
    for cell in cells:
        assert front.reply(cell)["content"]["status"] == "ok"
    check = f"print([n for n, _ in got[::2]] == list(range(200)), ran == list(range({len(cells)})), inbox.faults)"
    assert printed(front.run(check)) == "True True []\n"


def test_messages_between_many_short_cells_are_all_handled(front: Front, version: str) -> None:
    chance = random.Random(version)
    front.run("ran = []")
    cells = []
    for n in range(100):
        front.tell(n)
        if chance.random() < 0.3:
            cells.append(front.client.execute(f"ran.append({len(cells)}); inbox.pump()"))
    for cell in cells:
        assert front.reply(cell)["content"]["status"] == "ok"
    front.run("loop(lambda: len(got) == 200)")
    check = f"print([n for n, _ in got[::2]] == list(range(100)), ran == list(range({len(cells)})))"
    assert printed(front.run(check)) == "True True\n"


def test_the_inbox_survives_a_second_import(front: Front) -> None:
    code = "for name in [n for n in sys.modules if 'transport' in n]: del sys.modules[name]\n"
    code += "from monitorch_widgets.transport import Inbox as Again\nprint(Again is not Inbox, Again.get() is inbox)"
    assert printed(front.run(code)) == "True True\n"


def test_after_uninstall_everything_is_as_it_was(own: Front) -> None:
    own.run("inbox.uninstall(); inbox.uninstall()")
    stream = "stream = inbox._kernel.shell_stream\nprint(inbox.mode, inbox.why, 'Door' in repr(stream._recv_callback))"
    assert printed(own.run(stream)) == "none uninstalled False\n"
    request = own.client.execute("print('begun', flush=True)\nfor _ in range(9): inbox.wait(0.01)\nprint(len(got))")
    own.until_printed("begun")
    message = own.tell(0)
    assert printed(own.until_idle(request)) == "begun\n0\n"
    own.until_idle(message)
    assert printed(own.run("print(len(got), Inbox.get() is inbox, Inbox.get().mode != 'none')")) == "2 False True\n"


def test_a_restarted_kernel_takes_a_new_inbox(own: Front) -> None:
    own.client.stop_channels()
    own.manager.restart_kernel(now=True)
    own.client = own.manager.blocking_client()
    with own:
        prepared(own)
        request = begun(own, "len(got) == 2")
        own.tell(0)
        assert printed(own.until_idle(request)).endswith("ended\n")


def test_in_vs_code_requests_wait_for_the_cell(version: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    with Front(version, tmp_path_factory.mktemp("home"), VSCODE_PID="1") as front:
        prepared(front)
        request = begun(front, "len(got) == 2")
        info = front.send("kernel_info_request", {})
        front.tell(0)
        front.until_idle(request)
        front.until_idle(info)
        ends = [parent_of(m) for m in front.heard if state_of(m) == "idle" and parent_of(m) in (request, info)]
        assert ends == [request, info]

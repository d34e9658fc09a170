"""A long build shows that it goes on, and no more."""

from reviewapps.local.calm import calm


def test_own_lines_pass_and_builders_lines_come_now_and_then() -> None:
    now = [0.0]
    said: list[str] = []
    say = calm(said.append, lambda: now[0])
    say("building reviewapps/redis:7")
    for second in range(1, 13):
        now[0] = float(second)
        say(f"Get:{second} http://mirror redis-server")
    say("reviewapps/redis:7 built")
    assert said == [
        "building reviewapps/redis:7",
        "  … Get:5 http://mirror redis-server",
        "  … Get:10 http://mirror redis-server",
        "reviewapps/redis:7 built",
    ]

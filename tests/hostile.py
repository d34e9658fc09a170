"""Branch names that are legal in git, or sent by somebody who does not care: for every test that
takes a name.

`BRANCHES` are made by hand (at least 500), `generated` adds what hypothesis thinks of.
"""

# ruff: noqa: E501, RUF001 -- a table of names in rows, and look-alikes are the point

from hypothesis import strategies as st

# Each of these is put behind `deploy-`, alone, and in front of and behind an ordinary word.
FRAGMENTS = (
    # shells
    "'", '"', "`", "\\", "$(id)", "`id`", "${IFS}", "$HOME", ";id", "&&id", "||id", "|id", "&", ">x",
    "<x", "!!", "#", "%", "*", "?", "[a]", "{a,b}", "~", "~root", "'; id #", "\";id;\"", "$'\\n'",
    "zzz\";echo${IFS}\"hello\";#", "-rf", "--help", "--", "-", "-o ProxyCommand=id",
    # line breaks and other control characters
    "\n", "\r\n", "\t", "\x00", "\x01", "\x1b[31m", "\x7f", "\x85", "\u2028", "\u2029", "\x0b", "\x0c",
    # templates: Nomad's, consul-template's, our Jinja delimiters, and others'
    "${NOMAD_ALLOC_ID}", "${attr.unique.hostname}", "${meta.secret}", "$${x}", "%{ if true }", "{{ key }}",
    "{{ env `PATH` }}", "{{ nomadVar \"nomad/jobs\" }}", "[[ slug ]]", "[% raw %]", "[[ '' ]]", "[# x #]",
    "{% x %}", "<%= x %>", "#{x}", "{{7*7}}", "[[7*7]]", "{{ with secret \"x\" }}",
    # HCL
    "\"} task \"x\" {", "\"\n} task \"x\" {\n", "<<EOF", "EOF", "*/", "/*", "//", "\\\"", "\\u0022",
    "\" }", "}", "{", "]", "[", "\\n", "privileged = true",
    # paths, URLs and keys
    "..", "../..", "../../etc/passwd", "/", "//x", "a/b/c", ".", ".lock", "%2e%2e%2f", "%2e", "%00", "%0a",
    "%", "?recurse", "?dc=x", "#frag", "http://evil.example", "@evil.example", ":443", "a:b", "a@b",
    "a..b", "@{", "a.lock", "refs/heads/x", "HEAD", "+", "=", "a=b", "a b", " ", "a,b", "a;b",
    # SQL
    "'; DROP DATABASE x; --", "\"; DROP ROLE x; --", "_", "%%", "a_b", "\\_", "postgres", "template1",
    "pg_x", "'||'", "$$", "E'\\x00'",
    # HTML, JSON, YAML, Markdown, HTTP headers
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "&lt;", "&#x27;", "{\"a\":1}", "\\ud800",
    "!!python/object/apply:os.system [id]", "*alias", "&anchor", "yes", "null", "010", "- x", "![x](http://x)",
    "[x](javascript:alert(1))", "x\r\nSet-Cookie: a=b", "x\r\n\r\nHTTP/1.1 200", "|", ">",
    # Unicode: letters, combining marks, directions, invisible, wide, homoglyphs, case traps, emoji
    "ä", "é", "e\u0301", "ß", "ẞ", "İ", "ı", "ſ", "\u212a", "ﬁ", "Ω", "\u2126", "ς", "日本語", "한국어", "ไทย", "हिन्दी",
    "עברית", "\u202eabc", "\u202d", "\u200f", "\u200b", "\u200d", "\ufeff", "\u00ad", "\u2066", "\U000e0041",
    "аррӏе", "раураl", "ｄｅｐｌｏｙ", "１２３", "𝓪𝓫𝓬", "①", "²", "٣", "😀", "👩‍👩‍👧", "🏳️‍🌈", "\U0010ffff", "\ufffd", "\udc80",
    "\udcff\udcfe", "Zalgo\u0300\u0301\u0302\u0303",
    # our own forms
    "deploy-", "deploy-deploy-", "--unicorn", "--redis", "--db", "x--unicorn", "-abcdef", "a-aaaaaa", "xn--a",
    "xn--80ak6aa92e", "localhost", "reviewapps", "routes", "nomad", "consul", "www", "admin", "api",
)  # fmt: skip

WHOLE = (
    "", "deploy-", "deploy", "-", "--", "---", "deploy--", "deploy---", "main", "master", "DEPLOY-X", "Deploy-x",
    "deploy-x", "deploy-X", "deploy-x-", "deploy--x", "deploy-x--y", "deploy-x-y", "deploy-x_y", "deploy-x.y",
    "deploy-x/y", "deploy-x y", "x", "X", "1", "deploy-1", "deploy-b-1", "b-1", "deploy-0", "deploy-007",
    "deploy-" + "a" * 25, "deploy-" + "a" * 26, "deploy-" + "a" * 32, "deploy-" + "a" * 33, "deploy-" + "a" * 34,
    "deploy-" + "a" * 248, "deploy-" + "a" * 247 + "b", "a" * 255, "-" * 255, "deploy-" + "-" * 248,
    "deploy-" + "ä" * 124, "deploy-" + "😀" * 62, "deploy-" + "a-" * 124, "deploy-" + "a" * 32 + "-" + "b" * 50,
    "deploy-" + "a" * 33 + "-" + "b" * 50, "deploy-" + "1" * 248, "deploy-" + "." * 248, "deploy-" + "/x" * 120,
    "refs/heads/deploy-x", "origin/deploy-x", "refs/tags/deploy-x", "deploy-x^{}", "deploy-x@{1}", "deploy-x~1",
)  # fmt: skip

BRANCHES: tuple[str, ...] = tuple(
    dict.fromkeys(
        [
            *WHOLE,
            *(f"deploy-{fragment}" for fragment in FRAGMENTS),
            *(f"deploy-{fragment}fix" for fragment in FRAGMENTS),
            *(f"deploy-fix{fragment}" for fragment in FRAGMENTS),
            *FRAGMENTS,
        ]
    )
)

# Names that git itself accepts (`git check-ref-format --branch`), for journeys through a repository.
LEGAL_IN_GIT: tuple[str, ...] = (
    'deploy-zzz";echo${IFS}"hello";#',
    "deploy-$(id)",
    "deploy-`id`",
    "deploy-${NOMAD_ALLOC_ID}",
    "deploy-{{77}}",
    "deploy-'quoted'",
    'deploy-"}task"x"{',
    "deploy-a/b/c",
    "deploy-a.b",
    "deploy-%2e%2e%2f",
    "deploy-<script>alert(1)</script>",
    "deploy-&&id",
    "deploy-|id",
    "deploy-;id",
    "deploy-#1",
    "deploy---help",
    "deploy-日本語",
    "deploy-\u202eabc",
    "deploy-😀",
    "deploy-ÄÖÜ",
    "deploy-" + "a" * 230,
)

# Text as git may hand it over: any characters, and bytes that are not UTF-8 as lone surrogates.
ANY_TEXT = st.text(st.characters(codec=None, categories=None), max_size=255)


def generated() -> st.SearchStrategy[str]:
    """Return names that hypothesis makes: any text, fragments in a row, and near twins."""
    rows = st.lists(st.sampled_from(FRAGMENTS) | st.text("ab-_/.A", max_size=4), max_size=8)
    return ANY_TEXT | rows.map("".join) | rows.map(lambda row: "deploy-" + "".join(row))

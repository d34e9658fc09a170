"""Tags hold any branch, in the few characters that AWS takes."""

from hypothesis import given
from hypothesis import strategies as st

from reviewapps.clients.aws.tags import LONGEST, REFUSED, as_tags, decoded, encoded, read_tags
from tests.hostile import BRANCHES


def test_a_hostile_branch_fits_a_tag_and_comes_back() -> None:
    for branch in BRANCHES:
        (tag,) = [each for each in as_tags({"branch": branch}) if each["Key"] == "branch"]
        assert len(tag["Value"]) <= LONGEST
        assert not REFUSED.search(tag["Value"].replace("=", ""))
        known = read_tags(as_tags({"branch": branch})).get("branch")
        if len(tag["Value"]) < LONGEST:
            assert known == branch.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
        else:
            assert known is None


@given(st.text())
def test_text_survives_a_tag(text: str) -> None:
    short = text[: LONGEST // 12]  # four bytes, each written with three characters
    assert decoded(encoded(short)) == short


def test_tags_of_others_are_none_of_ours() -> None:
    assert read_tags([{"Key": "platform", "Value": "theirs"}, {"Key": "slug", "Value": "x"}]) == {}

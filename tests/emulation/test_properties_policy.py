"""Properties of policy evaluation, against matchers and judges that are too slow to use and too plain to be wrong."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from ddreport.emulation.conditions import make_context
from ddreport.emulation.globs import compile_glob, compile_with_variables
from ddreport.emulation.policy import Decision, decide, parse_policy
from ddreport.emulation.policy_breadth import broad_data_plane_actions

ARN = "arn:aws:iot:eu-west-1:123456789012:"
ANY, ONE = "any run of characters", "one character"


def plainly_matches(pattern, text):
    """Match a list of characters, ANY and ONE by trying everything."""
    if not pattern:
        return not text
    if pattern[0] == ANY:
        return any(plainly_matches(pattern[1:], text[n:]) for n in range(len(text) + 1))
    return bool(text) and pattern[0] in (ONE, text[0]) and plainly_matches(pattern[1:], text[1:])


# A pattern is drawn as pieces, each with what it means, so that nothing has to be read to know the truth.
VALUES = {"iot:ClientId": "ab", "iot:Connection.Thing.ThingName": "a*", "x:empty": ""}
WRITTEN = {
    "*": [ANY],
    "?": [ONE],
    "a": ["a"],
    "b": ["b"],
    "/": ["/"],
    "+": ["+"],
    "#": ["#"],
    "$": ["$"],
    "${*}": ["*"],
    "${?}": ["?"],
    "${$}": ["$"],
    "${iot:ClientId}": ["a", "b"],
    "${IOT:clientid}": ["a", "b"],
    "${iot:Connection.Thing.ThingName}": ["a", "*"],
    "${x:empty}": [],
}
UNKNOWN = "${iot:Unknown}"
without_variables = st.lists(st.sampled_from(["*", "?", "a", "b", "/", "+", "#"]), max_size=7)
with_variables = st.lists(st.sampled_from([*WRITTEN]), max_size=5)
texts = st.text("ab/+#*?$", max_size=8)


def meaning(pieces):
    return [token for piece in pieces for token in WRITTEN[piece]]


def value_of(name):
    return {key.lower(): value for key, value in VALUES.items()}.get(name.lower())


@given(without_variables, texts)
@settings(max_examples=400, deadline=None)
def test_matching_is_what_trying_everything_finds(pieces, text):
    assert compile_glob("".join(pieces)).matches(text) == plainly_matches(meaning(pieces), text)


@given(with_variables, texts)
@settings(max_examples=400, deadline=None)
def test_variables_stand_for_the_characters_of_their_values(pieces, text):
    compiled = compile_with_variables("".join(pieces), value_of)
    assert compiled is not None
    assert compiled.matches(text) == plainly_matches(meaning(pieces), text)


@given(with_variables, with_variables)
@settings(max_examples=100, deadline=None)
def test_a_pattern_with_an_unknown_variable_matches_nothing(before, after):
    assert compile_with_variables("".join([*before, UNKNOWN, *after]), value_of) is None


# Whole policies: few names, so that statements meet often.
ACTIONS = ("iot:Connect", "iot:Publish", "iot:Subscribe")
action_patterns = st.sampled_from([*ACTIONS, "iot:*", "*", "IOT:connect", "iot:?ublish", "iot:*s*", "s3:*"])
RESOURCES = ("topic/ab", "topic/a", "topic/a*", "client/ab", "client/", "topicfilter/ab/+", "topicfilter/ab/x")
resource_pieces = st.lists(st.sampled_from(["*", "?", "a", "b", "/", "+", *list(WRITTEN)[-4:], UNKNOWN]), max_size=4)
resource_patterns = st.one_of(
    st.just(["*"]), st.tuples(st.sampled_from(["topic/", "client/", "topicfilter/"]), resource_pieces)
)
CONDITIONS = (
    (None, True),
    ({"Bool": {"iot:Connection.Thing.IsAttached": "true"}}, True),
    ({"Bool": {"iot:Connection.Thing.IsAttached": "false"}}, False),
    ({"StringEquals": {"iot:ClientId": ["x", "ab"]}}, True),
    ({"StringNotEquals": {"iot:ClientId": "ab"}}, False),
    ({"StringLike": {"iot:clientid": "a?"}, "Null": {"iot:ClientId": "true"}}, False),
    ({"StringLikeNobodyKnows": {"iot:ClientId": "*"}}, False),
)
CONTEXT = make_context({**VALUES, "iot:Connection.Thing.IsAttached": True})


def written(pattern):
    if pattern == ["*"]:
        return "*"
    kind, pieces = pattern
    return ARN + kind + "".join(pieces)


def plainly_covers(pattern, resource):
    if pattern == ["*"]:
        return True
    kind, pieces = pattern
    if UNKNOWN in pieces:
        return False
    return plainly_matches([*kind, *meaning(pieces)], resource)


@st.composite
def statements(draw, effects=("Allow", "Deny")):
    """Return a statement with a function that says whether it applies to an action on a resource."""
    actions = draw(st.lists(action_patterns, min_size=1, max_size=2))
    resources = draw(st.lists(resource_patterns, min_size=1, max_size=2))
    other_actions, other_resources = draw(st.booleans()), draw(st.booleans())
    condition, holds = draw(st.sampled_from(CONDITIONS))
    effect = draw(st.sampled_from(effects))
    raw = {"Effect": effect, ("NotAction" if other_actions else "Action"): actions}
    raw["NotResource" if other_resources else "Resource"] = [written(pattern) for pattern in resources]
    if condition is not None:
        raw["Condition"] = condition

    def applies(action, resource):
        named = any(
            plainly_matches([{"*": ANY, "?": ONE}.get(c, c) for c in pattern.lower()], action.lower())
            for pattern in actions
        )
        meant = any(plainly_covers(pattern, resource) for pattern in resources)
        return holds and named != other_actions and meant != other_resources

    return raw, effect, applies


def plain_decision(drawn, action, resource):
    effects = {effect for _, effect, applies in drawn if applies(action, resource)}
    if "Deny" in effects:
        return Decision.EXPLICITLY_DENIED
    return Decision.ALLOWED if effects else Decision.NOT_ALLOWED


def policy_of(*drawn):
    return parse_policy({"Version": "2012-10-17", "Statement": [raw for raw, _, _ in drawn]})


requests = st.tuples(st.sampled_from(ACTIONS), st.sampled_from(RESOURCES))


@given(st.lists(statements(), max_size=5), requests)
@settings(max_examples=500, deadline=None)
def test_a_decision_is_what_each_statement_for_itself_says(drawn, request_):
    action, resource = request_
    decision = decide([policy_of(*drawn)], action, ARN + resource, CONTEXT)
    assert decision is plain_decision(drawn, action, resource)


@given(st.lists(statements(), min_size=1, max_size=5), requests, st.randoms(use_true_random=False))
@settings(max_examples=200, deadline=None)
def test_neither_order_nor_the_division_into_policies_matters(drawn, request_, random):
    action, resource = request_
    together = decide([policy_of(*drawn)], action, ARN + resource, CONTEXT)
    random.shuffle(drawn)
    assert decide([policy_of(one) for one in drawn], action, ARN + resource, CONTEXT) is together


@given(st.lists(statements(), max_size=4), statements(effects=("Deny",)), requests)
@settings(max_examples=200, deadline=None)
def test_one_more_deny_never_allows_and_wins_where_it_applies(drawn, deny, request_):
    action, resource = request_
    before = decide([policy_of(*drawn)], action, ARN + resource, CONTEXT)
    after = decide([policy_of(*drawn), policy_of(deny)], action, ARN + resource, CONTEXT)
    assert after is (Decision.EXPLICITLY_DENIED if deny[2](action, resource) else before)


@given(st.lists(action_patterns, min_size=1, max_size=3), st.lists(resource_patterns, min_size=1, max_size=3), requests)
@settings(max_examples=200, deadline=None)
def test_not_action_and_not_resource_speak_of_all_that_the_plain_forms_do_not(actions, resources, request_):
    action, resource = request_
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    names = [written(pattern) for pattern in resources]
    pairs = [
        ({"Action": actions, "Resource": "*"}, {"NotAction": actions, "Resource": "*"}),
        ({"Action": "*", "Resource": names}, {"Action": "*", "NotResource": names}),
    ]
    for plain, complement in pairs:
        decisions = [
            decide([parse_policy({"Version": "2012-10-17", "Statement": [everything, {"Effect": "Deny"} | form]})],
                   action, ARN + resource, CONTEXT)
            for form in (plain, complement)
        ]  # fmt: skip
        assert sorted(d.value for d in decisions) == ["allowed", "explicitly denied"]


# Breadth and decisions speak of the same policies, so they must agree where both know the answer.
THING = "iot:Connection.Thing.ThingName"
grant_pieces = st.lists(st.sampled_from(["pump", "-", "*", "${" + THING + "}"]), max_size=4).map("".join)
grants = st.one_of(
    st.just("*"),
    st.tuples(st.sampled_from(["client/", "thing/", "topic/$aws/things/", "topic/", ""]), grant_pieces).map(
        lambda parts: ARN + "".join(parts)
    ),
)
ON_OTHERS = {
    "iot:Connect": "client/~other~",
    "iot:GetThingShadow": "thing/~other~",
    "iot:Publish": "topic/$aws/things/~other~/shadow/update",
}


@given(st.lists(st.tuples(st.sampled_from(["iot:*", *ON_OTHERS]), grants), min_size=1, max_size=3))
@settings(max_examples=300, deadline=None)
def test_what_lets_a_thing_act_on_an_unrelated_one_is_broad(drawn):
    document = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": action, "Resource": resource} for action, resource in drawn],
    }
    broad = broad_data_plane_actions(json.dumps(document), ARN)
    context = make_context({THING: "pump-1"})
    for action, resource in ON_OTHERS.items():
        reaches = decide([parse_policy(document)], action, ARN + resource, context) is Decision.ALLOWED
        # Of topics and named shadows it is enough that one of the other's is reached; a client has one name.
        if reaches or action == "iot:Connect":
            assert (action in broad) == reaches

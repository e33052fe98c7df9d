"""Policy documents: patterns, conditions, decisions. Pure."""

from __future__ import annotations

import fnmatch
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ddreport.emulation.conditions import holds, make_context
from ddreport.emulation.globs import Value, compile_glob, compile_with_variables
from ddreport.emulation.policy import Decision, PolicyError, decide, parse_policy

ARN = "arn:aws:iot:eu-west-1:123456789012:"


def policy(*statements, version="2012-10-17"):
    return parse_policy({"Version": version, "Statement": list(statements)})


def allow(action, resource, **more):
    return {"Effect": "Allow", "Action": action, "Resource": resource} | more


def deny(action, resource, **more):
    return {"Effect": "Deny", "Action": action, "Resource": resource} | more


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("*", "", True),
        ("*", "anything/at:all", True),
        ("topic/a*", "topic/abc/d", True),
        ("topic/?", "topic/a", True),
        ("topic/?", "topic/", False),
        ("topic/?", "topic/ab", False),
        ("topic/+/x", "topic/a/x", False),
        ("topic/+/x", "topic/+/x", True),
        ("topic/#", "topic/a", False),
        ("a**b", "ab", True),
        ("a*b*c", "a-b-b-c", True),
        ("a*b*c", "a-b-b", False),
        ("Topic", "topic", False),
        ("a.c", "abc", False),
    ],
)
def test_star_and_question_mark_are_the_only_wildcards(pattern, text, expected):
    assert compile_glob(pattern).matches(text) is expected


small_patterns = st.text("ab*?", max_size=8)
small_texts = st.text("ab", max_size=8)


@given(small_patterns, small_texts)
@settings(max_examples=300, deadline=None)
def test_matching_agrees_with_the_shell(pattern, text):
    assert compile_glob(pattern).matches(text) == fnmatch.fnmatchcase(text, pattern)


@given(small_patterns, small_texts, small_texts)
@settings(max_examples=300, deadline=None)
def test_whoever_matches_a_text_matches_some_text_with_each_of_its_beginnings(pattern, begin, rest):
    compiled = compile_glob(pattern)
    if compiled.matches(begin + rest):
        assert compiled.matches_some_with_prefix(begin)


@given(small_patterns, small_patterns, small_texts)
@settings(max_examples=500, deadline=None)
def test_what_covers_a_pattern_matches_all_that_it_matches(wide, narrow, text):
    if compile_glob(wide).covers(compile_glob(narrow)) and compile_glob(narrow).matches(text):
        assert compile_glob(wide).matches(text)


@pytest.mark.parametrize(
    ("wide", "narrow", "expected"),
    [("*", "a*b", True), ("a*", "ab*", True), ("ab*", "a*", False), ("a?", "ab", True), ("a?", "a*", False)],
)
def test_covering(wide, narrow, expected):
    assert compile_glob(wide).covers(compile_glob(narrow)) is expected


def test_values_of_variables_are_plain_text():
    compiled = compile_with_variables("topic/${iot:ClientId}/*", {"iot:ClientId": "a*"}.get)
    assert compiled.matches("topic/a*/x")
    assert not compiled.matches("topic/abc/x")


def test_a_variable_without_a_value_matches_nothing():
    assert compile_with_variables("topic/${iot:Unknown}", {}.get) is None


def test_a_variable_may_stand_for_anything():
    assert compile_with_variables("client/${x}", lambda _: Value.ANY).matches("client/whoever")


def test_escaped_wildcards_are_plain_characters():
    compiled = compile_with_variables("a${*}b${?}c${$}", {}.get)
    assert compiled.matches("a*b?c$")
    assert not compiled.matches("axbxcx")


def test_long_patterns_of_stars_do_not_explode():
    assert not compile_glob("*a" * 200 + "c").matches("a" * 5_000)


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({"StringEquals": {"aws:SourceAccount": "123456789012"}}, True),
        ({"StringEquals": {"AWS:sourceaccount": ["1", "123456789012"]}}, True),
        ({"StringNotEquals": {"aws:SourceAccount": "123456789012"}}, False),
        ({"StringEquals": {"aws:Missing": "x"}}, False),
        ({"StringNotEquals": {"aws:Missing": "x"}}, True),
        ({"StringEqualsIfExists": {"aws:Missing": "x"}}, True),
        ({"StringEqualsIgnoreCase": {"iot:ClientId": "PUMP-1"}}, True),
        ({"StringLike": {"iot:ClientId": "pump-*"}}, True),
        ({"StringNotLike": {"iot:ClientId": "pump-*"}}, False),
        ({"StringEquals": {"iot:Connection.Thing.ThingName": "${iot:ClientId}"}}, True),
        ({"ArnLike": {"aws:SourceArn": f"{ARN}*"}}, True),
        ({"ArnLike": {"aws:SourceArn": "arn:aws:iot:*:123456789012::*"}}, False),
        ({"ArnEquals": {"aws:SourceArn": "arn:aws:iot:us-east-1:123456789012:"}}, False),
        ({"Bool": {"iot:Connection.Thing.IsAttached": "true"}}, True),
        ({"Bool": {"iot:Connection.Thing.IsAttached": [True]}}, True),
        ({"Bool": {"iot:Connection.Thing.IsAttached": "false"}}, False),
        ({"Null": {"aws:Missing": "true"}}, True),
        ({"Null": {"iot:ClientId": "true"}}, False),
        ({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, True),
        ({"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, False),
        ({"NumericLessThan": {"x:age": "6"}}, True),
        ({"NumericLessThan": {"x:age": "five"}}, False),
        ({"ForAnyValue:StringEquals": {"x:tags": ["b", "z"]}}, True),
        ({"ForAllValues:StringEquals": {"x:tags": ["b", "z"]}}, False),
        ({"ForAllValues:StringEquals": {"aws:Missing": ["b"]}}, True),
        ({"NoSuchOperator": {"iot:ClientId": "pump-1"}}, False),
        ({"StringEquals": {"iot:ClientId": "pump-1"}, "Bool": {"iot:Connection.Thing.IsAttached": "false"}}, False),
        ({}, True),
    ],
)
def test_conditions(conditions, expected):
    context = make_context(
        {
            "aws:SourceAccount": "123456789012",
            "aws:SourceArn": f"{ARN}",
            "aws:SourceIp": "10.1.2.3",
            "iot:ClientId": "pump-1",
            "iot:Connection.Thing.ThingName": "pump-1",
            "iot:Connection.Thing.IsAttached": True,
            "x:age": "5",
            "x:tags": ("a", "b"),
        }
    )
    assert holds(conditions, context) is expected


@pytest.mark.parametrize(
    ("statements", "action", "resource", "expected"),
    [
        ([allow("iot:Publish", f"{ARN}topic/a/*")], "iot:Publish", "topic/a/b", Decision.ALLOWED),
        ([allow("iot:Publish", f"{ARN}topic/a/*")], "iot:Publish", "topic/b", Decision.NOT_ALLOWED),
        ([allow("iot:Publish", f"{ARN}topic/a/*")], "iot:Subscribe", "topic/a/b", Decision.NOT_ALLOWED),
        ([allow("IOT:PUBLISH", "*")], "iot:Publish", "topic/b", Decision.ALLOWED),
        (
            [allow("iot:*", "*"), deny("iot:Publish", f"{ARN}topic/x")],
            "iot:Publish",
            "topic/x",
            Decision.EXPLICITLY_DENIED,
        ),
        ([deny("iot:Publish", "*"), allow("iot:*", "*")], "iot:Publish", "topic/x", Decision.EXPLICITLY_DENIED),
        ([allow("iot:*", "*"), deny("iot:Publish", f"{ARN}topic/x")], "iot:Publish", "topic/y", Decision.ALLOWED),
        (
            [{"Effect": "Allow", "NotAction": "iot:Delete*", "Resource": "*"}],
            "iot:Publish",
            "topic/y",
            Decision.ALLOWED,
        ),
        (
            [{"Effect": "Allow", "NotAction": "iot:Delete*", "Resource": "*"}],
            "iot:DeleteThing",
            "thing/y",
            Decision.NOT_ALLOWED,
        ),
        (
            [{"Effect": "Allow", "Action": "iot:*", "NotResource": f"{ARN}topic/secret*"}],
            "iot:Publish",
            "topic/secret/1",
            Decision.NOT_ALLOWED,
        ),
        (
            [{"Effect": "Deny", "Action": "iot:*", "NotResource": f"{ARN}topic/a"}, allow("iot:*", "*")],
            "iot:Publish",
            "topic/b",
            Decision.EXPLICITLY_DENIED,
        ),
        ([allow("iot:Connect", f"{ARN}client/${{iot:ClientId}}")], "iot:Connect", "client/pump-1", Decision.ALLOWED),
        ([allow("iot:Connect", f"{ARN}client/${{iot:ClientId}}")], "iot:Connect", "client/other", Decision.NOT_ALLOWED),
        ([], "iot:Connect", "client/x", Decision.NOT_ALLOWED),
    ],
)
def test_decisions(statements, action, resource, expected):
    context = make_context({"iot:ClientId": "pump-1"})
    assert decide([policy(*statements)], action, ARN + resource, context) is expected


def test_a_filter_is_matched_by_its_own_text():
    filters = policy(allow("iot:Subscribe", f"{ARN}topicfilter/plant/+"))
    assert decide([filters], "iot:Subscribe", f"{ARN}topicfilter/plant/+") is Decision.ALLOWED
    assert decide([filters], "iot:Subscribe", f"{ARN}topicfilter/plant/7") is Decision.NOT_ALLOWED


def test_a_deny_of_one_policy_beats_the_allow_of_another():
    policies = [policy(allow("iot:*", "*")), policy(deny("iot:Connect", "*"))]
    assert decide(policies, "iot:Connect", f"{ARN}client/x") is Decision.EXPLICITLY_DENIED


def test_a_statement_whose_condition_does_not_hold_says_nothing():
    conditional = deny("iot:*", "*", Condition={"Bool": {"iot:Connection.Thing.IsAttached": "false"}})
    context = make_context({"iot:Connection.Thing.IsAttached": True})
    policies = [policy(allow("iot:*", "*"), conditional)]
    assert decide(policies, "iot:Connect", f"{ARN}client/x", context) is Decision.ALLOWED


def test_old_documents_have_no_variables():
    old = policy(allow("iot:Connect", "client/${iot:ClientId}"), version="2008-10-17")
    assert decide([old], "iot:Connect", "client/${iot:ClientId}") is Decision.ALLOWED


def test_a_single_statement_and_single_values_need_no_lists():
    single = parse_policy(json.dumps({"Statement": {"Effect": "Allow", "Action": "a:b", "Resource": "*"}}))
    assert single.allows[0].actions == ("a:b",)


@pytest.mark.parametrize(
    "document",
    [
        "not json",
        "[]",
        "{}",
        '{"Statement": ["x"]}',
        '{"Statement": [{"Effect": "allow", "Action": "a", "Resource": "*"}]}',
        '{"Statement": [{"Effect": "Allow", "Resource": "*"}]}',
        '{"Statement": [{"Effect": "Allow", "Action": "a", "NotAction": "b", "Resource": "*"}]}',
        '{"Statement": [{"Effect": "Allow", "Action": "a", "Resource": "*", "NotResource": "b"}]}',
        '{"Statement": [{"Effect": "Allow", "Action": [1], "Resource": "*"}]}',
        '{"Statement": [{"Effect": "Allow", "Action": [], "Resource": "*"}]}',
        '{"Statement": [{"Effect": "Allow", "Action": "a", "Resource": "*", "Condition": {"Bool": "x"}}]}',
        "[" * 100_000,
    ],
)
def test_what_is_no_policy_is_refused(document):
    with pytest.raises(PolicyError):
        parse_policy(document)

"""What is no specific reason (12 CFR 1002.9(b)(2)), and what is one."""

import pytest

from lending.domain.application.insufficient import insufficient_wording
from lending.domain.application.reasons import REASON_TEXTS, Reason


@pytest.mark.parametrize(
    "text",
    [
        "failed score",
        "you failed our score",
        "credit score too low",
        "Score, minimum",
        "did not meet our score cut-off",
        "score below the minimum",
        "poorly SCORED",
        "creditscoring",
        "FICO 580",
        "\uff33\uff43\uff4f\uff52\uff45",
        "sc\u200bore",
    ],
)
def test_a_score_that_was_missed_is_no_reason(text: str) -> None:
    assert "score" in (said := insufficient_wording(text) or ""), said


@pytest.mark.parametrize(
    "text",
    [
        "does not meet our standards",
        "standards of the company",
        "did not meet our internal guidelines",
        "internal  GUIDELINE",
        "guidelines, internal",
        "our policies",
        "policy",
        "policies of the lender",
        "against credit-policy",
        "the underwriting criteria",
        "criterion not fulfilled",
        "requirements not satisfied",
        "below the minimum",
        "below our cut-offs",
        "Cut Off not reached",
        "you do not qualify",
        "your application was declined",
        "credit rating",
        "internal standards, says Mary Smith",
    ],
)
def test_the_creditors_own_standards_are_no_reason(text: str) -> None:
    assert insufficient_wording(text) is not None


@pytest.mark.parametrize("text", ["", ".", "   ", "-- / --", "\u200b", "42"])
def test_a_text_without_words_is_no_reason(text: str) -> None:
    assert insufficient_wording(text) == "it has no words"


@pytest.mark.parametrize(
    "text",
    [
        "age of automobile",
        "runs a circus",
        "insurance policy lapsed",
        "police record of fraud",
        "construction is substandard",
        "the property does not meet flood zone requirements",
        "income below the minimum for this amount",
        "debt exceeds 43 % of income",
        "unable to verify the employer",
        "business license expired",
        "\u0432\u043e\u0437\u0440\u0430\u0441\u0442 \u0430\u0432\u0442\u043e\u043c\u043e\u0431\u0438\u043b\u044f",
        *(
            text
            for reason, text in REASON_TEXTS.items()
            if reason not in (Reason.OTHER, Reason.NOT_RECORDED)
        ),
    ],
)
def test_what_is_about_the_applicant_is_a_reason(text: str) -> None:
    assert insufficient_wording(text) is None


def test_what_is_said_of_a_text_is_none_of_it() -> None:
    said = insufficient_wording("internal standards, says Mary Smith, of her score")
    assert said is not None
    assert "mary" not in said.lower()
